package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"strings"

	"l2gw"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// newID returns a UUID whose order is that of creation (version 7, RFC 9562
// §5.7): what is created in one request is listed in the order of the request,
// and tables grow at their end.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// CreateGateway adds a gateway and returns it as stored: with ids, times and
// revision number. Errors: those of [l2gw.Gateway.Validate]; Conflict (OverQuota)
// if its project has as many as it may.
func (s *Store) CreateGateway(ctx context.Context, g l2gw.Gateway) (l2gw.Gateway, error) {
	created, err := s.CreateGateways(ctx, []l2gw.Gateway{g})
	if err != nil {
		return l2gw.Gateway{}, err
	}
	return created[0], nil
}

// CreateGateways adds all of these gateways, or none. Together they may have
// [l2gw.MaxBindings] places. See [Store.CreateGateway].
func (s *Store) CreateGateways(ctx context.Context, gateways []l2gw.Gateway) ([]l2gw.Gateway, error) {
	now := s.now()
	created := make([]l2gw.Gateway, len(gateways))
	rows := make([]gatewayRow, len(gateways))
	projects := map[string]bool{}
	places := 0
	for i := range gateways {
		projects[gateways[i].ProjectID] = true
		if err := gateways[i].Validate(); err != nil {
			return nil, err
		}
		if places += gateways[i].Places(); places > l2gw.MaxBindings {
			return nil, l2gw.InvalidInput("gateways created together may have %d interfaces and segmentation ids at most.", l2gw.MaxBindings)
		}
		g := gateways[i].Clone()
		g.ID, g.CreatedAt, g.UpdatedAt, g.Revision = newID(), now, now, 1
		for j := range g.Devices {
			g.Devices[j].ID = newID()
		}
		created[i], rows[i] = *g, gatewayToRow(g)
	}
	if len(created) == 0 {
		return nil, nil
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx, revision int64) error {
		if err := insert(ctx, tx, rows); err != nil {
			return err
		}
		if err := noteMade(ctx, tx, revision, created, func(g *l2gw.Gateway) string { return g.ID }); err != nil {
			return err
		}
		if err := s.withinQuota(ctx, tx, l2gw.QuotaGateways, projects); err != nil {
			return err
		}
		return insertDevices(ctx, tx, created...)
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

func insertDevices(ctx context.Context, tx bun.Tx, gateways ...l2gw.Gateway) error {
	var devices []deviceRow
	var interfaces []interfaceRow
	for _, g := range gateways {
		for i, d := range g.Devices {
			device, ports := deviceToRows(g.ID, i, d)
			devices, interfaces = append(devices, device), append(interfaces, ports...)
		}
	}
	if err := insert(ctx, tx, devices); err != nil {
		return err
	}
	return insert(ctx, tx, interfaces)
}

func deleteDevices(ctx context.Context, tx bun.Tx, gatewayID string) error {
	if _, err := tx.NewDelete().Model((*interfaceRow)(nil)).Where("gateway_id = ?", gatewayID).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewDelete().Model((*deviceRow)(nil)).Where("gateway_id = ?", gatewayID).Exec(ctx)
	return err
}

// replaceDevices writes those that are new, gone or other than they were.
func replaceDevices(ctx context.Context, tx bun.Tx, old, g *l2gw.Gateway) error {
	stays := func(i int) bool {
		return i < len(old.Devices) && i < len(g.Devices) && reflect.DeepEqual(old.Devices[i], g.Devices[i])
	}
	var gone []string
	for i, d := range old.Devices {
		if !stays(i) {
			gone = append(gone, d.ID)
		}
	}
	for some := range slices.Chunk(gone, idsPerStatement) {
		if _, err := tx.NewDelete().Model((*interfaceRow)(nil)).Where("gateway_id = ? AND device_id IN (?)", g.ID, bun.List(some)).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*deviceRow)(nil)).Where("id IN (?)", bun.List(some)).Exec(ctx); err != nil {
			return err
		}
	}
	var devices []deviceRow
	var interfaces []interfaceRow
	for i, d := range g.Devices {
		if !stays(i) {
			device, ports := deviceToRows(g.ID, i, d)
			devices, interfaces = append(devices, device), append(interfaces, ports...)
		}
	}
	if err := insert(ctx, tx, devices); err != nil {
		return err
	}
	return insert(ctx, tx, interfaces)
}

// Gateway returns the gateway with this id. Errors: NotFound.
func (s *Store) Gateway(ctx context.Context, id string) (g l2gw.Gateway, err error) {
	err = s.ask(ctx, func(ctx context.Context, db bun.IDB) (err error) {
		g, err = selectGateway(ctx, db, id)
		return err
	})
	return g, err
}

// GatewaysWithID returns those of these gateways that exist, in any order, as they
// are at one moment.
func (s *Store) GatewaysWithID(ctx context.Context, ids []string) (gateways []l2gw.Gateway, err error) {
	switch len(ids) {
	case 0:
		return nil, nil
	case 1: // needs no transaction
		g, err := s.Gateway(ctx, ids[0])
		switch {
		case l2gw.ErrorCode(err) == l2gw.NotFound:
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []l2gw.Gateway{g}, nil
	}
	err = s.read(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		gateways, err = selectGateways(ctx, tx, ids)
		return err
	})
	return gateways, err
}

