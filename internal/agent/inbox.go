package agent

import (
	"slices"
	"sync"

	"l2gw/internal/fabric"
)

// inboxLimit is how many messages may wait for a database's goroutine, besides
// those of a snapshot.
const inboxLimit = 1024

// inbox holds what the controller has said and a database's goroutine, which may
// be waiting for a slow switch, has not heard yet. It never makes the giver
// wait, since other databases hang on the same stream. What becomes too much is
// thrown away, and the controller is asked for a snapshot; a snapshot takes the
// place of all that was said before it, and is never cut.
type inbox struct {
	wake chan struct{} // 1 place; receives when there is something

	mu       sync.Mutex
	queue    []fabric.ToAgent
	snapshot bool // one has begun and not ended
	loose    int  // messages in queue that are neither orders nor of a snapshot
	lost     bool
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds a message.
func (b *inbox) put(m fabric.ToAgent) {
	b.mu.Lock()
	b.add(m)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) add(m fabric.ToAgent) {
	switch m.(type) {
	case fabric.Grant, fabric.Revoke, fabric.Do:
		b.queue = append(b.queue, m)
		return
	case fabric.SnapshotBegin:
		b.keepOrders()
		b.snapshot, b.lost = true, false
	case fabric.SnapshotEnd:
		b.snapshot = false
	default:
		if b.snapshot {
			break
		}
		if b.loose >= inboxLimit {
			b.keepOrders()
			b.lost = true
		}
		if b.lost {
			return
		}
		b.loose++
	}
	b.queue = append(b.queue, m)
}

// keepOrders throws away all but the messages that nobody repeats.
func (b *inbox) keepOrders() {
	b.queue = slices.DeleteFunc(b.queue, func(m fabric.ToAgent) bool {
		switch m.(type) {
		case fabric.Grant, fabric.Revoke, fabric.Do:
			return false
		}
		return true
	})
	b.loose = 0
}

// take returns all messages in their order, and whether others were thrown away.
func (b *inbox) take() (messages []fabric.ToAgent, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages, lost = b.queue, b.lost
	b.queue, b.loose, b.lost = nil, 0, false
	return messages, lost
}

// waiting reports whether there is something to take.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) > 0 || b.lost
}
