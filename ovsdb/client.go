package ovsdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ClientOptions say what a Client mirrors and how it connects.
type ClientOptions struct {
	// Database is the name of the database, such as "hardware_vtep".
	Database string
	// Connect gives the connections: a Dialer, or a Listener's Database.
	Connect Connector
	// Tables are the tables and columns to mirror; nil columns are all of a
	// table. What the server's schema lacks is left out: ask the Snapshot's
	// Schema what there is.
	Tables map[string][]string
	// Indexes by table.
	Indexes map[string][]Index
	Backoff Backoff
	// Probe and MaxMessage are those of ConnOptions.
	Probe      time.Duration
	MaxMessage int64
	// Lock is the name of a lock to ask for in each session, or "".
	Lock string
	// LockLater leaves the asking to Client.RequestLock and Client.Steal.
	LockLater bool
	Logger    *slog.Logger // nil is silence
	// OnState is called with each new state, in order. It must not wait, and must
	// not call the Client but for State and Snapshot.
	OnState func(State)
}

// Phase is where a Client stands.
type Phase int

const (
	// Disconnected: there is no session. Err says why, Retry when the next is tried.
	Disconnected Phase = iota
	// Connecting: a session is being set up, or a server that dials in is waited for.
	Connecting
	// Synced: the Snapshot follows the server.
	Synced
)

// String returns a word for people.
func (p Phase) String() string { return [...]string{"disconnected", "connecting", "synced"}[p] }

// State is how a Client stands to its server.
type State struct {
	Phase   Phase
	Since   time.Time // when the Phase began
	Err     error     // why there is no session: the last reason, until Synced
	Retry   time.Time // Disconnected: when the next attempt begins
	Session uint64    // counts the sessions that came in sync; 0 is none yet
	Peer    string    // address of the session's server, or the last one's
	Schema  *Schema   // of the session, or the last one; nil before the first
	Lock    LockState // LockNone when not Synced
}

// Locked reports whether transactions may rely on the lock.
func (s *State) Locked() bool { return s.Phase == Synced && s.Lock == LockHeld }

// Client keeps a copy of a database, and connects again whenever the session
// ends. Its methods may be called by any number of goroutines.
type Client struct {
	opts ClientOptions
	log  *slog.Logger

	snapshot atomic.Pointer[Snapshot] // written under mu
	conn     atomic.Pointer[Conn]     // the session in sync, or nil

	stateMu sync.Mutex // orders calls of OnState; taken before mu

	mu     sync.Mutex
	state  State
	subs   map[*Subscription]struct{}
	lastID string // of the last transaction in snapshot, or ""

	running atomic.Bool
}

// NewClient makes a Client. It does nothing before Run.
func NewClient(opts ClientOptions) (*Client, error) {
	switch {
	case opts.Database == "":
		return nil, errors.New("ovsdb: ClientOptions.Database is empty")
	case opts.Connect == nil:
		return nil, errors.New("ovsdb: ClientOptions.Connect is nil")
	}
	if err := checkIndexes(opts.Tables, opts.Indexes); err != nil {
		return nil, fmt.Errorf("ovsdb: %w", err)
	}
	c := &Client{opts: opts, log: opts.Logger, subs: make(map[*Subscription]struct{})}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.state.Since = time.Now()
	return c, nil
}

// Snapshot returns the contents as last known: nil before they first were, and
// stale while there is no session. See the package documentation for what it
// holds after a transaction.
func (c *Client) Snapshot() *Snapshot { return c.snapshot.Load() }

// State returns the present state.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Transact carries out the operations as one transaction. When it returns
// without an error, Snapshot has what they did, as far as it is mirrored. Without
// a session in sync the error is ErrNotConnected and nothing was sent;
// ErrConnectionLost leaves it open whether the transaction was carried out.
func (c *Client) Transact(ctx context.Context, ops ...Op) ([]OpResult, error) {
	return c.TransactAsync(ctx, ops...).Wait(ctx)
}

