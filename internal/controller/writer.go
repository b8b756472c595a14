package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"l2gw"
)

const (
	// writeTimeout bounds one attempt to write, so that a database server that
	// hangs does not hold up what is due for ever.
	writeTimeout = 10 * time.Second
	// A write that failed is tried again after firstRetry, then after twice as
	// long each time, up to lastRetry.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// writer writes what the controller keeps in the store, so that the controller's
// own goroutine never waits for SQL. It holds what is to be written by its key,
// and of each key only the newest: however long SQL is away and however much
// happens meanwhile, there is never more than one entry for each network, place
// and database.
//
// Each write carries the epoch of the lease under which it was asked. If another
// server has the lease by now, all that was asked under that epoch is dropped.
type writer struct {
	store  Store
	log    *slog.Logger
	now    func() time.Time
	report outcomes
	wake   chan struct{} // 1 place
	fenced bool          // there is a lease whose epoch counts

	mu      sync.Mutex
	queues  map[queueKey]*queue // those with something to write; guarded by mu
	writing *queue              // taken out of queues, under way; guarded by mu
	floor   uint64              // what is asked under a lower epoch is not written; guarded by mu
}

// outcomes are told how writes ended; not of those that are tried again. They
// are called by the writer's goroutine, one at a time.
type outcomes interface {
	// owned: this is recorded as ours.
	owned(ctx context.Context, epoch uint64, database string, more l2gw.Ownership)
	// kept: this is remembered of what was learned.
	kept(ctx context.Context, epoch uint64, database string, ch learnedChanges)
	// refused: another server has the lease, and all that was asked up to this epoch is dropped.
	refused(ctx context.Context, epoch uint64)
}

// Each database has two queues, so that a network waits for nothing that is less urgent.
type queueKey struct {
	database string
	memory   bool // what was seen of it; else what is ours
}

// queue is what is to be written for one database.
type queue struct {
	key   queueKey
	epoch uint64
	since time.Time // since when the oldest waits

	networks map[string]record[l2gw.VNI]
	bindings map[l2gw.BindingKey]record[string]

	devices *[]l2gw.DeviceState
	learned *learnedChanges

	retry time.Duration // 0: it has not failed
	due   time.Time
}

// record is what is to be recorded of one network or place: that it is ours, with
// this value, or that the one with this value is not any more.
type record[V any] struct {
	ours  bool
	value V
}

// after is what remains to be done of a record and an older one of the same key.
// To record something as ours replaces what stands there, whatever that is. What
// is asked to be disowned beside it is what stands there, or it could not have
// been confirmed gone: so it is replaced, too.
func (r record[V]) after(old record[V]) record[V] {
	if old.ours && !r.ours {
		return old
	}
	return r
}

// learnedChanges are what is to be remembered of the MACs of a database's switches.
type learnedChanges struct{ set, gone []l2gw.Learned }

func newWriter(s Store, log *slog.Logger, now func() time.Time, report outcomes) *writer {
	return &writer{
		store: s, log: log, now: now, report: report,
		wake: make(chan struct{}, 1), queues: map[queueKey]*queue{},
	}
}

// queue returns the queue for what is asked under an epoch; what was asked there
// under another is dropped. w.mu must be held.
func (w *writer) queue(key queueKey, epoch uint64) *queue {
	q := w.queues[key]
	if q == nil || q.epoch != epoch {
		q = &queue{
			key: key, epoch: epoch, since: w.now(),
			networks: map[string]record[l2gw.VNI]{}, bindings: map[l2gw.BindingKey]record[string]{},
		}
		if epoch >= w.floor {
			w.queues[key] = q
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return q
}

// own asks for more to be recorded as ours; outcomes.owned tells when it is.
func (w *writer) own(epoch uint64, database string, more l2gw.Ownership) {
	w.records(epoch, database, more, true)
}

// disown asks for what is gone to be recorded as ours no more.
func (w *writer) disown(epoch uint64, database string, gone l2gw.Ownership) {
	w.records(epoch, database, gone, false)
}

func (w *writer) records(epoch uint64, database string, o l2gw.Ownership, ours bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queue(queueKey{database: database}, epoch)
	for id, vni := range o.Networks {
		q.networks[id] = record[l2gw.VNI]{ours, vni}.after(q.networks[id])
	}
	for k, id := range o.Bindings {
		q.bindings[k] = record[string]{ours, id}.after(q.bindings[k])
	}
}

// rememberDevices asks for a database's devices to be kept.
func (w *writer) rememberDevices(epoch uint64, database string, devices []l2gw.DeviceState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue(queueKey{database, true}, epoch).devices = &devices
}

// rememberLearned asks for what was learned to be kept; outcomes.kept tells when
// it is. It must not be called again before.
func (w *writer) rememberLearned(epoch uint64, database string, ch learnedChanges) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue(queueKey{database, true}, epoch).learned = &ch
}

// drop forgets all that was asked up to an epoch.
func (w *writer) drop(epoch uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.floor = max(w.floor, epoch+1)
	maps.DeleteFunc(w.queues, func(_ queueKey, q *queue) bool { return q.epoch < w.floor })
}

// WriteFigures are what the store has yet to take.
type WriteFigures struct {
	Waiting int           // networks, places and databases of which something is to be written
	Oldest  time.Duration // how long the oldest has waited
}

func (w *writer) figures() (f WriteFigures) {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := func(q *queue) {
		f.Waiting += q.len()
		f.Oldest = max(f.Oldest, w.now().Sub(q.since))
	}
	for _, q := range w.queues {
		count(q)
	}
	if w.writing != nil {
		count(w.writing)
	}
	return f
}

func (q *queue) len() int {
	n := len(q.networks) + len(q.bindings)
	if q.devices != nil {
		n++
	}
	if q.learned != nil {
		n += len(q.learned.set) + len(q.learned.gone)
	}
	return n
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		next := w.write(ctx)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// write writes all that is due, and returns how long until something else is.
func (w *writer) write(ctx context.Context) (next time.Duration) {
	for ctx.Err() == nil {
		q, next := w.take()
		if q == nil {
			return next
		}
		w.done(ctx, q, w.attempt(ctx, q))
	}
	return 0
}

// flush tries once to write all that waits, due or not, and tells nobody.
func (w *writer) flush(ctx context.Context) {
	w.mu.Lock()
	all := w.queues
	w.queues = map[queueKey]*queue{}
	w.mu.Unlock()
	for _, memory := range []bool{false, true} {
		for key, q := range all {
			if key.memory != memory {
				continue
			}
			if err := w.attempt(ctx, q); err != nil {
				w.log.Warn("stopped before all could be written to the database", "database", key.database, "error", err)
			}
		}
	}
}

// take takes out the queue that is to be written now: the one that has waited
// longest, and what was seen only when nothing else is due.
func (w *writer) take() (q *queue, next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	next = time.Hour
	for _, c := range w.queues {
		switch {
		case c.due.After(now):
			next = min(next, c.due.Sub(now))
		case q == nil || q.key.memory && !c.key.memory || q.key.memory == c.key.memory && c.since.Before(q.since):
			q = c
		}
	}
	if q != nil {
		delete(w.queues, q.key)
		w.writing = q
	}
	return q, next
}

// split returns what of the queue is to be recorded as ours, and what is not ours any more.
func (q *queue) split() (ours, gone l2gw.Ownership) {
	ours, gone = noOwnership(), noOwnership()
	of := func(o bool) l2gw.Ownership {
		if o {
			return ours
		}
		return gone
	}
	for id, r := range q.networks {
		of(r.ours).Networks[id] = r.value
	}
	for k, r := range q.bindings {
		of(r.ours).Bindings[k] = r.value
	}
	return ours, gone
}

func (w *writer) attempt(ctx context.Context, q *queue) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	epoch := q.epoch
	if !w.fenced {
		epoch = 0
	}
	ours, gone := q.split()
	if !isNothing(ours) {
		if err := w.store.Own(ctx, epoch, q.key.database, ours); err != nil {
			return fmt.Errorf("record what is ours: %w", err)
		}
	}
	if !isNothing(gone) {
		if err := w.store.Disown(ctx, epoch, q.key.database, gone); err != nil {
			return fmt.Errorf("record that rows of ours are gone: %w", err)
		}
	}
	if q.devices != nil {
		if err := w.store.RememberDevices(ctx, epoch, q.key.database, *q.devices); err != nil {
			return fmt.Errorf("keep what was seen of the switches: %w", err)
		}
	}
	if q.learned != nil {
		if err := w.store.RememberLearned(ctx, epoch, q.key.database, q.learned.set, q.learned.gone); err != nil {
			return fmt.Errorf("keep what the switches learned: %w", err)
		}
	}
	return nil
}

// done takes in how an attempt ended, and tells of it.
func (w *writer) done(ctx context.Context, q *queue, err error) {
	switch {
	case err == nil:
		w.settle(nil)
		if q.retry > 0 {
			w.log.Info("the database takes writes again", "database", q.key.database, "waited", w.now().Sub(q.since))
		}
		if ours, _ := q.split(); !isNothing(ours) {
			w.report.owned(ctx, q.epoch, q.key.database, ours)
		}
		if q.learned != nil {
			w.report.kept(ctx, q.epoch, q.key.database, *q.learned)
		}
	case errors.Is(err, l2gw.ErrFenced):
		w.drop(q.epoch)
		w.settle(nil)
		w.log.Warn("a write is refused", "database", q.key.database, "epoch", q.epoch, "error", err)
		w.report.refused(ctx, q.epoch)
	default:
		level := slog.LevelDebug
		if q.retry == 0 {
			level = slog.LevelWarn
		}
		q.retry = min(max(2*q.retry, firstRetry), lastRetry)
		q.due = w.now().Add(q.retry/2 + rand.N(q.retry/2)) //nolint:gosec // jitter need not be unforeseeable
		w.log.Log(ctx, level, "cannot write; trying again", "database", q.key.database, "error", err)
		w.settle(q)
	}
}

// settle ends the attempt that is under way. What is left of it goes back,
// below what was asked meanwhile.
func (w *writer) settle(left *queue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = nil
	if left == nil || left.epoch < w.floor {
		return
	}
	newer := w.queues[left.key]
	switch {
	case newer == nil:
	case newer.epoch != left.epoch:
		return
	default:
		for id, r := range newer.networks {
			left.networks[id] = r.after(left.networks[id])
		}
		for k, r := range newer.bindings {
			left.bindings[k] = r.after(left.bindings[k])
		}
		if newer.devices != nil {
			left.devices = newer.devices
		}
		if newer.learned != nil {
			left.learned = newer.learned
		}
	}
	w.queues[left.key] = left
}

func noOwnership() l2gw.Ownership {
	return l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
}

func isNothing(o l2gw.Ownership) bool { return len(o.Networks)+len(o.Bindings) == 0 }

// written hands the outcomes to the controller's loop.
type written struct{ c *Controller }

func (w written) owned(ctx context.Context, epoch uint64, database string, more l2gw.Ownership) {
	w.c.post(ctx, func(context.Context) { w.c.recorded(epoch, database, more) })
}

func (w written) kept(ctx context.Context, epoch uint64, database string, ch learnedChanges) {
	w.c.post(ctx, func(context.Context) { w.c.keptLearned(epoch, database, ch) })
}

func (w written) refused(_ context.Context, epoch uint64) {
	w.c.fenced(epoch)
}
