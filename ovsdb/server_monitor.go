package ovsdb

import (
	"slices"
)

// changeKind is what a monitor can be asked to tell (RFC 7047 §4.1.5, <monitor-select>).
type changeKind uint8

const (
	changeInitial changeKind = 1 << iota
	changeInsert
	changeDelete
	changeModify
)

// noticeKind is how a monitor's client is told of changes.
type noticeKind int

const (
	noticeUpdate  noticeKind = 1 + iota // "update" (RFC 7047 §4.1.6)
	noticeUpdate2                       // "update2" (ovsdb-server(7) §4.1.14)
	noticeUpdate3                       // "update3" (ovsdb-server(7) §4.1.16)
)

// monitor is one client's view of a database (RFC 7047 §4.1.5, and
// ovsdb-server(7) §4.1.12 for those with conditions). It is guarded by the
// server's mutex.
type monitor struct {
	id     []byte // JSON
	to     *session
	db     *database
	format noticeKind
	tables map[*dbTable]*monitoredTable
	order  []*dbTable
}

type monitoredTable struct {
	columns []monitoredColumn
	kinds   changeKind // of any column
	where   []clause   // a row is seen if it meets one of them; if there is none, always
}

type monitoredColumn struct {
	at    int
	kinds changeKind
}

// sees reports whether the condition shows the row; it does not show nil.
func (m *monitoredTable) sees(r *dbRow) bool {
	return r != nil && (len(m.where) == 0 || slices.ContainsFunc(m.where, func(c clause) bool { return c.matches(r) }))
}

// parse reads the <monitor-requests> of one table.
func (m *monitor) parse(table string, request any) *Error {
	t := m.db.tables[table]
	if t == nil {
		return &Error{Code: ErrSyntax.Error(), Details: "no table named " + table}
	}
	mt := &monitoredTable{}
	m.tables[t] = mt
	m.order = append(m.order, t)
	requests, ok := request.([]any)
	if !ok {
		requests = []any{request}
	}
	for _, r := range requests {
		if err := m.parseRequest(t, mt, r); err != nil {
			return err
		}
	}
	return nil
}

func (m *monitor) parseRequest(t *dbTable, mt *monitoredTable, request any) *Error {
	p := &opParser{json: request, name: "table " + t.schema.Name}
	var where []any
	if m.format != noticeUpdate {
		where, _ = p.optionalArray("where")
	}
	columns, given := p.optionalArray("columns")
	choice, chosen := member[jsonObject](p, "select", false, nil)
	if err := p.finish(); err != nil {
		return err
	}
	kinds := changeInitial | changeInsert | changeDelete | changeModify
	if chosen {
		s := &opParser{json: choice, name: "table " + t.schema.Name + " select"}
		for kind, name := range map[changeKind]string{
			changeInitial: "initial", changeInsert: "insert", changeDelete: "delete", changeModify: "modify",
		} {
			if !s.optionalBool(name, true) {
				kinds &^= kind
			}
		}
		if err := s.finish(); err != nil {
			return err
		}
	}
	mt.kinds |= kinds
	at := append(t.allColumns(), atVersion)
	if given {
		at = at[:0]
		for _, c := range columns {
			name, ok := c.(string)
			if !ok {
				return syntaxError(columns, "array of column names expected")
			}
			column, i := t.column(name)
			if column == nil {
				return syntaxError(columns, "%s is not a valid column name", name)
			}
			at = append(at, i)
		}
	}
	for _, i := range at {
		if slices.ContainsFunc(mt.columns, func(c monitoredColumn) bool { return c.at == i }) {
			var quoted any = columns
			if !given {
				quoted = request
			}
			return syntaxError(quoted, "column %s mentioned more than once", t.name(i))
		}
		mt.columns = append(mt.columns, monitoredColumn{i, kinds})
	}
	var err *Error
	if where != nil {
		mt.where, err = t.parseConditions(where, nil)
	}
	return err
}

