package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openSQLite opens the same file twice. SQLite has one writer at a time: with
// one connection for it, writers queue in the process instead of failing.
// Readers see the last commit and wait for nobody (WAL).
func openSQLite(rest string, t tuning) (engine, error) {
	path, ok := strings.CutPrefix(rest, "/")
	if !ok || path == "" || path == ":memory:" {
		return engine{}, errors.New("database URL: it names no file: it must look like sqlite:////var/lib/l2gw/l2gw.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return engine{}, err
	}
	if t.mustExist {
		if _, err := os.Stat(path); err != nil {
			return engine{}, fmt.Errorf("%w; `l2gw db upgrade` makes it", err)
		}
	}
	pool := func(connections int, options ...string) (*bun.DB, error) {
		q := url.Values{
			"_pragma": append([]string{
				"journal_mode(WAL)",
				"synchronous(FULL)", // a commit is on disk when it returns
				"foreign_keys(1)",
			}, options...),
			"_busy_timeout": {"1000"},     // ms; another process may write too
			"_txlock":       {"deferred"}, // for reads
		}
		if connections == 1 {
			q.Set("_txlock", "immediate") // take the write lock before the first read, not after
		}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		return bun.NewDB(db, sqlitedialect.New()), nil
	}
	writes, err := pool(1)
	if err != nil {
		return engine{}, err
	}
	reads, err := pool(4, "query_only(1)")
	if err != nil {
		return engine{}, err
	}
	return engine{
		name: path, dialect: goose.DialectSQLite3, writes: writes, reads: reads, leases: writes, rowwise: true,
		patience: localPatience,
		clock:    "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	}, nil
}
