package ovsdb

import (
	"fmt"
	"math"
)

// AtomType is one of the five types that an atom can have (RFC 7047 §3.2, <atomic-type>).
type AtomType string

// The atomic types.
const (
	TypeInteger AtomType = "integer"
	TypeReal    AtomType = "real"
	TypeBoolean AtomType = "boolean"
	TypeString  AtomType = "string"
	TypeUUID    AtomType = "uuid"
)

// Schema is a database's schema (RFC 7047 §3.2). It is immutable.
type Schema struct {
	Name    string
	Version string
	Cksum   string
	Tables  map[string]*TableSchema
}

// TableSchema is one table.
type TableSchema struct {
	Name    string
	Columns map[string]*ColumnSchema // without _uuid and _version
	MaxRows int64                    // math.MaxInt64 if there is no limit
	IsRoot  bool                     // rows live without being referred to; all tables' do if no table of the schema says isRoot
	Indexes [][]string
}

// ColumnSchema is one column.
type ColumnSchema struct {
	Name      string
	Type      ColumnType
	Ephemeral bool
	Mutable   bool
}

// ColumnType is what a column may hold (RFC 7047 §3.2, <type>).
type ColumnType struct {
	Key   BaseType
	Value *BaseType // nil unless the column is a map
	Min   int       // 0 or 1
	Max   int       // math.MaxInt if "unlimited"
}

// BaseType is what an atom may be (RFC 7047 §3.2, <base-type>).
type BaseType struct {
	Type                   AtomType
	Enum                   *Set // nil, or the only atoms allowed
	MinInteger, MaxInteger int64
	MinReal, MaxReal       float64
	MinLength, MaxLength   int    // of strings, in characters
	RefTable               string // uuid: the table referred to, or ""
	RefWeak                bool
}

// IsScalar reports whether the column holds exactly one atom.
func (t *ColumnType) IsScalar() bool { return t.Value == nil && t.Min == 1 && t.Max == 1 }

// IsMap reports whether the column holds a map.
func (t *ColumnType) IsMap() bool { return t.Value != nil }

// IsOptional reports whether the column holds one atom or none.
func (t *ColumnType) IsOptional() bool { return t.Value == nil && t.Min == 0 && t.Max == 1 }

// Unlimited is ColumnType.Max of a set or map of any size.
const Unlimited = math.MaxInt

// Default is the value of the column where an insert gives none (RFC 7047
// §5.2.1): the empty set or map, or one zero atom where the column must have one.
func (t *ColumnType) Default() Value {
	switch {
	case t.Min == 0 && t.IsMap():
		return Map{}
	case t.Min == 0:
		return Set{}
	case t.IsMap():
		return NewMap(Pair{t.Key.Default(), t.Value.Default()})
	case t.Max > 1:
		return NewSet(t.Key.Default())
	}
	return t.Key.Default()
}

// Default is the zero of the type. It need not be allowed: an enumeration or a
// range may lack it, and then ovsdb-server refuses an insert that gives no value.
func (b *BaseType) Default() Value {
	switch b.Type {
	case TypeInteger:
		return int64(0)
	case TypeReal:
		return float64(0)
	case TypeBoolean:
		return false
	case TypeString:
		return ""
	case TypeUUID:
		return UUID{}
	}
	panic(fmt.Sprintf("ovsdb: unknown atomic type %q", b.Type))
}

// Has reports whether the schema has the table and, if one is named, the column.
func (s *Schema) Has(table string, column ...string) bool {
	t, ok := s.Tables[table]
	if !ok {
		return false
	}
	for _, c := range column {
		if _, ok := t.Columns[c]; !ok {
			return false
		}
	}
	return true
}
