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

// The agent that wrote by a later intent is gone; the one that follows it must
// not take its rows for unwanted since a backup does not know them.
func TestAnAgentIsToldWhatAnotherOfItsDatabaseHasSeen(t *testing.T) {
	w := newWorld()
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1"}
	w.bind(k, "a")
	w.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth2"}, "a")
	w.reconnect("db1")
	w.write()
	w.collect(w.agents["db1"].link)
	w.c.changeIntent(context.Background(), 1, nil) // a backup

	seen := func() (in []int64, end int64) {
		w.reconnect("db1")
		w.write()
		staged := false
		for _, m := range w.collect(w.agents["db1"].link) {
			switch m := m.(type) {
			case fabric.SnapshotBegin:
				staged = true
			case fabric.Bindings:
				if staged && m.Revision != 0 {
					in = append(in, m.Revision)
				}
			case fabric.SnapshotEnd:
				staged, end = false, m.Revision
			}
		}
		return in, end
	}
	if in, end := seen(); len(in) != 1 || in[0] != 2 || end != 1 {
		t.Errorf("it is told that %v was seen, and of revision %d", in, end)
	}
	w.c.changeIntent(context.Background(), 2, nil)
	if in, end := seen(); len(in) != 0 || end != 2 {
		t.Errorf("of an intent that is as new, it is told that %v was seen, and of revision %d", in, end)
	}
}
