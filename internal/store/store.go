package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
)

// Store is one open database. It may be used by any number of goroutines.
type Store struct {
	// Immutable after Open.
	engine
	now     func() time.Time
	keepLog int64          // revisions that the change log keeps at least
	quotas  map[string]int // by resource, of projects without limits of their own
	tuning  tuning

	closed  atomic.Bool
	refused atomic.Pointer[error] // why the last write was not done; nil: it was

	mu          sync.Mutex
	subscribers map[chan struct{}]bool // guarded by mu
}

// Open opens the database that url names, in the form of oslo.db's [database]
// connection, and brings its schema up to date:
//
//	sqlite:////var/lib/l2gw/l2gw.db   an absolute path
//	sqlite:///l2gw.db                 a path relative to the working directory
//	postgresql://user:password@host:port/database?sslmode=verify-full
//	mysql+pymysql://user:password@host:port/database?charset=utf8mb4&ssl_ca=/etc/ssl/ca.pem
//
// SQLite's file is made if it does not exist, its directory is not; a server's
// database must exist. Several servers may open one database at the same time,
// and upgrade it one after another. No error has the password in it.
func Open(ctx context.Context, url string, options ...Option) (*Store, error) {
	s, err := closed(options)
	if err != nil {
		return nil, err
	}
	if err := s.attempts(ctx, func() error { return s.open(ctx, url) }); err != nil {
		return nil, err
	}
	return s, nil
}

// closed is a Store that is not open yet.
func closed(options []Option) (*Store, error) {
	s := &Store{
		now:         func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
		keepLog:     10_000,
		quotas:      unlimited(),
		tuning:      usual(),
		subscribers: map[chan struct{}]bool{},
	}
	for _, option := range options {
		if err := option(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// attempts opens as often as is asked for while the server is away.
func (s *Store) attempts(ctx context.Context, open func() error) error {
	for n := 0; ; n++ {
		err := open()
		if err == nil {
			return nil
		}
		if again := n < s.tuning.retries || s.tuning.retries < 0; !again || faultOf(err) != lost {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(s.tuning.retryInterval):
		}
	}
}

func (s *Store) open(ctx context.Context, url string) (err error) {
	if s.engine, err = open(ctx, url, s.tuning); err != nil {
		return hinted(err, url)
	}
	err = upgrade(ctx, &s.engine, url, s.tuning)
	if s.dialect == goose.DialectSQLite3 {
		// SQLite does not say this, and not at all before the first write where the log
		// of a server that was killed is still there.
		look := accessible
		if err != nil {
			look = writable
		}
		if why := look(s.name); why != nil {
			return errors.Join(why, s.engine.close())
		}
	}
	if err != nil {
		return errors.Join(hinted(fmt.Errorf("open %s: %w", s.name, err), url), s.engine.close())
	}
	return nil
}

// upgrade brings the schema up to date, with a patience that a server must have
// while it changes tables.
func upgrade(ctx context.Context, e *engine, url string, t tuning) error {
	schema, _, err := schemaOf(ctx, e, latest)
	if err != nil || schema.Pending == 0 {
		return err
	}
	t.silence = upgradeSilence
	patient, err := open(ctx, url, t)
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, &patient, latest), patient.close())
}

// Close ends all connections. Later calls, and some of those under way, fail as Unavailable.
func (s *Store) Close() error {
	_ = s.present() // with SQLite this leaves no log for another file
	s.closed.Store(true)
	return s.close()
}

// Subscribe returns a channel that receives after writes of intent by this Store;
// several writes may give one notice. Stop ends that.
func (s *Store) Subscribe() (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, c)
	}
}

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.subscribers {
		select {
		case c <- struct{}{}:
		default: // one notice is waiting already
		}
	}
}
