package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// One server at a time is the controller: the one that has the lease in SQL. It
// goes on while SQL is away, until it learns that another has taken the lease,
// by a write that is refused, or by an agent that has seen a higher epoch. The
// others hear the same and compute the same, but feed nobody and write nothing.

const (
	// leaseTimeout bounds one call for the lease.
	leaseTimeout = 2 * time.Second
	// maxEpoch is the highest epoch that is believed: more cannot come about.
	maxEpoch = 1 << 62
)

// LeaseOptions say how a server comes to be the controller.
type LeaseOptions struct {
	// Holder names this server, the same over restarts: what died with the lease
	// gets it back at once. "" is a server that leads without a lease, alone.
	Holder string
	// Alone tells that no agents are there but those of this process, so that none
	// needs to be waited for which wrote before it was started.
	Alone bool
	// Term is for how long the lease is good without a renewal; fabric.Term if 0.
	Term time.Duration
}

// Leases keeps leases in SQL, by the clock of the database server.
type Leases interface {
	// AcquireLease takes the lease if it is free, expired or held by holder already:
	// then held is set, and epoch is higher than all before and than above.
	AcquireLease(ctx context.Context, name, holder string, term time.Duration, above uint64) (epoch uint64, held bool, err error)
	// RenewLease makes it good for another term, unless somebody else has taken it.
	RenewLease(ctx context.Context, name, holder string, epoch uint64, term time.Duration) (held bool, err error)
	// ReleaseLease makes it free, if it is still held with that epoch.
	ReleaseLease(ctx context.Context, name, holder string, epoch uint64) error
	// Lease tells who took it last, and how long from now it is good (negative: was).
	Lease(ctx context.Context, name string) (holder string, epoch uint64, expires time.Duration, err error)
}

// office is what must be known at once, without waiting for the loop: whether
// this server leads, and who is granted what. Controller.mu may be held when
// mu is taken, not the other way round.
type office struct {
	mu      sync.Mutex
	granter *fabric.Granter
	links   map[fabric.LinkID]*link
	last    fabric.LinkID
	names   map[string]*namesakes // by the agent's name

	elected *term     // the last that this server was given
	term    *term     // in which it feeds agents; nil while it stands by
	since   time.Time // when it began to lead
	heard   uint64    // the highest epoch that agents told of
}

// term is one time in office.
type term struct {
	epoch uint64
	ended chan struct{} // closed, under office.mu, once another server may lead
	// leased is until when nobody else can have the lease: counted from before
	// the call that got it was sent. Zero is for ever. Guarded by office.mu.
	leased time.Time
}

func newTerm(epoch uint64, leased time.Time) *term {
	return &term{epoch: epoch, leased: leased, ended: make(chan struct{})}
}

func (t *term) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// Leading tells whether this server is the controller, since when and with which epoch.
func (c *Controller) Leading() (epoch uint64, since time.Time, ok bool) {
	o := &c.office
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.term == nil {
		return 0, time.Time{}, false
	}
	return o.term.epoch, o.since, true
}

// epoch is that of the lease, or 0 while this server stands by.
func (o *office) epoch() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.term == nil {
		return 0
	}
	return o.term.epoch
}

// welcome tells an agent whether this server leads. mu must be held.
func (o *office) welcome(l *link, server string) {
	w := fabric.Welcome{Protocol: fabric.ProtocolVersion, Server: server}
	if o.term != nil {
		w.Controller, w.Epoch = true, o.term.epoch
	}
	l.order(w)
}

// enter begins a term, unless it has ended already.
func (c *Controller) enter(t *term) bool {
	o := &c.office
	o.mu.Lock()
	defer o.mu.Unlock()
	if t.over() {
		return false
	}
	now := c.opts.Now()
	o.term, o.since = t, now
	if c.opts.Lease.Alone {
		now = now.Add(-fabric.Term)
	}
	o.granter.Lead(t.epoch, now)
	for _, l := range o.links {
		o.welcome(l, c.opts.Server)
	}
	return true
}

// leave ends a term at once, whatever the loop is at. It may be called by anybody, more than once.
func (c *Controller) leave(t *term, why string) {
	o := &c.office
	o.mu.Lock()
	defer o.mu.Unlock()
	if t.over() {
		return
	}
	close(t.ended)
	c.log.Warn("this server is not the controller any more", "epoch", t.epoch, "reason", why)
	if o.term != t {
		return
	}
	o.term = nil
	o.granter.Follow()
	for _, l := range o.links {
		o.welcome(l, c.opts.Server)
	}
}

// fenced ends the term of an epoch, if it is this server's: a write was refused.
func (c *Controller) fenced(epoch uint64) {
	if t := c.elected(epoch); t != nil && c.opts.Lease.Holder != "" {
		c.leave(t, l2gw.ErrFenced.Error())
	}
}

// elected returns the term of an epoch, if it is the last that this server was given.
func (c *Controller) elected(epoch uint64) *term {
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	if t := c.office.elected; t != nil && t.epoch == epoch {
		return t
	}
	return nil
}

