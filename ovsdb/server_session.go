package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// maxUnread is how much a client may leave unread before its next request waits.
const maxUnread = 1 << 20

// handshakeLimit is how long a client may take to agree on TLS.
const handshakeLimit = 10 * time.Second

// session is one client's connection.
type session struct {
	srv   *Server
	conn  net.Conn
	queue *sendQueue
	probe time.Duration // 0 for never

	monitors map[string]*monitor // by the JSON of their id; guarded by Server.mu
}

// ServeConn serves one client until it goes, ctx ends or the server is closed,
// and closes the connection. It returns why the session ended; io.EOF if the
// client went in good order.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) error {
	return s.serve(ctx, conn, probeOf(conn, s.opts.InactivityProbe))
}

// probeOf is how long a client may be silent, 0 for ever.
func probeOf(conn net.Conn, probe time.Duration) time.Duration {
	if conn.LocalAddr().Network() == "unix" {
		return 0
	}
	return max(probe, 0)
}

func (s *Server) serve(ctx context.Context, conn net.Conn, probe time.Duration) error {
	c := &session{srv: s, conn: conn, queue: newSendQueue(s.opts.MaxQueue), probe: probe, monitors: make(map[string]*monitor)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return ErrServerClosed
	}
	s.sessions[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	s.log.Debug("a client came", "client", conn.RemoteAddr())

	stop := context.AfterFunc(ctx, func() { c.drop(context.Cause(ctx)) })
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.drop(c.queue.write(conn)) // it only ends with an error
	}()
	err := c.read()
	stop()
	s.end(c)
	c.drop(err)
	<-written
	err = c.queue.await(0) // the first reason
	s.log.Debug("a client went", "client", conn.RemoteAddr(), "reason", err)
	return err
}

// drop ends the session; it does not wait.
func (c *session) drop(reason error) {
	c.queue.fail(reason)
	if t, ok := c.conn.(*tls.Conn); ok {
		// Not its own Close, which may wait for a client that does not read.
		t.NetConn().Close()
		return
	}
	c.conn.Close()
}

// end takes away all that the session has at the server.
func (s *Server) end(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	for _, d := range s.dbs {
		d.forget(c)
	}
	s.releaseAll(c)
}

// read takes the client's messages and answers them.
func (c *session) read() error {
	if t, ok := c.conn.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(c.srv.ctx, handshakeLimit)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	r := newJSONReader(&probingReader{c: c})
	for {
		v, err := r.read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return io.EOF
			}
			return err
		}
		if err := c.handle(v); err != nil {
			return err
		}
		if err := c.queue.await(maxUnread); err != nil {
			return err
		}
	}
}

// probingReader reads from the client and, when it is silent, asks whether it
// is still there.
type probingReader struct {
	c     *session
	asked atomic.Bool
}

func (r *probingReader) Read(b []byte) (int, error) {
	for {
		if r.c.probe > 0 {
			_ = r.c.conn.SetReadDeadline(time.Now().Add(r.c.probe))
		}
		n, err := r.c.conn.Read(b)
		switch {
		case n > 0:
			r.asked.Store(false)
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case r.asked.Swap(true):
			return 0, fmt.Errorf("no word from the client for %v, nor an answer to an echo", 2*r.c.probe)
		}
		r.c.send([]byte(`{"id":"echo","method":"echo","params":[]}`))
	}
}

// send queues a message. A client that does not read what it is sent is dropped.
func (c *session) send(message []byte) {
	if !c.queue.put(message) {
		c.srv.log.Warn("a client does not read; it is dropped", "client", c.conn.RemoteAddr())
		c.drop(fmt.Errorf("the client left more than %d bytes unread", c.queue.most))
	}
}

// reply answers a request with a result, given as JSON.
func (c *session) reply(id any, result []byte) {
	b := append(make([]byte, 0, len(result)+40), `{"id":`...)
	b = appendJSON(b, id)
	b = append(b, `,"result":`...)
	b = append(b, result...)
	c.send(append(b, `,"error":null}`...))
}

// refuse answers a request with an error, given as JSON. There is no member
// "result", as from ovsdb-server.
func (c *session) refuse(id any, err []byte) {
	b := appendJSON([]byte(`{"id":`), id)
	b = append(b, `,"error":`...)
	c.send(append(append(b, err...), '}'))
}

// notify sends a notification whose only parameter is a string.
func (c *session) notify(method, param string) {
	b := appendString([]byte(`{"id":null,"method":`), method)
	b = append(b, `,"params":[`...)
	c.send(append(appendString(b, param), `]}`...))
}

// update tells a monitor's client of changes.
func (c *session) update(m *monitor, changes []byte) {
	b := append(make([]byte, 0, len(changes)+128), `{"id":null,"method":"update`...)
	switch m.format {
	case noticeUpdate2:
		b = append(b, '2')
	case noticeUpdate3:
		b = append(b, '3')
	}
	b = append(b, `","params":[`...)
	b = append(b, m.id...)
	b = append(b, ',')
	if m.format == noticeUpdate3 { // a database that keeps no history has no transaction ids
		b = appendString(b, UUID{}.String())
		b = append(b, ',')
	}
	b = append(b, changes...)
	c.send(append(b, `]}`...))
}
