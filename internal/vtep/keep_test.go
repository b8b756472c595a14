package vtep

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"l2gw"
	"l2gw/ovsdb"
)

func keepOnly(ids ...string) func(string) bool {
	return func(id string) bool { return slices.Contains(ids, id) }
}

func TestAKeptNetworkIsAddedToAndNothingOfItIsRemoved(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, cn2)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth2", 100, "net-a")
	m.settle(t, in, all)

	in.Keep = keepOnly("net-a")
	in.Segments["net-a"] = segment("net-a", 5001, host(2, cn3), host(3, cn3))
	in.unbind("ps1", "eth2", 100)
	in.bind("ps2", "eth1", 100, "net-a")
	plan := m.settle(t, in, all)
	expect(t, "contents", []string{
		"net-a: bound ps1/eth1/100",
		"net-a: bound ps1/eth2/100",
		"net-a: bound ps2/eth1/100",
		"net-a: fa:16:3e:00:00:01 at 10.0.1.1 ip ",
		"net-a: fa:16:3e:00:00:02 at 10.0.1.3 ip ",
		"net-a: fa:16:3e:00:00:03 at 10.0.1.3 ip ",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.1 10.0.1.2 10.0.1.3}",
	}, m.contents())
	expect(t, "verdict", Verdict{l2gw.StatusActive, "the removal of 3 of its rows is held"}, plan.Networks["net-a"])
	expect(t, "removals", map[string]Removal{"net-a": {Rows: 3, Total: 7}}, plan.Removals)
	if plan.InSync() {
		t.Error("the database is said to hold nothing besides what it should")
	}

	in.Unbinds = keepOnly("net-a") // the user's own deed
	m.settle(t, in, all)
	if got := strings.Join(m.contents(), "\n"); strings.Contains(got, "eth2") || !strings.Contains(got, "fa:16:3e:00:00:01") {
		t.Errorf("want the deleted binding gone and all rows there:\n%s", got)
	}

	in.Keep = nil
	plan = m.settle(t, in, all)
	expect(t, "contents once it is let go", []string{
		"net-a: bound ps1/eth1/100",
		"net-a: bound ps2/eth1/100",
		"net-a: fa:16:3e:00:00:02 at 10.0.1.3 ip ",
		"net-a: fa:16:3e:00:00:03 at 10.0.1.3 ip ",
		`net-a: switch "name of net-a" key 5001 mode source_node`,
		"net-a: unknown-dst at {10.0.1.3}",
	}, m.contents())
	expect(t, "removals", 0, len(plan.Removals))
}

func TestAKeptLogicalSwitchIsNeitherRemovedNorRebuiltAndOthersWaitForItsVNI(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1)), segment("net-b", 5002, host(1, cn1)), segment("net-c", 5003, host(1, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	in.bind("ps1", "eth1", 200, "net-b")
	in.bind("ps1", "eth1", 300, "net-c")
	m.settle(t, in, all)
	before := m.contents()

	in.Keep = keepOnly("net-a", "net-b")
	in.unbind("ps1", "eth1", 100)
	in.Segments["net-b"] = segment("net-b", 6002, host(1, cn1), host(2, cn1))
	in.Segments["net-c"] = segment("net-c", 5002, host(1, cn1)) // that of net-b
	plan := m.settle(t, in, all)
	expect(t, "contents", before, m.contents())
	expect(t, "verdicts", map[string]Verdict{
		"net-a": {l2gw.StatusBuild, "its removal is held"},
		"net-b": {l2gw.StatusBuild, "the VNI is 6002 and was 5002: the logical switch stays as it is, since the removal of its rows is held"},
		"net-c": {l2gw.StatusBuild, "VNI 5002 is held by logical switch net-b, which cannot be changed at present"},
	}, plan.Networks)
	expect(t, "removals", map[string]Removal{"net-a": {Rows: 3, Total: 3}}, plan.Removals) // net-b would lose nothing

	in.Keep = nil
	plan = m.settle(t, in, all)
	for _, id := range []string{"net-b", "net-c"} {
		expect(t, id, Verdict{Status: l2gw.StatusActive}, plan.Networks[id])
	}
}

func TestAVLANOfAKeptNetworkIsNotGivenToAnother(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001), segment("net-b", 5002))
	in.bind("ps1", "eth1", 100, "net-a")
	m.settle(t, in, all)
	in.bind("ps1", "eth1", 100, "net-b")
	in.Keep = keepOnly("net-a")
	plan := m.settle(t, in, all)
	expect(t, "verdict", Verdict{l2gw.StatusBuild, "VLAN 100 of ps1/eth1 is still bound to name of net-a, whose removals are held"},
		plan.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}])
	if got := strings.Join(m.contents(), "\n"); !strings.Contains(got, "net-a: bound ps1/eth1/100") {
		t.Errorf("the binding of the kept network is gone:\n%s", got)
	}
}