// heardEpoch takes in the highest epoch that an agent has seen.
func (c *Controller) heardEpoch(l *link, epoch uint64) {
	o := &c.office
	o.mu.Lock()
	t, news := o.elected, epoch > o.heard
	if epoch >= maxEpoch {
		news = false
	}
	if news {
		o.heard = epoch
	}
	o.mu.Unlock()
	if news && t != nil && epoch > t.epoch && c.opts.Lease.Holder != "" {
		c.leave(t, "agent "+l.agent+" has heard of a newer controller")
	}
}

// seekLease leads whenever it can, until ctx ends. It returns the term in which
// it was then, if any, so that the lease can be given back once all is written.
func (c *Controller) seekLease(ctx context.Context) *term {
	for ctx.Err() == nil {
		t := c.acquire(ctx)
		if t == nil {
			return nil
		}
		c.log.Info("this server has the controller's lease", "epoch", t.epoch)
		c.serveTerm(ctx, t)
		if !t.over() { // ctx ended
			return t
		}
		c.post(ctx, func(ctx context.Context) { c.standBy(ctx, t) })
	}
	return nil
}

// acquire waits until this server gets the lease; nil if ctx ends before.
func (c *Controller) acquire(ctx context.Context) *term {
	o := c.opts.Lease
	poll := time.NewTicker(o.Term / 6) // so that it is taken soon after it expired
	defer poll.Stop()
	failing := false
	for {
		c.office.mu.Lock()
		above := c.office.heard
		c.office.mu.Unlock()
		sent := c.opts.Now()
		call, cancel := context.WithTimeout(ctx, leaseTimeout)
		epoch, held, err := c.leases.AcquireLease(call, store.ControllerLease, o.Holder, o.Term, above)
		cancel()
		switch {
		case err == nil && held:
			return newTerm(epoch, sent.Add(o.Term))
		case err != nil && !failing && ctx.Err() == nil:
			c.log.Warn("cannot ask for the controller's lease; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		}
	}
}

// serveTerm keeps the lease until the term or ctx ends.
func (c *Controller) serveTerm(ctx context.Context, t *term) {
	c.office.mu.Lock()
	c.office.elected = t
	c.office.mu.Unlock()
	preparing, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.prepare(preparing, t)
	renew := time.NewTicker(c.opts.Lease.Term / 3)
	defer renew.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.ended:
			return
		case <-renew.C:
		}
		sent := c.opts.Now()
		call, cancel := context.WithTimeout(ctx, leaseTimeout)
		held, err := c.leases.RenewLease(call, store.ControllerLease, c.opts.Lease.Holder, t.epoch, c.opts.Lease.Term)
		cancel()
		switch {
		case err == nil && !held:
			c.leave(t, "another server has the lease")
			return
		case err == nil:
			c.office.mu.Lock()
			t.leased = sent.Add(c.opts.Lease.Term)
			c.office.mu.Unlock()
			if failing {
				c.log.Info("the controller's lease is renewed again")
			}
		case !failing && ctx.Err() == nil:
			c.log.Warn("cannot renew the controller's lease; going on until another server takes it", "error", err)
		}
		failing = err != nil
	}
}

// records is what the store has of what controllers wrote.
type records struct {
	owned      map[string]l2gw.Ownership
	remembered map[string]l2gw.Remembered
}

// prepare reads what a controller must know, and has the loop begin to lead.
// What others wrote before is all there: since the lease was taken, they cannot.
// The intent is read last: what the controller before fed was wanted by then, and
// so nothing is taken away that it gave in its last moments.
func (c *Controller) prepare(ctx context.Context, t *term) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		r, err := c.readRecords(ctx)
		if err == nil {
			err = c.refreshIntent(ctx)
		}
		if err == nil {
			c.post(ctx, func(ctx context.Context) { c.lead(ctx, t, r) })
			return
		}
		if ctx.Err() == nil {
			c.log.Warn("cannot read what a controller must know; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (c *Controller) readRecords(ctx context.Context) (r records, err error) {
	if r.owned, err = c.opts.Store.Ownerships(ctx); err != nil {
		return r, fmt.Errorf("read which rows on which databases are ours: %w", err)
	}
	if r.remembered, err = c.opts.Store.Remembered(ctx); err != nil {
		return r, fmt.Errorf("read what was last seen of the switches: %w", err)
	}
	return r, nil
}

// lead begins to feed agents.
func (c *Controller) lead(ctx context.Context, t *term, r records) {
	if t.over() {
		return
	}
	s := &c.state
	c.locked(func() { c.adopt(t.epoch, r.owned, r.remembered) })
	if !c.enter(t) {
		return // standBy follows
	}
	c.locked(c.tellModes)
	c.log.Info("this server is the controller", "epoch", t.epoch, "databases", len(s.databases))
	c.regrant(ctx, slices.Collect(maps.Keys(s.databases))...)
}

// standBy ends what lead began.
func (c *Controller) standBy(ctx context.Context, t *term) {
	s := &c.state
	if s.version.Epoch == t.epoch {
		c.locked(func() { c.mirror(t.epoch) })
	}
	c.regrant(ctx, slices.Collect(maps.Keys(s.databases))...)
}

// giveBack releases the lease, so that another server need not wait until it expires.
func (c *Controller) giveBack(ctx context.Context, t *term) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	if err := c.leases.ReleaseLease(ctx, store.ControllerLease, c.opts.Lease.Holder, t.epoch); err != nil {
		c.log.Warn("cannot give the controller's lease back; it expires by itself", "error", err)
	}
}
