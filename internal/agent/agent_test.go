package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const network = "aaaaaaaa-0000-4000-8000-000000000001"

// lab is an agent with one real database, and one server that leads.
type lab struct {
	*server
	agent   *Agent
	db      *ovsdbd.Server
	version l2gw.Version
	stop    func() // the agent, once
}

// newSwitch is a switch ps1 with a port eth1.
func newSwitch(t *testing.T, options ovsdbd.Options) *ovsdbd.Server {
	t.Helper()
	db := ovsdbd.Start(t, options)
	fillSwitch(db)
	return db
}

func fillSwitch(db *ovsdbd.Server) {
	db.Transact("hardware_vtep", `
		{"op":"insert","table":"Physical_Port","uuid-name":"p","row":{"name":"eth1"}},
		{"op":"insert","table":"Physical_Switch","uuid-name":"ps","row":{"name":"ps1","tunnel_ips":"10.77.0.1","ports":["named-uuid","p"]}},
		{"op":"insert","table":"Global","row":{"switches":["named-uuid","ps"]}}`)
}

func dialer(t *testing.T, db *ovsdbd.Server) ovsdb.Connector {
	t.Helper()
	dial, err := ovsdb.Dialer(nil, "unix:"+db.Socket)
	if err != nil {
		t.Fatal(err)
	}
	return dial
}

// run runs an agent until stop or the end of the test.
func run(t *testing.T, o Options) (a *Agent, stop func()) {
	t.Helper()
	if o.Name == "" {
		o.Name = "here"
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return a, stop
}

func start(t *testing.T, options DatabaseOptions) *lab {
	t.Helper()
	l := &lab{server: newServer(t, "one").lead(1), db: newSwitch(t, ovsdbd.Options{})}
	options.Name, options.Connect = "tor", dialer(t, l.db)
	l.agent, l.stop = run(t, Options{Servers: []Server{l.dial()}, Databases: []DatabaseOptions{options}})
	l.server.agent()
	return l
}

// next is a version that is newer than all before, of the highest epoch that
// the agent knows.
func (l *lab) next() l2gw.Version {
	l.version.Epoch = max(1, l.agent.epoch.Load())
	l.version.Counter++
	return l.version
}

// segment is the network with n hosts on one compute node.
func (l *lab) segment(n int) *l2gw.Segment {
	vtep := netip.MustParseAddr("10.77.0.11")
	s := &l2gw.Segment{NetworkID: network, Name: "net-a", VNI: 5001, VTEPs: []netip.Addr{vtep}, Version: l.next()}
	for i := range n {
		mac := l2gw.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}
		s.Hosts = s.Hosts.Set(mac, l2gw.Host{MAC: mac, VTEP: vtep})
	}
	return s
}

// snapshot tells all that the database must hold: the network on ps1/eth1 VLAN 100.
func (l *lab) snapshot(hosts int) {
	l.Helper()
	l.tell(l.account(hosts, 0)...)
}

// account is what a snapshot is made of.
func (l *lab) account(hosts int, revision int64) []fabric.ToAgent {
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}
	v := l.next()
	return []fabric.ToAgent{
		fabric.SnapshotBegin{Database: "tor", Version: v},
		fabric.Owned{Database: "tor", Version: v, Owned: l2gw.Ownership{
			Networks: map[string]l2gw.VNI{network: 5001}, Bindings: map[l2gw.BindingKey]string{k: network},
		}},
		fabric.Segment{Database: "tor", Segment: l.segment(hosts)},
		fabric.Bindings{Database: "tor", Version: v, Set: []l2gw.Binding{{BindingKey: k, NetworkID: network, Revision: 1}}},
		fabric.SnapshotEnd{Database: "tor", Version: v, Revision: revision},
	}
}

func (l *lab) rows() int {
	return strings.Count(l.db.Dump("hardware_vtep", "Ucast_Macs_Remote", "MAC"), "02:00:00")
}

func (l *lab) waitRows(n int) {
	l.Helper()
	product.Eventually(l, fmt.Sprintf("there are %d rows", n), func() error {
		if got := l.rows(); got != n {
			return fmt.Errorf("there are %d", got)
		}
		return nil
	})
}

// waitSessions waits until n clients are connected to the switch. It may count one
// for a moment that has gone.
func (l *lab) waitSessions(n int) {
	l.Helper()
	product.Eventually(l, fmt.Sprintf("there are %d sessions", n), func() error {
		if got := l.db.Sessions(); got != n {
			return fmt.Errorf("there are %d", got)
		}
		return nil
	})
}

