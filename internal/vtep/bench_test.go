package vtep

import (
	"fmt"
	"maps"
	"testing"

	"l2gw"
	"l2gw/ovsdb"
)

// largeNetwork is one network with so many hosts behind 100 VTEPs.
func largeNetwork(hosts int) *l2gw.Segment {
	s := &l2gw.Segment{NetworkID: "net-a", Name: "net-a", VNI: 5001}
	for i := range 100 {
		s.VTEPs = append(s.VTEPs, addr(fmt.Sprintf("10.1.0.%d", i+1)))
	}
	txn := s.Hosts.Txn()
	for i := range hosts {
		h := host(i, s.VTEPs[i%100].String(), fmt.Sprintf("10.%d.%d.%d", 2+i>>16, i>>8&255, i&255))
		txn.Set(h.MAC, h)
	}
	s.Hosts = txn.Commit()
	return s
}

// filled returns a database that holds what in asks for, written directly.
func filled(b *testing.B, in *Intent) *ovsdb.Snapshot {
	m := twoSwitches(b, vtepSchema(b))
	small := *in
	small.Segments = maps.Clone(in.Segments)
	seg := *in.Segments["net-a"]
	hosts := seg.Hosts
	seg.Hosts = (&l2gw.Segment{}).Hosts
	small.Segments["net-a"] = &seg
	m.settle(b, &small, all)
	ls := m.snap.Table(tableLogicalSwitch).Lookup(byName, "net-a").First().UUID()
	locators := make(map[string]ovsdb.UUID)
	for r := range m.snap.Table(tableLocator).All() {
		locators[r.Str("dst_ip")] = r.UUID()
	}
	e := m.snap.Edit()
	for _, h := range hosts.All() {
		e.Put(m.row(nil, tableUcastRemote, ovsdb.NewUUID(), []ovsdb.Cell{
			{Column: "MAC", Value: h.MAC.String()},
			{Column: "logical_switch", Value: ls},
			{Column: "locator", Value: locators[h.VTEP.String()]},
			{Column: "ipaddr", Value: firstIP(h)},
		}))
	}
	snap := e.Commit()
	if plan := MakePlan(snap, Probe(snap.Schema, snap), in, all, nil); !plan.InSync() {
		b.Fatalf("not in sync: %v", plan.Differences[:min(3, len(plan.Differences))])
	}
	return snap
}

func boundIntent(hosts int) *Intent {
	in := newIntent(largeNetwork(hosts))
	in.bind("ps1", "eth1", 100, "net-a")
	in.ByNetwork = boundNetworks(in)
	in.Options.Lock = "l2gw"
	return in
}

func BenchmarkAPassOver100000RowsThatAreRight(b *testing.B) {
	in := boundIntent(100_000)
	snap := filled(b, in)
	caps := Probe(snap.Schema, snap)
	b.ReportAllocs()
	for b.Loop() {
		if !MakePlan(snap, caps, in, all, nil).InSync() {
			b.Fatal("not in sync")
		}
	}
}

func BenchmarkOneMoreHostWith100000RowsPresent(b *testing.B) {
	in := boundIntent(100_000)
	snap := filled(b, in)
	caps := Probe(snap.Schema, snap)
	seg := *in.Segments["net-a"]
	h := host(1<<20, "10.1.0.7", "10.9.9.9")
	seg.Hosts = seg.Hosts.Set(h.MAC, h)
	in.Segments["net-a"] = &seg
	scope := Scope{MACs: map[string]map[l2gw.MAC]bool{"net-a": {h.MAC: true}}}
	b.ReportAllocs()
	for b.Loop() {
		if plan := MakePlan(snap, caps, in, scope, nil); len(plan.Txns) != 1 || len(plan.Txns[0].Ops) != 2 || plan.More {
			b.Fatalf("%d transactions", len(plan.Txns))
		}
	}
}

func Benchmark10000Inserts(b *testing.B) {
	in := boundIntent(10_000)
	none := *in
	seg := *in.Segments["net-a"]
	seg.Hosts = (&l2gw.Segment{}).Hosts
	none.Segments = map[string]*l2gw.Segment{"net-a": &seg}
	snap := filled(b, &none)
	caps := Probe(snap.Schema, snap)
	b.ReportAllocs()
	for b.Loop() {
		if plan := MakePlan(snap, caps, in, all, nil); len(plan.Txns) < 10 || plan.More {
			b.Fatalf("%d transactions", len(plan.Txns))
		}
	}
}
