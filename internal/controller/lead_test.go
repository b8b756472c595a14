package controller

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// sql is a store that several servers share, with leases by the test's clock.
type sql struct {
	mu       sync.Mutex
	bindings []l2gw.Binding
	memory   memory

	holder  string
	epoch   uint64
	expires time.Time

	log *slog.Logger // of the servers, or nil
}

func newSQL(bindings ...l2gw.Binding) *sql {
	return &sql{memory: memory{owned: map[string]l2gw.Ownership{}}, bindings: bindings}
}

// connection is one server's connection to it, which can be cut.
type connection struct {
	*sql
	away bool // guarded by sql.mu
}

var errAway = errors.New("the database server cannot be reached")

func (s *connection) cut(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *connection) do(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	return f()
}

func (s *connection) Bindings(context.Context) (rev int64, all []l2gw.Binding, err error) {
	return 1, s.bindings, s.do(func() error { return nil })
}

func (s *connection) Changes(_ context.Context, since int64) (int64, []store.BindingChange, bool, error) {
	return since, nil, true, s.do(func() error { return nil })
}

func (s *connection) Subscribe() (<-chan struct{}, func()) { return nil, func() {} }

func (s *connection) Ownerships(context.Context) (all map[string]l2gw.Ownership, err error) {
	all = map[string]l2gw.Ownership{}
	return all, s.do(func() error {
		for name, o := range s.memory.owned {
			all[name] = cloneOwnership(o)
		}
		return nil
	})
}

func (s *connection) Remembered(context.Context) (map[string]l2gw.Remembered, error) {
	return nil, s.do(func() error { return nil })
}

func (s *connection) RememberDevices(context.Context, uint64, string, []l2gw.DeviceState) error {
	return nil
}

func (s *connection) RememberLearned(context.Context, uint64, string, []l2gw.Learned, []l2gw.Learned) error {
	return nil
}

func (s *connection) Own(ctx context.Context, epoch uint64, db string, more l2gw.Ownership) error {
	return s.do(func() error { return s.memory.Own(ctx, epoch, db, more) })
}

func (s *connection) Disown(ctx context.Context, epoch uint64, db string, gone l2gw.Ownership) error {
	return s.do(func() error { return s.memory.Disown(ctx, epoch, db, gone) })
}

func (s *connection) AcquireLease(_ context.Context, _, holder string, term time.Duration, above uint64) (epoch uint64, held bool, err error) {
	err = s.do(func() error {
		if s.holder != "" && s.holder != holder && time.Now().Before(s.expires) {
			return nil
		}
		s.holder, s.epoch, s.expires = holder, max(s.epoch, above)+1, time.Now().Add(term)
		epoch, held = s.epoch, true
		return nil
	})
	return epoch, held, err
}

func (s *connection) RenewLease(_ context.Context, _, holder string, epoch uint64, term time.Duration) (held bool, err error) {
	err = s.do(func() error {
		if held = s.holder == holder && s.epoch == epoch; held {
			s.expires = time.Now().Add(term)
		}
		return nil
	})
	return held, err
}

func (s *connection) ReleaseLease(_ context.Context, _, holder string, epoch uint64) error {
	return s.do(func() error {
		if s.holder == holder && s.epoch == epoch {
			s.expires = time.Now()
		}
		return nil
	})
}

func (s *connection) Lease(context.Context, string) (holder string, epoch uint64, expires time.Duration, err error) {
	err = s.do(func() error {
		holder, epoch, expires = s.holder, s.epoch, time.Until(s.expires)
		return nil
	})
	return holder, epoch, expires, err
}

// A store in memory has no leases: who uses it is alone.

func (m *memory) AcquireLease(context.Context, string, string, time.Duration, uint64) (epoch uint64, held bool, err error) {
	return 0, false, errBroken
}

func (m *memory) RenewLease(context.Context, string, string, uint64, time.Duration) (held bool, err error) {
	return false, errBroken
}

func (m *memory) ReleaseLease(context.Context, string, string, uint64) error { return errBroken }

func (m *memory) Lease(context.Context, string) (holder string, epoch uint64, expires time.Duration, err error) {
	return "", 0, 0, errBroken
}

