package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"l2gw"

	"github.com/uptrace/bun"
)

// ControllerLease is the name of the lease whose holder is the controller. The
// writes that carry an epoch ([Store.Own] and the like) are fenced by it.
const ControllerLease = "controller"

// maxEpoch bounds what an epoch can be raised to, so that there is always a next one.
const maxEpoch = 1 << 62

type leaseRow struct {
	bun.BaseModel `bun:"table:leases"`
	Name          string `bun:",pk"`
	Holder        string // '' after a release
	Epoch         int64
	Expires       int64 // microseconds since 1970, by the database's clock
	Writes        int64 // that were fenced by it
}

// lease is an answer about a lease.
type lease struct {
	holder string
	epoch  uint64
	held   bool          // by the one who asks
	left   time.Duration // until it expires
}

// AcquireLease takes the lease of this name for holder until term from now, by
// the database's clock, if nobody has it, if it expired, or if holder has it
// already. Its epoch becomes one more than the highest that it ever had, or than
// above if that is more. Of several that try at once exactly one succeeds.
//
// If another has it, held is false and epoch the other's. An error leaves open
// whether it was taken; taking it again gives a higher epoch, so that nobody acts
// on one of which nothing is known.
//
// All methods of leases return when ctx ends, whatever the server does, and try
// no longer than that.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, term time.Duration, above uint64) (epoch uint64, held bool, err error) {
	switch {
	case holder == "":
		return 0, false, errors.New("acquire a lease: holder is empty: it must be a name that no other server has")
	case term <= 0:
		return 0, false, fmt.Errorf("acquire a lease: term is %v: it must be more than 0", term)
	case above >= maxEpoch:
		return 0, false, fmt.Errorf("acquire a lease: above is %d: an epoch must be less than %d", above, uint64(maxEpoch))
	}
	got, err := s.askLease(ctx, func(ctx context.Context) (got lease, err error) {
		err = s.persist(ctx, inTransaction(s.leases, s.writing, func(ctx context.Context, tx bun.Tx) (err error) {
			got, err = s.takeLease(ctx, tx, name, holder, term, int64(above))
			return err
		}), nil)
		s.noteWrite(err)
		return got, err
	})
	return got.epoch, got.held, err
}

// takeLease is one attempt. What decides is the condition of the UPDATE, which
// locks the row: of two, the second finds what the first made of it.
func (s *Store) takeLease(ctx context.Context, tx bun.Tx, name, holder string, term time.Duration, above int64) (lease, error) {
	now := bun.Safe(s.clock)
	taken, err := count(tx.NewUpdate().Model((*leaseRow)(nil)).
		Set("epoch = CASE WHEN epoch < ? THEN ? ELSE epoch END + 1", above, above).
		Set("holder = ?", holder).
		Set("expires = ? + ?", now, term.Microseconds()).
		Where("name = ?", name).
		Where("(holder = ? OR holder = '' OR expires <= ?)", holder, now).Exec(ctx))
	if err != nil {
		return lease{}, err
	}
	var rows []leaseRow
	if err := tx.NewSelect().Model(&rows).Where("name = ?", name).Scan(ctx); err != nil {
		return lease{}, err
	}
	if len(rows) == 1 {
		return lease{epoch: uint64(rows[0].Epoch), held: taken == 1}, nil
	}
	// The first time. Of two that insert, the second waits and finds a duplicate; tried again, it finds the row.
	row := leaseRow{Name: name, Holder: holder, Epoch: above + 1}
	_, err = tx.NewInsert().Model(&row).Value("expires", "? + ?", now, term.Microseconds()).Exec(ctx)
	return lease{epoch: uint64(row.Epoch), held: true}, err
}

// RenewLease makes the lease good until term from now if holder still has it with
// this epoch; also after it expired, if nobody took it. Held is false if that is
// not so, and with any error, which leaves it open.
func (s *Store) RenewLease(ctx context.Context, name, holder string, epoch uint64, term time.Duration) (held bool, err error) {
	got, err := s.changeLease(ctx, name, holder, epoch, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("expires = ? + ?", bun.Safe(s.clock), term.Microseconds())
	})
	return got.held, err
}

