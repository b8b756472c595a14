package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// flaky is a store whose calls can be made to wait or to fail.
type flaky struct {
	Store
	// write and read are asked before a call goes on; nil lets it. after is asked
	// when it was carried out.
	write, read, after func(context.Context) error
}

func (f *flaky) do(ctx context.Context, call func() error) error {
	if f.write != nil {
		if err := f.write(ctx); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if f.after != nil {
		return f.after(ctx)
	}
	return nil
}

func (f *flaky) Own(ctx context.Context, epoch uint64, db string, more l2gw.Ownership) error {
	return f.do(ctx, func() error { return f.Store.Own(ctx, epoch, db, more) })
}

func (f *flaky) Disown(ctx context.Context, epoch uint64, db string, gone l2gw.Ownership) error {
	return f.do(ctx, func() error { return f.Store.Disown(ctx, epoch, db, gone) })
}

func (f *flaky) RememberDevices(ctx context.Context, epoch uint64, db string, devices []l2gw.DeviceState) error {
	return f.do(ctx, func() error { return f.Store.RememberDevices(ctx, epoch, db, devices) })
}

func (f *flaky) RememberLearned(ctx context.Context, epoch uint64, db string, set, gone []l2gw.Learned) error {
	return f.do(ctx, func() error { return f.Store.RememberLearned(ctx, epoch, db, set, gone) })
}

func (f *flaky) Changes(ctx context.Context, since int64) (int64, []store.BindingChange, bool, error) {
	if f.read != nil {
		if err := f.read(ctx); err != nil {
			return 0, nil, false, err
		}
	}
	return f.Store.Changes(ctx, since)
}

// newMemory is a store in memory with one database.
func newMemory() *memory {
	return &memory{owned: map[string]l2gw.Ownership{"tor": noOwnership()}}
}

// outcome keeps what a writer tells.
type outcome struct {
	recorded []l2gw.Ownership
	fenced   []uint64
}

func (o *outcome) owned(_ context.Context, _ uint64, _ string, more l2gw.Ownership) {
	o.recorded = append(o.recorded, more)
}

func (o *outcome) kept(context.Context, uint64, string, learnedChanges) {}

func (o *outcome) refused(_ context.Context, epoch uint64) { o.fenced = append(o.fenced, epoch) }

func placeOf(i int) l2gw.BindingKey {
	return l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: l2gw.VLAN(i)}
}

// hurry makes all that waits for another attempt due.
func (w *writer) hurry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.queues {
		q.due = time.Time{}
	}
}

// However writes are asked for, merged, refused, repeated, or carried out without
// the answer coming back: what was told to be recorded is recorded at that moment, and in the
// end the store has exactly what it was asked to have.
func TestTheStoreEndsUpWithWhatItWasAskedToHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		outage, lostAnswer := errors.New("SQL is away"), errors.New("the answer is lost")
		var down, lost bool
		f := &flaky{Store: m, write: func(context.Context) error {
			if down {
				return outage
			}
			return nil
		}, after: func(context.Context) error {
			if lost {
				lost = false
				return lostAnswer
			}
			return nil
		}}
		var out outcome
		w := newWriter(f, slog.New(slog.DiscardHandler), time.Now, &out)
		// What the controller does: it disowns what it was told to be recorded, also
		// where it has asked for something else to be recorded instead.
		ours, asked := map[l2gw.BindingKey]string{}, map[l2gw.BindingKey]string{}
		hear := func(t *rapid.T) {
			for _, more := range out.recorded {
				for k, id := range more.Bindings {
					if got := m.owned["tor"].Bindings[k]; got != id {
						t.Fatalf("%v was told to be recorded as %q, the store has %q", k, id, got)
					}
					ours[k] = id
					if asked[k] == id {
						delete(asked, k)
					}
				}
			}
			out.recorded = nil
		}
		key := rapid.Custom(func(t *rapid.T) l2gw.BindingKey { return placeOf(rapid.IntRange(1, 4).Draw(t, "vlan")) })
		network := rapid.SampledFrom([]string{"a", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"own": func(t *rapid.T) {
				k, id := key.Draw(t, "place"), network.Draw(t, "network")
				if ours[k] != id || asked[k] != "" {
					asked[k] = id
					w.own(7, "tor", l2gw.Ownership{Bindings: map[l2gw.BindingKey]string{k: id}})
				}
			},
			"disown": func(t *rapid.T) {
				k := key.Draw(t, "place")
				id, known := ours[k]
				if !known || asked[k] == id {
					return
				}
				delete(ours, k)
				w.disown(7, "tor", l2gw.Ownership{Bindings: map[l2gw.BindingKey]string{k: id}})
			},
			"SQL goes":         func(*rapid.T) { down = true },
			"SQL is back":      func(*rapid.T) { down = false },
			"an answer's lost": func(*rapid.T) { lost = true },
			"write": func(t *rapid.T) {
				w.hurry()
				w.write(context.Background())
				hear(t)
			},
		})
		down, lost = false, false
		w.hurry()
		w.write(context.Background())
		hear(t)
		if len(asked) > 0 {
			t.Fatalf("never told of %v", asked)
		}
		if diff := cmp.Diff(ours, m.owned["tor"].Bindings); diff != "" {
			t.Fatalf("(-asked +stored):\n%s", diff)
		}
		if f := w.figures(); f.Waiting != 0 || f.Oldest != 0 {
			t.Fatalf("all is written, and %+v waits", f)
		}
	})
}

