package store

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"
)

// patience is how long a transaction is tried again while others are in its way.
const patience = 10 * time.Second

// write runs f in a transaction that bumps the intent revision first, which
// makes writers wait for each other, and gives f the new one. All is rolled back
// if f fails. f runs again, from the start, if the engine refused the
// transaction because of others.
func (s *Store) write(ctx context.Context, f func(ctx context.Context, tx bun.Tx, revision int64) error) error {
	err := s.transact(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewUpdate().Model((*intentRow)(nil)).Set("revision = revision + 1").Where("id = 1").Exec(ctx); err != nil {
			return err
		}
		var row intentRow
		if err := tx.NewSelect().Model(&row).Where("id = 1").Scan(ctx); err != nil {
			return err
		}
		if err := f(ctx, tx, row.Revision); err != nil {
			return err
		}
		return s.trim(ctx, tx, row)
	})
	if err == nil {
		s.wake()
	}
	return err
}

// transact runs f in a transaction of the writing side, again while others are in its way.
func (s *Store) transact(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	start := time.Now()
	for delay := 2 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
		err := s.writes.RunInTx(ctx, nil, f)
		if err == nil || !isBusy(err) || time.Since(start) > patience {
			return s.shown(ctx, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(delay/2 + rand.N(delay)):
		}
	}
}

// read runs f in a transaction that sees one moment of the database.
func (s *Store) read(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.shown(ctx, s.reads.RunInTx(ctx, nil, f))
}

// found tells a missing row from other failures.
func found(err error, missing error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}
