package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"
)

const (
	// handshakeTime is how long a client may take to come to terms.
	handshakeTime = 10 * time.Second
	// linger is how long a client that is refused may take to read that.
	linger = 500 * time.Millisecond
)

// TLS speaks TLS with those whom a listener lets in.
func TLS(l net.Listener, config *tls.Config, log *slog.Logger) net.Listener {
	return &secureListener{l, config, log}
}

type secureListener struct {
	net.Listener
	config *tls.Config
	log    *slog.Logger
}

// Accept implements net.Listener.
func (l *secureListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secureConn{Conn: tls.Server(c, l.config), log: l.log}, nil
}

// secureConn is a connection of TLS. It is no *tls.Conn, so that net/http writes its
// refusals through it; what net/http does with one of those falls to it then.
type secureConn struct {
	*tls.Conn
	log    *slog.Logger
	failed bool // the handshake, and so there is nothing to read
}

// ConnectionState is what net/http asks a connection for before it reads, and where
// the client must have shown what requests tell of it: so it shakes hands first.
func (c *secureConn) ConnectionState() tls.ConnectionState {
	if !c.Conn.ConnectionState().HandshakeComplete && !c.failed {
		c.shakeHands()
	}
	return c.Conn.ConnectionState()
}

func (c *secureConn) shakeHands() {
	_ = c.SetDeadline(time.Now().Add(handshakeTime))
	err := c.HandshakeContext(context.Background())
	_ = c.SetDeadline(time.Time{})
	if err == nil {
		return
	}
	c.failed = true
	client := c.RemoteAddr().String()
	if wrong, ok := errors.AsType[tls.RecordHeaderError](err); ok && wrong.Conn != nil && inTheClear(wrong.RecordHeader) {
		text, id := plain.answer()
		c.log.Info("request refused before it was read", "status", plain.status, "client", client, "request_id", id, "error", "HTTP on a port that speaks TLS")
		refuse(wrong.Conn, text)
		return
	}
	c.log.Debug("no TLS with a client of the API", "client", client, "error", err)
}

// inTheClear reports whether what should be a record of TLS begins a request.
func inTheClear(header [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "DELET", "PATCH", "OPTIO"}, string(header[:]))
}

// refuse answers and lets the client read that.
func refuse(c net.Conn, answer []byte) {
	if _, err := c.Write(answer); err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		// Closed with something left to read, the connection would take the answer with it.
		_ = c.SetReadDeadline(time.Now().Add(linger))
		_, _ = io.CopyN(io.Discard, c, piece)
	}
}

// Read implements net.Conn.
func (c *secureConn) Read(b []byte) (int, error) {
	if c.failed {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *secureConn) Write(b []byte) (int, error) {
	return writeInJSON(b, c.Conn.Write, c.log, c.RemoteAddr())
}
