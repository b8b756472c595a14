package controller

import (
	"context"
	"testing"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// A backup that is restored takes a gateway out of the flood set of another
// switch, none of whose own bindings has changed.
func TestAnAgentIsToldOfAnOlderIntentBeforeWhatFollowsFromIt(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	w.reconnect("db1")
	w.reconnect("db2")
	near, far := l2gw.BindingKey{Device: "ps1", Interface: "eth1"}, l2gw.BindingKey{Device: "ps2", Interface: "eth1"}
	w.bind(near, "a")
	w.write()
	w.collect(w.agents["db1"].link)

	// told hands out what db1's agent is told: of which intent, and how many VTEPs there are.
	told := func() (revisions []int64, segments []int) {
		w.write()
		for _, m := range w.collect(w.agents["db1"].link) {
			switch m := m.(type) {
			case fabric.Bindings:
				revisions = append(revisions, m.Revision)
			case fabric.Segment:
				segments = append(segments, len(revisions))
			case fabric.SegmentDelta:
				segments = append(segments, len(revisions))
			}
		}
		return revisions, segments
	}
	w.bind(far, "a")
	revisions, segments := told()
	if len(revisions) == 0 || revisions[0] != 2 || len(segments) == 0 || segments[0] == 0 {
		t.Fatalf("a binding elsewhere is told of as revisions %v, before segments %v", revisions, segments)
	}
	old := w.intent[near]
	w.c.changeIntent(context.Background(), 1, []store.BindingChange{{Binding: old, Set: true}, {Binding: l2gw.Binding{BindingKey: far, NetworkID: "a"}}})
	revisions, segments = told()
	if len(revisions) == 0 || revisions[0] != 1 || len(segments) == 0 || segments[0] == 0 {
		t.Errorf("a backup is told of as revisions %v, before segments %v", revisions, segments)
	}
}
