package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// Two agents name one switch, each with a server of its own that is the same
// controller to it.
func TestANewerGrantTakesTheLockAndFencesTheOtherAgent(t *testing.T) {
	l := start(t, DatabaseOptions{})
	other := &lab{server: newServer(t, "one").lead(1), db: l.db}
	other.agent, other.stop = run(t, Options{
		Name: "there", Servers: []Server{other.dial()}, Databases: []DatabaseOptions{{Name: "tor", Connect: dialer(t, l.db)}},
	})
	other.server.agent()
	l.grant(1, 1)
	l.snapshot(3)
	other.version = l.version
	other.snapshot(4)
	wait(l.server, "the confirmation", active)
	wait(other.server, "the reason", observed("another agent writes"))
	// The first one is not told that it lost the database.
	other.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 2}, Steal: true, Term: time.Hour})
	l.waitRows(4)
	wait(l.server, "the report", func(m fabric.Observed) bool { return m.State.Lock == l2gw.LockingStolen && !m.State.Writer })
	l.snapshot(9)
	l.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandValidate})
	if d := wait(l.server, "the comparison", func(fabric.Done) bool { return true }); len(d.Differences) == 0 {
		t.Error("the first agent finds nothing to do, so that this shows nothing")
	}
	if n := l.rows(); n != 4 {
		t.Errorf("there are %d rows, want the 4 of the second agent", n)
	}
	// A grant without Steal waits until the second one is told to let go.
	l.grant(1, 3)
	wait(l.server, "the report", func(m fabric.Observed) bool { return m.State.Lock == l2gw.LockingWaiting })
	other.tell(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 3}})
	l.waitRows(9)
	wait(other.server, "the report", func(m fabric.Observed) bool { return m.State.Lock == l2gw.LockingNone })
}

func TestAGrantThatTookTooLongIsVoid(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.snapshot(3)
	wait(l.server, "the reason", observed("another agent writes"))
	l.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 1}, Term: time.Nanosecond})
	l.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandValidate})
	if d := wait(l.server, "the comparison", func(fabric.Done) bool { return true }); len(d.Differences) == 0 {
		t.Error("it was written")
	}
	l.grant(1, 1) // the same: it was not acted on
	l.waitRows(3)
}

func TestObserveAndPauseWriteNothingAndSaySo(t *testing.T) {
	l, o := remembering(t)
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	do := func(id uint64, c fabric.Command) fabric.Done {
		t.Helper()
		l.tell(fabric.Do{ID: id, Database: "tor", Command: c, Epoch: 1})
		return wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == id })
	}
	if d := do(1, fabric.CommandObserve); d.Error != "" {
		t.Fatal(d.Error)
	}
	l.tell(fabric.Segment{Database: "tor", Segment: l.segment(5)})
	product.Eventually(t, "the state tells what would be written", func() error {
		d := do(2, fabric.CommandValidate)
		l.tell(fabric.Do{ID: 3, Database: "tor", Command: fabric.CommandResync, Epoch: 1}, fabric.Do{ID: 4, Database: "tor", Command: fabric.CommandReport})
		m := wait(l.server, "the state", func(m fabric.Observed) bool { return true })
		if len(d.Differences) != 2 || m.State.Mode != l2gw.ModeObserve || m.State.InSync || !m.State.Writer ||
			!strings.Contains(m.State.Error, "observed only") || !strings.Contains(m.State.Error, "operations would be") {
			return fmt.Errorf("%d differences; %+v", len(d.Differences), m.State)
		}
		return nil
	})
	if d := do(5, fabric.CommandPause); d.Error != "" {
		t.Fatal(d.Error)
	}
	wait(l.server, "the reason", observed("paused by an operator at 20"))
	if n := l.rows(); n != 3 {
		t.Errorf("there are %d rows, want the 3 of before", n)
	}
	// Over a restart, too.
	l.stop()
	l.agent, l.stop = run(t, o)
	l.server.agent()
	l.snapshot(5)
	wait(l.server, "the reason", observed("paused by an operator at 20"))
	if d := do(6, fabric.CommandRun); d.Error != "" {
		t.Fatal(d.Error)
	}
	l.waitRows(5)
	if d := do(7, "dance"); !strings.Contains(d.Error, "dance") {
		t.Errorf("an unknown command: %+v", d)
	}
}

