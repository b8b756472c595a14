package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// tick is how often what is only counted (rows per table) is reported.
const tick = time.Second

// snapshotPatience is how long a controller may take to begin to tell everything
// before it is asked.
const snapshotPatience = 10 * time.Second

// database keeps one OVSDB database. All fields but inbox, client, reports and
// measures belong to the goroutine of run.
type database struct {
	name   string
	opts   DatabaseOptions // with what was left out filled in
	given  DatabaseOptions // as they were given
	agent  *Agent
	log    *slog.Logger
	now    func() time.Time
	client *ovsdb.Client
	meter  Meter
	inbox  *inbox

	reports *reports
	cancel  context.CancelFunc // of what start has started, or nil
	ended   sync.WaitGroup

	replica *fabric.Replica
	// Requests of what is yet to be confirmed, by network, and of bindings that are
	// to go: whoever reads of a transaction finds the cause by them.
	because map[string][]string
	unbound map[l2gw.BindingKey]string
	staged  bool        // a snapshot is under way
	sum     l2gw.Digest // of the replica's bindings

	tenure      fabric.Tenure
	lockSession uint64 // of which thefts tells
	thefts      int    // of the lock since we asked for it last
	mode        l2gw.Mode
	modeSince   time.Time // when an operator set it, or zero
	holds       *holds
	heldAt      uint64 // holds.changes that were reported
	// What we wrote and the controller, whose intent went back, does not know as
	// ours; orphaned grows with each change of it.
	orphans    l2gw.Ownership
	orphanedAs l2gw.Ownership // as they were told last
	orphaned   uint64
	// The speeches (see inbox) in which the last grant came, whose words are being
	// taken in, and whose snapshot ended last: who was granted the database again
	// writes only by what it is told then, since another may have written meanwhile.
	grantedIn, heardIn, toldIn uint64
	heldIn                     uint64        // the session in which the lock was seen to be ours last
	owned                      *fabric.Owned // waits for the Bindings that belong to it
	cutAt                      time.Time     // since when the replica waits for a snapshot, or was asked for one; or zero

	scribe     *scribe // nil: nothing is remembered
	kept       rememberedAt
	keptAt     time.Time
	replicaDue bool      // it is another than the one that was handed over
	replicaAt  time.Time // none is handed over before

	caps    vtep.Capabilities // what the switch of this session can do, with what it refused in it
	session uint64            // that caps are of
	pace    *pace
	dirty   dirty
	poison  poison
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

	told told

	missed   int // operations that the last look at everything found to be needed
	measures measures
}

// changeBuffer is 1: the subscription merges what the run loop has no time for.
const changeBuffer = 1

// load begins with what the disk remembers.
func (d *database) load(disk *disk) {
	if disk == nil {
		return
	}
	d.scribe = newScribe(disk, d.name, d.now)
	state, _ := disk.readState(d.name)
	d.recall(memory{state, disk.readReplica(d.name)})
}

// inherit begins with what is known to one that was stopped.
func (d *database) inherit(old *database) {
	if old.scribe != nil {
		d.scribe = newScribe(old.scribe.disk, d.name, d.now)
	}
	d.recall(memory{old.remembered(), old.account()})
}

// start begins to keep the database.
func (d *database) start(ctx context.Context) {
	ctx, d.cancel = context.WithCancel(ctx)
	d.ended.Go(func() { _ = d.client.Run(ctx) })
	done := func() {}
	if d.scribe != nil {
		var writing context.Context // it ends last
		writing, done = context.WithCancel(context.WithoutCancel(ctx))
		d.ended.Go(func() { d.scribe.run(writing) })
	}
	d.ended.Go(func() {
		defer done()
		d.run(ctx)
		d.replicaAt, d.keptAt = time.Time{}, time.Time{}
		d.remember()
	})
}