// selectGateway asks a single statement, which costs a server one round trip and
// sees one moment.
func selectGateway(ctx context.Context, db bun.IDB, id string) (l2gw.Gateway, error) {
	if !storable(id) {
		return l2gw.Gateway{}, l2gw.GatewayNotFound(id)
	}
	rows, err := db.QueryContext(ctx, "SELECT g.project_id, g.name, g.description, g.created_at, g.updated_at, g.revision, "+
		partColumns+" FROM gateways AS g LEFT JOIN gateway_devices AS d ON d.gateway_id = g.id "+joinInterfaces+" WHERE g.id = ?", id)
	if err != nil {
		return l2gw.Gateway{}, err
	}
	defer func() { _ = rows.Close() }()
	row := gatewayRow{ID: id}
	var parts []part
	var p part
	into := append([]any{&row.ProjectID, &row.Name, &row.Description, &row.CreatedAt, &row.UpdatedAt, &row.Revision}, p.into()...)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return l2gw.Gateway{}, err
		}
		parts = append(parts, p)
	}
	if err := rows.Err(); err != nil {
		return l2gw.Gateway{}, err
	}
	if len(parts) == 0 {
		return l2gw.Gateway{}, l2gw.GatewayNotFound(id)
	}
	g := row.gateway()
	return g, assemble(parts, func(string) *l2gw.Gateway { return &g })
}

// selectGateways returns those of these gateways that exist, in any order.
func selectGateways(ctx context.Context, tx bun.Tx, ids []string) ([]l2gw.Gateway, error) {
	if ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !storable(id) }); len(ids) == 1 {
		g, err := selectGateway(ctx, tx, ids[0])
		if l2gw.ErrorCode(err) == l2gw.NotFound {
			return nil, nil
		}
		return []l2gw.Gateway{g}, err
	}
	var gateways []l2gw.Gateway
	for some := range slices.Chunk(ids, idsPerStatement) {
		var rows []gatewayRow
		if err := tx.NewSelect().Model(&rows).Where("id IN (?)", bun.List(some)).Scan(ctx); err != nil {
			return nil, err
		}
		for _, r := range rows {
			gateways = append(gateways, r.gateway())
		}
	}
	return gateways, loadDevices(ctx, tx, gateways, false)
}

// part is an interface of a gateway with its device.
type part struct {
	gatewayID, deviceID, device, name, vlans sql.NullString // not valid where something is missing
	deviceOrdinal, ordinal                   sql.NullInt64
}

const (
	partColumns    = "d.gateway_id, d.id, d.ordinal, d.name, i.ordinal, i.name, i.vlans"
	joinInterfaces = "LEFT JOIN gateway_interfaces AS i ON i.gateway_id = d.gateway_id AND i.device_id = d.id"
)

// into is where the columns of partColumns go.
func (p *part) into() []any {
	return []any{&p.gatewayID, &p.deviceID, &p.deviceOrdinal, &p.device, &p.ordinal, &p.name, &p.vlans}
}

// assemble makes devices of parts in any order; it is cheaper than sorting in SQL.
func assemble(parts []part, gateway func(id string) *l2gw.Gateway) error {
	order := func(a, b part) int {
		return cmp.Or(
			strings.Compare(a.gatewayID.String, b.gatewayID.String),
			cmp.Compare(a.deviceOrdinal.Int64, b.deviceOrdinal.Int64),
			cmp.Compare(a.ordinal.Int64, b.ordinal.Int64),
		)
	}
	if !slices.IsSortedFunc(parts, order) {
		slices.SortFunc(parts, order)
	}
	var g *l2gw.Gateway
	for i, p := range parts {
		if i == 0 || p.gatewayID != parts[i-1].gatewayID {
			g = gateway(p.gatewayID.String)
		}
		if g == nil || !p.deviceID.Valid {
			continue
		}
		if n := len(g.Devices); n == 0 || g.Devices[n-1].ID != p.deviceID.String {
			g.Devices = append(g.Devices, l2gw.Device{ID: p.deviceID.String, Name: p.device.String})
		}
		if !p.name.Valid {
			continue
		}
		vlans, err := splitVLANs(p.vlans.String)
		if err != nil {
			return err
		}
		d := &g.Devices[len(g.Devices)-1]
		d.Interfaces = append(d.Interfaces, l2gw.Interface{Name: p.name.String, VLANs: vlans})
	}
	return nil
}

// loadDevices fills in the devices of gateways, which are all that there are or
// else some.
func loadDevices(ctx context.Context, tx bun.Tx, gateways []l2gw.Gateway, all bool) error {
	index := make(map[string]*l2gw.Gateway, len(gateways))
	ids := make([]string, len(gateways))
	for i := range gateways {
		ids[i] = gateways[i].ID
		index[ids[i]] = &gateways[i]
	}
	parts := make([]part, 0, 2*len(gateways))
	load := func(where string, args ...any) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+partColumns+" FROM gateway_devices AS d "+joinInterfaces+where, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		var p part
		into := p.into()
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			parts = append(parts, p)
		}
		return rows.Err()
	}
	if all {
		if err := load(""); err != nil {
			return err
		}
	} else {
		for some := range slices.Chunk(ids, idsPerStatement) {
			if err := load(" WHERE d.gateway_id IN (?)", bun.List(some)); err != nil {
				return err
			}
		}
	}
	return assemble(parts, func(id string) *l2gw.Gateway { return index[id] })
}