func TestALargeRemovalIsHeldUntilItIsReleased(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(100)
	wait(l.server, "the confirmation", active)
	l.tell(fabric.Segment{Database: "tor", Segment: l.segment(10)})
	m := wait(l.server, "the verdict", func(m fabric.Applied) bool { return len(m.Networks) > 0 && m.Networks[0].Class == fabric.ClassHeld })
	if r := m.Networks[0]; r.Status != l2gw.StatusDegraded || !strings.Contains(r.Reason, "the removal of 90 of 102 rows is held") ||
		!strings.Contains(r.Reason, "l2gw device release") {
		t.Errorf("the verdict: %+v", r)
	}
	state := wait(l.server, "the state", func(m fabric.Observed) bool { return len(m.State.Held) == 1 })
	if h := state.State.Held[0]; h.NetworkID != network || h.Rows != 90 || !h.Confirms {
		t.Errorf("held: %+v", h)
	}
	if n := l.rows(); n != 100 {
		t.Errorf("there are %d rows", n)
	}
	l.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandRelease, NetworkID: network, Epoch: 1})
	if d := wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == 1 }); d.Error != "" {
		t.Error(d.Error)
	}
	l.waitRows(10)
	wait(l.server, "the state", func(m fabric.Observed) bool { return len(m.State.Held) == 0 })
	l.tell(fabric.Do{ID: 2, Database: "tor", Command: fabric.CommandRelease, Epoch: 1})
	if d := wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == 2 }); d.Error == "" {
		t.Error("nothing is held, and it says that it let go")
	}
}

// The servers' database was restored from a backup of before the network was bound.
func TestAnIntentThatGoesBackRemovesNothingUntilItIsReleased(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	say(l.server, l, 5, 40)
	wait(l.server, "the confirmation", active)
	v := l.next()
	l.tell(fabric.SnapshotBegin{Database: "tor", Version: v}, fabric.Owned{Database: "tor", Version: v},
		fabric.SnapshotEnd{Database: "tor", Version: v, Revision: 12})
	o := wait(l.server, "what is unknown to the server", func(fabric.Orphans) bool { return true })
	if o.Owned.Networks[network] != 5001 || len(o.Owned.Bindings) != 1 {
		t.Errorf("orphans: %+v", o)
	}
	wait(l.server, "what is held", func(m fabric.Observed) bool {
		return len(m.State.Held) == 1 && strings.Contains(m.State.Held[0].Reason, "intent revision 12, and it was 40")
	})
	// The controller records them as ours: now they would be removed.
	l.tell(fabric.Owned{Database: "tor", Version: l.next(), Owned: o.Owned}, fabric.Bindings{Database: "tor", Version: l.next()}, fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandResync, Epoch: 1})
	wait(l.server, "what is held", func(m fabric.Observed) bool { return len(m.State.Held) == 1 && m.State.Held[0].Rows > 5 })
	if n := l.rows(); n != 5 {
		t.Errorf("there are %d rows, want the 5 of before", n)
	}
	l.tell(fabric.Do{ID: 2, Database: "tor", Command: fabric.CommandRelease, Epoch: 1})
	l.waitRows(0)
}

func TestDatabasesComeAndGoWhileTheAgentRuns(t *testing.T) {
	l, o := remembering(t)
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	before := l.db.Dump("hardware_vtep")
	second := newSwitch(t, ovsdbd.Options{})
	other := DatabaseOptions{Name: "tor2", Connect: dialer(t, second)}
	same := l.agent.databases["tor"]
	if err := l.agent.SetDatabases([]DatabaseOptions{o.Databases[0], other}); err != nil {
		t.Fatal(err)
	}
	if h := l.server.agent(); len(h.Databases) != 2 {
		t.Errorf("Hello: %+v", h)
	}
	if l.agent.databases["tor"] != same {
		t.Error("a database with the options of before was begun anew")
	}
	if err := l.agent.SetDatabases([]DatabaseOptions{other, other}); err == nil || len(l.agent.Standings()) != 2 {
		t.Errorf("one name twice: %v", err)
	}
	wait(l.server, "the second", func(m fabric.Observed) bool { return m.Database == "tor2" && m.State.Connected })
	// With other options, the one alone begins anew, and knows what it knew.
	changed := o.Databases[0]
	changed.VTEP.MaxMACs = 1000
	l.away.Store(true)
	if err := l.agent.SetDatabases([]DatabaseOptions{changed, other}); err != nil {
		t.Fatal(err)
	}
	l.db.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[]}`)
	l.waitRows(5)
	if err := l.agent.SetDatabases([]DatabaseOptions{other}); err != nil {
		t.Fatal(err)
	}
	if after := l.db.Dump("hardware_vtep", "Ucast_Macs_Remote", "MAC"); strings.Count(after, "02:00:00") != 5 || len(before) == 0 {
		t.Errorf("it was not left as it is: %s", after)
	}
	l.waitSessions(0)
	l.away.Store(false)
	if h := l.server.agent(); len(h.Databases) != 1 || h.Databases[0].Database != "tor2" {
		t.Errorf("Hello: %+v", h)
	}
}