// ReleaseLease ends the lease at once if holder has it with this epoch; if not,
// there is nothing to do. The epoch stays, and fences still let its writes pass
// until the next holder takes the lease.
func (s *Store) ReleaseLease(ctx context.Context, name, holder string, epoch uint64) error {
	_, err := s.changeLease(ctx, name, holder, epoch, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("holder = ''").Set("expires = ?", bun.Safe(s.clock))
	})
	return err
}

// changeLease changes a lease that is still held so. It is one statement, which
// is its own transaction and may be repeated.
func (s *Store) changeLease(ctx context.Context, name, holder string, epoch uint64, set func(*bun.UpdateQuery) *bun.UpdateQuery) (lease, error) {
	if holder == "" || epoch == 0 || epoch > maxEpoch {
		return lease{}, nil // nobody's
	}
	return s.askLease(ctx, func(ctx context.Context) (got lease, err error) {
		err = s.persist(ctx, func(ctx context.Context) (sent bool, err error) {
			n, err := count(set(s.leases.NewUpdate().Model((*leaseRow)(nil))).
				Where("name = ? AND holder = ? AND epoch = ?", name, holder, int64(epoch)).Exec(ctx))
			got.held = n == 1
			return false, err
		}, nil)
		s.noteWrite(err)
		return got, err
	})
}

// Lease tells who took the lease last ("": it was released, or never taken), its
// epoch (0: never taken), and how long from now it is good, by the database's
// clock: 0 or less if it is not any more.
func (s *Store) Lease(ctx context.Context, name string) (holder string, epoch uint64, expires time.Duration, err error) {
	got, err := s.askLease(ctx, func(ctx context.Context) (got lease, err error) {
		err = s.persist(ctx, func(ctx context.Context) (sent bool, err error) {
			got = lease{}
			var rows []struct {
				Holder string
				Epoch  int64
				Left   int64 // microseconds
			}
			err = s.leases.NewSelect().Model((*leaseRow)(nil)).Column("holder", "epoch").ColumnExpr("expires - ? AS ?", bun.Safe(s.clock), bun.Ident("left")).
				Where("name = ?", name).Scan(ctx, &rows)
			for _, r := range rows {
				got = lease{holder: r.Holder, epoch: uint64(r.Epoch), left: time.Duration(r.Left) * time.Microsecond}
			}
			return false, err
		}, nil)
		return got, err
	})
	return got.holder, got.epoch, got.left, err
}

// askLease returns when ctx ends, even if the driver does not: it may hang in a
// call to a server, or to a disk, that it cannot give up. Nothing is told but
// what is known then.
func (s *Store) askLease(ctx context.Context, ask func(context.Context) (lease, error)) (lease, error) {
	type outcome struct {
		lease
		error
	}
	answer := make(chan outcome, 1)
	go func() {
		got, err := ask(ctx)
		answer <- outcome{got, err}
	}()
	select {
	case o := <-answer:
		if o.error != nil {
			return lease{}, o.error
		}
		return o.lease, nil
	case <-ctx.Done():
		return lease{}, ctx.Err()
	}
}

// fence lets a transaction be committed only while the controller's lease has
// this epoch; 0 is not fenced. It is the last statement of the transaction: from
// then to the commit, which is at once, nobody else takes the lease, and a lease
// is not kept from being taken for longer by one who stalls in a transaction.
func fence(ctx context.Context, tx bun.Tx, epoch uint64) error {
	if epoch == 0 {
		return nil
	}
	if epoch > maxEpoch {
		return l2gw.ErrFenced
	}
	n, err := count(tx.NewUpdate().Model((*leaseRow)(nil)).Set("writes = writes + 1").
		Where("name = ? AND epoch = ?", ControllerLease, int64(epoch)).Exec(ctx))
	if err == nil && n != 1 {
		err = l2gw.ErrFenced
	}
	return err
}

// count is how many rows a statement found.
func count(result interface{ RowsAffected() (int64, error) }, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
