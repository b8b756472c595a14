package controller

import (
	"context"
	"errors"
	"maps"
	"slices"

	"l2gw"
	"l2gw/internal/fabric"
)

// maxDelta is from how many changed hosts on a network is sent whole.
const maxDelta = 20_000

// link is the stream to one agent and the feeds that go through it.
type link struct {
	agent  string
	stream fabric.ServerStream
	feeds  map[string]*feed // by database; guarded by Controller.mu
	dos    []fabric.Do      // commands to send; guarded by Controller.mu
	wake   chan struct{}    // 1 place
}

// feed is what an agent has been told of one database, and what it has yet to
// be told. It holds keys, not messages: however slow the agent, it stays small,
// and what is sent is always the newest. Guarded by Controller.mu.
type feed struct {
	database *database
	link     *link

	snapshot bool // everything is to be told
	owned    bool
	bindings map[l2gw.BindingKey]bool
	requests map[l2gw.BindingKey]string // that removed a binding
	networks map[string]*networkFeed
	told     map[string]l2gw.Version // the version of each segment that the agent holds
}

type networkFeed struct {
	full bool
	macs map[l2gw.MAC]bool // the hosts that changed, if not full
}

func newFeed(d *database, l *link) *feed {
	return &feed{
		database: d, link: l, snapshot: true, bindings: map[l2gw.BindingKey]bool{},
		requests: map[l2gw.BindingKey]string{}, networks: map[string]*networkFeed{}, told: map[string]l2gw.Version{},
	}
}

func (f *feed) network(id string) *networkFeed {
	n, ok := f.networks[id]
	if !ok {
		n = &networkFeed{macs: map[l2gw.MAC]bool{}}
		f.networks[id] = n
	}
	return n
}

// bind notes that a binding is wanted, or wanted otherwise.
func (f *feed) bind(k l2gw.BindingKey) {
	delete(f.requests, k)
	f.bindings[k] = true
	f.link.poke()
}

// unbind notes that a binding is not wanted any more, because of that API request (or "").
func (f *feed) unbind(k l2gw.BindingKey, request string) {
	f.requests[k] = request
	f.bindings[k] = true
	f.link.poke()
}

// ownedChanged notes that what is ours, or lost, is otherwise.
func (f *feed) ownedChanged() {
	f.owned = true
	f.link.poke()
}

func (f *feed) holds(network string) bool { _, ok := f.told[network]; return ok }

func (n *networkFeed) note(macs []l2gw.MAC) {
	if macs == nil || len(n.macs)+len(macs) > maxDelta {
		n.full, n.macs = true, nil
	}
	if n.full {
		return
	}
	for _, m := range macs {
		n.macs[m] = true
	}
}

func (f *feed) pending() bool {
	return f.snapshot || f.owned || len(f.bindings)+len(f.networks) > 0
}

// wakeFeeds wakes the senders that have something to send. c.mu must be held.
func (s *state) wakeFeeds() {
	for _, d := range s.databases {
		if d.feed != nil && d.feed.pending() {
			d.feed.link.poke()
		}
	}
}

func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// send is a link's sending goroutine.
func (c *Controller) send(ctx context.Context, l *link) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.wake:
		}
		for _, m := range c.collect(l) {
			if err := l.stream.Send(ctx, m); err != nil {
				return err
			}
		}
	}
}

// collect turns what the link's feeds owe into messages.
func (c *Controller) collect(l *link) (msgs []fabric.ToAgent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// What is not known yet is not told: without the intent an agent would
	// take everything for unwanted.
	if c.state.intentRead {
		for _, f := range l.feeds {
			msgs = append(msgs, c.state.collect(f)...)
		}
	}
	for _, d := range l.dos {
		msgs = append(msgs, d)
	}
	l.dos = nil
	return msgs
}

func (s *state) collect(f *feed) (msgs []fabric.ToAgent) {
	d := f.database
	if !f.pending() {
		return nil
	}
	version := s.nextVersion()
	if f.snapshot {
		f.told = map[string]l2gw.Version{}
		f.networks = map[string]*networkFeed{}
		for id := range d.bound {
			f.network(id).full = true
		}
		f.bindings = map[l2gw.BindingKey]bool{}
		for k := range d.wanted {
			f.bindings[k] = true
		}
		f.owned = true
		msgs = append(msgs, fabric.Grant{Database: d.name, Version: version, Term: fabric.Term}, fabric.SnapshotBegin{Database: d.name, Version: version})
	}
	if f.owned {
		msgs = append(msgs, fabric.Owned{Database: d.name, Version: version, Owned: cloneOwnership(d.owned), Lost: slices.Sorted(maps.Keys(d.lost))})
	}
	// Segments go before bindings, so that an agent that is told to bind knows what.
	for id, n := range f.networks {
		msgs = append(msgs, s.collectNetwork(f, id, n, version)...)
	}
	if len(f.bindings) > 0 {
		m := fabric.Bindings{Database: d.name, Version: version}
		for k := range f.bindings {
			if b, ok := d.wanted[k]; ok {
				m.Set = append(m.Set, b)
			} else {
				m.Unset = append(m.Unset, fabric.Unbound{BindingKey: k, Request: f.requests[k]})
			}
		}
		msgs = append(msgs, m)
	}
	if f.snapshot {
		msgs = append(msgs, fabric.SnapshotEnd{Database: d.name, Version: version})
	}
	f.snapshot, f.owned = false, false
	f.bindings, f.networks = map[l2gw.BindingKey]bool{}, map[string]*networkFeed{}
	f.requests = map[l2gw.BindingKey]string{}
	return msgs
}

