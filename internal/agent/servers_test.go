package agent

import (
	"fmt"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// say tells a snapshot of the network on ps1/eth1 VLAN 100 with so many hosts.
func say(s *server, l *lab, hosts int, revision int64) {
	s.Helper()
	for _, m := range l.account(hosts, revision) {
		s.tell(m)
	}
}

// two is a lab with a second server, which stands by.
func two(t *testing.T) (l *lab, second *server) {
	t.Helper()
	second = newServer(t, "two")
	l = &lab{server: newServer(t, "one").lead(1), db: newSwitch(t, ovsdbd.Options{})}
	l.agent, l.stop = run(t, Options{
		Servers: []Server{l.dial(), second.dial()}, Databases: []DatabaseOptions{{Name: "tor", Connect: dialer(t, l.db)}},
	})
	l.server.agent()
	second.agent()
	return l, second
}

func TestEveryServerHearsEverythingAndOnlyTheControllerIsObeyed(t *testing.T) {
	l, second := two(t)
	// The other one must not be able to do harm, whatever it says.
	second.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 9, Counter: 9}, Term: time.Hour})
	say(second, l, 9, 1)
	l.grant(1, 1)
	l.snapshot(3)
	for _, s := range []*server{l.server, second} {
		wait(s, "the confirmation", active)
		wait(s, "the state", func(m fabric.Observed) bool { return m.State.Writer && m.State.InSync })
	}
	if n := l.rows(); n != 3 {
		t.Errorf("there are %d rows, want the 3 of the controller", n)
	}
	second.tell(fabric.Do{ID: 5, Database: "tor", Command: fabric.CommandValidate},
		fabric.Do{ID: 6, Database: "tor", Command: fabric.CommandPause, Epoch: 1}, fabric.Do{ID: 7, Database: "nowhere", Command: fabric.CommandReport})
	answers := map[uint64]string{}
	for range 3 {
		d := wait(second, "an answer", func(fabric.Done) bool { return true })
		answers[d.ID] = d.Error
	}
	if answers[5] != "" || answers[6] == "" || answers[7] == "" {
		t.Errorf("the answers to one that is not the controller: %v", answers)
	}
	second.tell(fabric.Do{ID: 8, Database: "tor", Command: fabric.CommandReport})
	wait(second, "everything anew", func(m fabric.Learned) bool { return m.Full })
	wait(second, "everything anew", active)
}

func TestTheAgentFollowsTheControllersRoleAndForgetsWhatWasHalfTold(t *testing.T) {
	l, second := two(t)
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	// Half a snapshot without the hosts, which must never count.
	half := l.account(0, 1)
	l.tell(half[:len(half)-1]...)
	second.lead(2)
	product.Eventually(t, "the second is obeyed", func() error {
		if e := l.agent.epoch.Load(); e != 2 {
			return fmt.Errorf("epoch %d", e)
		}
		return nil
	})
	l.tell(half[len(half)-1])
	say(l.server, l, 1, 1) // of the lower epoch
	l.lead(1)              // it has not noticed
	say(l.server, l, 1, 1)
	second.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandValidate})
	if d := wait(second, "an answer", func(fabric.Done) bool { return true }); len(d.Differences) > 0 || d.Error != "" {
		t.Errorf("what the former controller says counts: %+v", d)
	}
	if n := l.rows(); n != 3 {
		t.Errorf("there are %d rows", n)
	}
	second.grant(2, 1)
	say(second, l, 5, 1)
	l.waitRows(5)
	// Back again, under a higher epoch.
	l.lead(3)
	product.Eventually(t, "the first is obeyed", func() error {
		if e := l.agent.epoch.Load(); e != 3 {
			return fmt.Errorf("epoch %d", e)
		}
		return nil
	})
	l.grant(3, 1)
	l.snapshot(4)
	l.waitRows(4)
}