// UpdateGateway lets change alter the gateway with this id and stores the
// outcome, with the bindings of its connections expanded anew, in one step. It
// returns the gateway as it then stands. Id, project, times and revision number
// are the store's. If nothing is changed, nothing is written. change may be
// called more than once, each time with a fresh copy; its error ends the update.
//
// Errors: NotFound; change's; those of [l2gw.Gateway.Validate] and
// [l2gw.Gateway.CheckLive]; Invalid if more than [l2gw.MaxChange] bindings would
// change; Conflict if a binding's place is taken. An update that fails changed
// nothing.
func (s *Store) UpdateGateway(ctx context.Context, id string, change func(*l2gw.Gateway) error) (l2gw.Gateway, error) {
	var g l2gw.Gateway
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx, revision int64) error {
		old, err := selectGateway(ctx, tx, id)
		if err != nil {
			return err
		}
		g = *old.Clone()
		if err := change(&g); err != nil {
			return err
		}
		g = *g.Clone() // what change put in stays the caller's
		g.ID, g.ProjectID, g.CreatedAt, g.UpdatedAt, g.Revision = old.ID, old.ProjectID, old.CreatedAt, old.UpdatedAt, old.Revision
		keepDeviceIDs(&old, &g)
		if reflect.DeepEqual(&old, normal(&g)) {
			return errUnchanged
		}
		if err := g.Validate(); err != nil {
			return err
		}
		g.UpdatedAt = s.now()
		g.Revision++
		row := gatewayToRow(&g)
		if _, err := tx.NewUpdate().Model(&row).WherePK().Exec(ctx); err != nil {
			return err
		}
		if reflect.DeepEqual(old.Devices, g.Devices) {
			return nil
		}
		if err := replaceDevices(ctx, tx, &old, &g); err != nil {
			return err
		}
		return rebindGateway(ctx, tx, revision, &old, &g)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return l2gw.Gateway{}, err
	}
	return g, nil
}

// keepDeviceIDs gives each device of g the id that the device of its name had
// before, or a new one.
func keepDeviceIDs(old, g *l2gw.Gateway) {
	for i := range g.Devices {
		d := &g.Devices[i]
		if o := old.Device(d.Name); o != nil {
			d.ID = o.ID
		} else {
			d.ID = newID()
		}
	}
}

// normal makes empty lists nil, as they come from the tables.
func normal(g *l2gw.Gateway) *l2gw.Gateway {
	for i := range g.Devices {
		for j := range g.Devices[i].Interfaces {
			if f := &g.Devices[i].Interfaces[j]; len(f.VLANs) == 0 {
				f.VLANs = nil
			}
		}
	}
	return g
}

// rebindGateway expands the connections of a gateway anew, after it was another.
func rebindGateway(ctx context.Context, tx bun.Tx, revision int64, was, g *l2gw.Gateway) error {
	var rows []connectionRow
	if err := tx.NewSelect().Model(&rows).Where("gateway_id = ?", g.ID).Order("created_at", "id").Scan(ctx); err != nil {
		return err
	}
	if n := g.Difference(was) * len(rows); n > l2gw.MaxChange {
		return l2gw.ChangeTooLarge(n, len(rows))
	}
	connections := make([]l2gw.Connection, len(rows))
	var wanted []l2gw.Binding
	for i, r := range rows {
		connections[i] = r.connection()
		wanted = append(wanted, l2gw.Expand(g, &connections[i])...)
	}
	if err := g.CheckLive(connections); err != nil {
		return err
	}
	old, err := selectBindings(ctx, tx.NewSelect().Where("gateway_id = ?", g.ID))
	if err != nil {
		return err
	}
	return rebind(ctx, tx, revision, old, wanted)
}

// DeleteGateway removes a gateway. Errors: NotFound, also for all but one of
// those that delete it at the same time; Conflict (L2GatewayInUse) while it has
// connections.
func (s *Store) DeleteGateway(ctx context.Context, id string) error {
	if !storable(id) {
		return l2gw.GatewayNotFound(id)
	}
	return s.write(ctx, func(ctx context.Context, tx bun.Tx, _ int64) error {
		used, err := tx.NewSelect().Model((*connectionRow)(nil)).Where("gateway_id = ?", id).Exists(ctx)
		if err != nil {
			return err
		}
		if used {
			return l2gw.GatewayInUse(id)
		}
		if err := deleteDevices(ctx, tx, id); err != nil {
			return err
		}
		n, err := count(tx.NewDelete().Model((*gatewayRow)(nil)).Where("id = ?", id).Exec(ctx))
		if err == nil && n == 0 {
			err = l2gw.GatewayNotFound(id)
		}
		return err
	})
}