// change reads the <monitor-cond-update-requests> of one table.
func (m *monitor) change(table string, request any) (map[*dbTable][]clause, *Error) {
	t := m.db.tables[table]
	if t == nil {
		return nil, &Error{Code: ErrSyntax.Error(), Details: "no table named " + table}
	}
	if m.tables[t] == nil {
		return nil, &Error{Code: ErrSyntax.Error(), Details: "no table named " + table + " in monitor session"}
	}
	requests, ok := request.([]any)
	if !ok {
		return nil, &Error{Code: ErrSyntax.Error(), Details: "table " + table + " no monitor-cond-change JSON array"}
	}
	changed := make(map[*dbTable][]clause)
	for _, r := range requests {
		p := &opParser{json: r, name: "table " + table}
		_, columns := p.optionalArray("columns")
		where, given := p.optionalArray("where")
		if err := p.finish(); err != nil {
			return nil, err
		}
		if columns {
			return nil, syntaxError(r, "changing columns is unsupported")
		}
		if !given {
			continue
		}
		clauses, err := t.parseConditions(where, nil)
		if err != nil {
			return nil, err
		}
		changed[t] = clauses
	}
	return changed, nil
}

// updates is a <table-updates> or <table-updates2> in the making.
type updates struct {
	b           []byte
	table, rows int
	open        bool // the object of a table
}

func (u *updates) begin(t *dbTable, row UUID) {
	if !u.open {
		if u.table++; u.table > 1 {
			u.b = append(u.b, ',')
		} else {
			u.b = append(u.b, '{')
		}
		u.b = appendString(u.b, t.schema.Name)
		u.b = append(u.b, ":{"...)
		u.open, u.rows = true, 0
	}
	if u.rows++; u.rows > 1 {
		u.b = append(u.b, ',')
	}
	u.b = append(u.b, '"')
	u.b = row.append(u.b)
	u.b = append(u.b, `":`...)
}

func (u *updates) endTable() {
	if u.open {
		u.b = append(u.b, '}')
		u.open = false
	}
}

// finish returns the whole, "{}" if there is nothing in it.
func (u *updates) finish() []byte {
	if u.table == 0 {
		return append(u.b, "{}"...)
	}
	return append(u.b, '}')
}

// initial is what a new monitor is answered.
func (m *monitor) initial() []byte {
	var u updates
	for _, t := range m.order {
		mt := m.tables[t]
		if mt.kinds&changeInitial == 0 {
			continue
		}
		for _, r := range t.rows {
			if mt.sees(r) {
				m.row(&u, mt, changeInitial, nil, r)
			}
		}
		u.endTable()
	}
	return u.finish()
}

// changes is what the monitor is told of a transaction; nil if nothing.
func (m *monitor) changes(changes []*change) []byte {
	var u updates
	var last *dbTable
	for _, c := range changes { // those of one table stand together
		if c.table != last {
			u.endTable()
			last = c.table
		}
		mt := m.tables[c.table]
		if mt == nil {
			continue
		}
		m.rowChange(&u, mt, mt.sees(c.old), mt.sees(c.new), c.old, c.new)
	}
	u.endTable()
	if u.table == 0 {
		return nil
	}
	return u.finish()
}

// newConditions sets conditions and returns what the client sees otherwise than before; nil if nothing.
func (m *monitor) newConditions(where map[*dbTable][]clause) []byte {
	var u updates
	for _, t := range m.order {
		clauses, ok := where[t]
		if !ok {
			continue
		}
		mt := m.tables[t]
		before := *mt
		mt.where = clauses
		for _, r := range t.rows {
			if saw, sees := before.sees(r), mt.sees(r); saw != sees {
				m.rowChange(&u, mt, saw, sees, r, r)
			}
		}
		u.endTable()
	}
	if u.table == 0 {
		return nil
	}
	return u.finish()
}

func (m *monitor) rowChange(u *updates, mt *monitoredTable, saw, sees bool, old, now *dbRow) {
	var kind changeKind
	switch {
	case saw && sees:
		kind = changeModify
	case saw:
		kind = changeDelete
	case sees:
		kind = changeInsert
	}
	if mt.kinds&kind == 0 {
		return
	}
	if kind == changeModify && !mt.differ(old, now) {
		return
	}
	m.row(u, mt, kind, old, now)
}

// differ reports whether two versions of a row differ in a monitored column or
// in one of the condition: ovsdb-server tells of the latter, too, though there
// is nothing to say.
func (m *monitoredTable) differ(old, now *dbRow) bool {
	changed := func(at int) bool { return !Equal(old.value(at), now.value(at)) }
	return slices.ContainsFunc(m.columns, func(c monitoredColumn) bool { return changed(c.at) }) ||
		slices.ContainsFunc(m.where, func(c clause) bool { return c.function != "" && changed(c.at) })
}

