package agent

import (
	"sync"

	"l2gw/internal/fabric"
)

// inboxLimit is how many messages may wait for a database's goroutine.
const inboxLimit = 1024

// inbox holds what the controller has said and a database's goroutine, which may
// be waiting for a slow switch, has not heard yet. It never makes the giver
// wait, since other databases hang on the same stream; what becomes too much is
// thrown away, and the controller is asked for everything anew.
type inbox struct {
	wake chan struct{} // 1 place; receives when there is something

	mu    sync.Mutex
	queue []fabric.ToAgent
	lost  bool
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds a message.
func (b *inbox) put(m fabric.ToAgent) {
	b.mu.Lock()
	if len(b.queue) >= inboxLimit {
		b.lost = true
		kept := b.queue[:0]
		for _, q := range b.queue {
			if isOrder(q) {
				kept = append(kept, q)
			}
		}
		clear(b.queue[len(kept):])
		b.queue = kept
	}
	if !b.lost || isOrder(m) {
		b.queue = append(b.queue, m)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns all messages in their order, and whether others were thrown away.
func (b *inbox) take() (messages []fabric.ToAgent, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages, lost = b.queue, b.lost
	b.queue, b.lost = nil, false
	return messages, lost
}

// waiting reports whether there is something to take.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) > 0 || b.lost
}

// isOrder tells the messages that nobody repeats from those that a snapshot does.
func isOrder(m fabric.ToAgent) bool {
	switch m.(type) {
	case fabric.Grant, fabric.Revoke, fabric.Do:
		return true
	}
	return false
}
