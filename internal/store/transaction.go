package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"l2gw"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

const (
	// patience is how long a transaction is tried again while others are in its
	// way, or until it is known whether its commit arrived.
	patience = 10 * time.Second
	// localPatience is patience with SQLite, where others are processes that should
	// not be there.
	localPatience = 3 * time.Second
	// lostPatience is how long it is tried again while the server cannot be
	// reached: connections that broke are replaced, an absence is reported.
	lostPatience = 2 * time.Second
	// attemptLimit bounds one attempt.
	attemptLimit = 30 * time.Second
	// beginLimit bounds what comes before the first row of it: the waiting for a
	// connection, which others keep that wait for a silent server, and its making.
	beginLimit = 4 * time.Second
	// duplicates is how often another's row in the way is looked at anew.
	duplicates = 3
)

// write runs f in a transaction that bumps the intent revision first, which
// makes writers wait for each other, and gives f the new one. All is rolled back
// if f fails. f runs again, from the start, if the engine refused the
// transaction because of others or lost it with the connection.
//
// If the answer to a commit is lost, the write may be done or not; doing it again
// could do it twice. So each leaves a token of its own beside its revision, and
// the next attempt looks for it, after it got the lock of the intent row: the
// lost transaction held that lock until its end, so it has ended, and the token
// is there or will never be. If the server does not come back in time, the error
// is Unavailable and the outcome unknown; it is never more than once.
func (s *Store) write(ctx context.Context, f func(ctx context.Context, tx bun.Tx, revision int64) error) error {
	token := newID()
	var revision, unanswered int64 // of the current attempt; of one whose commit got no answer, or 0
	err := s.persist(ctx, inTransaction(s.writes, s.writing, func(ctx context.Context, tx bun.Tx) error {
		next, err := s.bump(ctx, tx)
		if err != nil {
			return err
		}
		if unanswered != 0 {
			if err := wrote(ctx, tx, unanswered, token); err != nil {
				return err
			}
			unanswered = 0
		}
		if err := beforeRepeat(ctx, tx); err != nil {
			return err
		}
		revision = next
		if _, err := tx.NewInsert().Model(&intentWriteRow{Revision: revision, Token: token, Request: requestOf(ctx)}).Exec(ctx); err != nil {
			return err
		}
		if err := f(ctx, tx, revision); err != nil {
			return err
		}
		if err := noteRepeat(ctx, tx, revision); err != nil {
			return err
		}
		return s.trim(ctx, tx, revision)
	}), func() { unanswered = revision })
	if errors.Is(err, errDone) {
		err = nil
	}
	s.noteWrite(err)
	if err == nil {
		if into, ok := ctx.Value(revisionKey{}).(*int64); ok {
			*into = revision
		}
	}
	if err == nil || unanswered != 0 {
		s.wake()
	}
	return err
}

type revisionKey struct{}

// WithRevision returns a context and where a write of intent with it leaves the
// revision that it made: 0 as long as nothing was changed. It is for one
// goroutine.
func WithRevision(ctx context.Context) (context.Context, *int64) {
	revision := new(int64)
	return context.WithValue(ctx, revisionKey{}, revision), revision
}

// bump raises the intent revision, which locks its row, and returns it: in one
// round trip, during which all other writers wait.
func (s *Store) bump(ctx context.Context, tx bun.Tx) (revision int64, err error) {
	if s.dialect == goose.DialectMySQL { // whose UPDATE returns nothing, but for this
		result, err := tx.ExecContext(ctx, "UPDATE intent SET revision = LAST_INSERT_ID(revision + 1) WHERE id = 1")
		if n, err := count(result, err); err != nil || n != 1 {
			return 0, cmp.Or(err, sql.ErrNoRows)
		}
		return result.LastInsertId()
	}
	err = tx.QueryRowContext(ctx, "UPDATE intent SET revision = revision + 1 WHERE id = 1 RETURNING revision").Scan(&revision)
	return revision, err
}

// wrote returns errDone if the write with this token made the revision, and nil
// if it did not. The transaction holds the lock of the intent row.
func wrote(ctx context.Context, tx bun.Tx, revision int64, token string) error {
	row, err := intent(ctx, tx)
	if err != nil {
		return err
	}
	if revision <= row.Trimmed {
		return l2gw.ServiceUnavailable("The outcome of this request", errors.New("the answer to a commit was lost, and its trace is trimmed"))
	}
	done, err := tx.NewSelect().Model((*intentWriteRow)(nil)).Where("revision = ? AND token = ?", revision, token).Exists(ctx)
	if err == nil && done {
		err = errDone
	}
	return err
}

// transact runs f in a transaction of the writing side, again while others are in
// its way or connections break. It may be done twice: f must be idempotent. With
// an epoch the error is [l2gw.ErrFenced], and nothing is done, if the controller's
// lease has another.
func (s *Store) transact(ctx context.Context, epoch uint64, f func(ctx context.Context, tx bun.Tx) error) error {
	err := s.persist(ctx, inTransaction(s.writes, s.writing, func(ctx context.Context, tx bun.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return fence(ctx, tx, epoch)
	}), nil)
	s.noteWrite(err)
	return err
}