// stated is an inventory that has been read once.
type stated []*l2gw.Segment

func (t stated) Run(ctx context.Context, sink inventory.Sink) error {
	u := inventory.Update{Complete: true}
	for _, s := range t {
		u.Changed = append(u.Changed, inventory.Change{Segment: s})
	}
	sink.Inventory(u)
	<-ctx.Done()
	return ctx.Err()
}

// server is a controller that runs.
type server struct {
	*Controller
	sql  *connection
	stop func()
}

// startServer starts one of several servers of a database server; alone with "".
func startServer(t *testing.T, db *sql, holder string, networks ...*l2gw.Segment) *server {
	t.Helper()
	c := &connection{sql: db}
	s := runServer(t, Options{
		Store: c, Inventory: stated(networks), Server: holder, Lease: LeaseOptions{Holder: holder}, Logger: db.log,
	})
	s.sql = c
	return s
}

func runServer(t *testing.T, o Options) *server {
	t.Helper()
	s := &server{Controller: New(o)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server %s: %v", o.Server, err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) leads() bool { _, _, ok := s.Leading(); return ok }

// testAgent is an agent with one database, at the other end of one stream.
type testAgent struct {
	stream fabric.AgentStream
	ended  chan error // what the server's Serve returned

	mu       sync.Mutex
	mute     bool // it does not beat
	follows  bool // it answers commands by itself
	states   []l2gw.DatabaseState
	news     chan struct{} // states are others; 1 place
	epoch    uint64
	replica  *fabric.Replica
	welcomes []fabric.Welcome
	grants   []fabric.Grant
	renewals []fabric.Renewal
	all      []fabric.ToAgent
}

// startAgent connects an agent to a server. Its switch ps1 is in db1, and connected.
func startAgent(t *testing.T, s *server, hello fabric.Hello, peer fabric.Peer) *testAgent {
	t.Helper()
	up, down := fabric.Pipe()
	a := &testAgent{stream: down, replica: fabric.NewReplica(), ended: make(chan error, 1), epoch: hello.Epoch, news: make(chan struct{}, 1)}
	for _, h := range hello.Databases {
		a.states = append(a.states, l2gw.DatabaseState{
			Name: h.Database, Connected: true, Writer: h.Writer, Grant: h.Grant,
			Devices: []l2gw.DeviceState{{Name: devices[h.Database], TunnelIPs: []netip.Addr{tunnel[h.Database]}}},
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { a.ended <- s.Serve(ctx, up, peer) })
	working.Go(func() {
		for {
			m, err := down.Recv(ctx)
			if err != nil {
				return
			}
			a.take(m)
		}
	})
	working.Go(func() {
		_ = down.Send(ctx, hello)
		a.report()
		tick := time.NewTicker(fabric.BeatInterval)
		defer tick.Stop()
		for n := uint64(1); ; {
			a.mu.Lock()
			mute, epoch := a.mute, a.epoch
			a.mu.Unlock()
			if !mute && down.Send(ctx, fabric.Beat{Sequence: n, Epoch: epoch}) != nil {
				return
			}
			n++
			for wait := true; wait; {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					wait = false
				case <-a.news:
					a.mu.Lock()
					states := slices.Clone(a.states)
					a.mu.Unlock()
					for _, st := range states {
						_ = down.Send(ctx, fabric.Observed{Database: st.Name, State: st})
					}
				}
			}
		}
	})
	t.Cleanup(func() { cancel(); down.Close(); working.Wait() })
	return a
}

// report has it say how its databases are.
func (a *testAgent) report() {
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *testAgent) take(m fabric.ToAgent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, m)
	switch m := m.(type) {
	case fabric.Welcome:
		a.welcomes = append(a.welcomes, m)
	case fabric.Grant:
		a.grants = append(a.grants, m)
		for i := range a.states {
			if st := &a.states[i]; st.Name == m.Database {
				st.Grant, st.Writer, st.Lock = m.Version, true, l2gw.LockingHeld
			}
		}
		a.report()
	case fabric.Renewal:
		a.renewals = append(a.renewals, m)
	case fabric.Do:
		for i := range a.states {
			st := &a.states[i]
			if mode, sets := modeOf(m.Command); sets && st.Name == m.Database && m.At.After(st.ModeSince) {
				st.Mode, st.ModeSince = mode, m.At
			}
		}
		a.report()
		if a.follows {
			_ = a.stream.Send(context.Background(), fabric.Done{ID: m.ID})
		}
	default:
		a.replica.Apply(m)
	}
}

func (a *testAgent) locked(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// applied confirms all bindings that the agent was told of.
func (a *testAgent) applied(t *testing.T, to ...*testAgent) {
	t.Helper()
	m := fabric.Applied{Database: "db1"}
	a.locked(func() {
		m.Version = a.replica.Seen()
		for k, b := range a.replica.Bindings {
			m.Bindings = append(m.Bindings, fabric.BindingResult{Key: k, Revision: b.Revision, Status: l2gw.StatusActive})
		}
	})
	for _, x := range append(to, a) {
		if err := x.stream.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
}

func (a *testAgent) controller() (last fabric.Welcome) {
	a.locked(func() {
		if len(a.welcomes) > 0 {
			last = a.welcomes[len(a.welcomes)-1]
		}
	})
	return last
}

func hello(name string, databases ...string) fabric.Hello {
	h := fabric.Hello{Protocol: fabric.ProtocolVersion, Agent: name}
	for _, db := range databases {
		h.Databases = append(h.Databases, fabric.Holding{Database: db})
	}
	return h
}

// wantWithin waits until a condition holds.
func wantWithin(t *testing.T, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); ; {
		synctest.Wait()
		if cond() {
			return
		}
		if !time.Now().Before(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var (
	boundKey = l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 7}
	bound    = l2gw.Binding{BindingKey: boundKey, NetworkID: "a", ConnectionID: "c", GatewayID: "g", Revision: 1}
)

func netA() *l2gw.Segment {
	h := l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}, VTEP: netip.MustParseAddr("10.77.0.11")}
	s := &l2gw.Segment{NetworkID: "a", Name: "a", VNI: 5001, VTEPs: []netip.Addr{h.VTEP}}
	s.Hosts = s.Hosts.Set(h.MAC, h)
	s.HostSum = s.SumHosts()
	return s
}

// What a server that stands by has heard is what it says as soon as it leads: the
// lease goes to it when the controller stops, and nothing is BUILD again.
func TestTheServerThatStandsByKnowsTheStatusesBeforeItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newSQL(bound)
		s1 := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "s1 leads", s1.leads)
		s2 := startServer(t, db, "s2", netA())
		a1, a2 := startAgent(t, s1, hello("a", "db1"), fabric.Peer{}), startAgent(t, s2, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "the agent is fed", func() (ok bool) {
			a1.locked(func() { ok = a1.replica.Complete && len(a1.replica.Bindings) == 1 })
			return ok
		})
		a1.applied(t, a2)
		for _, s := range []*server{s1, s2} {
			wantWithin(t, time.Second, "the connection is ACTIVE", func() bool { st, _, _ := s.Connection("c"); return st == l2gw.StatusActive })
		}
		a2.locked(func() {
			if a2.replica.Complete || len(a2.grants) > 0 || a2.welcomes[0].Controller {
				t.Errorf("a server that stands by fed or granted: %v", a2.all)
			}
		})
		s1.stop()
		wantWithin(t, 2*time.Second, "s2 leads", s2.leads)
		wantWithin(t, 10*time.Second, "s2 feeds", func() (ok bool) {
			if st, why, _ := s2.Connection("c"); st != l2gw.StatusActive {
				t.Fatalf("the connection is %s: %s", st, why)
			}
			a2.locked(func() { ok = a2.replica.Complete && len(a2.replica.Bindings) == 1 })
			return ok
		})
		if w := a2.controller(); !w.Controller || w.Epoch != 2 {
			t.Errorf("the new controller says %+v", w)
		}
		a2.locked(func() {
			for id, seg := range a2.replica.Segments {
				if seg.Version.Epoch != 2 {
					t.Errorf("network %s is of version %v, which an agent that knows of epoch 2 drops", id, seg.Version)
				}
			}
		})
	})
}