func TestHelloTellsWhatTheAgentHoldsAndTheHighestEpoch(t *testing.T) {
	l := start(t, DatabaseOptions{})
	if l.hello.Databases[0].Complete || l.hello.Epoch != 0 {
		t.Errorf("the first Hello: %+v", l.hello)
	}
	l.grant(1, 1)
	say(l.server, l, 3, 17)
	wait(l.server, "the confirmation", active)
	wait(l.server, "the state", func(m fabric.Observed) bool { return m.State.Writer && m.State.InSync })
	l.cutStream()
	h := l.server.agent()
	d := h.Databases[0]
	if h.Epoch != 1 || !d.Complete || !d.Writer || d.Grant != (l2gw.Version{Epoch: 1, Counter: 1}) || d.Revision != 17 ||
		d.Bindings == 0 || d.Networks[network] == 0 || len(d.Networks) != 1 {
		t.Errorf("the second Hello: %+v", h)
	}
	// A new stream is told everything, changed or not.
	wait(l.server, "the state", func(m fabric.Observed) bool { return m.State.InSync })
	wait(l.server, "what was learned", func(m fabric.Learned) bool { return m.Full })
	wait(l.server, "the confirmation", active)
}

func TestAServerThatDoesNotListenHoldsUpNobody(t *testing.T) {
	l, second := two(t)
	second.deaf.Store(true)
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	for i := range 300 { // far more than fit into the stream
		l.tell(fabric.Segment{Database: "tor", Segment: l.segment(3 + i%2)})
		l.tell(fabric.Do{ID: uint64(i), Database: "tor", Command: fabric.CommandValidate})
		wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == uint64(i) })
	}
	l.waitRows(4)
	// Once it listens, be it on this stream or on a new one, it gets to know how things stand.
	second.deaf.Store(false)
	wait(second, "the confirmation", active)
}

func TestWhatAServerIsOwedIsBounded(t *testing.T) {
	r := newReports("tor")
	s := &session{wake: make(chan struct{}, 1), uplinks: map[*reports]struct{}{}}
	r.attach(s)
	r.learn(map[fabric.LearnedKey]l2gw.Learned{})
	if m := r.collect(s, nil); len(m) != 1 || !m[0].(fabric.Learned).Full {
		t.Fatalf("at first: %+v", m)
	}
	mac := func(i int) map[fabric.LearnedKey]l2gw.Learned {
		k := fabric.LearnedKey{NetworkID: network, MAC: l2gw.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}}
		return map[fabric.LearnedKey]l2gw.Learned{k: {NetworkID: network, Host: l2gw.Host{MAC: k.MAC}}}
	}
	r.learn(mac(0))
	r.learn(mac(1))
	if m := r.collect(s, nil); len(m) != 1 || len(m[0].(fabric.Learned).Set) != 1 || len(m[0].(fabric.Learned).Gone) != 1 {
		t.Errorf("one came for another: %+v", m)
	}
	for i := range 3 * maxKeys {
		r.learn(mac(i))
	}
	if n := len(r.uplinks[s].learned.keys); n > maxKeys {
		t.Errorf("it is owed %d keys", n)
	}
	if m := r.collect(s, nil); len(m) != 1 || !m[0].(fabric.Learned).Full || len(m[0].(fabric.Learned).Set) != 1 {
		t.Errorf("after very many changes: %+v", m)
	}
	if m := r.collect(s, nil); len(m) != 0 {
		t.Errorf("nothing is new, and it says %+v", m)
	}
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.mute.Store(true)
	l.server.agent() // again, although the stream has not ended
	if n := l.dialled.Load(); n != 2 {
		t.Errorf("it dialled %d times", n)
	}
}

func TestARefusedDatabaseIsToldInTheStandings(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.tell(fabric.Refused{Database: "tor", Reason: "its certificate does not name it"})
	product.Eventually(t, "the standing tells it", func() error {
		if s := l.agent.Standings()[0]; s.Denied["one"] != "its certificate does not name it" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

func TestWithEveryServerGoneAWipedSwitchIsFilledAgain(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(7)
	wait(l.server, "the confirmation", active)
	l.away.Store(true)
	l.cutStream()
	l.db.Wipe()
	fillSwitch(l.db)
	l.waitRows(7)
}