// TransactAsync sends a transaction without waiting for the answer; see
// Conn.TransactAsync. When Wait returns without an error, Snapshot has what it did.
func (c *Client) TransactAsync(ctx context.Context, ops ...Op) *Pending {
	conn := c.conn.Load()
	if conn == nil {
		return &Pending{err: c.notConnected()}
	}
	return conn.TransactAsync(ctx, c.opts.Database, ops...)
}

func (c *Client) notConnected() error {
	if s := c.State(); s.Err != nil {
		return fmt.Errorf("%w to database %q: %w", ErrNotConnected, c.opts.Database, s.Err)
	}
	return fmt.Errorf("%w to database %q", ErrNotConnected, c.opts.Database)
}

// Disconnect ends the present session, if there is one; the Client connects
// again. The reason appears in State.
func (c *Client) Disconnect(reason error) {
	if conn := c.conn.Load(); conn != nil {
		conn.end(reason)
	}
}

// RequestLock asks for the lock of ClientOptions in this session; State tells
// when it is held. After it was stolen this is the way back into the queue.
func (c *Client) RequestLock(ctx context.Context) error {
	conn, err := c.lockConn()
	if err != nil {
		return err
	}
	if conn.LockState(c.opts.Lock) == LockStolen {
		if err := conn.Unlock(ctx, c.opts.Lock); err != nil {
			return c.lockFailed(conn, err)
		}
	}
	if s := conn.LockState(c.opts.Lock); s == LockHeld || s == LockWaiting {
		return nil
	}
	_, err = conn.Lock(ctx, c.opts.Lock)
	return c.lockFailed(conn, err)
}

// Steal takes the lock of ClientOptions, whoever holds it.
func (c *Client) Steal(ctx context.Context) error {
	conn, err := c.lockConn()
	if err != nil {
		return err
	}
	_, err = conn.Steal(ctx, c.opts.Lock)
	return c.lockFailed(conn, err)
}

// ReleaseLock gives the lock of ClientOptions back, or the place in its queue.
func (c *Client) ReleaseLock(ctx context.Context) error {
	conn, err := c.lockConn()
	if err != nil {
		return err
	}
	return c.lockFailed(conn, conn.Unlock(ctx, c.opts.Lock))
}

// lockConn is the session to ask for the lock of ClientOptions.
func (c *Client) lockConn() (*Conn, error) {
	conn := c.conn.Load()
	switch {
	case c.opts.Lock == "":
		return nil, errors.New("ovsdb: no lock is configured")
	case conn == nil:
		return nil, c.notConnected()
	}
	return conn, nil
}

// lockFailed notes a server that knows no locks.
func (c *Client) lockFailed(conn *Conn, err error) error {
	if isUnknownMethod(err) {
		c.setState(func(s *State) {
			if c.conn.Load() == conn {
				s.Lock = LockUnsupported
			}
		})
	}
	return err
}

