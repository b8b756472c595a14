package store

import (
	"context"
	"slices"

	"l2gw"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
)

// BindingChange is a binding that was set, or one that is gone. Setting one
// whose key is bound replaces it.
type BindingChange struct {
	l2gw.Binding      // as it is, or as it was; Revision and Request are those of the change
	Set          bool // false: gone
}

// Revision returns the intent revision: it grows with every write of intent.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	var row intentRow
	err := s.ask(ctx, func(ctx context.Context, db bun.IDB) (err error) {
		row, err = intent(ctx, db)
		return err
	})
	return row.Revision, err
}

func intent(ctx context.Context, db bun.IDB) (row intentRow, err error) {
	err = db.NewSelect().Model(&row).Where("id = 1").Scan(ctx)
	return row, err
}

// Bindings returns all bindings, ordered by key, and the revision at which they stand.
func (s *Store) Bindings(ctx context.Context) (revision int64, bindings []l2gw.Binding, err error) {
	err = s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := intent(ctx, tx)
		if err != nil {
			return err
		}
		revision = row.Revision
		bindings, err = selectBindings(ctx, tx.NewSelect())
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return revision, bindings, nil
}

// ConnectionBindings returns the bindings of these connections by connection
// id, ordered by key. Connections that do not exist are left out.
func (s *Store) ConnectionBindings(ctx context.Context, ids ...string) (map[string][]l2gw.Binding, error) {
	bindings := make(map[string][]l2gw.Binding, len(ids))
	load := func(ctx context.Context, db bun.IDB) error {
		clear(bindings)
		for part := range slices.Chunk(ids, idsPerStatement) {
			found, err := selectBindings(ctx, db.NewSelect().Where("connection_id IN (?)", bun.List(part)))
			if err != nil {
				return err
			}
			for _, b := range found {
				bindings[b.ConnectionID] = append(bindings[b.ConnectionID], b)
			}
		}
		return nil
	}
	if len(ids) <= idsPerStatement {
		return bindings, s.ask(ctx, load)
	}
	return bindings, s.read(ctx, func(ctx context.Context, tx bun.Tx) error { return load(ctx, tx) })
}

func selectBindings(ctx context.Context, q *bun.SelectQuery) ([]l2gw.Binding, error) {
	var rows []bindingRow
	if err := q.Model(&rows).Order("device", "interface", "vlan").Scan(ctx); err != nil {
		return nil, err
	}
	bindings := make([]l2gw.Binding, len(rows))
	for i, r := range rows {
		bindings[i] = r.binding()
	}
	return bindings, nil
}

// Changes returns what changed after the revision since, in order, and the
// revision that it leads to. Complete is false, and changes empty, if the log
// does not reach back that far or since lies in the future (the database was
// restored from a backup): then read [Store.Bindings] anew.
func (s *Store) Changes(ctx context.Context, since int64) (revision int64, changes []BindingChange, complete bool, err error) {
	err = s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := intent(ctx, tx)
		if err != nil {
			return err
		}
		revision, changes = row.Revision, nil
		if complete = row.Trimmed <= since && since <= row.Revision; !complete {
			return nil
		}
		var rows []changeRow
		if err := tx.NewSelect().Model(&rows).Where("revision > ?", since).Order("revision", "ordinal").Scan(ctx); err != nil {
			return err
		}
		for _, r := range rows {
			changes = append(changes, BindingChange{
				Binding: l2gw.Binding{
					BindingKey: l2gw.BindingKey{Device: r.Device, Interface: r.Interface, VLAN: r.VLAN},
					NetworkID:  r.NetworkID, ConnectionID: r.ConnectionID, GatewayID: r.GatewayID, Revision: r.Revision, Request: r.Request,
				},
				Set: r.Bound != 0,
			})
		}
		return nil
	})
	if err != nil {
		return 0, nil, false, err
	}
	return revision, changes, complete, nil
}

// Sizes of statements: no engine's limit is near, and their planning stays cheap.
const (
	idsPerStatement  = 500
	keysPerStatement = 200
	rowsPerStatement = 500
)