// A controller whose SQL is gone goes on feeding, but does not say that nobody
// else can have the lease. Another takes it; the first hears of that from an
// agent, and stops at once. With SQL back, it stands by.
func TestAControllerWithoutSQLGoesOnUntilItHearsOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newSQL(bound)
		s1 := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "s1 leads", s1.leads)
		a := startAgent(t, s1, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "a renewal by the lease", func() (ok bool) {
			a.locked(func() { ok = len(a.renewals) > 0 && a.renewals[len(a.renewals)-1].Leased })
			return ok
		})
		s1.sql.cut(true)
		began := time.Now()
		wantWithin(t, fabric.Term+fabric.BeatInterval, "a renewal that does not count on the lease", func() (ok bool) {
			a.locked(func() { r := a.renewals[len(a.renewals)-1]; ok = !r.Leased && r.Epoch == 1 })
			return ok
		})
		if time.Since(began) < fabric.Term-fabric.BeatInterval-time.Second {
			t.Errorf("the lease was given up after %v already", time.Since(began))
		}
		time.Sleep(time.Minute)
		if !s1.leads() {
			t.Error("it gave up, though nobody else has the lease")
		}
		s2 := startServer(t, db, "s2", netA())
		wantWithin(t, 2*time.Second, "s2 leads", s2.leads)
		if !s1.leads() {
			t.Error("how can it know?")
		}
		a.locked(func() { a.epoch = 2 })
		wantWithin(t, fabric.BeatInterval+time.Second, "s1 follows", func() bool { return !s1.leads() && !a.controller().Controller })
		s1.sql.cut(false)
		time.Sleep(time.Minute)
		if s1.leads() || !s2.leads() {
			t.Error("the lease should stay where it is")
		}
		if epoch, _, _ := s2.Leading(); epoch != 2 {
			t.Errorf("epoch %d", epoch)
		}
	})
}

