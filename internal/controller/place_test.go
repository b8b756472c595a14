package controller

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

var eth1 = l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 1}

// bound are the networks of the places that db1 must have.
func (w *world) bound() map[l2gw.BindingKey]string {
	out := map[l2gw.BindingKey]string{}
	for k, b := range w.c.state.databases["db1"].wanted {
		out[k] = b.NetworkID
	}
	return out
}

// lead begins to lead with an epoch, by what the store has.
func (w *world) lead(epoch uint64) {
	owned := map[string]l2gw.Ownership{}
	for db, o := range w.store.owned {
		owned[db] = cloneOwnership(o)
	}
	w.c.locked(func() { w.c.adopt(epoch, owned, nil) })
}

func TestAServerThatStandsByFollowsWithoutWriting(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	w.write()
	w.c.locked(func() { w.c.mirror(1) })
	before := len(w.store.owned)
	w.bind(eth1, "a")
	w.learned[fabric.LearnedKey{NetworkID: "a", MAC: l2gw.MAC{2}}] = l2gw.Host{MAC: l2gw.MAC{2}, VTEP: tunnel["db1"]}
	w.reconnect("db1")
	w.c.rememberLearned()
	if diff := cmp.Diff(map[l2gw.BindingKey]string{eth1: "a"}, w.bound()); diff != "" {
		t.Errorf("bound while it stands by (-want +got):\n%s", diff)
	}
	if f := w.c.writer.figures(); f.Waiting > 0 || len(w.store.owned) != before {
		t.Errorf("it writes: %+v, %v", f, w.store.owned)
	}
	// What it believed to be ours is not recorded, and so must wait.
	w.lead(2)
	if got := w.bound(); len(got) > 0 {
		t.Errorf("bound before it is recorded: %v", got)
	}
	w.write()
	if diff := cmp.Diff(map[l2gw.BindingKey]string{eth1: "a"}, w.bound()); diff != "" {
		t.Errorf("bound once it leads (-want +got):\n%s", diff)
	}
	if w.store.owned["db1"].Bindings[eth1] != "a" {
		t.Errorf("recorded is %+v", w.store.owned)
	}
}

