package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// commandTimeout is how long an agent may take to answer.
const commandTimeout = 30 * time.Second

// Command has the agents carry out a command on the database of that name, or of
// the device of that name, and waits until they have. Network is for
// CommandRelease only.
//
// What changes something is done by the controller only: Unavailable, with the
// controller's name, on another server. Other errors: NotFound if nobody knows
// the database or device, Unavailable if no agent serves it or it does not
// answer, Conflict with the agent's words if it cannot do it.
func (c *Controller) Command(ctx context.Context, name string, command fabric.Command, network string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	epoch := c.office.epoch()
	if epoch == 0 && !command.Reads() {
		return c.elsewhere(ctx)
	}
	do := fabric.Do{Command: command, NetworkID: network, Epoch: epoch}
	if command.Reads() {
		do.Epoch = 0
	}
	var answers chan fabric.Done
	c.mu.Lock()
	d := c.state.reporter(name)
	if d == nil {
		d = c.state.databases[name]
	}
	if d == nil {
		c.mu.Unlock()
		return l2gw.DeviceNotFound(name)
	}
	do.Database = d.name
	var ids []uint64
	to := d.executors(command, c.known)
	answers = make(chan fabric.Done, len(to))
	if len(to) > 0 {
		do = c.setMode(do)
	}
	for _, l := range to {
		ids = append(ids, c.askFor(l, do, answers))
	}
	if command == fabric.CommandRelease && len(to) > 0 {
		// Whoever is granted the database next may have held it before, and need not hold it again.
		for _, r := range c.known {
			for _, l := range r.links {
				if l != to[0] && l.shares[d.name] != nil {
					c.ask(l, do)
				}
			}
		}
	}
	c.mu.Unlock()
	defer c.forget(ids...)
	if len(ids) == 0 {
		return unavailable("no agent serves database " + do.Database)
	}
	for range ids {
		done, err := c.await(ctx, answers)
		switch {
		case err != nil:
			return unavailable(fmt.Sprintf("database %s: %v", do.Database, err))
		case done.Error != "":
			return &l2gw.Error{Code: l2gw.Conflict, Type: "L2GatewayCommandFailed", Message: fmt.Sprintf("database %s: %s", do.Database, done.Error)}
		}
	}
	if command == fabric.CommandRelease && network == "" {
		c.locked(func() { d.highest = c.state.revision }) // an operator takes the older intent for the right one
	}
	return nil
}

// executors are the agents that a command on the database is for: the modes are
// for all of them, since another may be granted the database next.
func (d *database) executors(command fabric.Command, known agents) (to []*link) {
	switch command {
	case fabric.CommandRun, fabric.CommandObserve, fabric.CommandPause:
		for _, r := range known {
			for _, l := range r.links {
				if l.shares[d.name] != nil {
					to = append(to, l)
				}
			}
		}
		return to
	case fabric.CommandValidate, fabric.CommandReport:
		if d.source != nil {
			to = append(to, d.source)
		}
		return to
	}
	if d.feed != nil {
		to = append(to, d.feed.link)
	}
	return to
}

func unavailable(message string) error {
	return &l2gw.Error{Code: l2gw.Unavailable, Type: "ServiceUnavailable", Message: message + ". Try again later."}
}

// elsewhere says where the controller is.
func (c *Controller) elsewhere(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	who := "which server is, cannot be found out at the moment"
	if c.leases != nil {
		switch holder, _, good, err := c.leases.Lease(ctx, store.ControllerLease); {
		case err == nil && good > 0 && holder == c.opts.Lease.Holder:
			who = "it is about to be"
		case err == nil && good > 0:
			who = "server " + holder + " is: ask that one"
		case err == nil:
			who = "no server is at the moment"
		}
	}
	return unavailable("this server is not the controller; " + who)
}

// askFor sends a command whose answer goes to answers. mu must be held.
func (c *Controller) askFor(l *link, do fabric.Do, answers chan<- fabric.Done) uint64 {
	c.lastDo++
	do.ID = c.lastDo
	if answers != nil {
		c.asked[do.ID] = answers
	}
	c.office.mu.Lock()
	l.order(do)
	c.office.mu.Unlock()
	return do.ID
}

// ask sends a command whose answer nobody waits for. mu must be held.
func (c *Controller) ask(l *link, do fabric.Do) { c.askFor(l, do, nil) }

func (c *Controller) forget(ids ...uint64) {
	c.locked(func() {
		for _, id := range ids {
			delete(c.asked, id)
		}
	})
}

var errStopping = errors.New("the server is stopping")

func (c *Controller) await(ctx context.Context, answers <-chan fabric.Done) (fabric.Done, error) {
	select {
	case done := <-answers:
		return done, nil
	case <-ctx.Done():
		return fabric.Done{}, fmt.Errorf("the agent did not answer: %w", context.Cause(ctx))
	case <-c.ended:
		return fabric.Done{}, errStopping
	}
}

func (c *Controller) answer(m fabric.Done) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if ch := c.asked[m.ID]; ch != nil {
		select {
		case ch <- m:
		default: // answered already
		}
	}
}

// Validate has the agent compare what the device's database should hold with
// what it holds at this moment. Errors: NotFound if no switch has that name.
// That there could be no comparison is told in Validation.Error.
func (c *Controller) Validate(ctx context.Context, device string) (l2gw.Validation, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	v := l2gw.Validation{Device: device, CheckedAt: c.opts.Now().UTC()}
	answers := make(chan fabric.Done, 1)
	c.mu.Lock()
	d := c.state.reporter(device)
	if d == nil {
		c.mu.Unlock()
		return v, l2gw.DeviceNotFound(device)
	}
	v.Database = d.name
	if d.source == nil {
		defer c.mu.Unlock()
		v.Error = d.away()
		return v, nil
	}
	id := c.askFor(d.source, fabric.Do{Database: d.name, Command: fabric.CommandValidate}, answers)
	c.mu.Unlock()
	defer c.forget(id)
	done, err := c.await(ctx, answers)
	if err != nil {
		v.Error = err.Error()
		return v, nil
	}
	v.CheckedAt, v.Differences, v.Error = done.At.UTC(), done.Differences, done.Error
	return v, nil
}
