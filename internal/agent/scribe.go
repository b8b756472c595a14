package agent

import (
	"bufio"
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

const (
	// replicaPause is the least time between two writings of a replica. After one
	// that took long, it is replicaRest times as long as that, so that a large
	// replica that changes all the time does not keep the disk busy.
	replicaPause = 3 * time.Second
	replicaRest  = 20
	// holdsPause is the least time between two writings of a state in which only
	// what is held, or let through, is other: during a large removal it is so all the time.
	holdsPause = time.Second
	// diskRetry is the wait after a failure.
	diskRetry = 5 * time.Second
	pageSize  = 64 << 10
)

func newPageWriter(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, pageSize) }

// scribe writes to the disk what one database is to remember, in a goroutine of
// its own. What is handed over counts; what it replaces and was not written yet is dropped.
type scribe struct {
	disk     *disk
	database string
	wake     chan struct{} // 1 place

	mu      sync.Mutex
	state   *diskState       // yet to be written, or nil
	replica []fabric.ToAgent // the same
	written chan struct{}    // closed and made anew after each attempt at state
	now     func() time.Time
}

func newScribe(d *disk, database string, now func() time.Time) *scribe {
	return &scribe{disk: d, database: database, wake: make(chan struct{}, 1), written: make(chan struct{}), now: now}
}

func (s *scribe) note(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and then what is left.
func (s *scribe) run(ctx context.Context) {
	var next time.Time // no replica before
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	failed := ""
	note := func(err error) {
		if err != nil && err.Error() != failed {
			s.disk.log.Error("what must be held cannot be remembered over a restart; trying again", "database", s.database, "error", err)
		}
		if failed = ""; err != nil {
			failed = err.Error()
		}
	}
	for {
		last := ctx.Err() != nil
		err := s.writeState()
		if last || !s.now().Before(next) {
			began := s.now()
			wrote, failure := s.writeReplica()
			if wrote {
				took := s.now().Sub(began)
				next = s.now().Add(max(replicaPause, replicaRest*took))
			}
			if err == nil {
				err = failure
			}
		}
		if err != nil {
			next = s.now().Add(diskRetry)
		}
		note(err)
		if last {
			return
		}
		timer.Reset(max(next.Sub(s.now()), time.Millisecond))
		if s.idle() {
			timer.Reset(time.Hour)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

func (s *scribe) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == nil && s.replica == nil
}

func (s *scribe) writeState() error {
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	if state == nil {
		return nil
	}
	err := s.disk.writeState(*state)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.state == state {
		s.state = nil
	}
	close(s.written)
	s.written = make(chan struct{})
	return err
}

func (s *scribe) writeReplica() (wrote bool, err error) {
	s.mu.Lock()
	replica := s.replica
	s.replica = nil
	s.mu.Unlock()
	if replica == nil {
		return false, nil
	}
	if err := s.disk.writeReplica(s.database, replica); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.replica == nil {
			s.replica = replica
		}
		return false, err
	}
	return true, nil
}

// keepState hands over the state.
func (s *scribe) keepState(state diskState) { s.note(func() { s.state = &state }) }

// keepReplica hands over the messages that make up the replica.
func (s *scribe) keepReplica(messages []fabric.ToAgent) {
	s.note(func() { s.replica = messages })
}

// flush waits until what was handed over as state was written, or could not be.
func (s *scribe) flush(ctx context.Context) {
	for range 2 { // the first may be of what was handed over before
		s.mu.Lock()
		done, written := s.state == nil, s.written
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-written:
		case <-ctx.Done():
			return
		}
	}
}

// memory is what a database remembers.
type memory struct {
	state   diskState
	replica []fabric.ToAgent
}

// remembered is what is to be remembered besides the replica.
func (d *database) remembered() diskState {
	v := d.tenure.Version()
	s := diskState{
		Database: d.name, Grant: diskVersion{v.Epoch, v.Counter}, Mode: d.mode, ModeSince: d.modeSince,
		Holds: d.holds.state(), Orphans: diskOrphans{Networks: maps.Clone(d.orphans.Networks)},
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.orphans.Bindings), compareKeys) {
		s.Orphans.Bindings = append(s.Orphans.Bindings, diskBinding{k.Device, k.Interface, k.VLAN, d.orphans.Bindings[k]})
	}
	return s
}

// account is the replica as messages of a snapshot, none if it is not complete.
// What they refer to is immutable, so that they cost little and are good for ever.
func (d *database) account() []fabric.ToAgent { return slices.Collect(d.replica.Messages()) }

// remember hands over what has changed since it was last called.
func (d *database) remember() {
	if d.scribe == nil {
		return
	}
	v := d.tenure.Version()
	at := rememberedAt{v, d.mode, d.modeSince, d.holds.changes, d.orphaned}
	of := d.kept
	if of.holds = at.holds; at != d.kept && (at != of || d.now().Sub(d.keptAt) >= holdsPause) {
		d.kept, d.keptAt = at, d.now()
		d.scribe.keepState(d.remembered())
	}
	// A replica is not handed over more often than it could be written.
	if d.replicaDue && !d.now().Before(d.replicaAt) {
		d.replicaDue, d.replicaAt = false, d.now().Add(replicaPause)
		if messages := d.account(); messages != nil {
			d.scribe.keepReplica(messages)
		}
	}
}

// rememberNow is for what an operator said: it is on the disk before the answer.
func (d *database) rememberNow(ctx context.Context) {
	d.keptAt = time.Time{}
	d.remember()
	if d.scribe != nil {
		d.scribe.flush(ctx)
	}
}

// rememberedAt tells whether the state is another than it was.
type rememberedAt struct {
	grant    l2gw.Version
	mode     l2gw.Mode
	since    time.Time
	holds    uint64
	orphaned uint64
}

// recall begins with what is remembered. What must be held is good for adding
// what is missing, and for removing nothing: see holds.
func (d *database) recall(m memory) {
	s := m.state
	d.tenure.Restore(l2gw.Version{Epoch: s.Grant.Epoch, Counter: s.Grant.Counter})
	if !s.ModeSince.IsZero() {
		d.mode, d.modeSince = s.Mode, s.ModeSince // an operator's word counts for more than the options
	}
	d.holds.restore(s.Holds)
	d.orphans = l2gw.Ownership{Networks: s.Orphans.Networks, Bindings: map[l2gw.BindingKey]string{}}
	for _, b := range s.Orphans.Bindings {
		d.orphans.Bindings[l2gw.BindingKey{Device: b.Device, Interface: b.Interface, VLAN: b.VLAN}] = b.Network
	}
	d.orphanedAs = d.orphans
	d.orphaned++
	d.publishOrphans()
	if len(m.replica) == 0 {
		return
	}
	for _, message := range m.replica {
		if e := d.replica.Apply(message); e.All {
			d.publishHolding(e)
		}
	}
	if d.replica.Complete {
		d.holds.unheard(d.now())
		d.dirty.all = true
		d.log.Info("what the switch must hold is known from the disk; nothing is removed until a controller has confirmed it",
			"database", d.name, "bindings", len(d.replica.Bindings), "networks", len(d.replica.Segments))
	}
	d.replica.Cut() // only a snapshot goes on from here
}
