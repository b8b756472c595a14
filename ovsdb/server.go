package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// ServerOptions say what a Server serves. The zero value of all but Schemas is usable.
type ServerOptions struct {
	// Schemas are the databases, one for each.
	Schemas []*Schema
	// Logger is told of connections; nil for none.
	Logger *slog.Logger
	// TLS is for pssl: and for managers with ssl: targets.
	TLS *tls.Config
	// MaxQueue is how many bytes may wait to be sent to one client before it
	// is dropped; 64 MiB if 0.
	MaxQueue int
	// InactivityProbe is after how long a silence a client that did not come
	// by a unix socket is asked whether it is still there; after the same time
	// again it is dropped. 5 s if 0, never if negative.
	InactivityProbe time.Duration
}

// Server is an OVSDB server that keeps its databases in memory. All its
// methods may be called from several goroutines.
type Server struct {
	opts ServerOptions
	log  *slog.Logger
	id   UUID

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines

	mu        sync.Mutex
	dbs       map[string]*database
	sessions  map[*session]struct{}
	listeners map[net.Listener]struct{}
	locks     map[string]*lock
	managers  map[managerKey]*manager
	closed    bool
}

// ErrServerClosed is returned by the methods of a Server after Close.
var ErrServerClosed = errors.New("ovsdb: server closed")

// NewServer returns a server with empty databases. It must be closed.
func NewServer(opts ServerOptions) (*Server, error) {
	s := &Server{
		opts: opts, log: opts.Logger, id: NewUUID(),
		dbs: make(map[string]*database), sessions: make(map[*session]struct{}), listeners: make(map[net.Listener]struct{}),
		locks: make(map[string]*lock), managers: make(map[managerKey]*manager),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.opts.MaxQueue == 0 {
		s.opts.MaxQueue = 64 << 20
	}
	if s.opts.InactivityProbe == 0 {
		s.opts.InactivityProbe = 5 * time.Second
	}
	for _, schema := range opts.Schemas {
		if schema.Name == serverSchema.Name {
			return nil, fmt.Errorf("the server makes the database %q itself", schema.Name)
		}
		if s.dbs[schema.Name] != nil {
			return nil, fmt.Errorf("two schemas have the name %q", schema.Name)
		}
		text, err := schema.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("schema %q: %w", schema.Name, err)
		}
		s.dbs[schema.Name] = newDatabase(schema, text)
	}
	s.addServerDatabase()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Serve accepts clients until the listener fails, ctx ends or the server is
// closed, and closes the listener. It returns nil in the latter two cases.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, s.opts.InactivityProbe)
}

func (s *Server) accept(ctx context.Context, l net.Listener, probe time.Duration) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer func() {
		stop()
		l.Close()
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			s.start(func() { _ = s.serve(ctx, c, probeOf(c, probe)) }, func() { c.Close() })
		case ctx.Err() != nil || s.ctx.Err() != nil:
			return nil
		case isTemporary(err):
			select { // out of file descriptors or the like: others may go on
			case <-time.After(50 * time.Millisecond):
			case <-s.ctx.Done():
			}
		default:
			return err
		}
	}
}

func isTemporary(err error) bool {
	var ne interface{ Temporary() bool }
	return errors.As(err, &ne) && ne.Temporary() && !errors.Is(err, net.ErrClosed)
}

// start runs f in a goroutine that Close waits for; after Close it runs otherwise instead.
func (s *Server) start(f, otherwise func()) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if closed {
		otherwise()
		return
	}
	go func() {
		defer s.wg.Done()
		f()
	}()
}

// Listen listens at an address in the form of Open vSwitch and serves it in
// the background: ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH. PORT 0
// is any free one. Without HOST it listens on all addresses.
func (s *Server) Listen(address string) (net.Addr, error) {
	l, err := listenPassive(address, s.opts.TLS)
	if err != nil {
		return nil, err
	}
	s.start(func() {
		if err := s.Serve(s.ctx, l); err != nil {
			s.log.Error("listening ended", "address", address, "error", err)
		}
	}, func() { l.Close() })
	if s.ctx.Err() != nil {
		return nil, ErrServerClosed
	}
	return l.Addr(), nil
}

// Disconnect drops all clients; listeners go on.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.drop(errors.New("disconnected by the server"))
	}
}

// Close drops all clients, ends all listeners, and waits until every goroutine
// of the server has ended.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.sessions {
		c.drop(ErrServerClosed)
	}
	for _, d := range s.dbs {
		for _, t := range d.triggers {
			t.stop()
		}
		d.triggers = nil
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Transact carries out operations as a client's transact request does, and
// returns one result for each. The error is a *TransactError if the database
// refused them. A wait does not block: its condition holds now or not at all.
// An assert fails, since there is no session that could hold a lock.
func (s *Server) Transact(db string, ops ...Op) ([]OpResult, error) {
	list := make([]any, len(ops))
	for i := range ops {
		v, err := readJSON(ops[i].AppendJSON(nil))
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
		list[i] = v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dbs[db]
	switch {
	case s.closed:
		return nil, ErrServerClosed
	case d == nil:
		return nil, fmt.Errorf("%w: %q", ErrUnknownDatabase, db)
	}
	e := &execution{txn: newTxn(d), holds: func(string) bool { return false }, impatient: true}
	out := e.run(list)
	s.committed(d, e)
	s.retryTriggers(d)
	return parseResults(out, ops, d.schema)
}

// Watch returns a channel that receives after each transaction that changed the
// database, at least once for any number of them that went unread; stop ends it.
func (s *Server) Watch(db string) (changed <-chan struct{}, stop func(), _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dbs[db]
	if d == nil {
		return nil, nil, fmt.Errorf("%w: %q", ErrUnknownDatabase, db)
	}
	c := make(chan struct{}, 1)
	d.watchers[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(d.watchers, c)
	}, nil
}

// committed tells everyone who has to know of what a transaction changed. It
// is called with s.mu held, before the transaction is answered.
func (s *Server) committed(d *database, e *execution) {
	if len(e.committed) == 0 {
		return
	}
	for _, m := range d.monitors {
		if u := m.changes(e.committed); u != nil {
			m.to.update(m, u)
		}
	}
	for c := range d.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	if t := d.tables["Manager"]; t != nil && slices.ContainsFunc(e.committed, func(c *change) bool { return c.table == t }) {
		s.reconcileManagers(d)
	}
	d.dirty = true
}

// retryTriggers tries the waiting transactions again until none of them
// changes anything. It is called with s.mu held, after a transaction was answered.
func (s *Server) retryTriggers(d *database) {
	for d.dirty {
		d.dirty = false
		for _, t := range slices.Clone(d.triggers) {
			s.try(t)
		}
	}
}

// names of the databases, those that begin with _ last.
func (s *Server) databaseNames() []string {
	names := slices.Sorted(maps.Keys(s.dbs))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a[0] == '_' && b[0] != '_':
			return 1
		case a[0] != '_' && b[0] == '_':
			return -1
		}
		return 0
	})
	return names
}
