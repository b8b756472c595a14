package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// backlog is how many of an agent's messages may wait for the loop before it is
// not listened to any more. Beats are answered past them.
const backlog = 256

// link is the stream to one agent.
type link struct {
	id      fabric.LinkID
	agent   string
	version string // of its program
	address string
	since   time.Time
	stream  fabric.ServerStream
	wake    chan struct{} // 1 place

	// What follows is guarded by Controller.mu.
	shares map[string]*share // the databases that it names and may have
	feeds  map[string]*feed  // those that it is fed, by database

	// What follows is guarded by office.mu.
	orders []fabric.ToAgent // to be sent before anything else, in this order
	beat   uint64           // to be answered after them, or 0
}

// share is an agent's part in one database.
type share struct {
	holding  fabric.Holding      // what it held when it said Hello; zero once it was fed
	observed *l2gw.DatabaseState // what it reported last; nil if it did not yet
	claim    fabric.Claim        // what the granter knows
	attached bool                // it has been asked for its first report: Hello did
}

func newLink(hello fabric.Hello, peer fabric.Peer, stream fabric.ServerStream, now time.Time) *link {
	l := &link{
		agent: hello.Agent, version: hello.Version, address: peer.Address, since: now, stream: stream,
		wake: make(chan struct{}, 1), shares: map[string]*share{}, feeds: map[string]*feed{},
	}
	if l.agent == "" {
		l.agent = peer.Agent
	}
	for _, h := range hello.Databases {
		if peer.May(h.Database) {
			l.shares[h.Database] = &share{holding: h, claim: fabric.Claim{Grant: h.Grant, Writer: h.Writer}}
		}
	}
	return l
}

// order has a message sent before all that is fed. office.mu must be held.
func (l *link) order(m fabric.ToAgent) {
	l.orders = append(l.orders, m)
	l.poke()
}

func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// errSilent is why a link is given up on which nothing was heard.
var errSilent = fmt.Errorf("nothing was heard of the agent for %v", fabric.Term)

// Serve speaks with one agent until the stream ends or ctx does. Peer is what
// the transport knows of it.
func (c *Controller) Serve(ctx context.Context, stream fabric.ServerStream, peer fabric.Peer) error {
	defer stream.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(fabric.Term, func() { cancel(errSilent) })
	defer silence.Stop()
	first, err := stream.Recv(ctx)
	if err != nil {
		return err
	}
	hello, ok := first.(fabric.Hello)
	switch {
	case !ok:
		return errors.New("an agent's first message must be Hello")
	case peer.Agent != "" && hello.Agent != peer.Agent:
		return &fabric.RefusedError{Reason: fmt.Sprintf("an agent that may call itself %q says that it is %q; set its --host, or its entry in the list of agents", peer.Agent, hello.Agent)}
	}
	silence.Stop() // until it is listened to: what comes now is not its fault
	l := newLink(hello, peer, stream, c.opts.Now())
	c.register(l)
	c.refuse(l, hello, peer)
	c.heardEpoch(l, hello.Epoch)
	c.post(ctx, func(ctx context.Context) { c.attach(ctx, l) })
	var working sync.WaitGroup
	working.Go(func() {
		cancel(c.send(ctx, l))
		stream.Close() // a link that cannot send is of no use
	})
	heard := make(chan fabric.ToServer, backlog)
	working.Go(func() {
		for m := range heard {
			c.post(ctx, func(ctx context.Context) { c.hearLink(ctx, l, m) })
		}
	})
	silence.Reset(fabric.Term)
	err = c.listen(ctx, l, heard, silence)
	cancel(err)
	close(heard)
	working.Wait()
	c.unregister(l)
	c.post(context.WithoutCancel(ctx), func(ctx context.Context) { c.detach(ctx, l) })
	return context.Cause(ctx)
}