func TestTheRemovalOfOneMACIsCountedWithoutLookingAtTheNetworksRows(t *testing.T) {
	m := twoSwitches(t, vtepSchema(t))
	in := newIntent(segment("net-a", 5001, host(1, cn1), host(2, cn1), host(3, cn1)))
	in.bind("ps1", "eth1", 100, "net-a")
	m.settle(t, in, all)
	in.Segments["net-a"] = segment("net-a", 5001, host(1, cn1), host(3, cn1))
	for _, keep := range []func(string) bool{nil, keepOnly("net-a")} {
		in.Keep = keep
		plan := MakePlan(m.snap, Probe(m.snap.Schema, m.snap), in, Scope{MACs: map[string]map[l2gw.MAC]bool{"net-a": {mac(1): true, mac(2): true}}}, nil)
		expect(t, "removals", map[string]Removal{"net-a": {Rows: 1, Total: 5}}, plan.Removals)
		expect(t, "operations", keep == nil, plan.Operations() > 0)
	}
}

// piecesOf names, in plain words, each row of a network that the database has:
// those that Removal counts and its bindings.
func piecesOf(snap *ovsdb.Snapshot, id string) (rows, bindings map[string]bool) {
	rows, bindings = make(map[string]bool), make(map[string]bool)
	for ls := range snap.Table(tableLogicalSwitch).All() {
		if ls.Str("name") != id {
			continue
		}
		rows["logical switch "+ls.UUID().String()] = true
		for r := range snap.Table(tableUcastRemote).All() {
			if r.Ref("logical_switch") == ls.UUID() {
				rows["unicast row "+r.UUID().String()] = true
			}
		}
		for r := range snap.Table(tableMcastRemote).All() {
			if r.Ref("logical_switch") != ls.UUID() {
				continue
			}
			for v := range snap.Table(tableLocatorSet).Get(r.Ref("locator_set")).Set("locators").All() {
				rows[fmt.Sprintf("member %s of %s", v, r.UUID())] = true
			}
		}
		for r := range snap.Table(tablePhysicalPort).All() {
			for vlan, to := range r.Map("vlan_bindings").All() {
				if to == ovsdb.Value(ls.UUID()) {
					bindings[fmt.Sprintf("VLAN %d of %s", vlan, r.UUID())] = true
				}
			}
		}
	}
	return rows, bindings
}

// lost is how many rows of a network are gone, counted by looking at all there
// was and is: its rows but for further rows of a MAC and members of two sets, if something is left of those.
func lost(before, after *ovsdb.Snapshot, id string) int {
	old, now := before.Table(tableLogicalSwitch).Lookup(byName, id).First(), after.Table(tableLogicalSwitch).Lookup(byName, id).First()
	if old == nil {
		return 0
	}
	if now == nil {
		rows, _ := piecesOf(before, id)
		return len(rows)
	}
	rebuilt := now.UUID() != old.UUID()
	macs := func(snap *ovsdb.Snapshot) map[string][]ovsdb.UUID {
		found := make(map[string][]ovsdb.UUID)
		for r := range snap.Table(tableUcastRemote).All() {
			if ls := r.Ref("logical_switch"); ls == old.UUID() || ls == now.UUID() {
				found[strings.ToLower(r.Str("MAC"))] = append(found[strings.ToLower(r.Str("MAC"))], r.UUID())
			}
		}
		return found
	}
	count := 0
	has := macs(after)
	for mac, rows := range macs(before) {
		if len(has[mac]) == 0 {
			count += len(rows)
		}
	}
	members := func(snap *ovsdb.Snapshot) map[ovsdb.Value]bool {
		found := make(map[ovsdb.Value]bool)
		for r := range snap.Table(tableMcastRemote).All() {
			if r.Ref("logical_switch") == old.UUID() && r.Str("MAC") == unknownDst {
				for v := range snap.Table(tableLocatorSet).Get(r.Ref("locator_set")).Set("locators").All() {
					found[v] = true
				}
			}
		}
		return found
	}
	if rebuilt {
		return count // what goes and comes again was not counted
	}
	reached := members(after)
	for v := range members(before) {
		if !reached[v] {
			count++
		}
	}
	return count
}

