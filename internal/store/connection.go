package store

import (
	"context"
	"slices"

	"l2gw"

	"github.com/uptrace/bun"
)

// CreateConnection connects a network to a gateway and returns the connection
// as stored. That the network exists is for the caller to know. Errors, in the
// order of their check:
//
//   - Invalid: those of [l2gw.Connection.Validate];
//   - NotFound: no such gateway (Invalid if the connection has no VLAN either, as
//     the predecessor answers);
//   - Invalid: those of [l2gw.CheckConnection];
//   - Conflict: the network is connected to this gateway already
//     (L2GatewayConnectionExists), the project has as many connections as it may
//     (OverQuota), or a device, interface and VLAN is bound by some connection
//     (L2GatewayDuplicateSegmentationID).
func (s *Store) CreateConnection(ctx context.Context, c l2gw.Connection) (l2gw.Connection, error) {
	created, err := s.CreateConnections(ctx, []l2gw.Connection{c})
	if err != nil {
		return l2gw.Connection{}, err
	}
	return created[0], nil
}

// CreateConnections makes all of these connections, or none. Together they may
// make [l2gw.MaxBindings] bindings. See [Store.CreateConnection].
func (s *Store) CreateConnections(ctx context.Context, connections []l2gw.Connection) ([]l2gw.Connection, error) {
	now := s.now()
	created := slices.Clone(connections)
	projects := map[string]bool{}
	for i := range created {
		c := &created[i]
		projects[c.ProjectID] = true
		if err := c.Validate(); err != nil {
			return nil, err
		}
		c.ID, c.CreatedAt, c.UpdatedAt, c.Revision = newID(), now, now, 1
		if c.VLAN != nil {
			c.VLAN = new(*c.VLAN)
		}
	}
	if len(created) == 0 {
		return nil, nil
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx, revision int64) error {
		wanted, err := insertConnections(ctx, tx, created)
		if err != nil {
			return err
		}
		if err := s.withinQuota(ctx, tx, l2gw.QuotaConnections, projects); err != nil {
			return err
		}
		if err := noteMade(ctx, tx, revision, created, func(c *l2gw.Connection) string { return c.ID }); err != nil {
			return err
		}
		return rebind(ctx, tx, revision, nil, wanted)
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// mapping is what a connection joins.
type mapping struct{ gateway, network string }

// insertConnections adds connections and returns the bindings that they are to
// have. How many statements that takes does not depend on how many there are, up
// to what fits into one.
func insertConnections(ctx context.Context, tx bun.Tx, created []l2gw.Connection) (wanted []l2gw.Binding, err error) {
	var ids []string
	gateways := map[string]*l2gw.Gateway{}
	for _, c := range created {
		if _, twice := gateways[c.GatewayID]; !twice {
			gateways[c.GatewayID] = nil
			ids = append(ids, c.GatewayID)
		}
	}
	found, err := selectGateways(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		gateways[found[i].ID] = &found[i]
	}
	taken, err := mappings(ctx, tx, created)
	if err != nil {
		return nil, err
	}
	rows := make([]connectionRow, len(created))
	for i := range created {
		c := &created[i]
		g := gateways[c.GatewayID]
		switch {
		case g == nil && c.VLAN == nil:
			return nil, l2gw.SegmentationIDMissing() // nobody has one: wrong in itself, which comes first
		case g == nil:
			return nil, l2gw.GatewayNotFound(c.GatewayID)
		}
		if err := l2gw.CheckConnection(g, c.VLAN); err != nil {
			return nil, err
		}
		m := mapping{c.GatewayID, c.NetworkID}
		if taken[m] {
			return nil, l2gw.ConnectionExists(c.GatewayID, c.NetworkID, c.VLAN)
		}
		taken[m] = true
		if wanted = append(wanted, l2gw.Expand(g, c)...); len(wanted) > l2gw.MaxBindings {
			return nil, l2gw.InvalidInput("connections created together may bind %d segmentation ids of interfaces at most.", l2gw.MaxBindings)
		}
		rows[i] = connectionToRow(c)
	}
	return wanted, insert(ctx, tx, rows)
}

// mappings are those of new connections that there are already.
func mappings(ctx context.Context, tx bun.Tx, created []l2gw.Connection) (map[mapping]bool, error) {
	taken := map[mapping]bool{}
	for part := range slices.Chunk(created, keysPerStatement) {
		var rows []connectionRow
		err := tx.NewSelect().Model(&rows).Column("gateway_id", "network_id").WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, c := range part {
				if storable(c.GatewayID) {
					q = q.WhereOr("gateway_id = ? AND network_id = ?", c.GatewayID, c.NetworkID)
				}
			}
			return q.WhereOr("1 = 0")
		}).Scan(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			taken[mapping{r.GatewayID, r.NetworkID}] = true
		}
	}
	return taken, nil
}

// Connection returns the connection with this id. Errors: NotFound.
func (s *Store) Connection(ctx context.Context, id string) (l2gw.Connection, error) {
	var c l2gw.Connection
	err := s.ask(ctx, func(ctx context.Context, db bun.IDB) (err error) {
		c, err = selectConnection(ctx, db, id)
		return err
	})
	return c, err
}

func selectConnection(ctx context.Context, db bun.IDB, id string) (l2gw.Connection, error) {
	var row connectionRow
	if !storable(id) {
		return l2gw.Connection{}, l2gw.ConnectionNotFound(id)
	}
	if err := db.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return l2gw.Connection{}, found(err, l2gw.ConnectionNotFound(id))
	}
	return row.connection(), nil
}

// DeleteConnection removes a connection and its bindings. Errors: NotFound, also
// for all but one of those that delete it at the same time.
func (s *Store) DeleteConnection(ctx context.Context, id string) error {
	if !storable(id) {
		return l2gw.ConnectionNotFound(id)
	}
	return s.write(ctx, func(ctx context.Context, tx bun.Tx, revision int64) error {
		if err := unbindConnection(ctx, tx, revision, id); err != nil {
			return err
		}
		n, err := count(tx.NewDelete().Model((*connectionRow)(nil)).Where("id = ?", id).Exec(ctx))
		if err == nil && n == 0 {
			err = l2gw.ConnectionNotFound(id)
		}
		return err
	})
}
