package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"l2gw"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errUnchanged ends a write that found nothing to do; it is rolled back, so that
// the revision stays as it was.
var errUnchanged = errors.New("nothing to change")

// isBusy reports whether a transaction was refused only because of others that
// ran at the same time: tried again as a whole, it may well succeed.
func isBusy(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff { // the low byte is the primary code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return true
		}
	}
	return false
}

// isDown reports whether the database, not the request, is at fault.
func isDown(err error) bool {
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
			sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOLFS:
			return true
		}
	}
	return false
}

// shown turns an error of the database into one that says to try again later, if that is so.
func (s *Store) shown(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, ok := errors.AsType[*l2gw.Error](err); ok {
		return err
	}
	if s.closed.Load() || isBusy(err) || isDown(err) {
		return l2gw.ServiceUnavailable("The database", err)
	}
	return err
}
