package store

import (
	"net"
	"sync"
	"time"
)

// listened is a connection on which nothing is waited for longer than silence: a
// server that hangs keeps its connections open, and a request must not hang with
// it. As long as a server sends something, it may take its time.
type listened struct {
	net.Conn
	silence time.Duration

	mu    sync.Mutex
	until time.Time // what the driver has set: zero, or in the past to end a read
}

// Read implements [net.Conn].
func (c *listened) Read(b []byte) (int, error) {
	c.mu.Lock()
	until := time.Now().Add(c.silence)
	if !c.until.IsZero() && c.until.Before(until) {
		until = c.until
	}
	err := c.Conn.SetReadDeadline(until)
	c.mu.Unlock() // not before: a deadline that comes now must have the last word
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// SetReadDeadline implements [net.Conn].
func (c *listened) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements [net.Conn].
func (c *listened) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetDeadline(t)
}