// stop ends that and waits for the end. The lock goes with the session; the
// switch stays as it is.
func (d *database) stop() {
	if d.cancel != nil {
		d.cancel()
		d.ended.Wait()
	}
}

// run keeps the database until ctx ends.
func (d *database) run(ctx context.Context) {
	changes := make(chan ovsdb.Changes, changeBuffer)
	sub := d.client.Subscribe()
	defer sub.Close()
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
	defer func() { <-pumped }()

	audit := time.NewTicker(d.opts.Audit)
	defer audit.Stop()
	count := time.NewTicker(tick)
	defer count.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		d.report()
		d.remember()
		retry.Reset(d.untilRetry())
		select {
		case <-ctx.Done():
			return
		case <-d.inbox.wake:
			d.drain()
		case ch := <-changes:
			d.notice(ch)
			d.heard()
		case <-audit.C:
			d.dirty.all = true
		case <-count.C:
			d.told.countsDue = true
			d.askAgain()
		case <-retry.C:
			d.retryDue()
		}
		d.settleLock(ctx)
		d.reconcile(ctx)
		d.answer(ctx)
		if ctx.Err() != nil {
			return
		}
	}
}

// answer carries out the commands that wait.
func (d *database) answer(ctx context.Context) {
	all := d.inbox.takeAsked()
	if len(all) > 0 {
		d.drain() // what was said before
	}
	for _, do := range all {
		do.by.answer(d.do(ctx, do.Do))
	}
}

// drain takes in all messages that wait, so that many changes cost one pass.
func (d *database) drain() {
	d.takeOrders()
	messages, lost := d.inbox.take()
	for _, m := range messages {
		d.take(m)
	}
	d.heard()
	if lost {
		d.cut()
		d.ask("")
	}
}

// cut takes in that words of the controller are missing.
func (d *database) cut() {
	d.replica.Cut()
	d.staged, d.cutAt, d.owned = false, d.now(), nil
}

// askAgain asks for the snapshot that should have begun long ago.
func (d *database) askAgain() {
	if !d.cutAt.IsZero() && !d.staged && d.tenure.Granted() && d.now().Sub(d.cutAt) >= snapshotPatience {
		d.cutAt = d.now()
		d.ask("")
	}
}

// ask asks the controller for a network, or with "" for everything, anew. With
// no controller there is no need: a new one tells everything.
func (d *database) ask(network string) {
	if s := d.agent.controller(); s != nil {
		s.ask(fabric.Ask{Database: d.name, NetworkID: network})
	}
}

// take takes in a message of the controller.
func (d *database) take(m fabric.ToAgent) {
	switch m := m.(type) {
	case cut:
		d.heardIn = m.speech
		d.cut()
		return
	case fabric.Recorded:
		d.recorded(m.Telling)
		return
	case fabric.SnapshotBegin:
		d.staged, d.owned = true, nil
	case fabric.Bindings:
		if o := d.owned; o != nil && m.Version.Compare(o.Version) >= 0 {
			d.owned = nil
			d.takeIn(*o)
		}
	case fabric.Owned:
		if !d.staged {
			// Without the bindings, what is about to be bound would pass for unwanted.
			d.owned = &m
			return
		}
	}
	d.takeIn(m)
}

