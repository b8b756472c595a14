package vtep

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"l2gw"
	"l2gw/ovsdb"
)

// watch looks at each commit on the way, as somebody who monitors the database
// does, and ends the test at the first that makes something wrong that was not so before.
func (w *world) watch(t fatalf, states []*ovsdb.Snapshot) {
	t.Helper()
	from := states[0]
	for i, to := range states[1:] {
		before := w.violations(from)
		for what := range w.violations(to) {
			if !before[what] {
				t.Fatalf("commit %d: %s\nfrom:\n  %s\nto:\n  %s", i, what, strings.Join(contents(from), "\n  "), strings.Join(contents(to), "\n  "))
			}
		}
		for _, mac := range w.vanished(from, to) {
			t.Fatalf("commit %d: %s is gone for a moment\nfrom:\n  %s\nto:\n  %s", i, mac, strings.Join(contents(from), "\n  "), strings.Join(contents(to), "\n  "))
		}
		if want, got := w.foreign(from), w.foreign(to); !slices.Equal(want, got) {
			t.Fatalf("commit %d: what is not ours changed from\n  %s\nto\n  %s", i, strings.Join(want, "\n  "), strings.Join(got, "\n  "))
		}
		from = to
	}
}

// violations are the ways in which a state breaks the rules: a VNI twice, a MAC
// twice, a unicast row whose VTEP does not get broadcasts.
func (w *world) violations(snap *ovsdb.Snapshot) map[string]bool {
	found := make(map[string]bool)
	ours := func(ls *ovsdb.Row) bool { _, ok := w.in.Owned.Networks[ls.Str("name")]; return ok }
	for a := range snap.Table(tableLogicalSwitch).All() {
		for b := range snap.Table(tableLogicalSwitch).All() {
			x, hasX := a.Int("tunnel_key")
			y, hasY := b.Int("tunnel_key")
			if a != b && hasX && hasY && x == y && (ours(a) || ours(b)) {
				found[fmt.Sprintf("%s and %s have VNI %d", a.UUID(), b.UUID(), x)] = true
			}
		}
	}
	type key struct {
		ls  ovsdb.UUID
		mac string
	}
	count := make(map[key]int)
	sourceNode := w.m.snap.Schema.Has(tableLogicalSwitch, "replication_mode")
	for r := range snap.Table(tableUcastRemote).All() {
		k := key{r.Ref("logical_switch"), strings.ToLower(r.Str("MAC"))}
		count[k]++
		found[fmt.Sprintf("%d rows of %s in %s", count[k], k.mac, k.ls)] = count[k] > 1
		ls := snap.Table(tableLogicalSwitch).Get(k.ls)
		if sourceNode && ours(ls) && !inFlood(snap, k.ls, r.Ref("locator")) {
			found[fmt.Sprintf("%s has unicast rows at %s, which gets no broadcasts", ls.Str("name"), r.Ref("locator"))] = true
		}
	}
	for what, wrong := range found {
		if !wrong {
			delete(found, what)
		}
	}
	return found
}

func inFlood(snap *ovsdb.Snapshot, ls, locator ovsdb.UUID) bool {
	for r := range snap.Table(tableMcastRemote).Lookup(byLogicalSwitch, ls).All() {
		if r.Str("MAC") == unknownDst && snap.Table(tableLocatorSet).Get(r.Ref("locator_set")).Set("locators").Has(locator) {
			return true
		}
	}
	return false
}

// vanished are wanted MACs that a logical switch had before and has no more.
func (w *world) vanished(from, to *ovsdb.Snapshot) []string {
	var gone []string
	for r := range from.Table(tableUcastRemote).All() {
		ls := to.Table(tableLogicalSwitch).Get(r.Ref("logical_switch"))
		mac, _, ok := parseMAC(r.Str("MAC"))
		if ls == nil || !ok {
			continue
		}
		seg := w.in.Segments[ls.Str("name")]
		if seg == nil || len(boundNetworks(w.in)[seg.NetworkID]) == 0 {
			continue
		}
		if key, has := ls.Int("tunnel_key"); has && key != int64(seg.VNI) {
			continue // it is being made anew
		}
		h, wanted := seg.Hosts.Get(mac)
		if !wanted || !h.VTEP.Is4() || h.VTEP.String() == own1 || h.VTEP.String() == own2 {
			continue
		}
		if to.Table(tableUcastRemote).Lookup(byMAC, ls.UUID(), mac.String()).Len() == 0 &&
			to.Table(tableUcastRemote).Lookup(byMAC, ls.UUID(), strings.ToUpper(mac.String())).Len() == 0 {
			gone = append(gone, mac.String())
		}
	}
	return gone
}

