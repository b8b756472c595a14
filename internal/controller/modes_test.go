package controller

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

func modeOf(command fabric.Command) (mode l2gw.Mode, sets bool) {
	for mode, c := range modeCommands {
		if c == command {
			return mode, true
		}
	}
	return "", false
}

// mode is what the agent does with its database, and whether it was told so
// before it was granted anything.
func (a *testAgent) mode() (mode l2gw.Mode, first bool) {
	a.locked(func() {
		mode = a.states[0].Mode
		for _, m := range a.all {
			switch m := m.(type) {
			case fabric.Grant:
				return
			case fabric.Do:
				if _, sets := modeOf(m.Command); sets {
					first = true
					return
				}
			}
		}
	})
	return mode, first
}

func (a *testAgent) is(mode l2gw.Mode) func() bool {
	return func() bool { now, _ := a.mode(); return now == mode }
}

func (a *testAgent) granted() (ok bool) {
	a.locked(func() { ok = len(a.grants) > 0 })
	return ok
}

// A database is paused, and whoever takes it over keeps away from the switch:
// another agent, one that was not there at the time, and under another server.
func TestAPausedDatabaseStaysPausedWhoeverTakesItOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newSQL(bound)
		s1 := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "s1 leads", s1.leads)
		s2 := startServer(t, db, "s2", netA())
		a := startAgent(t, s1, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "a is granted db1", a.granted)
		a.locked(func() { a.follows = true })
		if err := s1.Command(t.Context(), "db1", fabric.CommandPause, ""); err != nil {
			t.Fatal(err)
		}
		wantWithin(t, time.Second, "a is paused", a.is(l2gw.ModePaused))

		a.stream.Close()
		<-a.ended
		b := startAgent(t, s1, hello("b", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "b is granted db1", b.granted)
		if mode, first := b.mode(); mode != l2gw.ModePaused || !first {
			t.Errorf("b: mode %q, told before its grant: %v", mode, first)
		}

		// The other server knows it from the agents alone. One says so, with others there already.
		c := startAgent(t, s2, hello("c", "db1"), fabric.Peer{})
		old := startAgent(t, s2, hello("b", "db1"), fabric.Peer{})
		old.locked(func() {
			b.locked(func() { old.states[0].Mode, old.states[0].ModeSince = b.states[0].Mode, b.states[0].ModeSince })
		})
		old.report()
		wantWithin(t, time.Second, "s2 has heard of it", func() (ok bool) {
			s2.mu.RLock()
			defer s2.mu.RUnlock()
			return s2.modes["db1"].mode == l2gw.ModePaused
		})
		old.stream.Close()
		<-old.ended
		if c.granted() || !c.is(l2gw.ModeRun)() {
			t.Error("a server that stands by granted something, or set a mode")
		}
		s1.stop()
		wantWithin(t, 10*time.Second, "c is granted db1", c.granted)
		if mode, first := c.mode(); mode != l2gw.ModePaused || !first {
			t.Errorf("c: mode %q, told before its grant: %v", mode, first)
		}

		// The newest word wins, and an agent that comes back with an older one hears of it.
		c.locked(func() { c.follows = true })
		if err := s2.Command(t.Context(), "db1", fabric.CommandRun, ""); err != nil {
			t.Fatal(err)
		}
		wantWithin(t, time.Second, "c runs", c.is(l2gw.ModeRun))
		d := startAgent(t, s2, hello("a", "db1"), fabric.Peer{})
		a.locked(func() {
			d.locked(func() { d.states[0].Mode, d.states[0].ModeSince = a.states[0].Mode, a.states[0].ModeSince })
		})
		d.report()
		time.Sleep(time.Second)
		if !d.is(l2gw.ModeRun)() || !c.is(l2gw.ModeRun)() {
			t.Error("an old word counts")
		}
	})
}

// An agent that may not write says nothing that counts of what is gone: what it
// looked at may be written anew by the one that may.
func TestOnlyTheWriterIsBelievedWhatIsGone(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	w.bind(eth1, "a")
	w.write()
	w.bind(eth1, "")
	confirm := func(state l2gw.DatabaseState) l2gw.Ownership {
		state.Name, state.Connected = "db1", true
		state.Devices = []l2gw.DeviceState{{Name: "ps1", TunnelIPs: []netip.Addr{tunnel["db1"]}}}
		l := w.agents["db1"].link
		w.c.hearLink(t.Context(), l, fabric.Observed{Database: "db1", State: state})
		w.c.hearLink(t.Context(), l, fabric.Applied{Database: "db1", Version: w.c.state.nextVersion(), Gone: l2gw.Ownership{
			Networks: map[string]l2gw.VNI{"a": 5001}, Bindings: map[l2gw.BindingKey]string{eth1: "a"},
		}})
		w.write()
		return w.store.owned["db1"]
	}
	if o := confirm(l2gw.DatabaseState{Grant: l2gw.Version{Epoch: 1}}); o.Networks["a"] == 0 || o.Bindings[eth1] != "a" {
		t.Errorf("forgotten by the word of an agent with an older grant: %+v", o)
	}
	if o := confirm(l2gw.DatabaseState{Grant: w.agents["db1"].grant}); !isNothing(o) {
		t.Errorf("confirmed by the writer, and remembered: %+v", o)
	}
}

// Agents do not take it for true alone: what is about to be bound would pass for unwanted.
func TestWhatIsOursIsFollowedByTheBindingsOfThatWord(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	l := w.agents["db1"].link
	w.collect(l)
	w.bind(eth1, "a")
	w.write()
	w.collect(l)
	w.c.state.databases["db1"].tellOwned() // as when something is confirmed gone
	var owned, bindings l2gw.Version
	for _, m := range w.collect(l) {
		switch m := m.(type) {
		case fabric.Owned:
			owned = m.Version
		case fabric.Bindings:
			bindings = m.Version
		}
	}
	if owned == (l2gw.Version{}) || bindings != owned {
		t.Errorf("what is ours is told as of %+v, and the bindings as of %+v", owned, bindings)
	}
}