// takeIn takes in what is complete in itself.
func (d *database) takeIn(m fabric.ToAgent) {
	if _, owned := m.(fabric.Owned); owned {
		d.seen, d.told.stateDue = nil, true // which bindings are ours may have changed
	}
	was := d.replica.Owned
	e := d.replica.Apply(m)
	if e.All {
		d.staged, d.cutAt, d.toldIn = false, time.Time{}, d.heardIn
		clear(d.told.bindings)
		d.dirty.all = true
		d.told.learnedDue = true
	}
	d.noteRevision(m, e, was)
	d.noteRequests(m)
	for _, k := range e.Bindings {
		// Whoever speaks of a binding wants to hear how it stands, be it as before.
		delete(d.told.bindings, k)
	}
	if e.Ask != "" {
		d.ask(e.Ask)
	}
	if e.AskAll {
		d.cut()
		d.ask("")
	}
	if _, end := m.(fabric.SnapshotEnd); end {
		d.staged = false
	}
	for _, id := range e.Networks {
		d.dirty.network(id)
		d.told.learnedDue = true
	}
	if e.Network != "" {
		d.dirty.mac(e.Network, e.MACs...)
	}
	if _, owned := m.(fabric.Owned); owned && !d.staged {
		d.dirtyOwned(was)
		d.reports.owned(d.replica.Owned)
		d.noteOrphans()
	}
	d.publishHolding(e)
	switch m.(type) {
	case fabric.Bindings, fabric.Owned, fabric.Segment, fabric.SegmentDelta, fabric.SegmentUnknown, fabric.SegmentGone, fabric.SnapshotEnd:
		d.replicaDue = d.replicaDue || !d.staged
	}
}

// dirtyOwned has the networks looked at of which more is ours than before: what
// is not bound is to go.
func (d *database) dirtyOwned(was l2gw.Ownership) {
	for id := range d.replica.Owned.Networks {
		if _, known := was.Networks[id]; !known {
			d.dirty.network(id)
		}
	}
	for k, id := range d.replica.Owned.Bindings {
		if was.Bindings[k] != id {
			d.dirty.network(id)
		}
	}
}

// noteRevision takes in of which intent the controller speaks; was is what it
// knew as ours before.
func (d *database) noteRevision(m fabric.ToAgent, e fabric.Effect, was l2gw.Ownership) {
	switch m := m.(type) {
	case fabric.SnapshotEnd:
		if e.All {
			back := d.holds.revision(m.Revision, d.now())
			// What the disk remembered may have been written again in the meantime, and
			// may have been gone before that: then nobody knows it as ours any more.
			if d.holds.confirmed() || back || !d.holds.restored.IsZero() {
				d.orphan(was)
			}
			d.reports.owned(d.replica.Owned)
			d.noteOrphans()
		}
	case fabric.Bindings:
		if d.staged {
			d.holds.seenElsewhere(m.Revision)
		} else if d.holds.revision(m.Revision, d.now()) {
			d.dirty.all = true
		}
	}
}

// publishHolding says what is held of the replica, for the next Hello.
func (d *database) publishHolding(e fabric.Effect) {
	if !e.All && e.Network == "" && len(e.Networks) == 0 && len(e.Bindings) == 0 {
		return
	}
	if e.All || len(e.Bindings) > 0 {
		d.sum = 0
		for _, b := range d.replica.Bindings {
			d.sum += b.Digest()
		}
	}
	d.reports.hold(func(h *fabric.Holding) {
		h.Complete, h.Bindings, h.Revision = d.replica.Complete, d.sum, d.holds.highest
		networks := e.Networks
		if e.Network != "" {
			networks = append(networks[:len(networks):len(networks)], e.Network)
		}
		if e.All {
			h.Networks = make(map[string]l2gw.Digest, len(d.replica.Segments))
			networks = slices.Collect(maps.Keys(d.replica.Segments))
		}
		for _, id := range networks {
			if s := d.replica.Segments[id]; s != nil {
				h.Networks[id] = s.Digest()
			} else {
				delete(h.Networks, id)
			}
		}
	})
}

// intent is what the database must hold, as the planner takes it.
func (d *database) intent() *vtep.Intent {
	o := d.opts.VTEP
	if st := d.client.State(); st.Lock != ovsdb.LockUnsupported {
		o.Lock = d.opts.Lock
	} else {
		o.MaxOps = locklessOps
	}
	return &vtep.Intent{
		Bindings: d.replica.Bindings, ByNetwork: d.replica.ByNetwork, Segments: d.replica.Segments, Owned: d.replica.Owned, Options: o,
		Terse: true,
	}
}
