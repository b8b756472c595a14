package agent

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// differences is how many operations a comparison finds to be missing.
func (l *lab) differences(id uint64) int {
	l.Helper()
	l.tell(fabric.Do{ID: id, Database: "tor", Command: fabric.CommandValidate})
	d := wait(l.server, "the comparison", func(m fabric.Done) bool { return m.ID == id })
	if d.Error != "" {
		l.Fatal(d.Error)
	}
	return len(d.Differences)
}

// While its stream was away another agent had the database: what the new grant
// is good for is what is told after it.
func TestANewGrantOnANewStreamWritesNothingUntilEverythingIsTold(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	l.cutStream()
	l.server.agent()
	// With its grant of before it goes on.
	l.db.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:01"]]}`)
	l.waitRows(5)
	l.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 2}, Steal: true, Term: time.Hour})
	wait(l.server, "the reason", observed("has not told everything yet"))
	l.db.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:01"]]}`)
	if n := l.differences(1); n != 1 {
		t.Errorf("%d differences, want the row that is not to be restored", n)
	}
	all := l.account(4, 0)
	l.tell(all[:len(all)-1]...)
	if n := l.differences(2); n != 1 {
		t.Errorf("%d differences before the end, want 1", n)
	}
	l.tell(all[len(all)-1])
	l.waitRows(4)
}

// With all servers away the agent goes on; but once the lock was not its own for a
// while, what it finds may be newer than what it knows.
func TestAnAgentThatGetsTheLockBackWithNoServerRestoresAndRemovesNothing(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	l.away.Store(true)
	l.cutStream()
	l.db.Transact("hardware_vtep", `{"op":"update","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:03"]],"row":{"MAC":"02:00:00:00:00:98"}}`)
	l.waitRows(5) // it had the lock all the time, and knows best
	product.Eventually(t, "the row is right", func() error { return l.has("02:00:00:00:00:98", false) })
	l.db.Stop()
	l.db.Run()
	// As another agent may have done before this one is there again.
	l.db.Transact("hardware_vtep", `{"op":"update","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:03"]],"row":{"MAC":"02:00:00:00:00:99"}}`)
	l.away.Store(false)
	l.server.agent()
	held := wait(l.server, "what is held", func(m fabric.Observed) bool { return len(m.State.Held) > 0 && m.State.Held[0].Rows > 0 })
	if h := held.State.Held[0]; h.NetworkID != "" || !strings.Contains(h.Reason, "no controller has confirmed") {
		t.Errorf("held: %+v", h)
	}
	if err := l.has("02:00:00:00:00:99", true); err != nil {
		t.Error(err)
	}
	l.grant(1, 2)
	l.snapshot(5)
	l.waitRows(5)
	product.Eventually(t, "the row is right", func() error { return l.has("02:00:00:00:00:99", false) })
}

func (l *lab) has(mac string, want bool) error {
	if has := strings.Contains(l.db.Dump("hardware_vtep", "Ucast_Macs_Remote", "MAC"), mac); has != want {
		return fmt.Errorf("%s is there: %v", mac, has)
	}
	return nil
}

// Rows that somebody else wrote are adopted: they must not pass for ours and
// unwanted between the word that they are ours and the word that they are wanted.
func TestWhatIsAboutToBeBoundIsNotTakenForUnwanted(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	all := l.account(5, 0)
	owned, segment, bindings := all[1].(fabric.Owned), all[2], all[3].(fabric.Bindings)
	v := l.next()
	l.tell(fabric.SnapshotBegin{Database: "tor", Version: v}, fabric.Owned{Database: "tor", Version: v}, fabric.SnapshotEnd{Database: "tor", Version: v})
	if n := l.differences(1); n != 0 || l.rows() != 5 {
		t.Fatalf("what is not ours is left alone: %d differences, %d rows", n, l.rows())
	}
	owned.Version = l.next()
	bindings.Version = owned.Version
	l.tell(owned, segment, fabric.Do{ID: 2, Database: "tor", Command: fabric.CommandResync, Epoch: 1})
	if n := l.differences(3); n != 0 || l.rows() != 5 {
		t.Errorf("half told: %d differences, %d rows", n, l.rows())
	}
	l.tell(bindings)
	wait(l.server, "the confirmation", active)
	if n := l.differences(4); n != 0 || l.rows() != 5 {
		t.Errorf("in the end: %d differences, %d rows", n, l.rows())
	}
}

// A database was paused before this agent knew of it.
func TestAModeThatComesBeforeTheGrantCountsBeforeIt(t *testing.T) {
	l := start(t, DatabaseOptions{})
	at := time.Now()
	l.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandPause, Epoch: 1, At: at},
		fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 1}, Term: time.Hour})
	l.snapshot(3)
	state := wait(l.server, "the reason", observed("paused by an operator"))
	if !state.State.ModeSince.Equal(at) {
		t.Errorf("since %v, want %v", state.State.ModeSince, at)
	}
	// An older word does not count, whoever says it.
	l.tell(fabric.Do{ID: 2, Database: "tor", Command: fabric.CommandRun, Epoch: 1, At: at.Add(-time.Second)})
	wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == 2 })
	if n := l.differences(3); n == 0 || l.rows() != 0 {
		t.Errorf("%d differences and %d rows", n, l.rows())
	}
	l.tell(fabric.Do{ID: 4, Database: "tor", Command: fabric.CommandRun, Epoch: 1, At: at.Add(time.Second)})
	l.waitRows(3)
}

