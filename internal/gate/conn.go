package gate

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// piece is how much is written at once, and pieceTime how long the client may
	// take to make room for it: 3 KiB a second is the slowest that is waited for.
	piece     = 64 << 10
	pieceTime = 20 * time.Second
)

// conn is a connection whose client must keep reading.
type conn struct {
	net.Conn
	listener *Listener
	client   netip.Prefix

	// guarded by listener.mu
	busy  bool // a request is being answered
	since time.Time

	mu    sync.Mutex
	until time.Time // of a writing; zero: as long as it goes on
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (written int, err error) {
	return writeInJSON(b, c.write, c.listener.log, c.RemoteAddr())
}

func (c *conn) write(b []byte) (written int, err error) {
	for {
		c.mu.Lock()
		until := time.Now().Add(pieceTime)
		if !c.until.IsZero() && c.until.Before(until) {
			until = c.until
		}
		c.mu.Unlock()
		if err := c.Conn.SetWriteDeadline(until); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[:min(len(b), piece)])
		written += n
		if b = b[n:]; err != nil || len(b) == 0 {
			return written, err
		}
	}
}

// SetWriteDeadline bounds all of what is written, while each piece has its own time.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// CloseWrite lets the client read an answer after which there is nothing.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.listener.forget(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