// row adds one <row-update> or <row-update2>.
func (m *monitor) row(u *updates, mt *monitoredTable, kind changeKind, old, now *dbRow) {
	r := now
	if r == nil {
		r = old
	}
	u.begin(r.table, r.uuid)
	if m.format == noticeUpdate {
		u.b = appendRowUpdate(u.b, r.table, mt, kind, old, now)
		return
	}
	u.b = appendRowUpdate2(u.b, r.table, mt, kind, old, now)
}

func appendRowUpdate(b []byte, t *dbTable, mt *monitoredTable, kind changeKind, old, now *dbRow) []byte {
	b = append(b, '{')
	if kind == changeDelete || kind == changeModify {
		b = append(b, `"old":`...)
		b = appendRow(b, t, mt, kind, func(at int) (Value, bool) {
			v := old.value(at)
			return v, kind == changeDelete || !Equal(v, now.value(at))
		})
		if kind == changeDelete {
			return append(b, '}')
		}
		b = append(b, ',')
	}
	b = append(b, `"new":`...)
	b = appendRow(b, t, mt, kind, func(at int) (Value, bool) { return now.value(at), true })
	return append(b, '}')
}

func appendRowUpdate2(b []byte, t *dbTable, mt *monitoredTable, kind changeKind, old, now *dbRow) []byte {
	switch kind {
	case changeDelete:
		return append(b, `{"delete":null}`...)
	case changeModify:
		b = append(b, `{"modify":`...)
		b = appendRow(b, t, mt, kind, func(at int) (Value, bool) {
			before, after := old.value(at), now.value(at)
			if Equal(before, after) {
				return nil, false
			}
			if at < 0 {
				return after, true
			}
			return difference(before, after, &t.columns[at].Type), true
		})
		return append(b, '}')
	case changeInitial:
		b = append(b, `{"initial":`...)
	case changeInsert:
		b = append(b, `{"insert":`...)
	}
	b = appendRow(b, t, mt, kind, func(at int) (Value, bool) {
		v := now.value(at)
		return v, at < 0 || !Equal(v, t.columns[at].Type.Default())
	})
	return append(b, '}')
}

// appendRow writes the columns for which there is something to tell.
func appendRow(b []byte, t *dbTable, mt *monitoredTable, kind changeKind, value func(at int) (Value, bool)) []byte {
	b = append(b, '{')
	n := 0
	for _, c := range mt.columns {
		if c.kinds&kind == 0 {
			continue
		}
		v, tell := value(c.at)
		if !tell {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = appendString(b, t.name(c.at))
		b = append(b, ':')
		b = AppendValue(b, v)
	}
	return append(b, '}')
}

// difference is what update2 tells of a changed column (ovsdb-server(7)
// §4.1.14): the new value, or of sets the elements that only one of both has,
// and of maps the pairs that are new, changed (with the new value) or gone
// (with the old one).
func difference(old, now Value, t *ColumnType) Value {
	if t.Max == 1 {
		return now
	}
	switch now := now.(type) {
	case Set:
		old, _ := old.(Set)
		return Set{mergeDifference(old.atoms, now.atoms, CompareAtoms, func(Value, Value) bool { return true })}
	case Map:
		old, _ := old.(Map)
		return Map{mergeDifference(old.pairs, now.pairs,
			func(a, b Pair) int { return CompareAtoms(a.Key, b.Key) },
			func(a, b Pair) bool { return atomsEqual(a.Value, b.Value) })}
	}
	return now
}

// mergeDifference goes through two sorted slices; of elements that compare as
// equal and are not the same it takes the one of now.
func mergeDifference[E any](old, now []E, compare func(a, b E) int, same func(a, b E) bool) []E {
	var out []E
	for len(old) > 0 && len(now) > 0 {
		switch c := compare(old[0], now[0]); {
		case c < 0:
			out, old = append(out, old[0]), old[1:]
		case c > 0:
			out, now = append(out, now[0]), now[1:]
		default:
			if !same(old[0], now[0]) {
				out = append(out, now[0])
			}
			old, now = old[1:], now[1:]
		}
	}
	return append(append(out, old...), now...)
}