// lockless is a switch that knows no locks.
type lockless struct{ ovsdb.Connector }

type locklessConn struct{ net.Conn }

func (c lockless) Connect(ctx context.Context) (net.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return locklessConn{conn}, nil
}

func (c locklessConn) Write(b []byte) (int, error) {
	return c.Conn.Write(bytes.ReplaceAll(b, []byte(`"method":"lock"`), []byte(`"method":"lick"`)))
}

// What is sent in the last moment of a grant may land after it.
func TestWithoutLocksNothingIsSentInTheLastMomentOfAGrant(t *testing.T) {
	l := &lab{server: newServer(t, "one").lead(1), db: newSwitch(t, ovsdbd.Options{})}
	l.agent, l.stop = run(t, Options{
		Servers: []Server{l.dial()}, Databases: []DatabaseOptions{{Name: "tor", Connect: lockless{dialer(t, l.db)}}},
	})
	l.server.agent()
	began := time.Now()
	l.snapshot(3)
	wait(l.server, "the reason", observed("another agent writes"))
	product.Eventually(t, "a grant arrives in time", func() error {
		// Each is good from the Hello on; the agent believes what comes in time.
		l.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: l.next().Counter}, Term: time.Since(began) + landing*9/10})
		select {
		case m := <-l.heard:
			if o, ok := m.(fabric.Observed); ok && strings.Contains(o.State.Error, "about to expire") {
				return nil
			}
		case <-time.After(fabric.Term):
		}
		return fmt.Errorf("not yet")
	})
	if n := l.rows(); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	l.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: l.next().Counter}, Term: time.Hour})
	l.waitRows(3)
}

// Commands are carried out one after the other between passes; a mode, which may
// forbid the next pass, does not wait for that.
func TestAModeIsTakenInWithTheGrantThatFollowsIt(t *testing.T) {
	db := newSwitch(t, ovsdbd.Options{})
	a, err := New(Options{Databases: []DatabaseOptions{{Name: "tor", Connect: dialer(t, db)}}})
	if err != nil {
		t.Fatal(err)
	}
	d := a.databases["tor"]
	d.inbox.ask(asked{Do: fabric.Do{Database: "tor", Command: fabric.CommandPause, At: time.Now()}})
	d.inbox.grant(granted{Grant: fabric.Grant{Version: l2gw.Version{Epoch: 1, Counter: 1}, Term: time.Hour}, asked: time.Now()})
	d.takeOrders()
	if d.mode != l2gw.ModePaused || d.tenure.Version().Counter != 1 {
		t.Errorf("mode %q, grant %+v", d.mode, d.tenure.Version())
	}
}

// A grant that was void must not stand in the way of the same in good time.
func TestTheLastOfTwoGrantsOfOneVersionCounts(t *testing.T) {
	b := newInbox()
	v := l2gw.Version{Epoch: 1, Counter: 1}
	b.grant(granted{Grant: fabric.Grant{Version: v, Term: time.Nanosecond}})
	b.grant(granted{Grant: fabric.Grant{Version: v, Term: time.Hour}})
	if o := b.takeOrders(); o.grant.Term != time.Hour {
		t.Errorf("%+v", o.grant)
	}
}

// What is told after a grant was taken back, or before it is given again, is not
// what the next one is good for.
func TestEachGrantAfterARevocationBeginsAnotherSpeech(t *testing.T) {
	b := newInbox()
	grant := func(counter uint64) uint64 {
		b.grant(granted{Grant: fabric.Grant{Version: l2gw.Version{Epoch: 1, Counter: counter}}})
		return b.takeOrders().grant.speech
	}
	first := grant(1)
	if again := grant(2); again != first {
		t.Error("a newer grant without a revocation: what was told goes on")
	}
	b.revoke(fabric.Revoke{Version: l2gw.Version{Epoch: 1, Counter: 5}})
	old := grant(4) // on its way when it was taken back already
	b.put(fabric.SnapshotBegin{Database: "tor"})
	b.put(fabric.SnapshotEnd{Database: "tor"})
	messages, _ := b.take()
	heard := messages[0].(cut).speech
	if next := grant(6); next <= heard || old > heard || heard <= first {
		t.Errorf("speeches: %d, revoked and told %d, old grant %d, next %d", first, heard, old, next)
	}
	if messages, _ = b.take(); len(messages) != 1 || messages[0] != fabric.ToAgent(cut{b.speech}) {
		t.Errorf("%+v", messages)
	}
}
