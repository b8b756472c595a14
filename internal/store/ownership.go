package store

import (
	"context"
	"slices"

	"l2gw"

	"github.com/uptrace/bun"
)

// Ownership returns what on the switch database is ours; nothing, for one that
// was never heard of. The maps are the caller's.
func (s *Store) Ownership(ctx context.Context, database string) (l2gw.Ownership, error) {
	all, err := s.ownership(ctx, &database)
	if err != nil {
		return l2gw.Ownership{}, err
	}
	if o, ok := all[database]; ok {
		return o, nil
	}
	return noOwnership(), nil
}

// Ownerships returns what is ours on every switch database where something is.
func (s *Store) Ownerships(ctx context.Context) (map[string]l2gw.Ownership, error) {
	return s.ownership(ctx, nil)
}

func noOwnership() l2gw.Ownership {
	return l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
}

func (s *Store) ownership(ctx context.Context, database *string) (map[string]l2gw.Ownership, error) {
	all := map[string]l2gw.Ownership{}
	of := func(db string) l2gw.Ownership {
		if _, ok := all[db]; !ok {
			all[db] = noOwnership()
		}
		return all[db]
	}
	err := s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		clear(all)
		var networks []ownedNetworkRow
		var bindings []ownedBindingRow
		one := func(q *bun.SelectQuery) *bun.SelectQuery {
			if database != nil {
				q = q.Where("db = ?", *database)
			}
			return q
		}
		if err := one(tx.NewSelect().Model(&networks)).Scan(ctx); err != nil {
			return err
		}
		if err := one(tx.NewSelect().Model(&bindings)).Scan(ctx); err != nil {
			return err
		}
		for _, r := range networks {
			of(r.DB).Networks[r.NetworkID] = r.VNI
		}
		for _, r := range bindings {
			of(r.DB).Bindings[l2gw.BindingKey{Device: r.Device, Interface: r.Interface, VLAN: r.VLAN}] = r.NetworkID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Own records more as ours on a switch database. It must have returned before
// the switch is told. A network or place that is recorded already gets the new
// VNI or network. Idempotent. Epoch is that of the controller's lease: the error is
// [l2gw.ErrFenced] if the lease has another by then; 0 is not fenced.
func (s *Store) Own(ctx context.Context, epoch uint64, database string, more l2gw.Ownership) error {
	networks, bindings := ownedRows(database, more)
	return s.transact(ctx, epoch, func(ctx context.Context, tx bun.Tx) error {
		for part := range slices.Chunk(networks, idsPerStatement) {
			q := tx.NewDelete().Model((*ownedNetworkRow)(nil)).Where("db = ?", database)
			ids := make([]string, len(part))
			for i, r := range part {
				ids[i] = r.NetworkID
			}
			if _, err := q.Where("network_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(bindings, keysPerStatement) {
			q := tx.NewDelete().Model((*ownedBindingRow)(nil)).Where("db = ?", database)
			q = q.WhereGroup(" AND ", func(q *bun.DeleteQuery) *bun.DeleteQuery {
				for _, r := range part {
					q = q.WhereOr(keyIs, r.Device, r.Interface, r.VLAN)
				}
				return q
			})
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, networks); err != nil {
			return err
		}
		return insert(ctx, tx, bindings)
	})
}

// Disown records that the switch confirmed the removal of gone. What is recorded
// with another VNI or network by now stays: it is not what was removed. Idempotent.
// Epoch is as in [Store.Own].
func (s *Store) Disown(ctx context.Context, epoch uint64, database string, gone l2gw.Ownership) error {
	networks, bindings := ownedRows(database, gone)
	return s.transact(ctx, epoch, func(ctx context.Context, tx bun.Tx) error {
		for part := range slices.Chunk(networks, keysPerStatement) {
			q := tx.NewDelete().Model((*ownedNetworkRow)(nil)).Where("db = ?", database)
			q = q.WhereGroup(" AND ", func(q *bun.DeleteQuery) *bun.DeleteQuery {
				for _, r := range part {
					q = q.WhereOr("network_id = ? AND vni = ?", r.NetworkID, r.VNI)
				}
				return q
			})
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(bindings, keysPerStatement) {
			q := tx.NewDelete().Model((*ownedBindingRow)(nil)).Where("db = ?", database)
			q = q.WhereGroup(" AND ", func(q *bun.DeleteQuery) *bun.DeleteQuery {
				for _, r := range part {
					q = q.WhereOr(keyIs+" AND network_id = ?", r.Device, r.Interface, r.VLAN, r.NetworkID)
				}
				return q
			})
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func ownedRows(database string, o l2gw.Ownership) (networks []ownedNetworkRow, bindings []ownedBindingRow) {
	for id, vni := range o.Networks {
		networks = append(networks, ownedNetworkRow{DB: database, NetworkID: id, VNI: vni})
	}
	for k, id := range o.Bindings {
		bindings = append(bindings, ownedBindingRow{DB: database, Device: k.Device, Interface: k.Interface, VLAN: k.VLAN, NetworkID: id})
	}
	return networks, bindings
}