// While a record is under way, users change their minds, or the network goes:
// what counts is what is so when it is recorded.
func TestWhatIsRecordedIsDecidedAnew(t *testing.T) {
	for name, row := range map[string]struct {
		change func(w *world)
		want   map[l2gw.BindingKey]string
	}{
		"nothing changes": {func(*world) {}, map[l2gw.BindingKey]string{eth1: "a"}},
		"it is unbound":   {func(w *world) { w.bind(eth1, "") }, map[l2gw.BindingKey]string{}},
		"another network": {func(w *world) { w.bind(eth1, ""); w.bind(eth1, "bb") }, map[l2gw.BindingKey]string{eth1: "bb"}},
		"it is lost":      {func(w *world) { w.networks["a"] = nil; w.tell(true, "bb") }, map[l2gw.BindingKey]string{}},
		"another network and back": {func(w *world) {
			w.write()
			for _, network := range []string{"", "bb", "", "a"} {
				w.bind(eth1, network)
			}
		}, map[l2gw.BindingKey]string{eth1: "a"}},
		"it is unbound and bound again": {func(w *world) { w.bind(eth1, ""); w.bind(eth1, "a") }, map[l2gw.BindingKey]string{eth1: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.networks["a"], w.networks["bb"] = map[l2gw.MAC]l2gw.Host{}, map[l2gw.MAC]l2gw.Host{}
			w.tell(true, "a", "bb")
			w.bind(eth1, "a")
			if got := w.bound(); len(got) > 0 {
				t.Fatalf("bound before it is recorded: %v", got)
			}
			if status, reason, _ := w.c.Connection("c-a"); status != l2gw.StatusBuild || !strings.Contains(reason, "the SQL database has yet to record it") {
				t.Errorf("status %s: %s", status, reason)
			}
			covered := func() {
				t.Helper()
				for k, id := range w.bound() {
					if got := w.store.owned["db1"].Bindings[k]; got != id {
						t.Errorf("bound to %q and recorded as %q", id, got)
					}
				}
			}
			row.change(w)
			covered()
			w.c.writer.write(t.Context())
			covered() // also while the news of it is under way
			w.write()
			covered()
			if diff := cmp.Diff(row.want, w.bound()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if asked := w.c.state.databases["db1"].asked; !isNothing(asked) {
				t.Errorf("still waited for: %+v", asked)
			}
		})
	}
}

// An agent looked under the word of the controller before, and what it says
// arrives when this server leads: by then it may have bound the same anew.
func TestWhatAnAgentConfirmsUnderAnotherControllersWordIsStillOurs(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	w.bind(eth1, "a")
	w.write()
	w.bind(eth1, "")
	confirm := func(seen l2gw.Version) {
		w.c.hearLink(context.Background(), w.agents["db1"].link, fabric.Applied{
			Database: "db1", Version: seen, Gone: l2gw.Ownership{
				Networks: map[string]l2gw.VNI{"a": 5001}, Bindings: map[l2gw.BindingKey]string{eth1: "a"},
			},
		})
		w.write()
	}
	w.lead(3)
	for name, seen := range map[string]l2gw.Version{
		"of an agent that has heard nothing": {}, "of the epoch before": {Epoch: 2, Counter: 1 << 40}, "of a later epoch": {Epoch: 4},
	} {
		confirm(seen)
		if o := w.store.owned["db1"]; o.Networks["a"] == 0 || o.Bindings[eth1] != "a" {
			t.Errorf("forgotten by the word %s: %+v", name, o)
		}
	}
	// Nor does the word count that was given before it was bound again, whoever had it.
	before := w.c.state.nextVersion()
	w.bind(eth1, "a")
	w.bind(eth1, "")
	confirm(before)
	if o := w.store.owned["db1"]; o.Networks["a"] == 0 || o.Bindings[eth1] != "a" {
		t.Errorf("forgotten by a word from before it was bound: %+v", o)
	}
	confirm(w.c.state.nextVersion())
	if o := w.store.owned["db1"]; !isNothing(o) {
		t.Errorf("confirmed under our word, and remembered: %+v", o)
	}
}

// The SQL database was restored from a backup: the agent has rows that it does
// not know as ours. They are recorded, and wanted only where users want them.
func TestRowsThatTheStoreForgotAreRecordedAsOursAgain(t *testing.T) {
	w := newWorld()
	w.networks["a"], w.networks["bb"] = map[l2gw.MAC]l2gw.Host{}, map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a", "bb")
	w.bind(eth1, "a")
	w.write()
	w.collect(w.agents["db1"].link)
	eth2 := l2gw.BindingKey{Device: "ps1", Interface: "eth2"}
	orphans := fabric.Orphans{Database: "db1", Owned: l2gw.Ownership{
		Networks: map[string]l2gw.VNI{"a": 4000, "bb": 5002}, Bindings: map[l2gw.BindingKey]string{eth1: "bb", eth2: "bb"},
	}}
	w.c.locked(func() { w.c.mirror(1) })
	w.c.hearLink(t.Context(), w.agents["db1"].link, orphans)
	w.write()
	if _, known := w.store.owned["db1"].Networks["bb"]; known {
		t.Error("a server that stands by has recorded them")
	}
	w.lead(2)
	w.c.hearLink(t.Context(), w.agents["db1"].link, orphans)
	w.c.hearLink(t.Context(), w.agents["db1"].link, orphans)
	w.write()
	want := l2gw.Ownership{
		Networks: map[string]l2gw.VNI{"a": 5001, "bb": 5002}, Bindings: map[l2gw.BindingKey]string{eth1: "a", eth2: "bb"},
	}
	if diff := cmp.Diff(want, w.store.owned["db1"]); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	var told *fabric.Owned
	for _, m := range w.collect(w.agents["db1"].link) {
		if o, ok := m.(fabric.Owned); ok {
			told = &o
		}
	}
	if told == nil {
		t.Fatal("the agent is not told what is ours")
	}
	if diff := cmp.Diff(want, told.Owned); diff != "" {
		t.Errorf("told to be ours (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[l2gw.BindingKey]string{eth1: "a"}, w.bound()); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}
}

// An agent that stands by tells them, too: it may have written them while it was
// alone. Of databases that it may not have it tells nothing.
func TestRowsThatAStandByAgentWroteAreRecordedAsOurs(t *testing.T) {
	w := newWorld()
	w.lead(1)
	w.collect(w.agents["db1"].link)
	orphans := fabric.Orphans{Database: "db1", Owned: l2gw.Ownership{Networks: map[string]l2gw.VNI{"bb": 5002}}}
	w.c.hearLink(t.Context(), &link{agent: "stranger"}, orphans)
	w.write()
	if _, known := w.store.owned["db1"].Networks["bb"]; known {
		t.Error("an agent that may not have the database has been believed")
	}
	w.c.hearLink(t.Context(), &link{agent: "stand-by", shares: map[string]*share{"db1": {}}}, orphans)
	w.write()
	if vni := w.store.owned["db1"].Networks["bb"]; vni != 5002 {
		t.Errorf("it is recorded with VNI %d, want 5002", vni)
	}
}

// An agent is answered once all that it told is in the store, and not before. What
// was told once and is gone since then is not told again, so nobody records it anew.
func TestAnAgentIsToldOnceThatItsRowsAreRecorded(t *testing.T) {
	w := newWorld()
	w.lead(1)
	answers := func(l *link) (all []fabric.Recorded) {
		for _, m := range w.c.urgent(l) {
			if r, ok := m.(fabric.Recorded); ok {
				all = append(all, r)
			}
		}
		return all
	}
	tell := func(l *link, number uint64, networks map[string]l2gw.VNI) {
		w.c.hearLink(t.Context(), l, fabric.Orphans{Database: "db1", Owned: l2gw.Ownership{Networks: networks}, Telling: number})
	}
	standby := &link{agent: "stand-by", shares: map[string]*share{"db1": {}}}
	older := &link{agent: "older", shares: map[string]*share{"db1": {}}}
	tell(standby, 1, map[string]l2gw.VNI{"bb": 5002})
	tell(standby, 2, map[string]l2gw.VNI{"bb": 5002, "cc": 5003})
	tell(older, 0, map[string]l2gw.VNI{"bb": 5002})
	if got := answers(standby); len(got) > 0 {
		t.Errorf("before anything was written it is answered %v", got)
	}
	w.write()
	if diff := cmp.Diff([]fabric.Recorded{{Database: "db1", Telling: 2}}, answers(standby)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if got := answers(older); len(got) > 0 {
		t.Errorf("an agent of an older version is answered %v", got)
	}
	tell(standby, 3, map[string]l2gw.VNI{"cc": 5003})
	if diff := cmp.Diff([]fabric.Recorded{{Database: "db1", Telling: 3}}, answers(standby)); diff != "" {
		t.Errorf("answers to what is known (-want +got):\n%s", diff)
	}
	if left := w.c.state.databases["db1"].tellings; len(left) > 0 {
		t.Errorf("%d tellings are remembered for ever", len(left))
	}
}

// One id leads from the request that removed a binding to what its switch did.
func TestARemovalCarriesTheRequestThatAskedForIt(t *testing.T) {
	w := newWorld()
	var log bytes.Buffer
	w.c.log = slog.New(slog.NewTextHandler(&log, nil))
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	w.bind(eth1, "a")
	w.write()
	w.collect(w.agents["db1"].link)
	b := w.intent[eth1]
	b.Request = "req-1"
	w.c.changeIntent(t.Context(), 9, []store.BindingChange{{Binding: b}})
	var unset []fabric.Unbound
	for _, m := range w.collect(w.agents["db1"].link) {
		if m, ok := m.(fabric.Bindings); ok {
			unset = append(unset, m.Unset...)
		}
	}
	if diff := cmp.Diff([]fabric.Unbound{{BindingKey: eth1, Request: "req-1"}}, unset); diff != "" {
		t.Errorf("told to the agent (-want +got):\n%s", diff)
	}
	w.c.hearLink(t.Context(), w.agents["db1"].link, fabric.Applied{
		Database: "db1", Version: w.c.state.nextVersion(), Gone: l2gw.Ownership{Bindings: map[l2gw.BindingKey]string{eth1: "a"}},
	})
	if !strings.Contains(log.String(), "request_id=req-1") {
		t.Errorf("the log does not name it:\n%s", log.String())
	}
	if s := &w.c.state; len(s.unboundBy)+len(s.databases["db1"].unboundBy) > 0 {
		t.Error("it is kept for ever")
	}
}
