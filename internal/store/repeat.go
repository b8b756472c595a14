package store

import (
	"context"
	"errors"

	"l2gw"

	"github.com/uptrace/bun"
)

// ErrRepeated is the error of a write whose key was written with before: it was
// done then, and nothing is done now. [Store.Repeated] tells what it made.
var ErrRepeated = errors.New("this write was done before")

type repeatKey struct{}

// repeat is a write that may come again.
type repeat struct{ key, digest string }

// WithRepeat returns a context whose write of intent is done once for a key, on
// whichever server it is tried again: the key stands for the request with this
// digest. What was done is known as long as the change log goes back, 10,000
// writes of intent. A key has 255 characters at most and a digest 64.
func WithRepeat(ctx context.Context, key, digest string) context.Context {
	return context.WithValue(ctx, repeatKey{}, repeat{key, digest})
}

// Repeated returns the ids of the objects that the write with this key created (of
// a change or a removal none), and false if there was no such write. Errors: Conflict if the key
// stands for another request.
func (s *Store) Repeated(ctx context.Context, key, digest string) (ids []string, done bool, err error) {
	if !storable(key) {
		return nil, false, nil
	}
	err = s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		ids = nil
		row, err := selectRepeat(ctx, tx, repeat{key, digest})
		if done = row != nil; err != nil || !done {
			return err
		}
		return tx.NewSelect().Model((*repeatObjectRow)(nil)).Column("object_id").Where("revision = ?", row.Revision).Order("ordinal").Scan(ctx, &ids)
	})
	return ids, done, err
}

// selectRepeat returns the row of an earlier write, nil if there is none.
func selectRepeat(ctx context.Context, tx bun.Tx, r repeat) (*repeatRow, error) {
	var rows []repeatRow
	if err := tx.NewSelect().Model(&rows).Where("repeat_key = ?", r.key).Scan(ctx); err != nil || len(rows) == 0 {
		return nil, err
	}
	if rows[0].Digest != r.digest {
		return nil, l2gw.RepeatKeyTaken(r.key)
	}
	return &rows[0], nil
}

// beforeRepeat fails with ErrRepeated if the write was done before. The transaction
// holds the lock of the intent row, so an earlier attempt has ended.
func beforeRepeat(ctx context.Context, tx bun.Tx) error {
	r, ok := ctx.Value(repeatKey{}).(repeat)
	if !ok {
		return nil
	}
	row, err := selectRepeat(ctx, tx, r)
	if err == nil && row != nil {
		err = ErrRepeated
	}
	return err
}

// noteRepeat leaves a trace of a write that may come again.
func noteRepeat(ctx context.Context, tx bun.Tx, revision int64) error {
	r, ok := ctx.Value(repeatKey{}).(repeat)
	if !ok {
		return nil
	}
	_, err := tx.NewInsert().Model(&repeatRow{RepeatKey: r.key, Digest: r.digest, Revision: revision}).Exec(ctx)
	return err
}

// noteMade tells what a write that may come again has made.
func noteMade[T any](ctx context.Context, tx bun.Tx, revision int64, made []T, id func(*T) string) error {
	if _, ok := ctx.Value(repeatKey{}).(repeat); !ok {
		return nil
	}
	objects := make([]repeatObjectRow, len(made))
	for i := range made {
		objects[i] = repeatObjectRow{Revision: revision, Ordinal: i, ObjectID: id(&made[i])}
	}
	return insert(ctx, tx, objects)
}

// trimRepeats forgets what the change log forgets.
func trimRepeats(ctx context.Context, tx bun.Tx, to int64) error {
	if _, err := tx.NewDelete().Model((*repeatRow)(nil)).Where("revision <= ?", to).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewDelete().Model((*repeatObjectRow)(nil)).Where("revision <= ?", to).Exec(ctx)
	return err
}