// Run keeps the copy until ctx ends, whose error it returns. It may be called
// once.
func (c *Client) Run(ctx context.Context) error {
	if c.running.Swap(true) {
		return errors.New("ovsdb: Client.Run was called before")
	}
	var away outage
	for failures := 1; ; failures++ {
		c.setState(func(s *State) { s.Phase, s.Since, s.Retry = Connecting, time.Now(), time.Time{} })
		session := c.State().Session
		err := c.connectOnce(ctx)
		if c.State().Session != session {
			failures, away = 1, outage{}
		}
		retry := time.Now().Add(c.opts.Backoff.Delay(failures))
		if ctx.Err() != nil {
			err, retry = ctx.Err(), time.Time{}
		}
		c.setState(func(s *State) {
			s.Phase, s.Since, s.Err, s.Retry, s.Lock = Disconnected, time.Now(), err, retry, LockNone
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		level := slog.LevelDebug
		if away.failed(err, time.Now()) {
			level = slog.LevelWarn
		}
		c.log.Log(ctx, level, "no session with the database", "database", c.opts.Database, "reason", err, "attempts", away.attempts,
			"retry", time.Until(retry).Round(time.Millisecond))
		wait := time.NewTimer(time.Until(retry))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

func (c *Client) connectOnce(ctx context.Context) error {
	nc, err := c.opts.Connect.Connect(ctx)
	if err != nil {
		return err
	}
	return c.session(ctx, nc)
}

// session runs one session to its end and says why it ended.
func (c *Client) session(ctx context.Context, nc net.Conn) error {
	var conn *Conn
	ready := make(chan struct{}) // conn is set
	conn = NewConn(nc, ConnOptions{
		Probe: c.opts.Probe, MaxMessage: c.opts.MaxMessage, Logger: c.opts.Logger,
		OnLock: func(e LockEvent) {
			<-ready
			c.lockChanged(conn, e)
		},
	})
	close(ready)
	defer func() {
		_ = conn.Close() // and with it the reader, which may be publishing
		c.conn.Store(nil)
	}()
	stop := context.AfterFunc(ctx, func() { conn.end(ctx.Err()) })
	defer stop()
	if err := c.sync(ctx, conn); err != nil {
		if reason := conn.Err(); reason != nil {
			return reason
		}
		return err
	}
	<-conn.Done()
	return conn.Err()
}

// sync brings a new session to where the Snapshot follows the server.
func (c *Client) sync(ctx context.Context, conn *Conn) error {
	schema, err := conn.GetSchema(ctx, c.opts.Database)
	if err != nil {
		return fmt.Errorf("get_schema: %w", err)
	}
	m := &mirror{database: c.opts.Database, schema: schema}
	held := c.Snapshot()
	if held != nil && sameSchema(held.Schema, schema) {
		// The rows of a resumed copy keep their layouts.
		m.schema = held.Schema
		for _, t := range held.tables {
			m.layouts = append(m.layouts, t.layout)
		}
	} else {
		held = nil
		m.layouts = layoutsFor(schema, c.opts.Tables, c.opts.Indexes)
	}
	c.mu.Lock()
	lastID := c.lastID
	c.mu.Unlock()
	m.publish = func(s *Snapshot, changes []rowChange, reset bool, lastID string) {
		c.publish(conn, m, s, changes, reset, lastID)
	}
	if err := m.begin(ctx, conn, held, lastID); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	if c.opts.Lock != "" && !c.opts.LockLater {
		if _, err := conn.Lock(ctx, c.opts.Lock); err != nil && !isUnknownMethod(c.lockFailed(conn, err)) {
			return fmt.Errorf("lock: %w", err)
		}
	}
	return nil
}

func sameSchema(a, b *Schema) bool {
	if a.Version != b.Version || a.Cksum != b.Cksum {
		return false
	}
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}

// publish makes new contents visible. It runs in the session's reader, before
// anything that came after them is acted on.
func (c *Client) publish(conn *Conn, m *mirror, s *Snapshot, changes []rowChange, reset bool, lastID string) {
	if c.conn.Load() == conn {
		if len(changes) > 0 {
			c.mu.Lock()
			c.store(s, changes, false, lastID)
			c.mu.Unlock()
		}
		return
	}
	c.conn.Store(conn)
	c.setState(func(st *State) {
		c.store(s, changes, reset, lastID)
		st.Phase, st.Since, st.Err, st.Schema, st.Lock = Synced, time.Now(), nil, m.schema, LockNone
		st.Session++
		st.Peer = conn.RemoteAddr().String()
	})
}

// store sets the snapshot and tells the subscriptions; mu is held.
func (c *Client) store(s *Snapshot, changes []rowChange, reset bool, lastID string) {
	c.snapshot.Store(s)
	c.lastID = lastID
	for sub := range c.subs {
		sub.contents(changes, reset)
	}
}

func (c *Client) lockChanged(conn *Conn, e LockEvent) {
	if e.Name != c.opts.Lock {
		return
	}
	c.setState(func(s *State) {
		if c.conn.Load() == conn {
			s.Lock = e.State
		}
	})
}

// setState changes the state and tells everybody.
func (c *Client) setState(change func(*State)) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.mu.Lock()
	change(&c.state)
	now := c.state
	for sub := range c.subs {
		sub.stateChanged = true
		sub.signal()
	}
	c.mu.Unlock()
	if c.opts.OnState != nil {
		c.opts.OnState(now)
	}
}
