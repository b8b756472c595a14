package ovsdb

import (
	"context"
)

// Change is what became of one row: nil for where it is not.
type Change struct{ Old, New *Row }

// Changes is what happened since the last Changes of the same Subscription.
// Several changes of a row count as one.
type Changes struct {
	// Reset tells that Rows is nil and all of New is to be looked at: after the
	// first synchronisation and each later one, and when more rows changed than a
	// Subscription keeps track of.
	Reset bool
	// Old is the snapshot that the last Changes led to, nil before the first; New
	// the one that these lead to.
	Old, New *Snapshot
	// Rows has the changes by table and row, if not Reset.
	Rows map[string]map[UUID]Change
	// StateChanged tells that State is another than before.
	StateChanged bool
	State        State
}

// maxChanges is how many rows a Subscription keeps track of.
const maxChanges = 1 << 16

// Subscription follows the contents of a Client. However slowly it is read, it
// holds a bounded amount of memory, and what it says adds up to the truth.
// It belongs to one goroutine.
type Subscription struct {
	client *Client
	wake   chan struct{}

	// Guarded by client.mu.
	seen         *Snapshot // what the last Changes led to
	reset        bool
	rows         map[string]map[UUID]Change
	count        int
	stateChanged bool
}

// Subscribe starts to follow the contents and the state. The first Next returns
// at once: with all contents if there are any, and the state.
func (c *Client) Subscribe() *Subscription {
	s := &Subscription{client: c, wake: make(chan struct{}, 1), stateChanged: true}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.reset = c.snapshot.Load() != nil
	s.wake <- struct{}{}
	c.subs[s] = struct{}{}
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	delete(s.client.subs, s)
}

// Wake is ready to receive from when Next would not wait. Receiving uses it up:
// call Next then.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Next waits for changes of contents or state and returns all that there are.
// The error is that of ctx.
func (s *Subscription) Next(ctx context.Context) (Changes, error) {
	for {
		if ch, ok := s.take(); ok {
			return ch, nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Changes{}, ctx.Err()
		}
	}
}

func (s *Subscription) take() (Changes, bool) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if !s.reset && s.count == 0 && !s.stateChanged {
		return Changes{}, false
	}
	ch := Changes{
		Reset: s.reset, Old: s.seen, New: s.client.snapshot.Load(), Rows: s.rows,
		StateChanged: s.stateChanged, State: s.client.state,
	}
	s.seen = ch.New
	s.reset, s.rows, s.count, s.stateChanged = false, nil, 0, false
	select {
	case <-s.wake:
	default:
	}
	return ch, true
}

// contents notes changes, or all new contents if reset. client.mu is held.
func (s *Subscription) contents(changes []rowChange, reset bool) {
	switch {
	case s.reset:
	case reset || s.count+len(changes) > maxChanges:
		s.reset, s.rows, s.count = true, nil, 0
	default:
		for _, ch := range changes {
			s.merge(ch)
		}
	}
	s.signal()
}

func (s *Subscription) merge(ch rowChange) {
	r := ch.now
	if r == nil {
		r = ch.old
	}
	if r == nil {
		return
	}
	table := s.rows[r.layout.Table.Name]
	if table == nil {
		if s.rows == nil {
			s.rows = make(map[string]map[UUID]Change)
		}
		table = make(map[UUID]Change)
		s.rows[r.layout.Table.Name] = table
	}
	was, ok := table[r.uuid]
	if !ok {
		was.Old = ch.old
		s.count++
	}
	was.New = ch.now
	if was.Old == nil && was.New == nil { // it came and went
		delete(table, r.uuid)
		s.count--
		if len(table) == 0 {
			delete(s.rows, r.layout.Table.Name)
		}
		return
	}
	table[r.uuid] = was
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
