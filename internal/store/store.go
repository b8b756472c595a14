package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is one open database. It may be used by any number of goroutines.
type Store struct {
	// Immutable after Open.
	writes  *bun.DB // on SQLite one connection
	reads   *bun.DB
	now     func() time.Time
	keepLog int64 // revisions that the change log keeps at least

	closed atomic.Bool

	mu          sync.Mutex
	subscribers map[chan struct{}]bool // guarded by mu
}

// Open opens the database that url names, in the form of oslo.db's [database]
// connection, and brings its schema up to date:
//
//	sqlite:////var/lib/l2gw/l2gw.db   an absolute path
//	sqlite:///l2gw.db                 a path relative to the working directory
//
// The file is made if it does not exist, its directory is not.
func Open(ctx context.Context, url string) (*Store, error) {
	e, err := open(url)
	if err != nil {
		return nil, err
	}
	s := &Store{
		writes:      e.writes,
		reads:       e.reads,
		now:         func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
		keepLog:     10_000,
		subscribers: map[chan struct{}]bool{},
	}
	if err := migrate(ctx, e.dialect, e.writes.DB); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", e.name, err), s.Close())
	}
	return s, nil
}

// Close ends all connections. Later calls, and some of those under way, fail as Unavailable.
func (s *Store) Close() error {
	s.closed.Store(true)
	return errors.Join(s.reads.Close(), s.writes.Close())
}

// migrate applies what the database's schema lacks; it never goes back.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
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
