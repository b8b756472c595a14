package ovsdb

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"
)

// LockEvent is a change of a lock that this session asked for (RFC 7047
// §4.1.8–4.1.10).
type LockEvent struct {
	Name  string
	State LockState
}

// LockState is how a session stands to a lock.
type LockState int

const (
	// LockNone: it was not asked for.
	LockNone LockState = iota
	// LockWaiting: another session has it, and this one is in the queue.
	LockWaiting
	// LockHeld: this session has it.
	LockHeld
	// LockStolen: this session had it, and another took it away.
	LockStolen
	// LockUnsupported: the server knows no locks.
	LockUnsupported
)

// String returns a word for people.
func (s LockState) String() string {
	return [...]string{"none", "waiting", "held", "stolen", "unsupported"}[s]
}

// lockState is guarded by Conn.mu and written by the reader alone, in the order
// of what the server says.
type lockState struct {
	state LockState
	// asked is set from the answer to lock or steal until the one to unlock:
	// meanwhile the server refuses both.
	asked bool
}

// Lock asks for a lock. It does not wait for it: held tells whether the session
// has it at once; otherwise it stands in the queue, and OnLock tells when it has it.
func (c *Conn) Lock(ctx context.Context, name string) (held bool, err error) {
	return c.lockCall(ctx, "lock", name)
}

// Steal takes a lock whoever has it. The former owner is told.
func (c *Conn) Steal(ctx context.Context, name string) (held bool, err error) {
	c.mu.Lock()
	l := c.locks[name]
	again := l != nil && l.asked
	owned := l != nil && l.state == LockHeld
	c.mu.Unlock()
	if owned {
		return true, nil
	}
	if again {
		// A session that waits, or was stolen from, must give up its place first.
		if err := c.Unlock(ctx, name); err != nil {
			return false, err
		}
	}
	return c.lockCall(ctx, "steal", name)
}

// Unlock gives a lock back, or the place in its queue.
func (c *Conn) Unlock(ctx context.Context, name string) error {
	_, err := c.lockCall(ctx, "unlock", name)
	return err
}

// LockState tells how this session stands to a lock.
func (c *Conn) LockState(name string) LockState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.locks[name]; l != nil {
		return l.state
	}
	return LockNone
}

func (c *Conn) lockCall(ctx context.Context, method, name string) (bool, error) {
	call := &call{}
	call.then = func(result jsontext.Value, err error) {
		if err == nil {
			c.lockAnswered(method, name, result)
		}
	}
	id, err := c.send(ctx, call, method, func(b []byte) []byte {
		return append(appendString(append(b, '['), name), ']')
	})
	if err != nil {
		return false, err
	}
	result, err := c.wait(ctx, id, call)
	return lockedIn(result), err
}

func lockedIn(result []byte) bool {
	c := &cursor{b: result}
	locked := false
	if c.take('{') {
		for first := true; c.more('}', first); first = false {
			name, _ := c.str()
			c.take(':')
			v := c.skip()
			locked = locked || name == "locked" && string(v) == "true"
		}
	}
	return locked
}

// lockAnswered runs in the reader.
func (c *Conn) lockAnswered(method, name string, result []byte) {
	switch {
	case method == "unlock":
		c.setLock(name, LockNone, false)
	case lockedIn(result):
		c.setLock(name, LockHeld, true)
	default:
		c.setLock(name, LockWaiting, true)
	}
}

// lockNotified runs in the reader. The server may say "locked" again to a
// session that has the lock.
func (c *Conn) lockNotified(method string, params []byte) error {
	cur := &cursor{b: params}
	if !cur.take('[') {
		return protocolError("%s: %s is no array", method, excerpt(params))
	}
	name, ok := cur.str()
	if !ok {
		return protocolError("%s: %s has no name of a lock", method, excerpt(params))
	}
	c.mu.Lock()
	known := c.locks[name] != nil
	c.mu.Unlock()
	switch {
	case !known: // and not remembered: the peer could name locks without end
		c.log.Warn("the server tells of a lock that was not asked for", "notification", method, "lock", name)
	case method == "locked":
		c.setLock(name, LockHeld, true)
	default:
		c.setLock(name, LockStolen, true)
	}
	return nil
}

func (c *Conn) setLock(name string, s LockState, asked bool) {
	c.mu.Lock()
	l := c.locks[name]
	if l == nil {
		l = &lockState{}
		c.locks[name] = l
	}
	changed := l.state != s
	l.state, l.asked = s, asked
	c.mu.Unlock()
	if changed && c.opts.OnLock != nil {
		c.opts.OnLock(LockEvent{name, s})
	}
}
