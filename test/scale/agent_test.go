package scale

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// lightAgent keeps replicas as an agent does, and says of all that it is told
// that the switch has it, at once: there is no switch.
type lightAgent struct {
	*fleet
	name      string
	databases map[string]*lightDatabase
}

type lightDatabase struct {
	name    string
	index   int
	bound   []int // networks
	replica *fabric.Replica
	grant   l2gw.Version
	fed     bool // it has all
}

// fleet is all light agents. What is guarded by mu is for the benchmark to see.
type fleet struct {
	cloud
	log    func(...any)
	agents []*lightAgent
	whole  atomic.Int64 // segments that were told whole
	same   atomic.Int64 // segments that an agent had
	lost   atomic.Int64 // streams that ended by themselves: on a machine with too much to do, for want of Beats

	mu      sync.Mutex
	fed     int            // databases that have all
	reached map[string]int // hosts of network 0 by MAC: on how many databases; counted from watch on
	news    chan struct{}  // 1 place
}

func newFleet(c cloud, log func(...any)) *fleet {
	f := &fleet{cloud: c, log: log, reached: map[string]int{}, news: make(chan struct{}, 1)}
	for a := range c.Agents {
		f.agents = append(f.agents, &lightAgent{fleet: f, name: fmt.Sprint("agent-", a), databases: map[string]*lightDatabase{}})
		for i := range c.PerAgent {
			d := a*c.PerAgent + i
			name := fmt.Sprint("database-", d)
			f.agents[a].databases[name] = &lightDatabase{name: name, index: d, bound: c.bound(d), replica: fabric.NewReplica()}
		}
	}
	return f
}

// forget has all agents know nothing.
func (f *fleet) forget() {
	for _, a := range f.agents {
		for _, d := range a.databases {
			d.replica, d.grant = fabric.NewReplica(), l2gw.Version{}
		}
	}
}

// connect has all agents come at once. They stay until the function that it returns is called.
func (f *fleet) connect(ctx context.Context, address string) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	f.fed = 0
	f.mu.Unlock()
	f.whole.Store(0)
	f.same.Store(0)
	var working sync.WaitGroup
	dial := fabric.NewDialer(fabric.DialerOptions{Server: address})
	for _, a := range f.agents {
		for _, d := range a.databases {
			d.fed = false
		}
		working.Go(func() {
			for ctx.Err() == nil {
				if err := a.run(ctx, dial); ctx.Err() == nil {
					f.lost.Add(1)
					f.log(a.name, err)
				}
			}
		})
	}
	return func() {
		cancel()
		working.Wait()
	}
}

// run is one stream.
func (a *lightAgent) run(ctx context.Context, dial func(context.Context) (fabric.AgentStream, error)) error {
	s, err := dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	hello := fabric.Hello{Protocol: fabric.ProtocolVersion, Agent: a.name, Version: "bench"}
	for _, d := range a.databases {
		h := d.replica.Holding(d.name)
		h.Grant, h.Writer = d.grant, d.grant != l2gw.Version{}
		hello.Databases = append(hello.Databases, h)
	}
	if err := s.Send(ctx, hello); err != nil {
		return err
	}
	for _, d := range a.databases {
		if err := s.Send(ctx, a.observed(d)); err != nil {
			return err
		}
	}
	var beating sync.WaitGroup
	beats, cancel := context.WithCancel(ctx)
	defer beating.Wait()
	defer cancel()
	beating.Go(func() {
		for n := uint64(1); s.Send(beats, fabric.Beat{Sequence: n}) == nil; n++ {
			select {
			case <-beats.Done():
				return
			case <-time.After(fabric.BeatInterval):
			}
		}
	})
	for {
		m, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		for _, answer := range a.hear(m) {
			if err := s.Send(ctx, answer); err != nil {
				return err
			}
		}
	}
}

func (a *lightAgent) observed(d *lightDatabase) fabric.Observed {
	return fabric.Observed{Database: d.name, State: l2gw.DatabaseState{
		Name: d.name, Connected: true, InSync: true, Writer: d.grant != l2gw.Version{}, Grant: d.grant, Lock: l2gw.LockingHeld,
		Devices: []l2gw.DeviceState{{Name: a.device(d.index), TunnelIPs: []netip.Addr{a.tunnel(d.index)}}},
	}}
}