// foreign are the lines about logical switches that are not ours.
func (w *world) foreign(snap *ovsdb.Snapshot) []string {
	var lines []string
	for _, l := range contents(snap) {
		name, _, _ := strings.Cut(l, ": ")
		if _, ours := w.in.Owned.Networks[name]; !ours {
			lines = append(lines, l)
		}
	}
	return lines
}

// run plays plans and the switch until there is nothing left to do.
func (w *world) run(t fatalf, scope Scope) *Plan {
	t.Helper()
	start := w.m.snap
	w.m.commits = nil
	plan := w.m.settle(t, w.in, scope)
	w.watch(t, append([]*ovsdb.Snapshot{start}, w.m.commits...))
	for len(plan.Waiting) > 0 || rebuilding(plan) {
		w.m.withdraw(worldNetworks)
		start = w.m.snap
		w.m.commits = nil
		plan = w.m.settle(t, w.in, scope)
		w.watch(t, append([]*ovsdb.Snapshot{start}, w.m.commits...))
	}
	return plan
}

func rebuilding(plan *Plan) bool {
	for _, v := range plan.Networks {
		if strings.Contains(v.Reason, "made anew") {
			return true
		}
	}
	return false
}

func TestPlansMakeAnyContentsRightAndTouchNothingForeign(t *testing.T) {
	now, old := vtepSchema(t), oldSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, now, old)
		w.m.lose = rapid.SliceOfN(rapid.Bool(), 0, 12).Draw(t, "lost transactions")
		before := w.m.contents()
		plan := w.run(t, all)
		w.check(t, plan, before)
	})
}

func TestSingleMACsAndWholePlansAgree(t *testing.T) {
	now, old := vtepSchema(t), oldSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, now, old)
		w.run(t, all)
		scope := Scope{MACs: make(map[string]map[l2gw.MAC]bool), Networks: make(map[string]bool)}
		for _, id := range worldNetworks {
			was := w.in.Segments[id]
			if was == nil || rapid.Bool().Draw(t, id+" stays") {
				continue
			}
			is := drawSegment(t, id, was.VNI)
			is.Name = was.Name
			if rapid.Bool().Draw(t, id+" keeps its VTEPs") {
				is = within(is, was.VTEPs)
			}
			w.in.Segments[id] = is
			scope.Networks[id] = !slices.Equal(is.VTEPs, was.VTEPs)
			scope.MACs[id] = make(map[l2gw.MAC]bool)
			for i := range 7 {
				a, hadA := was.Hosts.Get(mac(i))
				b, hasB := is.Hosts.Get(mac(i))
				if hadA != hasB || !a.Equal(b) {
					scope.MACs[id][mac(i)] = true
				}
			}
		}
		whole := &world{m: &model{snap: w.m.snap, made: w.m.made}, in: w.in, tidy: w.tidy}
		whole.run(t, all)
		w.run(t, scope)
		if want, got := whole.m.contents(), w.m.contents(); !slices.Equal(want, got) {
			t.Fatalf("a whole plan gives\n  %s\nsingle MACs give\n  %s", strings.Join(want, "\n  "), strings.Join(got, "\n  "))
		}
	})
}

// within returns the segment with its hosts behind the given VTEPs only.
func within(s *l2gw.Segment, vteps []netip.Addr) *l2gw.Segment {
	c := *s
	c.VTEPs = vteps
	txn := s.Hosts.Txn()
	for mac, h := range s.Hosts.All() {
		if !c.HasVTEP(h.VTEP) {
			txn.Delete(mac)
		}
	}
	c.Hosts = txn.Commit()
	return &c
}
