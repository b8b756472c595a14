package gate

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Listener lets connections in. Its ConnState must be the server's.
type Listener struct {
	net.Listener
	log   *slog.Logger
	limit int

	mu      sync.Mutex
	clients map[netip.Prefix]map[*conn]struct{} // no empty ones
	open    int
	told    time.Time // when it was last told that there is no room
	refused int       // since then: connections that found no room
	evicted int       // or lost theirs
}

// Listen puts the gate before a listener: limit connections at the same time.
func Listen(l net.Listener, limit int, log *slog.Logger) *Listener {
	return &Listener{Listener: l, log: log, limit: limit, clients: map[netip.Prefix]map[*conn]struct{}{}}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: inner, listener: l, client: clientOf(inner.RemoteAddr())}
		victim, ok := l.admit(c)
		if victim != nil {
			_ = victim.Close() // by its client, it may be closed already
		}
		if ok {
			return c, nil
		}
		// There is always room for this in an empty buffer, so that nobody is waited for.
		_ = inner.SetWriteDeadline(time.Now().Add(time.Second))
		text, _ := full.answer()
		_, _ = inner.Write(text)
		inner.Close()
	}
}

// ConnState learns from the server which connections have a request that is being
// answered.
func (l *Listener) ConnState(c net.Conn, state http.ConnState) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = t.NetConn()
	}
	own, ok := c.(*conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	own.busy, own.since = state == http.StateActive, time.Now()
}

// admit finds room for c; victim is whose it was, or nil.
func (l *Listener) admit(c *conn) (victim *conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.limit {
		if victim = l.expendable(c); victim == nil {
			l.refused++
			l.tell()
			return nil, false
		}
		l.forget(victim)
		l.evicted++
		l.tell()
	}
	if l.clients[c.client] == nil {
		l.clients[c.client] = map[*conn]struct{}{}
	}
	l.clients[c.client][c] = struct{}{}
	c.since = time.Now()
	l.open++
	return victim, true
}

// expendable is the connection that makes room for c, or nil.
func (l *Listener) expendable(c *conn) *conn {
	var greediest netip.Prefix
	for client, all := range l.clients {
		if len(all) > len(l.clients[greediest]) {
			greediest = client
		}
	}
	if idle := oldest(l.clients[greediest], false); idle != nil {
		return idle
	}
	var found *conn
	for _, all := range l.clients {
		if idle := oldest(all, false); idle != nil && (found == nil || idle.since.Before(found.since)) {
			found = idle
		}
	}
	if found == nil && len(l.clients[greediest]) > 2*(len(l.clients[c.client])+1) {
		found = oldest(l.clients[greediest], true)
	}
	return found
}

// oldest is the connection that has been idle, or busy, for longest, or nil.
func oldest(all map[*conn]struct{}, busy bool) (found *conn) {
	for c := range all {
		if c.busy == busy && (found == nil || c.since.Before(found.since)) {
			found = c
		}
	}
	return found
}

// forget is for a connection that is closed, or about to be; again, it does nothing.
func (l *Listener) forget(c *conn) {
	all := l.clients[c.client]
	if _, known := all[c]; !known {
		return
	}
	delete(all, c)
	l.open--
	if len(all) == 0 {
		delete(l.clients, c.client)
	}
}

// tell warns that there is no room, once a minute.
func (l *Listener) tell() {
	if now := time.Now(); now.Sub(l.told) >= time.Minute {
		l.log.Warn("the API has as many connections as it may have; idle ones make room", "limit", l.limit,
			"clients", len(l.clients), "closed", l.evicted, "refused", l.refused)
		l.told, l.refused, l.evicted = now, 0, 0
	}
}

// clientOf is who is at an address: one host, or one network of IPv6 (RFC 6177),
// of whose addresses everybody has as many as he likes.
func clientOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits)
	return p
}