// rebind replaces the bindings old by wanted, both of the same gateway; what is
// in both stays as it is, revision and request included. The error is a Conflict if another
// binding has a wanted place.
func rebind(ctx context.Context, tx bun.Tx, revision int64, old, wanted []l2gw.Binding) error {
	before := make(map[l2gw.BindingKey]l2gw.Binding, len(old))
	for _, b := range old {
		before[b.BindingKey] = b
	}
	request := requestOf(ctx)
	after := make(map[l2gw.BindingKey]l2gw.Binding, len(wanted))
	var set, unset []l2gw.Binding
	for _, b := range wanted {
		if _, twice := after[b.BindingKey]; twice { // two connections of this gateway
			return l2gw.DuplicateSegmentationID(b.BindingKey)
		}
		after[b.BindingKey] = b
		o, had := before[b.BindingKey]
		b.Revision, b.Request = o.Revision, o.Request
		if !had || o != b {
			b.Revision, b.Request = revision, request
			set = append(set, b)
		}
	}
	for _, o := range old {
		if b, stays := after[o.BindingKey]; !stays || b.NetworkID != o.NetworkID || b.ConnectionID != o.ConnectionID {
			o.Revision, o.Request = revision, request
			unset = append(unset, o)
		}
	}
	if len(unset)+len(set) > keysPerStatement {
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(unset, keysPerStatement) {
		if _, err := tx.NewDelete().Model((*bindingRow)(nil)).WhereGroup(" AND ", anyKeyDelete(part)).Exec(ctx); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(set, keysPerStatement) {
		taken, err := selectBindings(ctx, tx.NewSelect().WhereGroup(" AND ", anyKeySelect(part)).Limit(1))
		if err != nil {
			return err
		}
		if len(taken) > 0 {
			return l2gw.DuplicateSegmentationID(taken[0].BindingKey)
		}
	}
	rows := make([]bindingRow, len(set))
	for i, b := range set {
		rows[i] = bindingToRow(b)
	}
	if err := insert(ctx, tx, rows); err != nil {
		return err
	}
	return logChanges(ctx, tx, revision, unset, set)
}

// byIndex has PostgreSQL look up keys in the index for the rest of the transaction,
// also while it takes the table for small: what was just filled has no statistics
// yet, and hundreds of keys in each of many statements over the whole table take
// seconds. The others do so by themselves.
func byIndex(ctx context.Context, tx bun.Tx) error {
	if tx.Dialect().Name() != dialect.PG {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off")
	return err
}

const keyIs = "device = ? AND interface = ? AND vlan = ?"

func anyKeyDelete(bindings []l2gw.Binding) func(*bun.DeleteQuery) *bun.DeleteQuery {
	return func(q *bun.DeleteQuery) *bun.DeleteQuery {
		for _, b := range bindings {
			q = q.WhereOr(keyIs, b.Device, b.Interface, b.VLAN)
		}
		return q
	}
}

func anyKeySelect(bindings []l2gw.Binding) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, b := range bindings {
			q = q.WhereOr(keyIs, b.Device, b.Interface, b.VLAN)
		}
		return q
	}
}

func logChanges(ctx context.Context, tx bun.Tx, revision int64, unset, set []l2gw.Binding) error {
	rows := make([]changeRow, 0, len(unset)+len(set))
	add := func(bindings []l2gw.Binding, bound int) {
		for _, b := range bindings {
			rows = append(rows, changeRow{
				Revision: revision, Ordinal: len(rows), Bound: bound,
				Device: b.Device, Interface: b.Interface, VLAN: b.VLAN,
				NetworkID: b.NetworkID, ConnectionID: b.ConnectionID, GatewayID: b.GatewayID, Request: b.Request,
			})
		}
	}
	add(unset, 0)
	add(set, 1)
	return insert(ctx, tx, rows)
}

// trim forgets the oldest part of the change log now and then.
func (s *Store) trim(ctx context.Context, tx bun.Tx, revision int64) error {
	to := revision - s.keepLog
	if to <= 0 || revision%(s.keepLog/8+1) != 0 {
		return nil
	}
	if _, err := tx.NewDelete().Model((*changeRow)(nil)).Where("revision <= ?", to).Exec(ctx); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*intentWriteRow)(nil)).Where("revision <= ?", to).Exec(ctx); err != nil {
		return err
	}
	if err := trimRepeats(ctx, tx, to); err != nil {
		return err
	}
	_, err := tx.NewUpdate().Model((*intentRow)(nil)).Set("trimmed = ?", to).Where("id = 1").Exec(ctx)
	return err
}

// insert adds any number of rows.
func insert[R any](ctx context.Context, tx bun.Tx, rows []R) error {
	for part := range slices.Chunk(rows, rowsPerStatement) {
		if _, err := tx.NewInsert().Model(&part).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