func TestNothingIsWrittenBeforeTheWholeSnapshotAndTheGrantAreThere(t *testing.T) {
	l := start(t, DatabaseOptions{})
	wait(l.server, "the reason", observed("has not told everything"))
	l.snapshot(3)
	wait(l.server, "the reason", observed("another agent writes"))
	if n := l.rows(); n != 0 {
		t.Errorf("%d rows were written without a grant", n)
	}
	l.grant(1, 1)
	wait(l.server, "the confirmation", active)
	l.waitRows(3)
}

func TestARevokedAgentWritesNoMore(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	l.tell(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 2}})
	l.grant(1, 2) // it is no newer
	wait(l.server, "the reason", observed("another agent writes"))
	l.snapshot(9)
	l.tell(fabric.Do{ID: 7, Database: "tor", Command: fabric.CommandValidate})
	done := wait(l.server, "the comparison", func(m fabric.Done) bool { return m.ID == 7 })
	if len(done.Differences) != 6 || done.Error != "" {
		t.Errorf("%d differences, want 6: %+v", len(done.Differences), done)
	}
	if n := l.rows(); n != 3 {
		t.Errorf("there are %d rows, want the 3 of before", n)
	}
	// What it was told before is not to be built upon: another agent has written since.
	l.grant(1, 3)
	wait(l.server, "the reason", observed("has not told everything yet"))
	l.tell(fabric.Do{ID: 8, Database: "tor", Command: fabric.CommandValidate})
	if d := wait(l.server, "the comparison", func(m fabric.Done) bool { return m.ID == 8 }); len(d.Differences) != 6 {
		t.Errorf("before it is told anew: %d differences, want 6: %+v", len(d.Differences), d)
	}
	l.snapshot(7)
	l.waitRows(7)
}