// noteWrite remembers how the last write ended.
func (s *Store) noteWrite(err error) {
	if e, ok := errors.AsType[*l2gw.Error](err); ok && e.Code == l2gw.Unavailable {
		s.refused.Store(&err)
		return
	}
	if err == nil {
		s.refused.Store(nil)
	}
}

// Writes returns why the last write was refused by the database, and nil if it was
// not. Reads may go on meanwhile: a disk is full, or a server is read-only. It does
// not ask: a server writes to its lease every few seconds, whatever else it does.
func (s *Store) Writes() error {
	if err := s.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// read runs f in a transaction that sees one moment of the database, again if the
// connection broke: f must not add to what an earlier run of it left.
func (s *Store) read(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.persist(ctx, inTransaction(s.reads, s.reading, f), nil)
}

// ask is read for a single statement, which needs no transaction.
func (s *Store) ask(ctx context.Context, f func(ctx context.Context, db bun.IDB) error) error {
	return s.persist(ctx, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, toBegin(ctx))
		defer cancel()
		return false, f(ctx, s.reads)
	}, nil)
}

// startKey is for when the first attempt began.
type startKey struct{}

// toBegin is how long an attempt may take to begin: what earlier ones left of
// beginLimit, and at least a second, since what made them fail may be over.
func toBegin(ctx context.Context) time.Duration {
	start, ok := ctx.Value(startKey{}).(time.Time)
	if !ok {
		return beginLimit
	}
	return max(time.Second, beginLimit-time.Since(start))
}

// try is one attempt. Sent reports whether a commit was sent, so that an error
// leaves open whether it was done.
type try func(ctx context.Context) (sent bool, err error)

// persist tries until it succeeds, fails for good, or patience ends. Unanswered,
// if not nil, is called when it is not known whether a commit was done.
func (s *Store) persist(ctx context.Context, try try, unanswered func()) error {
	start := time.Now()
	limit := lostPatience
	seen := 0 // duplicates
	for delay := 2 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
		limited, cancel := context.WithTimeout(ctx, attemptLimit)
		limited = context.WithValue(limited, startKey{}, start)
		var sent bool
		err := s.present()
		if err == nil {
			sent, err = try(limited)
		}
		cancel()
		if err == nil && sent {
			err = s.present() // else it is committed to what nobody will see again
		}
		if err == nil {
			return nil
		}
		kind := faultOf(err)
		if sent && s.remote && kind != busy {
			kind = lost
			if unanswered != nil {
				unanswered()
				limit = patience
			}
		}
		again := false
		switch kind {
		case busy:
			again = time.Since(start) < s.patience
		case duplicate:
			seen++
			again = seen <= duplicates
		case lost:
			again = s.remote && time.Since(start) < limit
		}
		if !again || s.closed.Load() || ctx.Err() != nil {
			if ctx.Err() != nil {
				return inOneLine(errors.Join(ctx.Err(), err))
			}
			if _, ok := errors.AsType[*l2gw.Error](err); !ok && kind == lost {
				return l2gw.ServiceUnavailable("The database", inOneLine(err))
			}
			return s.shown(ctx, err)
		}
		select {
		case <-ctx.Done():
			return inOneLine(errors.Join(ctx.Err(), err))
		case <-time.After(delay/2 + rand.N(delay)):
		}
	}
}

// present says why the database is not what it was when it was opened, or returns nil.
func (s *Store) present() error {
	if s.there == nil {
		return nil
	}
	return s.there()
}

// inTransaction tries f in a transaction.
func inTransaction(db *bun.DB, options *sql.TxOptions, f func(context.Context, bun.Tx) error) try {
	return func(ctx context.Context) (sent bool, err error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		hurry := time.AfterFunc(toBegin(ctx), func() { cancel(errNoConnection) })
		tx, err := db.BeginTx(ctx, options)
		if late := !hurry.Stop(); late && context.Cause(ctx) == errNoConnection { //nolint:errorlint // the very one
			if err == nil {
				err = tx.Rollback()
			}
			return false, errors.Join(errNoConnection, err)
		}
		if err != nil {
			return false, err
		}
		defer func() {
			if !sent {
				_ = tx.Rollback()
			}
		}()
		if err := f(ctx, tx); err != nil {
			return false, err
		}
		return true, tx.Commit()
	}
}

// requestOf is the id of the API request that a write belongs to. It is not worth
// a refusal: one that no column can hold is left out.
func requestOf(ctx context.Context) string {
	id := l2gw.RequestOf(ctx)
	if len(id) > 255 || !storable(id) {
		return ""
	}
	return id
}

// found tells a missing row from other failures.
func found(err error, missing error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}
