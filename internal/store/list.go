package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"l2gw"

	"github.com/uptrace/bun"
)

// Query says which objects of a list to return and in which order. The zero
// Query returns all, oldest first. Attributes have their names in the API:
//
//   - both: id, project_id (tenant_id), description, created_at, updated_at, revision_number
//   - gateways: name
//   - connections: l2_gateway_id, network_id, segmentation_id ("" means none)
type Query struct {
	// Filter returns only objects whose attribute has one of the values given for
	// it. Times are RFC 3339, by the second. Attributes that are not listed above
	// are ignored, as Neutron does.
	Filter map[string][]string
	// Sort orders by the first key, among equals by the next and so on, at last by
	// id, in the direction of the last key: then an index has the whole order.
	Sort []SortKey
	// Limit is the length of a page; 0 means all.
	Limit int
	// Marker is the id of the object after which the page begins; "" means the start.
	Marker string
	// Reverse returns the page that ends before Marker, or the last one; its
	// objects come in the same order as otherwise.
	Reverse bool
}

// SortKey is an attribute to sort by.
type SortKey struct {
	Key        string
	Descending bool
}

type columnKind int

const (
	text columnKind = iota
	number
	moment // microseconds; compared by the second
	vlan   // noVLAN for none
)

type column struct {
	name string
	kind columnKind
}

var gatewayColumns = map[string]column{
	"id":              {"id", text},
	"name":            {"name", text},
	"project_id":      {"project_id", text},
	"tenant_id":       {"project_id", text},
	"description":     {"description", text},
	"created_at":      {"created_at", moment},
	"updated_at":      {"updated_at", moment},
	"revision_number": {"revision", number},
}

var connectionColumns = map[string]column{
	"id":              {"id", text},
	"l2_gateway_id":   {"gateway_id", text},
	"network_id":      {"network_id", text},
	"segmentation_id": {"vlan", vlan},
	"project_id":      {"project_id", text},
	"tenant_id":       {"project_id", text},
	"description":     {"description", text},
	"created_at":      {"created_at", moment},
	"updated_at":      {"updated_at", moment},
	"revision_number": {"revision", number},
}

// Gateways returns the gateways that q asks for. Errors: Invalid for an unknown
// sort key or marker.
func (s *Store) Gateways(ctx context.Context, q Query) ([]l2gw.Gateway, error) {
	return listAs(ctx, s, q, gatewayColumns, gatewayRow.gateway, loadDevices)
}

// Connections returns the connections that q asks for. Errors: Invalid for an
// unknown sort key or marker.
func (s *Store) Connections(ctx context.Context, q Query) ([]l2gw.Connection, error) {
	return listAs(ctx, s, q, connectionColumns, connectionRow.connection, nil)
}

// listAs reads rows and turns each into what it stands for; complete (or nil)
// adds what other tables have, at the same moment.
func listAs[R, T any](ctx context.Context, s *Store, q Query, columns map[string]column,
	convert func(R) T, complete func(ctx context.Context, tx bun.Tx, some []T, all bool) error,
) (all []T, err error) {
	err = s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		rows, err := list[R](ctx, tx, q, columns, s.rowwise)
		if err != nil {
			return err
		}
		all = make([]T, len(rows))
		for i, r := range rows {
			all[i] = convert(r)
		}
		if complete == nil {
			return nil
		}
		return complete(ctx, tx, all, len(q.Filter) == 0 && q.Limit == 0 && q.Marker == "")
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func list[R any](ctx context.Context, tx bun.Tx, q Query, columns map[string]column, rowwise bool) ([]R, error) {
	var rows []R
	query, err := selectPage(ctx, tx, &rows, q, columns, rowwise)
	if err != nil {
		return nil, err
	}
	if err := query.Scan(ctx); err != nil {
		return nil, err
	}
	if q.Reverse {
		slices.Reverse(rows)
	}
	return rows, nil
}

// selectPage returns the statement that reads into rows what q asks for.
func selectPage[R any](ctx context.Context, tx bun.Tx, rows *[]R, q Query, columns map[string]column, rowwise bool) (*bun.SelectQuery, error) {
	sort, err := sortColumns(q, columns)
	if err != nil {
		return nil, err
	}
	query := filters(tx.NewSelect().Model(rows), q.Filter, columns)
	if q.Marker != "" {
		if query, err = after[R](ctx, tx, query, q.Marker, sort, rowwise); err != nil {
			return nil, err
		}
	}
	query = inOrder(query, sort)
	if q.Limit > 0 {
		query = query.Limit(int64(q.Limit))
	}
	if rowwise || q.Marker == "" || q.Limit == 0 || len(q.Filter) == 0 {
		return query, nil
	}
	// MariaDB and MySQL weigh the index against the whole table by all that lies beyond
	// the marker, not by the page, and read what the filter finds from its beginning. Ids
	// alone are in the index, and so it is entered at the marker.
	page := query.Model((*R)(nil)).Column("id")
	return inOrder(tx.NewSelect().Model(rows).Where("id IN (SELECT id FROM (?) AS page)", page), sort), nil
}

// inOrder sorts by columns.

func inOrder(query *bun.SelectQuery, sort []SortKey) *bun.SelectQuery {
	for _, k := range sort {
		direction := "ASC"
		if k.Descending {
			direction = "DESC"
		}
		query = query.OrderExpr("? "+direction, bun.Ident(k.Key))
	}
	return query
}

// sortColumns returns the columns to sort by, a total order, in the direction of reading.
func sortColumns(q Query, columns map[string]column) ([]SortKey, error) {
	var sort []SortKey
	keys := q.Sort
	if len(keys) == 0 {
		keys = []SortKey{{Key: "created_at"}}
	}
	last := SortKey{Key: "id", Descending: keys[len(keys)-1].Descending}
	for _, k := range append(slices.Clone(keys), last) {
		c, known := columns[k.Key]
		if !known {
			return nil, l2gw.BadSortKey(k.Key)
		}
		if !slices.ContainsFunc(sort, func(o SortKey) bool { return o.Key == c.name }) {
			sort = append(sort, SortKey{c.name, k.Descending != q.Reverse})
		}
	}
	return sort, nil
}

// maxTogether is how many combinations of values an engine may look up in an index of
// several columns.
const maxTogether = 10_000

// filters keeps rows that have one of the values of each attribute. Of those with very
// many values together only the one with the fewest may enter an index: SQLite would
// look there for each of its values with each of the others', which takes seconds.
func filters(query *bun.SelectQuery, filter map[string][]string, columns map[string]column) *bun.SelectQuery {
	var known []string
	together := 1
	for attribute, values := range filter {
		if _, ok := columns[attribute]; ok {
			known = append(known, attribute)
			together = min(together*max(1, len(values)), maxTogether+1)
		}
	}
	slices.SortFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(filter[a]), len(filter[b])), strings.Compare(a, b))
	})
	for i, attribute := range known {
		query = columns[attribute].filter(query, filter[attribute], i == 0 || together <= maxTogether)
	}
	return query
}

