package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

const (
	// window is how many transactions are under way at once: enough that neither
	// the server nor we wait for one another.
	window = 8
	// patience is after how many transactions of a plan new messages are looked at.
	patience = 4
	// maxPasses is after how many passes over one scope that came to no end we
	// rest: somebody else may be writing against us.
	maxPasses = 50
	maxStall  = 30 * time.Second
	// maxCulprits is how many single rows are searched for in one go.
	maxCulprits = 3
	// transactTimeout bounds how long a switch may take to answer one transaction.
	transactTimeout = 60 * time.Second
	// overdueAfter is how long a switch may take to withdraw its own rows of a
	// logical switch before that is reported.
	overdueAfter = 15 * time.Minute
)

// outcome is how an attempt ended.
type outcome int

const (
	outcomeDone        outcome = iota // nothing is left to do in this scope
	outcomeInterrupted                // there is something new; go on later
	outcomeStalled                    // rest, then look at everything
)

// reconcile brings the database to what it must hold, as far as that can be done now.
func (d *database) reconcile(ctx context.Context) {
	for ctx.Err() == nil && !d.dirty.empty() && !d.now().Before(d.stalledTo) {
		if ok, _, _ := d.writable(); !ok {
			d.watch()
			return
		}
		d.noteLock()
		if !d.told.state.Writer {
			// Servers believe what is gone only of one that they know to write.
			d.told.stateDue = true
			d.report()
		}
		scope := d.dirty.take()
		switch d.converge(ctx, scope) {
		case outcomeDone:
			d.stalls = 0
			d.caughtUp()
		case outcomeInterrupted:
			d.dirty.add(scope)
			d.drain()
			d.settleLock(ctx)
			d.answer(ctx)
		case outcomeStalled:
			d.dirty.all = true
			d.stalledTo = d.now().Add(min(100*time.Millisecond<<min(d.stalls, 12), maxStall))
			d.stalls++
			d.told.stateDue = true
		}
	}
}

// watch finds out, where we only observe, what would be written.
func (d *database) watch() {
	if d.mode != l2gw.ModeObserve || !d.dirty.all || !d.replica.Complete || d.client.State().Phase != ovsdb.Synced {
		return
	}
	snap := d.client.Snapshot()
	plan := vtep.MakePlan(snap, d.capabilities(snap), d.intent(), vtep.Scope{All: true}, nil)
	if n := plan.Operations(); n != d.missed {
		d.missed, d.told.stateDue = n, true
	}
}

// converge plans and applies until a plan for the scope is empty.
func (d *database) converge(ctx context.Context, scope vtep.Scope) outcome {
	again := true // a refused transaction may have met a change that we had not seen
	d.poison.culprits = 0
	for passes := 0; passes < maxPasses; passes++ {
		snap := d.client.Snapshot()
		plan := d.plan(snap, scope)
		if scope.All && passes == 0 {
			d.missed = plan.Operations()
		}
		if len(plan.Txns) == 0 {
			if d.poison.release() {
				continue
			}
			d.confirm(snap, scope, plan)
			return outcomeDone
		}
		err := d.apply(ctx, plan)
		var refused *refusedError
		switch {
		case err == nil:
			again = true
		case errors.Is(err, errInterrupted):
			return outcomeInterrupted
		case errors.Is(err, ovsdb.ErrTimedOut):
			// A guard did not hold: the database changed meanwhile. Look again.
		case errors.As(err, &refused) && again:
			again = false
		case errors.As(err, &refused):
			d.blame(refused)
			passes = 0 // each time, less is left to blame
		default:
			d.lastError = err.Error()
			d.log.Warn("a transaction failed; looking at everything again", "database", d.name, "error", err)
			return outcomeStalled
		}
	}
	d.lastError = fmt.Sprintf("%d passes and still not as it should be: does something else write to this database?", maxPasses)
	d.log.Warn(d.lastError, "database", d.name)
	return outcomeStalled
}