func (s *state) collectNetwork(f *feed, id string, nf *networkFeed, version l2gw.Version) []fabric.ToAgent {
	d := f.database
	n := s.networks[id]
	if d.bound[id] == 0 {
		if f.holds(id) {
			delete(f.told, id)
			return []fabric.ToAgent{fabric.SegmentGone{Database: d.name, NetworkID: id, Version: version}}
		}
		return nil
	}
	if n == nil || n.merged == nil {
		f.told[id] = version
		return []fabric.ToAgent{fabric.SegmentUnknown{Database: d.name, NetworkID: id, Version: version}}
	}
	seg := n.merged
	from, held := f.told[id]
	f.told[id] = seg.Version
	if nf.full || !held {
		return []fabric.ToAgent{fabric.Segment{Database: d.name, Segment: seg}}
	}
	delta := fabric.SegmentDelta{
		Database: d.name, NetworkID: id, From: from, To: seg.Version,
		Name: seg.Name, VNI: seg.VNI, MTU: seg.MTU, VTEPs: seg.VTEPs,
	}
	for mac := range nf.macs {
		if h, ok := seg.Hosts.Get(mac); ok {
			delta.Set = append(delta.Set, h)
		} else {
			delta.Removed = append(delta.Removed, mac)
		}
	}
	slices.SortFunc(delta.Set, func(a, b l2gw.Host) int { return slices.Compare(a.MAC[:], b.MAC[:]) })
	return []fabric.ToAgent{delta}
}

// Serve speaks with one agent until the stream ends or ctx does.
func (c *Controller) Serve(ctx context.Context, stream fabric.ServerStream) error {
	defer stream.Close()
	first, err := stream.Recv(ctx)
	if err != nil {
		return err
	}
	hello, ok := first.(fabric.Hello)
	if !ok {
		return errors.New("an agent's first message must be Hello")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &link{agent: hello.Agent, stream: stream, feeds: map[string]*feed{}, wake: make(chan struct{}, 1)}
	if err := stream.Send(ctx, fabric.Welcome{
		Protocol: fabric.ProtocolVersion, Server: c.opts.Server, Controller: true, Epoch: c.state.version.Epoch,
	}); err != nil {
		return err
	}
	names := make([]string, 0, len(hello.Databases))
	for _, h := range hello.Databases {
		names = append(names, h.Database)
	}
	c.post(ctx, func(ctx context.Context) { c.attach(ctx, l, names) })
	sent := make(chan error, 1)
	go func() {
		err := c.send(ctx, l)
		stream.Close() // a link that cannot send is of no use
		sent <- err
	}()
	for {
		m, err := stream.Recv(ctx)
		if err != nil {
			cancel()
			c.post(context.WithoutCancel(ctx), func(context.Context) { c.detach(l) })
			return errors.Join(err, <-sent)
		}
		c.post(ctx, func(ctx context.Context) { c.hear(ctx, l, m) })
	}
}

// attach gives the agent those of its databases that no other agent serves.
func (c *Controller) attach(ctx context.Context, l *link, databases []string) {
	affected := map[l2gw.BindingKey]bool{}
	c.locked(func() {
		for _, name := range databases {
			d := c.state.database(name)
			if d.feed != nil {
				continue
			}
			d.feed, d.source = newFeed(d, l), l
			l.feeds[name] = d.feed
			// What is remembered of it weighs more now: see isMemory.
			for _, dev := range d.observed.Devices {
				c.state.report(dev.Name)
				maps.Copy(affected, c.state.ofDevice[dev.Name])
			}
		}
		c.distrustTunnels()
		l.poke()
	})
	c.place(ctx, affected)
}

func (c *Controller) detach(l *link) {
	c.locked(func() {
		for _, f := range l.feeds {
			if f.database.feed == f {
				f.database.feed, f.database.source = nil, nil
			}
		}
		l.feeds = map[string]*feed{}
	})
}