// filter keeps rows whose column has one of values; a value that the column
// cannot have matches nothing. One value is a plain equation, by which an index
// serves the filter and the order together; many values may enter an index if indexed.
func (c column) filter(q *bun.SelectQuery, values []string, indexed bool) *bun.SelectQuery {
	var equal []any
	var since []time.Time
	for _, v := range values {
		switch c.kind {
		case text:
			if storable(v) {
				equal = append(equal, v)
			}
		case number:
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				equal = append(equal, n)
			}
		case moment:
			if t, err := time.Parse(time.RFC3339, v); err == nil {
				since = append(since, t.Truncate(time.Second))
			}
		case vlan:
			if v == "" {
				equal = append(equal, noVLAN)
			} else if n, err := l2gw.ParseVLAN(v); err == nil {
				equal = append(equal, int(n))
			}
		}
	}
	switch {
	case len(equal) == 1:
		return q.Where("? = ?", bun.Ident(c.name), equal[0])
	case len(equal) > 1 && indexed:
		return q.Where("? IN (?)", bun.Ident(c.name), bun.List(equal))
	case len(equal) > 1:
		return q.Where("(? IN (?)) IS TRUE", bun.Ident(c.name), bun.List(equal))
	case len(since) == 0:
		return q.Where("1 = 0")
	}
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, t := range since {
			q = q.WhereOr("? >= ? AND ? < ?", bun.Ident(c.name), t.UnixMicro(), bun.Ident(c.name), t.Add(time.Second).UnixMicro())
		}
		return q
	})
}

// storable reports whether some column can hold v at all: engines differ in what
// they do with other text.
func storable(v string) bool {
	return utf8.ValidString(v) && !strings.ContainsRune(v, 0)
}

// after keeps the rows that come after the marker's in the order of sort: those
// greater in the first column, or equal in it and greater in the next, and so on.
func after[R any](ctx context.Context, tx bun.Tx, query *bun.SelectQuery, marker string, sort []SortKey, rowwise bool) (*bun.SelectQuery, error) {
	values := make([]any, len(sort))
	into := make([]any, len(sort))
	row := tx.NewSelect().Model((*R)(nil)).Where("id = ?", marker)
	for i, k := range sort {
		row = row.Column(k.Key)
		into[i] = &values[i]
	}
	if !storable(marker) {
		return nil, l2gw.MarkerNotFound(marker)
	}
	if err := row.Scan(ctx, into...); err != nil {
		return nil, found(err, l2gw.MarkerNotFound(marker))
	}
	for i, v := range values {
		if b, isBytes := v.([]byte); isBytes { // some drivers give text so
			values[i] = string(b)
		}
	}
	return beyond(query, sort, values, rowwise), nil
}

// beyond keeps the rows beyond the values of the sort's columns such that an index
// is entered at that place, and not read from its beginning.
//
// SQLite and PostgreSQL enter an index by a comparison of rows, if all columns
// have one direction; MariaDB and MySQL do not, but understand the same written
// out. Where directions differ, the first column at least has a bound.
func beyond(query *bun.SelectQuery, sort []SortKey, values []any, rowwise bool) *bun.SelectQuery {
	comparison := func(descending bool) string {
		if descending {
			return "<"
		}
		return ">"
	}
	first := sort[0]
	mixed := slices.ContainsFunc(sort, func(k SortKey) bool { return k.Descending != first.Descending })
	if rowwise && !mixed {
		columns := make([]any, len(sort))
		for i, k := range sort {
			columns[i] = bun.Ident(k.Key)
		}
		return query.Where("(?) "+comparison(first.Descending)+" (?)", bun.List(columns), bun.List(values))
	}
	if mixed {
		query = query.Where("? "+comparison(first.Descending)+"= ?", bun.Ident(first.Key), values[0])
	}
	return query.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for i, k := range sort {
			q = q.WhereGroup(" OR ", func(q *bun.SelectQuery) *bun.SelectQuery {
				for j := range i {
					q = q.Where("? = ?", bun.Ident(sort[j].Key), values[j])
				}
				return q.Where("? "+comparison(k.Descending)+" ?", bun.Ident(k.Key), values[i])
			})
		}
		return q
	})
}
