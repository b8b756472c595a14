package controller

import (
	"context"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// The intent is read by a goroutine of its own, so that the controller's never
// waits for SQL. It posts what it read in the order in which it read it.

// readTimeout bounds one attempt to read the intent.
const readTimeout = 30 * time.Second

// intent is what was read at once.
type intent struct {
	revision int64
	changes  []store.BindingChange
	all      []l2gw.Binding // if whole
	whole    bool           // all is all there is; else changes are since the one before
}

// reading is the part of a Controller that reads.
type reading struct {
	again chan chan<- error // asks for it to be read at once
	since int64             // the revision that was read last; the reading goroutine's only
}

// read follows the intent until ctx ends: woken by this process's writes, and
// else every Poll, since other servers write too.
func (c *Controller) read(ctx context.Context) error {
	wake, unsubscribe := c.opts.Store.Subscribe()
	defer unsubscribe()
	poll := time.NewTicker(c.opts.Poll)
	defer poll.Stop()
	failing := false
	for {
		err := c.readIntent(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			c.log.Warn("cannot read what users changed; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return ctx.Err()
		case answer := <-c.reading.again:
			answer <- c.readIntent(ctx)
		case <-wake:
		case <-poll.C:
		}
	}
}

// refreshIntent reads at once, and returns when what it read has been handed to the loop.
func (c *Controller) refreshIntent(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case c.reading.again <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readIntent reads what users changed since the last time, and posts it.
func (c *Controller) readIntent(ctx context.Context) error {
	in, news, err := c.fetchIntent(ctx, c.reading.since)
	if err != nil || !news {
		return err
	}
	c.reading.since = in.revision
	c.post(ctx, func(ctx context.Context) { c.takeIntent(ctx, in) })
	return nil
}

// fetchIntent reads what changed since a revision, or all if that is not known.
func (c *Controller) fetchIntent(ctx context.Context, since int64) (in intent, news bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if since > 0 {
		rev, changes, complete, err := c.opts.Store.Changes(ctx, since)
		if err != nil || complete {
			return intent{revision: rev, changes: changes}, rev != since, err
		}
	}
	rev, all, err := c.opts.Store.Bindings(ctx)
	return intent{revision: rev, all: all, whole: true}, true, err
}

// takeIntent takes in what was read.
func (c *Controller) takeIntent(ctx context.Context, in intent) {
	changes := in.changes
	if in.whole {
		now := make(map[l2gw.BindingKey]bool, len(in.all))
		for _, b := range in.all {
			now[b.BindingKey] = true
			changes = append(changes, store.BindingChange{Binding: b, Set: true})
		}
		for k, b := range c.state.bindings {
			if !now[k] {
				b.Request = "" // of the request that removed it nothing is known
				changes = append(changes, store.BindingChange{Binding: b})
			}
		}
	}
	c.changeIntent(ctx, in.revision, changes)
}

func (c *Controller) changeIntent(_ context.Context, revision int64, changes []store.BindingChange) {
	keys := make(map[l2gw.BindingKey]bool, len(changes))
	var networks []string // where bindings were
	c.locked(func() {
		s := &c.state
		for _, ch := range changes {
			if old, ok := s.bindings[ch.BindingKey]; ok && old.NetworkID != ch.NetworkID {
				networks = append(networks, old.NetworkID)
			}
			s.setBinding(ch.Binding, ch.Set)
			keys[ch.BindingKey] = true
			delete(s.unboundBy, ch.BindingKey)
			if !ch.Set {
				s.unboundBy[ch.BindingKey] = ch.Request
				networks = append(networks, ch.NetworkID)
			}
		}
		s.revision = revision
		s.intentRead = true
		c.placeLocked(keys)
		for _, id := range networks {
			s.unmerge(id)
		}
	})
	for _, ch := range changes {
		c.log.Debug("a binding is wanted otherwise", "connection_id", ch.ConnectionID, "network_id", ch.NetworkID,
			"device", ch.Device, "interface", ch.Interface, "vlan", ch.VLAN, "wanted", ch.Set, "revision", ch.Revision, "request_id", ch.Request)
	}
}
