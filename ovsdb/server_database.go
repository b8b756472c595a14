package ovsdb

import (
	"slices"
)

// database is one database of a server. It is guarded by the server's mutex.
type database struct {
	schema *Schema
	text   []byte // the schema's JSON form
	tables map[string]*dbTable

	triggers []*trigger // transactions that wait
	monitors []*monitor
	watchers map[chan struct{}]struct{}
	dirty    bool // changed since the triggers were tried
	readOnly bool // to clients: _Server
}

// dbTable is a table's rows and what is kept to check them in time that does
// not grow with their number.
type dbTable struct {
	schema  *TableSchema
	columns []*ColumnSchema // in order of their names
	at      map[string]int  // position of a column
	strong  []refColumn
	weak    []refColumn
	indexed [][]int // per index of the schema the positions of its columns

	rows    map[UUID]*dbRow
	refs    map[UUID]int                // strong references to a row of this table, its own left out
	weakTo  map[UUID]map[weakSource]int // weak references to a row of this table, which may not be there (yet)
	indexes []map[string]UUID
}

// refColumn is a column with references: in its key, its value or both.
type refColumn struct {
	at         int
	key, value *dbTable // nil if there is no reference of that kind
}

// weakSource is a row that has a weak reference.
type weakSource struct {
	table *dbTable
	row   UUID
}

// dbRow is one version of a row. It is immutable.
type dbRow struct {
	table   *dbTable
	uuid    UUID
	version UUID
	values  []Value // as dbTable.columns
}

// The columns that each table has besides those of its schema.
var (
	uuidColumn    = &ColumnSchema{Name: "_uuid", Type: ColumnType{Key: BaseType{Type: TypeUUID}, Min: 1, Max: 1}}
	versionColumn = &ColumnSchema{Name: "_version", Ephemeral: true, Type: ColumnType{Key: BaseType{Type: TypeUUID}, Min: 1, Max: 1}}
)

// Positions of those columns where others have their index in dbTable.columns.
const (
	atUUID    = -1
	atVersion = -2
)

func newDatabase(schema *Schema, text []byte) *database {
	d := &database{schema: schema, text: text, tables: make(map[string]*dbTable, len(schema.Tables)), watchers: make(map[chan struct{}]struct{})}
	for name, ts := range schema.Tables {
		t := &dbTable{
			schema: ts, at: map[string]int{"_uuid": atUUID, "_version": atVersion},
			rows: make(map[UUID]*dbRow), refs: make(map[UUID]int), weakTo: make(map[UUID]map[weakSource]int),
		}
		for _, c := range ts.Columns {
			t.columns = append(t.columns, c)
		}
		slices.SortFunc(t.columns, func(a, b *ColumnSchema) int { return CompareAtoms(a.Name, b.Name) })
		for i, c := range t.columns {
			t.at[c.Name] = i
		}
		for _, index := range ts.Indexes {
			at := make([]int, len(index))
			for i, c := range index {
				at[i] = t.at[c]
			}
			t.indexed = append(t.indexed, at)
			t.indexes = append(t.indexes, make(map[string]UUID))
		}
		d.tables[name] = t
	}
	for _, t := range d.tables {
		for i, c := range t.columns {
			var strong, weak refColumn
			target := func(b *BaseType, strong, weak **dbTable) {
				switch {
				case b == nil || b.RefTable == "":
				case b.RefWeak:
					*weak = d.tables[b.RefTable]
				default:
					*strong = d.tables[b.RefTable]
				}
			}
			target(&c.Type.Key, &strong.key, &weak.key)
			target(c.Type.Value, &strong.value, &weak.value)
			if strong != (refColumn{}) {
				strong.at = i
				t.strong = append(t.strong, strong)
			}
			if weak != (refColumn{}) {
				weak.at = i
				t.weak = append(t.weak, weak)
			}
		}
	}
	return d
}

// column returns the schema of a column and its position, or nil.
func (t *dbTable) column(name string) (*ColumnSchema, int) {
	at, ok := t.at[name]
	switch {
	case !ok:
		return nil, 0
	case at == atUUID:
		return uuidColumn, at
	case at == atVersion:
		return versionColumn, at
	}
	return t.columns[at], at
}

// allColumns are the positions of the schema's columns.
func (t *dbTable) allColumns() []int {
	all := make([]int, len(t.columns))
	for i := range all {
		all[i] = i
	}
	return all
}

func (t *dbTable) name(at int) string {
	switch at {
	case atUUID:
		return "_uuid"
	case atVersion:
		return "_version"
	}
	return t.columns[at].Name
}

// value returns a column's value by its position.
func (r *dbRow) value(at int) Value {
	switch at {
	case atUUID:
		return r.uuid
	case atVersion:
		return r.version
	}
	return r.values[at]
}

// with returns the row with one value changed.
func (r *dbRow) with(at int, v Value) *dbRow {
	n := *r
	n.values = slices.Clone(r.values)
	n.values[at] = v
	return &n
}

// sameValues reports whether two rows differ in their version at most.
func (r *dbRow) sameValues(o *dbRow) bool { return slices.EqualFunc(r.values, o.values, Equal) }

func (r *dbRow) indexKey(at []int) string {
	b := make([]byte, 0, 48)
	for _, i := range at {
		b = appendKey(b, r.values[i])
	}
	return string(b)
}

// references calls found for each reference that v has.
func (c refColumn) references(v Value, found func(*dbTable, UUID)) {
	one := func(t *dbTable, a Value) {
		if u, ok := a.(UUID); ok && t != nil {
			found(t, u)
		}
	}
	switch v := v.(type) {
	case Set:
		for _, a := range v.atoms {
			one(c.key, a)
		}
	case Map:
		for _, p := range v.pairs {
			one(c.key, p.Key)
			one(c.value, p.Value)
		}
	default:
		one(c.key, v)
	}
}

// without returns v without the elements whose references dead reports, and
// how many there were.
func (c refColumn) without(v Value, dead func(*dbTable, UUID) bool) (Value, int) {
	gone := func(t *dbTable, a Value) bool {
		u, ok := a.(UUID)
		return ok && t != nil && dead(t, u)
	}
	switch v := v.(type) {
	case Set:
		keep := slices.DeleteFunc(slices.Clone(v.atoms), func(a Value) bool { return gone(c.key, a) })
		return Set{keep}, len(v.atoms) - len(keep)
	case Map:
		keep := slices.DeleteFunc(slices.Clone(v.pairs), func(p Pair) bool { return gone(c.key, p.Key) || gone(c.value, p.Value) })
		return Map{keep}, len(v.pairs) - len(keep)
	}
	if gone(c.key, v) {
		return Set{}, 1
	}
	return v, 0
}
