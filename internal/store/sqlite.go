package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
)

// sqlitePath is the file that a URL names, of what follows "sqlite://".
func sqlitePath(rest string) (string, error) {
	path, ok := strings.CutPrefix(rest, "/")
	if !ok || path == "" || path == ":memory:" {
		return "", errors.New("database URL: it names no file: it must look like sqlite:////var/lib/l2gw/l2gw.db")
	}
	return filepath.Abs(path)
}

// openSQLite opens the same file twice. SQLite has one writer at a time: with
// one connection for it, writers queue in the process instead of failing.
// Readers see the last commit and wait for nobody (WAL).
func openSQLite(rest string, t tuning) (engine, error) {
	path, err := sqlitePath(rest)
	if err != nil {
		return engine{}, err
	}
	if t.mustExist {
		if _, err := os.Stat(path); err != nil {
			return engine{}, fmt.Errorf("%w; `l2gw db upgrade` makes it", err)
		}
	}
	file, err := openSQLiteFile(path)
	if err != nil {
		return engine{}, err
	}
	pool := func(connections int, options ...string) *bun.DB {
		q := url.Values{
			"_pragma": append([]string{
				"journal_mode(WAL)",
				"synchronous(FULL)", // a commit is on disk when it returns
				"foreign_keys(1)",
			}, options...),
			"mode":          {"rw"},       // nothing is made where the file was
			"_busy_timeout": {"1000"},     // ms; another process may write too
			"_txlock":       {"deferred"}, // for reads
		}
		if connections == 1 {
			q.Set("_txlock", "immediate") // take the write lock before the first read, not after
		}
		db := sql.OpenDB(&sqliteConnector{file, (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()})
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		return bun.NewDB(db, sqlitedialect.New())
	}
	writes := pool(1)
	file.settle = func() {
		ctx, cancel := context.WithTimeout(context.Background(), localPatience)
		defer cancel()
		// If it fails, whoever opens the other file finds the log of this one; the log
		// of the process says by then what happened to the file.
		_, _ = writes.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return engine{
		name: path, dialect: goose.DialectSQLite3, writes: writes, reads: pool(4, "query_only(1)"), leases: writes, rowwise: true,
		patience: localPatience, there: file.there,
		clock: "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	}, nil
}

// sqliteFile is the file that was opened first. SQLite does not notice if another
// one takes its place: connections that are open would go on with a file that has
// no name any more, whose rows are gone with the process, and new ones would join
// the other file to the log (WAL) of this one, which ruins it.
type sqliteFile struct {
	path string
	info os.FileInfo
	// settle moves what is in the log into the file, whatever its name is now, and
	// empties the log, which the file in its place would be opened with.
	settle  func()
	settled atomic.Bool // since the path named another file, or none
}

// openSQLiteFile makes the file if it is missing.
func openSQLiteFile(path string) (*sqliteFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644) //nolint:gosec // as SQLite makes it; the umask counts
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	return &sqliteFile{path: path, info: info}, err
}

// there says that the path does not name the file any more, or returns nil.
func (f *sqliteFile) there() error {
	err := f.same()
	if was := f.settled.Swap(err != nil); err != nil && !was {
		f.settle()
	}
	return err
}

func (f *sqliteFile) same() error {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errMoved, err)
	case !os.SameFile(info, f.info):
		return fmt.Errorf("%w: %s is another file by now", errMoved, f.path)
	}
	return nil
}

// sqliteConnector connects to the file, and to no other in its place.
type sqliteConnector struct {
	file *sqliteFile
	name string // of the data source
}

// Connect implements [driver.Connector].
func (c *sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	if err := c.file.same(); err != nil {
		return nil, err
	}
	return c.Driver().Open(c.name)
}

// Driver implements [driver.Connector].
func (c *sqliteConnector) Driver() driver.Driver { return new(sqlite.Driver) }
