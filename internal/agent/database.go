package agent

import (
	"context"
	"log/slog"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// tick is how often what is only counted (rows per table) is reported.
const tick = time.Second

// database keeps one OVSDB database. All fields but inbox, client and measures
// belong to the goroutine of run.
type database struct {
	name   string
	opts   DatabaseOptions
	agent  string
	log    *slog.Logger
	now    func() time.Time
	client *ovsdb.Client
	meter  Meter
	inbox  *inbox
	send   func(context.Context, fabric.ToServer) error

	replica *fabric.Replica
	granted bool
	caps    vtep.Capabilities // what the switch of this session can do, with what it refused in it
	session uint64            // that caps are of
	grant   l2gw.Version
	dirty   dirty
	poison  poison
	// Asked by the operator; answered when the run loop gets to it.
	asked []fabric.Do

	// What was confirmed last, so that the echo of our own writes is not looked at again.
	confirmedAt    *ovsdb.Snapshot
	confirmedScope vtep.Scope

	stalls    int       // passes in a row that came to no end
	stalledTo time.Time // no pass before then
	syncedAt  time.Time
	// Logical switches of ours that can only be removed once the switch has
	// withdrawn its own rows, and since when they wait.
	waiting   map[string]time.Time
	lastError string // why the last pass failed, or ""

	seen   []l2gw.DeviceState // as of the tables seenIn
	seenIn [3]*ovsdb.Table

	told   told
	outbox []fabric.ToServer // what confirm found; sent before anything else

	missed   int // operations that the last look at everything found to be needed
	measures measures
}

// changeBuffer is 1: the subscription merges what the run loop has no time for.
const changeBuffer = 1

func (d *database) run(ctx context.Context) error {
	changes := make(chan ovsdb.Changes, changeBuffer)
	sub := d.client.Subscribe()
	defer sub.Close()
	ctx, cancel := context.WithCancel(ctx)
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		for {
			ch, err := sub.Next(ctx)
			if err != nil {
				return
			}
			select {
			case changes <- ch:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel() // also when it is not ctx that ended: a stream that broke, say
		<-pumped
	}()

	audit := time.NewTicker(d.opts.Audit)
	defer audit.Stop()
	count := time.NewTicker(tick)
	defer count.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		if err := d.report(ctx); err != nil {
			return err
		}
		retry.Reset(d.untilRetry())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.inbox.wake:
			d.drain(ctx)
		case ch := <-changes:
			d.notice(ch)
			d.heard()
			d.queue(ctx, ch.State)
		case <-audit.C:
			d.dirty.all = true
		case <-count.C:
			d.told.countsDue = true
		case <-retry.C:
			d.retryDue()
		}
		if err := d.reconcile(ctx); err != nil {
			return err
		}
		for _, do := range d.asked {
			if err := d.send(ctx, d.do(ctx, do)); err != nil {
				return err
			}
		}
		d.asked = nil
	}
}

// drain takes in all messages that wait, so that many changes cost one pass.
func (d *database) drain(ctx context.Context) {
	messages, lost := d.inbox.take()
	for _, m := range messages {
		d.take(ctx, m)
	}
	d.heard()
	if lost {
		d.replica.Cut()
		_ = d.send(ctx, fabric.Ask{Database: d.name}) // if that fails, the stream has ended
	}
}

// take takes in a message of the controller.
func (d *database) take(ctx context.Context, m fabric.ToAgent) {
	switch m := m.(type) {
	case fabric.Grant:
		if m.Version.Compare(d.grant) >= 0 {
			d.grant, d.granted, d.dirty.all = m.Version, true, true
		}
		return
	case fabric.Revoke:
		if m.Version.Compare(d.grant) >= 0 {
			d.grant, d.granted = m.Version, false
		}
		return
	case fabric.Do:
		if m.Command == fabric.CommandResync {
			d.dirty.all = true
		}
		d.asked = append(d.asked, m)
		return
	}
	if _, ok := m.(fabric.Owned); ok {
		d.seen, d.told.stateDue = nil, true // which bindings are ours may have changed
	}
	e := d.replica.Apply(m)
	if e.All {
		clear(d.told.bindings)
	}
	for _, k := range e.Bindings {
		// Whoever speaks of a binding wants to hear how it stands, be it as before.
		delete(d.told.bindings, k)
	}
	switch {
	case e.Ask != "":
		_ = d.send(ctx, fabric.Ask{Database: d.name, NetworkID: e.Ask})
	case e.All:
		d.dirty.all = true
		d.told.learnedDue = true
	}
	for _, id := range e.Networks {
		d.dirty.network(id)
		d.told.learnedDue = true
	}
	if e.Network != "" {
		d.dirty.mac(e.Network, e.MACs...)
	}
}

// queue stands in line for the lock again after it was stolen, so that somebody
// writes when the thief has left. Until then nothing is written.
func (d *database) queue(ctx context.Context, st ovsdb.State) {
	if st.Lock != ovsdb.LockStolen {
		return
	}
	if err := d.client.RequestLock(ctx); err != nil {
		d.log.Warn("the lock was stolen, and it cannot be asked for again in this session", "database", d.name, "error", err)
	}
}

// intent is what the database must hold, as the planner takes it.
func (d *database) intent() *vtep.Intent {
	o := d.opts.VTEP
	if st := d.client.State(); st.Lock != ovsdb.LockUnsupported {
		o.Lock = d.opts.Lock
	}
	return &vtep.Intent{
		Bindings: d.replica.Bindings, ByNetwork: d.replica.ByNetwork, Segments: d.replica.Segments, Owned: d.replica.Owned, Options: o,
		Terse: true,
	}
}

// writable says whether we may write now, and if not, why.
func (d *database) writable() (bool, string) {
	st := d.client.State()
	switch {
	case st.Phase != ovsdb.Synced:
		return false, "not connected"
	case !d.replica.Complete:
		return false, "the controller has not told everything yet"
	case !d.granted:
		return false, "another agent writes to this database"
	case st.Lock != ovsdb.LockHeld && st.Lock != ovsdb.LockUnsupported:
		return false, "another session holds the lock " + d.opts.Lock
	}
	return true, ""
}