// hear takes in a message and returns what there is to answer.
func (a *lightAgent) hear(m fabric.ToAgent) (answers []fabric.ToServer) {
	d := a.databases[m.About()]
	if d == nil {
		return nil
	}
	switch m := m.(type) {
	case fabric.Grant:
		d.grant = m.Version
		return []fabric.ToServer{a.observed(d)}
	case fabric.Do:
		return []fabric.ToServer{
			a.observed(d), fabric.Learned{Database: d.name, Full: true}, d.applied(fabric.Effect{All: true}), fabric.Done{ID: m.ID, At: time.Now()},
		}
	case fabric.Segment:
		a.whole.Add(1)
	case fabric.SameNetwork:
		a.same.Add(1)
	}
	e := d.replica.Apply(m)
	if e.Ask != "" || e.AskAll {
		answers = append(answers, fabric.Ask{Database: d.name, NetworkID: e.Ask})
	}
	if d.replica.Complete && (e.All || len(e.Networks)+len(e.Bindings) > 0 || e.Network != "") {
		answers = append(answers, d.applied(e))
		a.tell(d, e)
	}
	return answers
}

// applied acknowledges what is different, and confirms that nothing else is there.
func (d *lightDatabase) applied(e fabric.Effect) fabric.Applied {
	r := d.replica
	m := fabric.Applied{Database: d.name, Version: r.Seen()}
	binding := func(k l2gw.BindingKey) {
		if b, ok := r.Bindings[k]; ok {
			m.Bindings = append(m.Bindings, fabric.BindingResult{Key: k, Revision: b.Revision, Status: l2gw.StatusActive})
		}
	}
	network := func(id string) {
		if seg := r.Segments[id]; seg != nil {
			m.Networks = append(m.Networks, fabric.NetworkResult{NetworkID: id, Version: seg.Version, Status: l2gw.StatusActive})
		}
	}
	if e.All {
		for k := range r.Bindings {
			binding(k)
		}
		for id := range r.Segments {
			network(id)
		}
		return m
	}
	for _, k := range e.Bindings {
		binding(k)
	}
	for _, id := range e.Networks {
		network(id)
	}
	if e.Network != "" {
		network(e.Network)
	}
	return m
}

// tell lets the benchmark see what has come to a database.
func (f *fleet) tell(d *lightDatabase, e fabric.Effect) {
	news := false
	f.mu.Lock()
	if !d.fed && f.hasAll(d) {
		d.fed, news = true, true
		f.fed++
	}
	if e.Network == f.network(0) {
		for _, mac := range e.MACs {
			f.reached[mac.String()]++
			news = true
		}
	}
	f.mu.Unlock()
	if news {
		select {
		case f.news <- struct{}{}:
		default:
		}
	}
}

// hasAll tells whether a database has all that it must hold.
func (f *fleet) hasAll(d *lightDatabase) bool {
	r := d.replica
	if len(r.Bindings) != len(d.bound) || len(r.Segments) != len(d.bound) {
		return false
	}
	for _, n := range d.bound {
		seg := r.Segments[f.network(n)]
		if seg == nil || seg.Hosts.Len() < f.Hosts || len(seg.VTEPs) != f.vteps(n) {
			return false
		}
	}
	return true
}

// wait waits until something is so.
func (f *fleet) wait(ctx context.Context, what string, is func() (bool, string)) error {
	for {
		f.mu.Lock()
		ok, state := is()
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-f.news:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %s", what, state)
		}
	}
}

// waitFed waits until each database has all.
func (f *fleet) waitFed(ctx context.Context) error {
	return f.wait(ctx, "all databases have all", func() (bool, string) {
		return f.fed == f.databases(), fmt.Sprintf("%d of %d have", f.fed, f.databases())
	})
}

// waitReached waits until a host of network 0 is on each database that binds it.
func (f *fleet) waitReached(ctx context.Context, mac l2gw.MAC) error {
	return f.wait(ctx, "a MAC is at all gateways", func() (bool, string) {
		n := f.reached[mac.String()]
		return n >= f.Wide, fmt.Sprintf("it is at %d of %d", n, f.Wide)
	})
}