func TestHoweverLongSQLIsAwayNoMoreWaitsThanThereIs(t *testing.T) {
	m := newMemory()
	m.broken = true
	at := now
	w := newWriter(m, slog.New(slog.DiscardHandler), func() time.Time { return at }, &outcome{})
	const places, networks = 20, 5
	for i := range 10_000 {
		o := l2gw.Ownership{
			Networks: map[string]l2gw.VNI{fmt.Sprint(i % networks): 5000},
			Bindings: map[l2gw.BindingKey]string{placeOf(i % places): fmt.Sprint(i % networks)},
		}
		if i%3 == 0 {
			w.disown(1, "tor", o)
		} else {
			w.own(1, "tor", o)
		}
		w.rememberDevices(1, "tor", []l2gw.DeviceState{{Name: fmt.Sprint(i)}})
		if i%100 == 0 {
			w.hurry()
			w.write(t.Context())
		}
		at = at.Add(time.Second)
	}
	f := w.figures()
	if f.Waiting != places+networks+1 {
		t.Errorf("%d writes wait, want one for each of %d places, %d networks and the devices", f.Waiting, places, networks)
	}
	if f.Oldest != 10_000*time.Second {
		t.Errorf("the oldest is said to wait for %v, want all the time", f.Oldest)
	}
	m.broken = false
	w.write(t.Context())
	if f := w.figures(); f.Waiting != 0 || len(m.owned["tor"].Bindings) != places {
		t.Errorf("SQL is back, and %+v waits; %d places are recorded", f, len(m.owned["tor"].Bindings))
	}
}

// What fails is tried again after a while that grows, and has no end.
func TestARefusedDatabaseIsAskedMoreAndMoreSeldom(t *testing.T) {
	m := newMemory()
	m.broken = true
	at, tries := now, 0
	w := newWriter(&flaky{Store: m, write: func(context.Context) error { tries++; return nil }},
		slog.New(slog.DiscardHandler), func() time.Time { return at }, &outcome{})
	w.own(1, "tor", l2gw.Ownership{Networks: map[string]l2gw.VNI{"a": 1}})
	for end := at.Add(time.Minute); at.Before(end); {
		next := w.write(t.Context())
		if next > lastRetry {
			t.Fatalf("the next attempt is in %v", next)
		}
		at = at.Add(next)
	}
	if least, most := int(time.Minute/lastRetry), int(2*time.Minute/lastRetry)+12; tries < least || tries > most {
		t.Errorf("%d attempts in a minute, want %d to %d", tries, least, most)
	}
}

