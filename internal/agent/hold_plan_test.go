package agent

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
)

// filledNetwork is a snapshot that holds a network with so many hosts behind one
// VTEP, and the intent that it is right for.
func filledNetwork(t testing.TB, hosts int) (*ovsdb.Snapshot, *vtep.Intent) {
	t.Helper()
	data, err := os.ReadFile(ovsdbd.VTEPSchema)
	if err != nil {
		t.Fatalf("the hardware_vtep schema is needed: run `make deps` (%v)", err)
	}
	schema, err := ovsdb.ParseSchema(data)
	if err != nil {
		t.Fatal(err)
	}
	snap := vtep.NewSnapshot(schema)
	e := snap.Edit()
	made := 0
	put := func(table string, cells ...ovsdb.Cell) ovsdb.UUID {
		made++
		u := ovsdb.UUID{6: 0x40, 8: 0x80, 13: byte(made >> 16), 14: byte(made >> 8), 15: byte(made)}
		layout := snap.Table(table).Layout()
		values := make([]ovsdb.Value, len(layout.Columns))
		for i, c := range layout.Columns {
			values[i] = c.Type.Default()
			for _, cell := range cells {
				if cell.Column == c.Name {
					values[i] = cell.Value
				}
			}
		}
		e.Put(ovsdb.NewRow(layout, u, values))
		return u
	}
	ls := put("Logical_Switch", ovsdb.Cell{Column: "name", Value: "net-a"}, ovsdb.Cell{Column: "tunnel_key", Value: ovsdb.NewSet(int64(5001))},
		ovsdb.Cell{Column: "replication_mode", Value: ovsdb.NewSet("source_node")})
	locator := put("Physical_Locator", ovsdb.Cell{Column: "encapsulation_type", Value: "vxlan_over_ipv4"}, ovsdb.Cell{Column: "dst_ip", Value: "10.0.1.1"})
	set := put("Physical_Locator_Set", ovsdb.Cell{Column: "locators", Value: ovsdb.NewSet(locator)})
	put("Mcast_Macs_Remote", ovsdb.Cell{Column: "MAC", Value: "unknown-dst"}, ovsdb.Cell{Column: "logical_switch", Value: ls}, ovsdb.Cell{Column: "locator_set", Value: set})
	port := put("Physical_Port", ovsdb.Cell{Column: "name", Value: "eth1"}, ovsdb.Cell{Column: "vlan_bindings", Value: ovsdb.NewMap(ovsdb.Pair{Key: int64(100), Value: ls})})
	put("Physical_Switch", ovsdb.Cell{Column: "name", Value: "ps1"}, ovsdb.Cell{Column: "tunnel_ips", Value: ovsdb.NewSet("10.0.0.1")}, ovsdb.Cell{Column: "ports", Value: ovsdb.NewSet(port)})

	vtepIP := netip.MustParseAddr("10.0.1.1")
	seg := &l2gw.Segment{NetworkID: "net-a", VNI: 5001, VTEPs: []netip.Addr{vtepIP}}
	for i := range hosts {
		mac := l2gw.MAC{0xfa, 0x16, 0x3e, 0, byte(i >> 8), byte(i)}
		seg.Hosts = seg.Hosts.Set(mac, l2gw.Host{MAC: mac, VTEP: vtepIP})
		put("Ucast_Macs_Remote", ovsdb.Cell{Column: "MAC", Value: mac.String()}, ovsdb.Cell{Column: "logical_switch", Value: ls}, ovsdb.Cell{Column: "locator", Value: locator})
	}
	key := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}
	return e.Commit(), &vtep.Intent{
		Bindings: map[l2gw.BindingKey]l2gw.Binding{key: {BindingKey: key, NetworkID: "net-a"}},
		Segments: map[string]*l2gw.Segment{"net-a": seg},
		Owned:    l2gw.Ownership{Networks: map[string]l2gw.VNI{"net-a": 5001}, Bindings: map[l2gw.BindingKey]string{key: "net-a"}},
	}
}

// planHeld plans as a database's goroutine does.
func planHeld(h *holds, snap *ovsdb.Snapshot, in *vtep.Intent, scope vtep.Scope) *vtep.Plan {
	caps := vtep.Probe(snap.Schema, snap)
	l := look{
		scope: scope, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		standing: func(id string) standing {
			for _, b := range in.Bindings {
				if b.NetworkID == id {
					return standsBound
				}
			}
			return standsUnbound
		},
		total: func() int {
			n := 0
			for id := range in.Owned.Networks {
				n += vtep.RowsOf(snap, id)
			}
			return n
		},
	}
	return h.plan(l, func(keep, unbinds func(string) bool) *vtep.Plan {
		kept := *in
		kept.Keep, kept.Unbinds = keep, unbinds
		return vtep.MakePlan(snap, caps, &kept, scope, nil)
	})
}

func TestAHeldRemovalIsLeftOutOfThePlanUntilItIsReleasedAndAnUnboundNetworkGoes(t *testing.T) {
	snap, in := filledNetwork(t, 100)
	h := newHolds(0.3, 10)
	if p := planHeld(h, snap, in, everything); !p.InSync() {
		t.Fatalf("not right to begin with: %v", p.Differences)
	}

	full := in.Segments["net-a"]
	lost := *full
	for i := range 90 {
		lost.Hosts = lost.Hosts.Delete(l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, byte(i)})
	}
	more := l2gw.MAC{0xfa, 0x16, 0x3e, 1, 0, 0}
	lost.Hosts = lost.Hosts.Set(more, l2gw.Host{MAC: more, VTEP: full.VTEPs[0]})
	in.Segments["net-a"] = &lost
	p := planHeld(h, snap, in, everything)
	expectEqual(t, "operations of the held plan", 1, p.Operations())
	expectEqual(t, "verdict", "the removal of 90 of its rows is held", p.Networks["net-a"].Reason)
	expectEqual(t, "held", []string{"90 of 102 rows would go at once"}, []string{h.list()[0].Reason})

	h.release("net-a")
	expectEqual(t, "operations after the release", 91, planHeld(h, snap, in, everything).Operations())

	h = newHolds(0.3, 10)
	in.Segments["net-a"] = full
	clear(in.Bindings)
	p = planHeld(h, snap, in, everything)
	if len(h.list()) > 0 || p.Operations() < 102 {
		t.Errorf("the user has unbound the network, held is %v, and the plan has %d operations", h.list(), p.Operations())
	}
}

func BenchmarkOneHostGoesWhile4000NetworksAreHeld(b *testing.B) {
	snap, in := filledNetwork(b, 1000)
	h := newHolds(0.3, 10)
	for i := range 4000 {
		h.begin(fmt.Sprint("net-", i), held{rows: 90, total: 100, peak: 90})
	}
	seg := *in.Segments["net-a"]
	mac := l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}
	seg.Hosts = seg.Hosts.Delete(mac)
	in.Segments["net-a"] = &seg
	scope := vtep.Scope{MACs: map[string]map[l2gw.MAC]bool{"net-a": {mac: true}}}
	b.ReportAllocs()
	for b.Loop() {
		if p := planHeld(h, snap, in, scope); p.Operations() != 1 {
			b.Fatal(p.Operations())
		}
	}
}
