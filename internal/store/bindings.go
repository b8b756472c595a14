package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

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

// rebind replaces the bindings old by wanted; what is in both stays as it is,
// revision and request included. The error is a Conflict if another binding has a
// wanted place.
//
// Much is sent once, to the change log, and the rest is done from there: in one
// statement for thousands of bindings.
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
			unset = append(unset, o)
		}
	}
	if err := logChanges(ctx, tx, revision, unset, set); err != nil {
		return err
	}
	if err := byIndex(ctx, tx, len(unset)+len(set)); err != nil {
		return err
	}
	if len(unset) > 0 {
		there, args := places(revision, 0, unset)
		remove := "DELETE FROM bindings WHERE " + there
		if len(unset) > keysPerStatement && tx.Dialect().Name() == dialect.MySQL { // which would read all bindings for that
			remove = "DELETE b FROM binding_changes AS c STRAIGHT_JOIN bindings AS b " +
				"ON b.device = c.device AND b.interface = c.interface AND b.vlan = c.vlan WHERE c.revision = ? AND c.bound = ?"
		}
		if _, err := tx.ExecContext(ctx, remove, args...); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	there, args := places(revision, 1, set)
	var taken l2gw.BindingKey
	err := tx.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM bindings WHERE "+there+" LIMIT 1", args...).Scan(&taken.Device, &taken.Interface, &taken.VLAN)
	switch {
	case err == nil:
		return l2gw.DuplicateSegmentationID(taken)
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if len(set) <= keysPerStatement {
		rows := make([]bindingRow, len(set))
		for i, b := range set {
			rows[i] = bindingToRow(b)
		}
		return insert(ctx, tx, rows)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO bindings ("+logged+", revision) SELECT "+logged+", revision FROM binding_changes WHERE revision = ? AND bound = 1", revision)
	return err
}

const (
	keyColumns = "device, interface, vlan"
	keyIs      = "device = ? AND interface = ? AND vlan = ?"
	// logged are the columns that bindings and their changes share, but for the revision.
	logged = keyColumns + ", network_id, connection_id, gateway_id, request"
)

// places is a condition for bindings: being where these changes are, which the log
// has at this revision as bound. Few are named, since then engines plan for few: what
// other revisions have in the log tells them nothing of this one.
func places(revision int64, bound int, changes []l2gw.Binding) (condition string, args []any) {
	if len(changes) > keysPerStatement {
		return "(" + keyColumns + ") IN (SELECT " + keyColumns + " FROM binding_changes WHERE revision = ? AND bound = ?)", []any{revision, bound}
	}
	for _, b := range changes {
		args = append(args, b.Device, b.Interface, b.VLAN)
	}
	return keyIs + strings.Repeat(" OR "+keyIs, len(changes)-1), args
}

// unbindConnection removes all bindings of a connection. They go from table to
// table, and none of them through this program.
func unbindConnection(ctx context.Context, tx bun.Tx, revision int64, id string) error {
	const copied = keyColumns + ", network_id, connection_id, gateway_id"
	if _, err := tx.ExecContext(ctx, "INSERT INTO binding_changes (revision, bound, request, ordinal, "+copied+") "+
		"SELECT ?, 0, ?, ROW_NUMBER() OVER (ORDER BY "+keyColumns+") - 1, "+copied+" FROM bindings WHERE connection_id = ?", revision, requestOf(ctx), id); err != nil {
		return err
	}
	_, err := tx.NewDelete().Model((*bindingRow)(nil)).Where("connection_id = ?", id).Exec(ctx)
	return err
}

// byIndex has PostgreSQL find this many places by their index for the rest of the
// transaction, also while it takes the table for small: what was just filled has
// no statistics yet, and going through the whole table for each place takes
// minutes. The others do so by themselves.
func byIndex(ctx context.Context, tx bun.Tx, places int) error {
	if places <= keysPerStatement || tx.Dialect().Name() != dialect.PG {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off")
	return err
}

func logChanges(ctx context.Context, tx bun.Tx, revision int64, unset, set []l2gw.Binding) error {
	request := requestOf(ctx)
	rows := make([]changeRow, 0, len(unset)+len(set))
	add := func(bindings []l2gw.Binding, bound int) {
		for _, b := range bindings {
			rows = append(rows, changeRow{
				Revision: revision, Ordinal: len(rows), Bound: bound,
				Device: b.Device, Interface: b.Interface, VLAN: b.VLAN,
				NetworkID: b.NetworkID, ConnectionID: b.ConnectionID, GatewayID: b.GatewayID, Request: request,
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
