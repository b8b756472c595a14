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
	RememberDevices(ctx context.Context, database string, devices []l2gw.DeviceState) error
	RememberLearned(ctx context.Context, database string, set, gone []l2gw.Learned) error
	// Own records more as ours, Disown less; both may be repeated.
	Own(ctx context.Context, database string, more l2gw.Ownership) error
	Disown(ctx context.Context, database string, gone l2gw.Ownership) error
}

// Options of a Controller.
type Options struct {
	Store     Store
	Inventory inventory.Source
	Server    string // this server's name, as agents see it
	Logger    *slog.Logger
	// Poll is how often the intent revision is looked at besides the wake-ups of
	// this process: another server may have written. 1 s if 0.
	Poll time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

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

	waiting []func(context.Context) // what the store did not take; Run's goroutine only
}

// New makes a controller that knows nothing yet.
func New(o Options) *Controller {
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Controller{
		opts: o, log: o.Logger, events: make(chan func(context.Context), 256),
		state: newState(), ended: make(chan struct{}), asked: map[uint64]chan<- fabric.Done{},
	}
}

// Run works until ctx ends. It runs once.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.ended)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.opts.Inventory.Run(ctx, sink{c, ctx}) })
	g.Go(func() error { return c.loop(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (c *Controller) loop(ctx context.Context) error {
	if err := c.load(ctx); err != nil {
		return err
	}
	wake, unsubscribe := c.opts.Store.Subscribe()
	defer unsubscribe()
	c.readIntent(ctx)
	poll := time.NewTicker(c.opts.Poll)
	defer poll.Stop()
	learned := time.NewTimer(time.Hour)
	defer learned.Stop()
	for {
		learned.Reset(c.untilLearnedDeadline())
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			c.rememberLearned(last)
			cancel()
			return ctx.Err()
		case f := <-c.events:
			f(ctx)
		case <-wake:
			c.readIntent(ctx)
		case <-poll.C:
			c.readIntent(ctx)
			c.retry(ctx)
			c.rememberLearned(ctx)
		case <-learned.C:
			c.ageLearned(ctx)
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
			c.state.database(name).owned = cloneOwnership(o)
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

// readIntent takes in what users changed since the last time.
func (c *Controller) readIntent(ctx context.Context) {
	since := c.state.revision
	if since > 0 {
		rev, changes, complete, err := c.opts.Store.Changes(ctx, since)
		if err != nil {
			c.log.Warn("cannot read what users changed; trying again", "error", err)
			return
		}
		if complete {
			if rev == since {
				return
			}
			c.changeIntent(ctx, rev, changes)
			return
		}
	}
	rev, all, err := c.opts.Store.Bindings(ctx)
	if err != nil {
		c.log.Warn("cannot read the bindings; trying again", "error", err)
		return
	}
	now := make(map[l2gw.BindingKey]bool, len(all))
	changes := make([]store.BindingChange, 0, len(all))
	for _, b := range all {
		now[b.BindingKey] = true
		changes = append(changes, store.BindingChange{Binding: b, Set: true})
	}
	for k, b := range c.state.bindings {
		if !now[k] {
			changes = append(changes, store.BindingChange{Binding: b})
		}
	}
	c.changeIntent(ctx, rev, changes)
}

func (c *Controller) changeIntent(ctx context.Context, revision int64, changes []store.BindingChange) {
	keys := make(map[l2gw.BindingKey]bool, len(changes))
	c.locked(func() {
		for _, ch := range changes {
			c.state.setBinding(ch.Binding, ch.Set)
			keys[ch.BindingKey] = true
		}
		c.state.revision = revision
		c.state.intentRead = true
	})
	for _, ch := range changes {
		c.log.Debug("a binding is wanted otherwise", "connection_id", ch.ConnectionID, "network_id", ch.NetworkID,
			"device", ch.Device, "interface", ch.Interface, "vlan", ch.VLAN, "wanted", ch.Set, "revision", ch.Revision)
	}
	c.place(ctx, keys)
}