// listen answers Beats and passes everything else on, until the stream or ctx
// ends. While the loop has too much to do, nothing more is taken from the agent,
// and its silence is not its fault.
func (c *Controller) listen(ctx context.Context, l *link, heard chan<- fabric.ToServer, silence *time.Timer) error {
	for {
		m, err := l.stream.Recv(ctx)
		if err != nil {
			return err
		}
		if beat, ok := m.(fabric.Beat); ok {
			c.hearBeat(l, beat)
		} else {
			silence.Stop()
			select {
			case heard <- m:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		silence.Reset(fabric.Term)
	}
}

// register makes the link known, and has it welcomed.
func (c *Controller) register(l *link) {
	o := &c.office
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	l.id = o.last
	o.links[l.id] = l
	o.named(l)
	o.welcome(l, c.opts.Server)
}

func (c *Controller) unregister(l *link) {
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	delete(c.office.links, l.id)
	c.office.unnamed(l)
}

// hearBeat takes in that the agent is there. The sender answers.
func (c *Controller) hearBeat(l *link, m fabric.Beat) {
	o := &c.office
	o.mu.Lock()
	l.beat = m.Sequence
	now := c.opts.Now()
	o.granter.Beat(l.id, m.Sequence, now)
	l.poke()
	newest := o.meets(l, now)
	o.mu.Unlock()
	if newest != nil {
		c.warnOfNamesake(l, newest)
	}
	c.heardEpoch(l, m.Epoch)
}

// urgent takes what is to be sent before anything else. What it says of the
// lease is true at this moment, however long this process has slept.
func (c *Controller) urgent(l *link) []fabric.ToAgent {
	o := &c.office
	o.mu.Lock()
	defer o.mu.Unlock()
	out := l.orders
	l.orders = nil
	if l.beat != 0 {
		r := fabric.Renewal{Beat: l.beat}
		if t := o.term; t != nil {
			r.Epoch, r.Leased = t.epoch, t.leased.IsZero() || c.opts.Now().Before(t.leased)
		}
		out = append(out, r)
		l.beat = 0
	}
	return out
}

// send is a link's sending goroutine.
func (c *Controller) send(ctx context.Context, l *link) error {
	over := map[string]bool{} // databases that are not fed any more, as of what is being sent
	urgent := func() error {
		for _, m := range c.urgent(l) {
			if _, revoked := m.(fabric.Revoke); revoked {
				over[m.About()] = true
			}
			if err := l.stream.Send(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.wake:
		}
		for more := true; more; {
			if err := urgent(); err != nil {
				return err
			}
			var msgs []fabric.ToAgent
			var epoch uint64
			clear(over)
			msgs, epoch, more = c.collect(l)
			for _, m := range msgs {
				if err := urgent(); err != nil {
					return err
				}
				if c.office.epoch() != epoch {
					break // the rest is another controller's to say
				}
				if over[m.About()] {
					continue // else it may come after a newer grant, and pass for what that one begins
				}
				if err := l.stream.Send(ctx, m); err != nil {
					return err
				}
			}
		}
	}
}

// attach takes in that an agent is there.
func (c *Controller) attach(ctx context.Context, l *link) {
	claims := make(map[string]fabric.Claim, len(l.shares))
	c.locked(func() {
		for name, sh := range l.shares {
			claims[name] = sh.claim
			c.state.database(name)
			c.tellMode(l, name) // before it may be granted anything
		}
		c.known.attached(l)
	})
	c.office.mu.Lock()
	c.office.granter.Attach(l.id, claims, c.opts.Now())
	c.office.mu.Unlock()
	c.regrant(ctx, slices.Collect(maps.Keys(claims))...)
	c.locked(func() {
		for _, sh := range l.shares {
			sh.attached = true
		}
	})
}

// detach takes in that an agent's stream has ended.
func (c *Controller) detach(ctx context.Context, l *link) {
	c.office.mu.Lock()
	c.office.granter.Detach(l.id, c.opts.Now())
	c.office.mu.Unlock()
	c.locked(func() {
		c.known.detached(l, c.opts.Now())
		for name := range l.shares {
			if d := c.state.databases[name]; d != nil {
				delete(d.tellings, l)
			}
		}
	})
	c.regrant(ctx, slices.Collect(maps.Keys(l.shares))...)
}

// hearLink takes in what an agent says.
func (c *Controller) hearLink(ctx context.Context, l *link, m fabric.ToServer) {
	switch m := m.(type) {
	case fabric.Observed:
		sh := l.shares[m.Database]
		if sh == nil {
			return
		}
		now := fabric.Claim{Grant: m.State.Grant, Writer: m.State.Writer, Connected: m.State.Connected, Lock: m.State.Lock}
		changed := now != sh.claim
		c.locked(func() {
			sh.observed, sh.claim = &m.State, now
			c.hearMode(l, m.State)
		})
		if changed {
			c.office.mu.Lock()
			c.office.granter.Claim(l.id, m.Database, now, c.opts.Now())
			c.office.mu.Unlock()
			c.regrant(ctx, m.Database)
		}
	case fabric.Ask:
		c.locked(func() {
			f := l.feeds[m.Database]
			switch {
			case f == nil:
			case m.NetworkID == "":
				f.again()
			default:
				f.network(m.NetworkID).whole()
			}
		})
		return
	case fabric.Done:
		c.answer(m)
		return
	}
	c.hear(ctx, l, m)
}

// served returns the database if it is this link whose report on it counts.
func (c *Controller) served(l *link, name string) *database {
	if d := c.state.databases[name]; d != nil && d.source == l {
		return d
	}
	return nil
}

// standing is how a database stands to its agents.
type standing struct{ source, holder *link }

// regrant has the granter decide, and takes in what that means for these
// databases and for those on which it decided.
func (c *Controller) regrant(ctx context.Context, databases ...string) {
	o := &c.office
	now := make(map[string]standing, len(databases))
	o.mu.Lock()
	orders, next := o.granter.Decide(c.opts.Now())
	for _, order := range orders {
		if l := o.links[order.Link]; l != nil {
			l.order(order.Message)
		}
		databases = append(databases, order.Message.About())
	}
	for _, name := range databases {
		var st standing
		if id, ok := o.granter.Source(name); ok {
			st.source = o.links[id]
		}
		if id, _, ok := o.granter.Holder(name); ok && o.term != nil {
			st.holder = o.links[id]
		}
		now[name] = st
	}
	o.mu.Unlock()
	c.deciding = next
	for _, order := range orders {
		c.log.Debug("a grant is given or taken back", "order", fmt.Sprintf("%T", order.Message), "database", order.Message.About(), "link", order.Link)
	}
	affected := map[l2gw.BindingKey]bool{}
	type news struct {
		d     *database
		state l2gw.DatabaseState
	}
	var seen []news
	c.locked(func() {
		came := false
		for name, st := range now {
			d := c.state.database(name)
			d.fedTo(st.holder)
			if d.source == st.source {
				continue
			}
			if (d.source == nil) != (st.source == nil) {
				// What is remembered of it weighs more, or less, now: see isMemory.
				came = true
				c.state.suspectAll(d)
				for _, dev := range d.observed.Devices {
					maps.Copy(affected, c.state.ofDevice[dev.Name])
				}
			}
			d.source = st.source
			for _, dev := range d.observed.Devices {
				c.state.report(dev.Name)
			}
			if l := st.source; l != nil {
				sh := l.shares[name]
				if sh.observed != nil {
					seen = append(seen, news{d, *sh.observed})
				}
				if sh.attached { // what it said before was not listened to
					c.ask(l, fabric.Do{Database: name, Command: fabric.CommandReport})
				}
			}
		}
		if came {
			c.distrustTunnels()
		}
	})
	c.place(ctx, affected)
	for _, n := range seen {
		c.hearObserved(ctx, n.d, n.state)
	}
}

// fedTo has the database fed to an agent, or with nil to none. mu must be held.
func (d *database) fedTo(l *link) {
	if d.feed != nil {
		if d.feed.link == l {
			return
		}
		delete(d.feed.link.feeds, d.name)
		d.feed = nil
	}
	if l == nil {
		return
	}
	sh := l.shares[d.name]
	d.feed = newFeed(d, l, sh.holding)
	sh.holding = fabric.Holding{}
	l.feeds[d.name] = d.feed
	l.poke()
}

// untilDecision is how long until the granter wants to be asked again.
func (c *Controller) untilDecision() time.Duration {
	if c.deciding.IsZero() {
		return time.Hour
	}
	return max(c.deciding.Sub(c.opts.Now()), time.Millisecond)
}
