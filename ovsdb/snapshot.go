package ovsdb

import (
	"encoding/binary"
	"iter"
	"math"

	"l2gw/internal/cow"
)

// Layout says which columns the rows of one table in a cache have, and how
// they are indexed. It is immutable.
type Layout struct {
	Table   *TableSchema
	Columns []*ColumnSchema
	Indexes []Index

	position map[string]int
	indexed  [][]int // per index the positions of its columns
}

// Index asks for a lookup by the values of some columns; several rows may have
// the same values.
type Index struct {
	Name    string
	Columns []string
}

// NewLayout makes the layout of the named columns of t; a column or an index
// with a column that t lacks is left out.
func NewLayout(t *TableSchema, columns []string, indexes ...Index) *Layout {
	l := &Layout{Table: t, position: make(map[string]int)}
	for _, name := range columns {
		if c, ok := t.Columns[name]; ok {
			l.position[name] = len(l.Columns)
			l.Columns = append(l.Columns, c)
		}
	}
index:
	for _, ix := range indexes {
		var at []int
		for _, name := range ix.Columns {
			p, ok := l.position[name]
			if !ok {
				continue index
			}
			at = append(at, p)
		}
		l.Indexes = append(l.Indexes, ix)
		l.indexed = append(l.indexed, at)
	}
	return l
}

// Has reports whether rows of this layout have the column.
func (l *Layout) Has(column string) bool { _, ok := l.position[column]; return ok }

// Row is one row as the cache knows it. It is immutable.
type Row struct {
	uuid   UUID
	layout *Layout
	values []Value // as layout.Columns; never nil
}

// NewRow makes a row; values are in the order of layout.Columns and belong to the row from then on.
func NewRow(layout *Layout, uuid UUID, values []Value) *Row {
	return &Row{uuid: uuid, layout: layout, values: values}
}

// UUID is the row's identity.
func (r *Row) UUID() UUID { return r.uuid }

// Layout tells the row's columns.
func (r *Row) Layout() *Layout { return r.layout }

// Values are the row's values in the order of its layout's columns; not to be changed.
func (r *Row) Values() []Value { return r.values }

// Get returns the value of a column, nil if the cache does not hold that column.
func (r *Row) Get(column string) Value {
	if i, ok := r.layout.position[column]; ok {
		return r.values[i]
	}
	return nil
}

// Str returns a string column, or "" if it is none. An optional one without a value is "".
func (r *Row) Str(column string) string { s, _ := one(r.Get(column)).(string); return s }

// Int returns an integer column and whether there is a value.
func (r *Row) Int(column string) (int64, bool) { i, ok := one(r.Get(column)).(int64); return i, ok }

// Ref returns a uuid column, the zero UUID if there is no value.
func (r *Row) Ref(column string) UUID { u, _ := one(r.Get(column)).(UUID); return u }

// Set returns a set column; a scalar as a set of one.
func (r *Row) Set(column string) Set {
	switch v := r.Get(column).(type) {
	case Set:
		return v
	case Map, nil:
		return Set{}
	default:
		return Set{[]Value{v}}
	}
}

// Map returns a map column, the empty Map if it is none.
func (r *Row) Map(column string) Map { m, _ := r.Get(column).(Map); return m }

func one(v Value) Value {
	if s, ok := v.(Set); ok {
		if s.Len() == 1 {
			return s.At(0)
		}
		return nil
	}
	return v
}

// Table is one table of a Snapshot. A nil *Table is an empty one: what a
// schema lacks can be read like what is not there.
type Table struct {
	layout  *Layout
	rows    cow.Map[UUID, *Row]
	indexes []cow.Map[string, Rows]
}

// Layout tells the columns that the table's rows have; nil for a nil Table.
func (t *Table) Layout() *Layout {
	if t == nil {
		return nil
	}
	return t.layout
}

// Len is the number of rows.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.rows.Len()
}

// Get returns the row with that identity, or nil.
func (t *Table) Get(u UUID) *Row {
	if t == nil {
		return nil
	}
	r, _ := t.rows.Get(u)
	return r
}

// All iterates over the rows, in no particular order.
func (t *Table) All() iter.Seq[*Row] {
	if t == nil {
		return func(func(*Row) bool) {}
	}
	return t.rows.Values()
}

// Lookup returns the rows whose columns of that index have the given values. A
// table without the index is searched whole.
func (t *Table) Lookup(index Index, values ...Value) Rows {
	if t == nil {
		return Rows{}
	}
	for i, ix := range t.layout.Indexes {
		if ix.Name == index.Name {
			rows, _ := t.indexes[i].Get(indexKey(values))
			return rows
		}
	}
	var found []*Row
search:
	for r := range t.rows.Values() {
		for i, c := range index.Columns {
			if !Equal(r.Get(c), values[i]) {
				continue search
			}
		}
		found = append(found, r)
	}
	return rowsOf(found)
}

// Snapshot is the contents of a database at one moment, between two
// transactions of the server. It is immutable.
type Snapshot struct {
	Schema *Schema
	tables map[string]*Table
}

// NewSnapshot returns a snapshot without rows.
func NewSnapshot(schema *Schema, layouts ...*Layout) *Snapshot {
	s := &Snapshot{Schema: schema, tables: make(map[string]*Table, len(layouts))}
	for _, l := range layouts {
		s.tables[l.Table.Name] = &Table{layout: l, indexes: make([]cow.Map[string, Rows], len(l.Indexes))}
	}
	return s
}

// Table returns the table of that name, nil if the cache does not hold it. A nil Snapshot has no tables.
func (s *Snapshot) Table(name string) *Table {
	if s == nil {
		return nil
	}
	return s.tables[name]
}

// indexKey joins values into a key that only equal values have.
func indexKey(values []Value) string {
	b := make([]byte, 0, 48)
	for _, v := range values {
		b = appendKey(b, v)
	}
	return string(b)
}

func rowKey(r *Row, at []int) string {
	b := make([]byte, 0, 48)
	for _, i := range at {
		b = appendKey(b, r.values[i])
	}
	return string(b)
}

func appendKey(b []byte, v Value) []byte {
	switch v := v.(type) {
	case UUID:
		return append(append(b, 'u'), v[:]...)
	case string:
		b = binary.AppendUvarint(append(b, 's'), uint64(len(v)))
		return append(b, v...)
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'r'), math.Float64bits(v+0)) // -0 is 0
	case bool:
		if v {
			return append(b, 't')
		}
		return append(b, 'f')
	case Set:
		b = binary.AppendUvarint(append(b, 'S'), uint64(v.Len()))
		for a := range v.All() {
			b = appendKey(b, a)
		}
		return b
	case Map:
		b = binary.AppendUvarint(append(b, 'M'), uint64(v.Len()))
		for k, x := range v.All() {
			b = appendKey(appendKey(b, k), x)
		}
		return b
	}
	return append(b, '0')
}
