package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Peer is a server that dialled in.
type Peer struct {
	Addr net.Addr
	// TLS is the state of the handshake, with the peer's certificates as
	// ListenOptions.TLS verified them; nil without TLS.
	TLS *tls.ConnectionState
}

// ListenOptions are the settings of a Listener.
type ListenOptions struct {
	// TLS is for pssl endpoints; see TLSFiles.Server.
	TLS *tls.Config
	// Identify maps a peer to the name under which Database gives out its
	// connections. A peer for which it returns an error is hung up on.
	Identify func(Peer) (name string, err error)
	// HandshakeTimeout is how long TLS may take; 0 is 10 s.
	HandshakeTimeout time.Duration
	// Refused is told of each peer that is hung up on and why, in place of the
	// log; nil logs each. Peer.TLS is nil if it was TLS that failed. It may be
	// called by several goroutines at once.
	Refused func(Peer, error)
	Logger  *slog.Logger // nil is silence
}

// Listener waits for servers that dial in (active connections from an OVSDB
// server's point of view: its Manager table).
type Listener struct {
	opts ListenOptions
	log  *slog.Logger
	l    net.Listener
	tls  *tls.Config     // or nil
	done <-chan struct{} // closed by Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	slots  map[string]*slot
}

// slot is for the connections of one name.
type slot struct {
	arrived chan struct{} // has an element if waiting is set
	// Guarded by Listener.mu.
	waiting net.Conn // nobody has taken it yet
	current net.Conn // given out last
}

// maxHandshakes bounds the peers whose identity is not known yet.
const maxHandshakes = 128

// Listen listens on ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH.
func Listen(endpoint string, opts ListenOptions) (*Listener, error) {
	e, err := ParseEndpoint(endpoint)
	switch {
	case err != nil:
		return nil, err
	case !e.Passive:
		return nil, fmt.Errorf("endpoint %q is one to connect to; to listen it must look like ptcp:6640, pssl:6640:192.0.2.1 or punix:PATH", endpoint)
	case e.TLS && opts.TLS == nil:
		return nil, fmt.Errorf("endpoint %q: certificates are needed for pssl, and none are configured", endpoint)
	case opts.Identify == nil:
		return nil, errors.New("ovsdb: ListenOptions.Identify is nil")
	}
	nl, err := e.listen()
	if err != nil {
		return nil, err
	}
	if opts.HandshakeTimeout == 0 {
		opts.HandshakeTimeout = 10 * time.Second
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Listener{opts: opts, log: opts.Logger, l: nl, done: ctx.Done(), stop: stop, slots: make(map[string]*slot)}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.opts.Refused == nil {
		l.opts.Refused = func(p Peer, err error) {
			l.log.Warn("a peer that dialled in was refused", "peer", p.Addr, "reason", err)
		}
	}
	if e.TLS {
		l.tls = atLeastTLS12(opts.TLS)
	}
	l.wg.Go(func() { l.accept(ctx) })
	return l, nil
}

// listen listens on a passive endpoint, without TLS.
func (e Endpoint) listen() (net.Listener, error) {
	if e.Network == "unix" {
		removeStaleSocket(e.Address)
	}
	return net.Listen(e.Network, e.Address)
}

// removeStaleSocket removes a socket that nobody listens on any more.
func removeStaleSocket(path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return
	}
	var dial net.Dialer
	c, err := dial.DialContext(context.Background(), "unix", path) // local: at once
	if err == nil {
		c.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}

// Addr is the address that is listened on.
func (l *Listener) Addr() net.Addr { return l.l.Addr() }

// Close stops listening and closes the connections that nobody has taken; those
// given out stay. Who waits in Connect gets ErrClosed.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	for _, s := range l.slots {
		if s.waiting != nil {
			_ = s.waiting.Close()
			s.waiting = nil
		}
	}
	l.mu.Unlock()
	l.stop()
	err := l.l.Close()
	l.wg.Wait()
	return err
}

// Database returns the Connector whose Connect waits for the peer of that name.
// A new connection of a peer replaces the older one, which is closed: the peer
// would not dial if it still had it.
func (l *Listener) Database(name string) Connector { return &dialIn{l, l.slot(name)} }

type dialIn struct {
	l *Listener
	s *slot
}

func (d *dialIn) Connect(ctx context.Context) (net.Conn, error) {
	for {
		select {
		case <-d.s.arrived:
		case <-d.l.done:
			return nil, fmt.Errorf("the listener on %s: %w", d.l.Addr(), ErrClosed)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		d.l.mu.Lock()
		nc := d.s.waiting
		d.s.waiting = nil
		if nc != nil {
			d.s.current = nc
		}
		d.l.mu.Unlock()
		if nc != nil {
			return nc, nil
		}
	}
}

func (l *Listener) slot(name string) *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.slots[name]
	if s == nil {
		s = &slot{arrived: make(chan struct{}, 1)}
		l.slots[name] = s
	}
	return s
}

func (l *Listener) accept(ctx context.Context) {
	room := make(chan struct{}, maxHandshakes)
	for {
		nc, err := l.l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return
		case err != nil: // such as too many open files: it may pass
			l.log.Error("accept", "error", err)
			pause := time.NewTimer(100 * time.Millisecond)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			_ = nc.Close()
			return
		}
		l.wg.Go(func() {
			defer func() { <-room }()
			p := Peer{Addr: nc.RemoteAddr()}
			if err := l.admit(ctx, nc, &p); err != nil {
				l.opts.Refused(p, err)
				_ = nc.Close()
			}
		})
	}
}

// admit finds out who dialled in and keeps the connection for the one who waits for it.
func (l *Listener) admit(ctx context.Context, nc net.Conn, p *Peer) error {
	if l.tls != nil {
		ctx, cancel := context.WithTimeout(ctx, l.opts.HandshakeTimeout)
		defer cancel()
		t := tls.Server(nc, l.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		state := t.ConnectionState()
		nc, p.TLS = t, &state
	}
	name, err := l.opts.Identify(*p)
	if err != nil {
		return err
	}
	s := l.slot(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	for _, old := range []net.Conn{s.waiting, s.current} {
		if old != nil {
			_ = old.Close()
		}
	}
	s.waiting, s.current = nc, nil
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return nil
}
