package ovsdb

import (
	"net"
	"sync"
)

// sendQueue is what waits to be sent to one client, bounded.
type sendQueue struct {
	most int // bytes

	mu      sync.Mutex
	changed *sync.Cond // on mu
	pending [][]byte
	size    int // of pending and what is being written
	err     error
}

func newSendQueue(most int) *sendQueue {
	q := &sendQueue{most: most}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// put adds a message. It returns false if too much is waiting already.
func (q *sendQueue) put(message []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size > q.most {
		return false
	}
	if q.err == nil {
		q.pending = append(q.pending, message)
		q.size += len(message)
		q.changed.Broadcast()
	}
	return true
}

// fail ends the queue; what has not been written is dropped. The first error stays.
func (q *sendQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.pending = nil
	q.changed.Broadcast()
}

// await waits until at most so many bytes are waiting; it returns the error of fail.
func (q *sendQueue) await(most int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size > most && q.err == nil {
		q.changed.Wait()
	}
	return q.err
}

// write sends what is put until fail is called or writing fails.
func (q *sendQueue) write(c net.Conn) error {
	for {
		q.mu.Lock()
		for len(q.pending) == 0 && q.err == nil {
			q.changed.Wait()
		}
		batch, err := net.Buffers(q.pending), q.err
		q.pending = nil
		q.mu.Unlock()
		if err != nil {
			return err
		}
		n := 0
		for _, b := range batch {
			n += len(b)
		}
		if _, err := batch.WriteTo(c); err != nil {
			return err
		}
		q.mu.Lock()
		q.size -= n
		q.changed.Broadcast()
		q.mu.Unlock()
	}
}