// The database was restored from a backup: its epoch is lower than what agents
// have seen, and they would obey nobody. The server takes a higher one.
func TestAnEpochThatAnAgentHasSeenIsExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, newSQL(bound), "s1", netA())
		wantWithin(t, time.Second, "it leads", s.leads)
		h := hello("a", "db1")
		h.Epoch = 41
		a := startAgent(t, s, h, fabric.Peer{})
		wantWithin(t, 3*time.Second, "it leads with 42", func() bool { e, _, _ := s.Leading(); return e == 42 })
		wantWithin(t, 10*time.Second, "the agent is fed under it", func() (ok bool) {
			a.locked(func() { ok = a.replica.Complete && a.replica.Seen().Epoch == 42 })
			return ok
		})
	})
}

// A lease that another server took is noticed at the next renewal, and a server
// that died with it has it back at once, with a higher epoch.
func TestAServerThatDiedWithTheLeaseHasItBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newSQL(bound)
		db.holder, db.epoch, db.expires = "s1", 7, time.Now().Add(fabric.Term)
		s2 := startServer(t, db, "s2", netA())
		s1 := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "s1 leads", s1.leads)
		if e, _, _ := s1.Leading(); e != 8 {
			t.Errorf("epoch %d", e)
		}
		db.mu.Lock()
		db.holder, db.epoch = "elsewhere", 9
		db.mu.Unlock()
		wantWithin(t, fabric.Term/3+time.Second, "s1 follows", func() bool { return !s1.leads() })
		wantWithin(t, 2*fabric.Term, "somebody leads", func() bool { return s1.leads() != s2.leads() })
	})
}

// What a controller wrote is refused: it is not the controller any more, and
// learns of it before the next renewal.
func TestAFencedWriterStepsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, newSQL(), "s1")
		wantWithin(t, time.Second, "it leads", s.leads)
		s.fenced(2)
		if !s.leads() {
			t.Error("what was refused was not of its epoch")
		}
		s.fenced(1)
		if s.leads() {
			t.Error("it still leads")
		}
		wantWithin(t, 2*time.Second, "it leads again, with a higher epoch", func() bool { e, _, _ := s.Leading(); return e == 2 })
	})
}