// noteWaiting keeps account of the logical switches that wait for the switch.
func (d *database) noteWaiting(scope vtep.Scope, plan *vtep.Plan) {
	for id := range d.waiting {
		if covers(scope, vtep.Subject{Network: id}) && !slices.Contains(plan.Waiting, id) {
			delete(d.waiting, id)
		}
	}
	for _, id := range plan.Waiting {
		if _, known := d.waiting[id]; !known {
			d.waiting[id] = d.now()
		}
	}
}

// overdue says which logical switches have waited for too long, or "".
func (d *database) overdue() string {
	var ids []string
	for id, since := range d.waiting {
		if d.now().Sub(since) >= overdueAfter {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return fmt.Sprintf("logical switches that are not wanted any more cannot be removed: for %v the switch has kept local rows of %s",
		overdueAfter, strings.Join(ids, ", "))
}

func (d *database) plan(snap *ovsdb.Snapshot, scope vtep.Scope) *vtep.Plan {
	intent, caps, blocked := d.intent(), d.capabilities(snap), d.poison.blocked(d.now())
	at := look{scope: scope, now: d.now(), standing: d.standingOf, total: func() (rows int) {
		for id := range d.replica.Owned.Networks {
			rows += vtep.RowsOf(snap, id)
		}
		return rows
	}}
	return d.holds.plan(at, func(keep, unbinds func(string) bool) *vtep.Plan {
		intent.Keep, intent.Unbinds = keep, unbinds
		return vtep.MakePlan(snap, caps, intent, scope, blocked)
	})
}

// standingOf tells why a network has rows in the database.
func (d *database) standingOf(network string) standing {
	switch {
	case len(d.replica.ByNetwork[network]) > 0:
		return standsBound
	case d.replica.Lost[network]:
		return standsLost
	}
	return standsUnbound
}

// capabilities is what the switch can do, as far as this session has shown.
func (d *database) capabilities(snap *ovsdb.Snapshot) vtep.Capabilities {
	caps := vtep.Probe(snap.Schema, snap)
	if session := d.client.State().Session; session == d.session {
		caps = caps.Remembering(d.caps)
	} else {
		d.session = session
	}
	d.caps = caps
	return caps
}

// refusedError is a transaction that the switch refuses whenever it is sent.
type refusedError struct {
	txn vtep.Txn
	err *ovsdb.TransactError
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// sent is a transaction that is under way.
type sent struct {
	txn     vtep.Txn
	pending *ovsdb.Pending
	at      time.Time
	ctx     context.Context
	cancel  context.CancelFunc
}

// apply sends the plan's transactions, several at a time and at the pace of the
// options, and stops at the first that fails. When it returns without error, the
// snapshot has them all.
func (d *database) apply(ctx context.Context, plan *vtep.Plan) error {
	if len(plan.Txns) > 0 {
		d.noteUnconfirmed()
	}
	var underway []sent
	var failed error
	window := window
	if d.client.State().Lock == ovsdb.LockUnsupported {
		window = 1 // what is under way when the grant expires cannot be called back
	}
	wait := func() {
		s := underway[0]
		underway = underway[1:]
		if err := d.await(s); failed == nil {
			failed = err
		}
	}
	for i, txn := range plan.Txns {
		if failed == nil && i >= patience && d.inbox.waiting() {
			failed = errInterrupted
		}
		if failed == nil && len(underway) == window {
			wait()
		}
		if failed == nil {
			failed = d.keepPace(ctx, len(txn.Ops), func() {
				for len(underway) > 0 {
					wait()
				}
			})
		}
		if failed == nil && !d.mayGoOn() { // as late as can be: planning and pacing take time
			failed = errInterrupted
		}
		if failed != nil {
			break
		}
		s := sent{txn: txn, at: d.now()}
		s.ctx, s.cancel = context.WithTimeout(ctx, transactTimeout)
		s.pending = d.client.TransactAsync(s.ctx, txn.Ops...)
		underway = append(underway, s)
	}
	for len(underway) > 0 {
		wait()
	}
	return failed
}

// keepPace waits until so many operations may be sent; before it does, settle
// sees to what is under way. It goes on no longer than there is something new to look at.
func (d *database) keepPace(ctx context.Context, operations int, settle func()) error {
	for {
		pause := d.pace.take(operations)
		if pause == 0 {
			return nil
		}
		settle()
		timer := time.NewTimer(min(pause, tick))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case d.inbox.waiting() || !d.mayGoOn():
			return errInterrupted
		}
	}
}

// await waits for the answer to a transaction and tells everybody of it.
func (d *database) await(s sent) error {
	defer s.cancel()
	results, err := s.pending.Wait(s.ctx)
	if err == nil {
		err = missed(s.txn, results)
	}
	took := d.now().Sub(s.at)
	d.meter.Transaction(resultOf(err), len(s.txn.Ops), took)
	d.logTransaction(s.ctx, s.txn, err, took)
	if d.agent.audit != nil {
		t := transaction{
			at: d.now(), agent: d.agent.opts.Name, database: d.name, grant: d.tenure.Version(), snap: d.client.Snapshot(),
			txn: s.txn, results: results, err: err, requestOf: d.requestOf,
		}
		d.agent.audit.write(t.record())
	}
	var te *ovsdb.TransactError
	if errors.As(err, &te) && isRefusal(te) {
		err = &refusedError{s.txn, te}
	}
	return err
}

// mayGoOn reports whether we may still write: on a switch without locks nothing
// else ends what an expired grant must not do.
func (d *database) mayGoOn() bool {
	d.takeOrders()
	ok, _, _ := d.writable()
	return ok
}

// missed reports an operation that found no row: it vanished after the plan was made.
func missed(txn vtep.Txn, results []ovsdb.OpResult) error {
	for i, op := range txn.Ops {
		switch op.Kind {
		case ovsdb.OpUpdate, ovsdb.OpMutate, ovsdb.OpDelete:
			if results[i].Count == 0 {
				return fmt.Errorf("operation %d: the row in %s is gone: %w", i, op.Table, ovsdb.ErrTimedOut)
			}
		}
	}
	return nil
}

// isRefusal tells whether sending the same again would fail again.
func isRefusal(err *ovsdb.TransactError) bool {
	for _, other := range []error{
		ovsdb.ErrTimedOut, ovsdb.ErrNotOwner, ovsdb.ErrCanceled, ovsdb.ErrIO, ovsdb.ErrUnknownDatabase, ovsdb.ErrNotAllowed,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// blame finds out which subject of a refused transaction is at fault. If an
// operation failed, it is that operation's. If the commit failed, half of the
// subjects are held back and the rest tried alone, until one is left; after a
// few of those it is no longer single rows that are at fault (a table may be
// full), and all that is refused together is left out together.
func (d *database) blame(r *refusedError) {
	var subjects []vtep.Subject
	if r.err.AtCommit || r.err.Index >= len(r.txn.Subjects) {
		for _, s := range r.txn.Subjects {
			if s != (vtep.Subject{}) && !slices.Contains(subjects, s) {
				subjects = append(subjects, s)
			}
		}
	} else {
		subjects = []vtep.Subject{r.txn.Subjects[r.err.Index]}
	}
	if d.poison.culprits < maxCulprits && d.poison.narrow(subjects) {
		return
	}
	d.poison.culprits++
	d.meter.Refused(len(subjects))
	for _, s := range subjects {
		d.poison.refuse(s, r.err.Err.Error(), d.now())
	}
	d.log.Warn("the switch refuses rows; leaving them out for now", "database", d.name,
		"rows", len(subjects), "first", fmt.Sprintf("%+v", subjects[0]), "error", r.err)
}

// untilRetry is how long until something must be looked at without any event.
func (d *database) untilRetry() time.Duration {
	next := d.now().Add(time.Hour)
	if t := d.poison.next(); !t.IsZero() && t.Before(next) {
		next = t
	}
	if _, _, until := d.writable(); until.After(d.now()) && until.Before(next) {
		next = until
	}
	if !d.dirty.empty() && d.stalledTo.Before(next) && d.stalledTo.After(d.now()) {
		next = d.stalledTo
	}
	return max(next.Sub(d.now()), time.Millisecond)
}

// retryDue marks the refused subjects whose time has come.
func (d *database) retryDue() {
	for _, s := range d.poison.due(d.now()) {
		d.dirty.network(s.Network)
	}
	d.told.stateDue = true // the right to write may have ended by now, or begun
}
