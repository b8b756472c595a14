package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// Store is what the controller needs of the SQL store.
type Store interface {
	// Bindings returns all bindings and the intent revision at which they stood.
	Bindings(ctx context.Context) (revision int64, bindings []l2gw.Binding, err error)
	// Changes returns what changed after a revision; complete is false if the
	// log does not reach back so far, and then all bindings must be read.
	Changes(ctx context.Context, since int64) (revision int64, changes []store.BindingChange, complete bool, err error)
	// Subscribe returns a channel that receives after commits of this process,
	// several as one, and the function that ends that.
	Subscribe() (wake <-chan struct{}, stop func())
	// Ownerships returns what is recorded as ours, by database.
	Ownerships(ctx context.Context) (map[string]l2gw.Ownership, error)
	// Remembered returns what was last seen of each database; RememberDevices and
	// RememberLearned keep it. They may be repeated.
	Remembered(ctx context.Context) (map[string]l2gw.Remembered, error)
	RememberDevices(ctx context.Context, epoch uint64, database string, devices []l2gw.DeviceState) error
	RememberLearned(ctx context.Context, epoch uint64, database string, set, gone []l2gw.Learned) error
	// Own records more as ours, Disown less; both may be repeated. With an epoch
	// that is not 0, writes fail with l2gw.ErrFenced if the lease has another.
	Own(ctx context.Context, epoch uint64, database string, more l2gw.Ownership) error
	Disown(ctx context.Context, epoch uint64, database string, gone l2gw.Ownership) error
	Leases
}

// Options of a Controller.
type Options struct {
	Store     Store
	Inventory inventory.Source
	Server    string // this server's name, as agents see it
	Logger    *slog.Logger
	// Poll is how often the intent revision is looked at besides the wake-ups of
	// this process: another server may have written. 1 s if 0.
	Poll  time.Duration
	Lease LeaseOptions
	// ConfirmAfter is how long after a hold was heard of a reading of the
	// inventory must begin that confirms it. 60 s if 0.
	ConfirmAfter time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// GCPercent is the GOGC that suits a server's process (debug.SetGCPercent): most of
// its memory is the inventory, which stays. With the default, as much again would
// be used by what a rush of agents leaves behind.
const GCPercent = 30

// lastWrite bounds what is still written when the process stops.
const lastWrite = 3 * time.Second

// Controller is made by New and works while Run runs.
type Controller struct {
	opts   Options
	log    *slog.Logger
	events chan func(context.Context)

	mu    sync.RWMutex
	state state // written by the goroutine of Run only, under mu
	ended chan struct{}

	lastDo uint64                        // guarded by mu
	asked  map[uint64]chan<- fabric.Done // commands without an answer yet; guarded by mu

	writer  *writer
	reading reading

	leases   Leases // nil without others
	office   office
	known    agents              // guarded by mu
	modes    map[string]modeWord // by database; guarded by mu
	deciding time.Time           // when the granter wants to be asked again, or zero; Run's goroutine only
}

// New makes a controller that knows nothing yet.
func New(o Options) *Controller {
	if o.ConfirmAfter == 0 {
		o.ConfirmAfter = confirmAfter
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		opts: o, log: o.Logger, events: make(chan func(context.Context), 256),
		state: newState(), ended: make(chan struct{}), asked: map[uint64]chan<- fabric.Done{},
		reading: reading{again: make(chan chan<- error)},
		office:  office{granter: fabric.NewGranter(), links: map[fabric.LinkID]*link{}, names: map[string]*namesakes{}},
		known:   agents{}, modes: map[string]modeWord{},
	}
	if o.Lease.Term == 0 {
		c.opts.Lease.Term = fabric.Term
	}
	c.writer = newWriter(o.Store, o.Logger, o.Now, written{c})
	if o.Lease.Holder == "" {
		c.opts.Lease.Alone = true
		c.enter(newTerm(c.state.version.Epoch, time.Time{}))
	} else {
		c.leases, c.writer.fenced = o.Store, true
		c.state.leading, c.state.version = false, l2gw.Version{}
	}
	return c
}

// Run works until ctx ends. It runs once.
func (c *Controller) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.opts.Inventory.Run(ctx, sink{c, ctx}) })
	g.Go(func() error { return c.loop(ctx) })
	g.Go(func() error { return c.read(ctx) })
	g.Go(func() error { c.writer.run(ctx); return nil })
	var last *term
	if c.leases != nil {
		g.Go(func() error { last = c.seekLease(ctx); return nil })
	}
	err := g.Wait()
	close(c.ended)
	// What was learned is passed on now and then, so some of it was not yet.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	c.rememberLearned()
	c.writer.flush(writing)
	if last != nil {
		c.giveBack(writing, last)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (c *Controller) loop(ctx context.Context) error {
	if err := c.load(ctx); err != nil {
		return err
	}
	poll := time.NewTicker(c.opts.Poll)
	defer poll.Stop()
	learned := time.NewTimer(time.Hour)
	defer learned.Stop()
	grants := time.NewTimer(time.Hour)
	defer grants.Stop()
	for {
		learned.Reset(c.untilLearnedDeadline())
		grants.Reset(c.untilDecision())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-c.events:
			f(ctx)
		case <-poll.C:
			c.rememberLearned()
		case <-learned.C:
			c.ageLearned(ctx)
		case <-grants.C:
			c.regrant(ctx)
		}
	}
}

// load reads what the store knows: without it there is nothing to work on.
func (c *Controller) load(ctx context.Context) error {
	owned, err := c.opts.Store.Ownerships(ctx)
	if err != nil {
		return fmt.Errorf("read which rows on which databases are ours: %w", err)
	}
	remembered, err := c.opts.Store.Remembered(ctx)
	if err != nil {
		return fmt.Errorf("read what was last seen of the switches: %w", err)
	}
	c.locked(func() {
		for name, o := range owned {
			c.state.database(name).own(o)
		}
		c.state.recall(remembered)
		c.distrustTunnels()
	})
	return nil
}

// post hands an event to the loop and waits until there is room for it.
func (c *Controller) post(ctx context.Context, f func(context.Context)) {
	select {
	case c.events <- f:
	case <-ctx.Done():
	case <-c.ended:
	}
}

func (c *Controller) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}