func TestNothingOfAKeptNetworkIsEverRemovedAndAllIsMadeRightOnceItIsLetGo(t *testing.T) {
	now, old := vtepSchema(t), oldSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, now, old)
		w.m.lose = rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(t, "lost transactions")
		kept := rapid.SliceOfNDistinct(rapid.SampledFrom(worldNetworks), 0, 4, rapid.ID).Draw(t, "kept")
		w.in.Keep = keepOnly(kept...)
		scope := all
		if rapid.Bool().Draw(t, "single networks and MACs") {
			scope = Scope{Networks: make(map[string]bool), MACs: make(map[string]map[l2gw.MAC]bool)}
			for _, id := range worldNetworks {
				scope.Networks[id] = rapid.Bool().Draw(t, id+" whole")
				scope.MACs[id] = map[l2gw.MAC]bool{mac(rapid.IntRange(0, 8).Draw(t, "mac")): true}
			}
		}
		from := w.m.snap
		w.m.commits = nil
		w.m.settle(t, w.in, scope)
		w.watch(t, append([]*ovsdb.Snapshot{from}, w.m.commits...))
		for i, to := range w.m.commits {
			for _, id := range kept {
				if _, ours := w.in.Owned.Networks[id]; !ours {
					continue
				}
				rows, bindings := piecesOf(from, id)
				rowsNow, bindingsNow := piecesOf(to, id)
				for what := range rows {
					if !rowsNow[what] {
						t.Fatalf("commit %d: %s of the kept %s is gone", i, what, id)
					}
				}
				for what := range bindings {
					if !bindingsNow[what] {
						t.Fatalf("commit %d: the binding of %s to the kept %s is gone", i, what, id)
					}
				}
			}
		}

		w.in.Keep = nil
		before := w.m.contents()
		plan := w.run(t, all)
		w.check(t, plan, before)
	})
}

func TestRemovalsAreWhatIsLostInTheEndWhetherItIsKeptOrNot(t *testing.T) {
	now, old := vtepSchema(t), oldSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, now, old)
		from := w.m.snap
		caps := Probe(from.Schema, from)
		first := MakePlan(from, caps, w.in, all, nil)
		nothing := *w.in
		nothing.Keep = keepOnly()
		if diff := cmp.Diff(first, MakePlan(from, caps, &nothing, all, nil), cmp.AllowUnexported(ovsdb.Set{}, ovsdb.Map{})); diff != "" {
			t.Fatalf("to keep nothing makes another plan than not to say so: %s", diff)
		}
		for id, r := range first.Removals {
			if rows, _ := piecesOf(from, id); r.Total != len(rows) || r.Rows < 1 || r.Rows > r.Total || r.Total != RowsOf(from, id) {
				t.Fatalf("%s: %+v, and it has %d rows", id, r, len(rows))
			}
			keep := *w.in
			keep.Keep = keepOnly(id)
			if held := MakePlan(from, caps, &keep, all, nil); held.Removals[id] != r && !strings.Contains(held.Networks[id].Reason, "cannot be changed") {
				t.Fatalf("%s: %+v go, and %+v if it is kept", id, r, held.Removals[id])
			}
		}
		w.run(t, all)
		for _, id := range slices.Sorted(maps.Keys(w.in.Owned.Networks)) {
			if v := first.Networks[id]; v.Status == l2gw.StatusError || strings.HasPrefix(v.Reason, "VNI ") {
				continue // what stood in its way may have gone meanwhile
			}
			if want, got := lost(from, w.m.snap, id), first.Removals[id].Rows; want != got {
				t.Fatalf("%s lost %d rows, and %d were announced\nbefore:\n  %s\nafter:\n  %s", id, want, got,
					strings.Join(contents(from), "\n  "), strings.Join(w.m.contents(), "\n  "))
			}
		}
	})
}