// Events only wake: an agent that hears of no change still finds it at the next audit.
func TestAnAgentThatMissesEveryEventStillConverges(t *testing.T) {
	l := start(t, DatabaseOptions{Audit: 50 * time.Millisecond, deaf: true})
	l.grant(1, 1)
	l.snapshot(20)
	l.waitRows(20)
	l.db.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[]}`)
	l.waitRows(20)
}

func TestAStoppedAgentLeavesTheSwitchAsItIs(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	l.waitSessions(1)
	before := l.db.Dump("hardware_vtep")
	l.stop()
	l.waitSessions(0)
	if after := l.db.Dump("hardware_vtep"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// The controller forgets what it knew of a binding that it takes away, and may set
// it again before the agent has looked: the answer is as before and news all the same.
func TestABindingThatWasUnsetAndSetAgainIsConfirmedAgain(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}
	l.tell(fabric.Bindings{Database: "tor", Version: l.next(), Set: []l2gw.Binding{{BindingKey: k, NetworkID: network, Revision: 1}}})
	wait(l.server, "the confirmation", active)
}

// thief is another program that takes the lock, until it is closed.
func thief(t *testing.T, db *ovsdbd.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", db.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte(`{"id":1,"method":"steal","params":["l2gw"]}`)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAnAgentWhoseLockWasStolenOnlyObservesUntilANewerGrant(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	other := thief(t, l.db)
	wait(l.server, "the report", func(m fabric.Observed) bool {
		return m.State.Lock == l2gw.LockingStolen && !m.State.Writer && strings.Contains(m.State.Error, "took the lock")
	})
	l.tell(fabric.Segment{Database: "tor", Segment: l.segment(5)})
	l.grant(1, 2) // without Steal: it stands in line
	wait(l.server, "the report", func(m fabric.Observed) bool { return m.State.Lock == l2gw.LockingWaiting })
	wait(l.server, "the reason", observed("holds the lock"))
	if n := l.rows(); n != 3 {
		t.Errorf("there are %d rows, want the 3 of before", n)
	}
	other.Close()
	l.waitRows(5)
	thief(t, l.db)
	wait(l.server, "the report", func(m fabric.Observed) bool { return m.State.Lock == l2gw.LockingStolen })
	l.tell(fabric.Segment{Database: "tor", Segment: l.segment(6)},
		fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 3}, Term: time.Hour, Steal: true})
	l.waitRows(6)
}

// A switch that hangs must not hold up the others of its agent.
func TestAnInboxThatOverflowsKeepsOrdersAndAsksForTheRest(t *testing.T) {
	b := newInbox()
	b.grant(granted{Grant: fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: 1}}})
	for range 3 * inboxLimit {
		b.put(fabric.SegmentUnknown{Database: "tor"})
	}
	b.revoke(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 2}})
	messages, lost := b.take()
	if o := b.takeOrders(); len(messages) != 1 || messages[0] != fabric.ToAgent(cut{1}) || !lost || o.grant == nil || o.revoke == nil {
		t.Fatalf("%d messages, lost %v, orders %+v", len(messages), lost, o)
	}
	if b.waiting() {
		t.Error("something is left")
	}
	b.put(fabric.SegmentUnknown{Database: "tor"})
	if messages, lost = b.take(); len(messages) != 1 || lost {
		t.Errorf("after that: %d messages, lost %v", len(messages), lost)
	}
}

// Else an agent with many networks would ask for snapshots for ever.
func TestAnInboxTakesASnapshotOfAnySizeInPlaceOfWhatCameBefore(t *testing.T) {
	b := newInbox()
	for range 3 * inboxLimit {
		b.put(fabric.SegmentUnknown{Database: "tor"})
	}
	b.put(fabric.SnapshotBegin{Database: "tor"})
	for range 3 * inboxLimit {
		b.put(fabric.SegmentUnknown{Database: "tor"})
	}
	b.put(fabric.SnapshotEnd{Database: "tor"})
	b.put(fabric.SegmentUnknown{Database: "tor"})
	if messages, lost := b.take(); len(messages) != 3*inboxLimit+3 || lost {
		t.Errorf("%d messages, lost %v", len(messages), lost)
	}
}

// While the agent waits for a switch that does not answer, much changes; when the
// switch is back, it gets what is right then.
func TestAnAgentThatLostMessagesAsksForASnapshot(t *testing.T) {
	l := start(t, DatabaseOptions{})
	l.grant(1, 1)
	l.snapshot(3)
	wait(l.server, "the confirmation", active)
	l.db.Pause()
	l.tell(fabric.Segment{Database: "tor", Segment: l.segment(4)})
	for range 2 * inboxLimit {
		l.tell(fabric.SegmentUnknown{Database: "tor", NetworkID: "other", Version: l.next()})
	}
	l.db.Continue()
	wait(l.server, "the question", func(m fabric.Ask) bool { return m.Database == "tor" && m.NetworkID == "" })
	l.snapshot(7)
	l.waitRows(7)
}

func TestADirtySetCoversWhatItWasGiven(t *testing.T) {
	var d dirty
	d.mac("a", l2gw.MAC{5: 1}, l2gw.MAC{5: 2})
	d.network("b")
	d.mac("b", l2gw.MAC{5: 3}) // covered by the whole network
	d.all = true
	s := d.take()
	if s.All || !s.Networks["b"] || len(s.MACs["a"]) != 2 || len(s.MACs["b"]) != 0 {
		t.Errorf("single changes should come first and alone: %+v", s)
	}
	if s := d.take(); !s.All {
		t.Errorf("then everything: %+v", s)
	}
	if !d.empty() {
		t.Errorf("something is left: %+v", d)
	}
	for i := range maxDirtyMACs + 1 {
		d.mac("a", l2gw.MAC{4: byte(i >> 8), 5: byte(i)})
	}
	if !d.networks["a"] || len(d.macs) > 0 {
		t.Error("very many MACs should count as their network")
	}
	d.without(vtep.Scope{Networks: map[string]bool{"a": true}})
	if !d.empty() {
		t.Errorf("something is left: %+v", d)
	}
}

func TestARefusedSubjectWaitsLongerEachTime(t *testing.T) {
	var p poison
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := vtep.Subject{Network: network, MAC: l2gw.MAC{5: 1}}
	var last time.Duration
	for range 12 {
		p.refuse(s, "no", now)
		wait := p.next().Sub(now)
		if wait < last*3/4 || wait > maxPoison*5/4 {
			t.Fatalf("after %v it waits %v", last, wait)
		}
		if !p.blocked(now)(s) || p.blocked(now)(vtep.Subject{Network: network}) {
			t.Fatal("it should be blocked, and it alone")
		}
		now, last = now.Add(wait), wait
		if p.blocked(now)(s) || len(p.due(now)) != 1 {
			t.Fatal("its time has come")
		}
		if next := p.next(); !next.IsZero() || len(p.due(now)) != 0 {
			t.Fatal("what is due is told once: with the switch away, nothing can be done about it")
		}
	}
	p.heal(vtep.Scope{All: true}, now)
	if len(p.refused) > 0 {
		t.Error("it went through and is still refused")
	}
}