// Another server has the lease: nothing that was asked under the epoch before may
// be written later, not even when this server leads again.
func TestWhatWasAskedUnderALostLeaseIsDropped(t *testing.T) {
	m := newMemory()
	lease := uint64(7)
	var out outcome
	var w *writer
	w = newWriter(&flaky{Store: m, write: func(context.Context) error {
		if w.writing.epoch != lease {
			return fmt.Errorf("own: %w", l2gw.ErrFenced)
		}
		return nil
	}}, slog.New(slog.DiscardHandler), time.Now, &out)
	ours := func(id string) l2gw.Ownership { return l2gw.Ownership{Networks: map[string]l2gw.VNI{id: 1}} }
	w.own(7, "tor", ours("a"))
	w.write(t.Context())
	lease = 8
	w.own(7, "tor", ours("b"))
	w.rememberDevices(7, "tor", nil)
	w.write(t.Context())
	w.own(7, "tor", ours("c"))
	lease = 9
	w.own(9, "tor", ours("d"))
	w.write(t.Context())
	if diff := cmp.Diff([]uint64{7}, out.fenced); diff != "" {
		t.Errorf("told that it is fenced (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]l2gw.VNI{"a": 1, "d": 1}, m.owned["tor"].Networks); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if f := w.figures(); f.Waiting != 0 {
		t.Errorf("%+v waits", f)
	}
}

// director is an inventory source that says what a test has it say.
type director chan inventory.Update

func (d director) Run(ctx context.Context, sink inventory.Sink) error {
	for {
		select {
		case u := <-d:
			sink.Inventory(u)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follower is an agent that keeps what it is told.
type follower struct {
	t       *testing.T
	stream  fabric.AgentStream
	replica *fabric.Replica
	check   func(fabric.ToAgent)
}

// until hears messages until they have made it so.
func (f *follower) until(what string, so func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	for !so() {
		m, err := f.stream.Recv(ctx)
		if err != nil {
			f.t.Fatalf("waiting for this: %s: %v", what, err)
		}
		f.check(m)
		f.replica.Apply(m)
	}
}

// gate lets calls pass, or holds them up until it is opened or they are given up.
type gate struct {
	mu      sync.Mutex
	shutBy  chan struct{} // closed when it is opened; nil while it is open
	reached chan struct{} // closed when a call is held up
}

func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	by := g.shutBy
	if by != nil && g.reached != nil {
		close(g.reached)
		g.reached = nil
	}
	g.mu.Unlock()
	if by == nil {
		return nil
	}
	select {
	case <-by:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shut holds up all calls from now on; what it returns is closed when there is one.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	reached := make(chan struct{})
	g.shutBy, g.reached = make(chan struct{}), reached
	return reached
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shutBy)
	g.shutBy = nil
}

// The database server hangs, as one does whose machine is gone: what comes from
// switches and inventory goes on, what users take away goes at once, and what
// nobody could record is written nowhere.
func TestADatabaseServerThatHangsDelaysNothingThatNeedsNoRecord(t *testing.T) {
	real, err := store.Open(t.Context(), "sqlite:///"+t.TempDir()+"/l2gw.db")
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	var writes, reads gate
	source := make(director)
	c := New(Options{Store: &flaky{Store: real, write: writes.pass, read: reads.pass}, Inventory: source, Poll: 50 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()

	connect := func(network string, vlan l2gw.VLAN) string {
		g, err := real.CreateGateway(t.Context(), l2gw.Gateway{ProjectID: "p", Name: network, Devices: []l2gw.Device{
			{Name: "ps1", Interfaces: []l2gw.Interface{{Name: "eth1"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := real.CreateConnection(t.Context(), l2gw.Connection{ProjectID: "p", GatewayID: g.ID, NetworkID: network, VLAN: &vlan})
		if err != nil {
			t.Fatal(err)
		}
		return conn.ID
	}
	segment := func(id string, hosts ...l2gw.Host) inventory.Change {
		seg := &l2gw.Segment{NetworkID: id, VNI: 5000}
		txn := seg.Hosts.Txn()
		for _, h := range hosts {
			txn.Set(h.MAC, h)
		}
		seg.Hosts = txn.Commit()
		return inventory.Change{Segment: seg}
	}
	first := connect("net-a", 1)
	source <- inventory.Update{Complete: true, Changed: []inventory.Change{segment("net-a"), segment("net-b")}}

	server, agent := fabric.Pipe()
	running.Go(func() { _ = c.Serve(ctx, server, fabric.Peer{}) })
	f := &follower{t: t, stream: agent, replica: fabric.NewReplica()}
	f.check = func(m fabric.ToAgent) {
		b, ok := m.(fabric.Bindings)
		if !ok || len(b.Set) == 0 {
			return
		}
		owned, err := real.Ownership(t.Context(), "tor")
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range b.Set {
			if _, ours := owned.Networks[b.NetworkID]; !ours || owned.Bindings[b.BindingKey] != b.NetworkID {
				t.Fatalf("%v is fed, and recorded as ours is %+v", b, owned)
			}
		}
	}
	send := func(m fabric.ToServer) {
		if err := agent.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	tunnel := l2gw.DeviceState{Name: "ps1"}
	send(fabric.Hello{Protocol: fabric.ProtocolVersion, Agent: "a", Databases: []fabric.Holding{{Database: "tor"}}})
	send(fabric.Observed{Database: "tor", State: l2gw.DatabaseState{Name: "tor", Connected: true, Devices: []l2gw.DeviceState{tunnel}}})
	at := func(vlan l2gw.VLAN) func() bool {
		return func() bool {
			_, bound := f.replica.Bindings[l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: vlan}]
			return bound
		}
	}
	f.until("the first network is bound", at(1))

	hangs := writes.shut()
	connect("net-b", 2)
	<-hangs
	if got := c.Figures().Writes.Waiting; got == 0 {
		t.Error("the figures do not tell that writes wait")
	}
	<-reads.shut()
	mac := l2gw.MAC{2, 0, 0, 0, 0, 1}
	source <- inventory.Update{Changed: []inventory.Change{segment("net-a", l2gw.Host{MAC: mac})}}
	f.until("a host comes while writes and reads hang", func() bool {
		seg := f.replica.Segments["net-a"]
		return seg != nil && seg.Hosts.Has(mac)
	})
	reads.open()
	if err := real.DeleteConnection(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	f.until("what a user takes away goes while writes hang", func() bool { return !at(1)() })
	if at(2)() {
		t.Fatal("what could not be recorded is bound")
	}
	writes.open()
	f.until("the second network is bound once that is recorded", at(2))
}
