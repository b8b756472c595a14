package ovsdb

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Value is what a column holds (RFC 7047 §5.1, <value>). Its dynamic type
// follows from the column's type and is one of
//
//   - int64, float64, bool, string, UUID: a column that holds exactly one atom
//   - Set: every other column without values, optional ones (min 0, max 1) among them
//   - Map: a column with keys and values
//
// In operations a NamedUUID may stand wherever a UUID may. Values are immutable.
type Value any

// NamedUUID refers to the row that an insert of the same transaction creates
// under that "uuid-name" (RFC 7047 §5.1, <named-uuid>).
type NamedUUID string

// Set is an immutable set of atoms. The zero Set is empty.
type Set struct{ atoms []Value }

// NewSet returns the set of the given atoms; one given twice counts once.
func NewSet(atoms ...Value) Set {
	s := slices.Clone(atoms)
	slices.SortFunc(s, CompareAtoms)
	return Set{slices.CompactFunc(s, func(a, b Value) bool { return CompareAtoms(a, b) == 0 })}
}

// SetOf returns the set of the elements of s.
func SetOf[T int64 | float64 | bool | string | UUID | NamedUUID](s []T) Set {
	atoms := make([]Value, len(s))
	for i, v := range s {
		atoms[i] = v
	}
	slices.SortFunc(atoms, CompareAtoms)
	return Set{slices.CompactFunc(atoms, func(a, b Value) bool { return CompareAtoms(a, b) == 0 })}
}

// Len is the number of atoms.
func (s Set) Len() int { return len(s.atoms) }

// At returns the atom at position i of the set's order (CompareAtoms).
func (s Set) At(i int) Value { return s.atoms[i] }

// Has reports whether a is in the set.
func (s Set) Has(a Value) bool {
	_, ok := slices.BinarySearchFunc(s.atoms, a, CompareAtoms)
	return ok
}

// All iterates over the atoms in order.
func (s Set) All() iter.Seq[Value] { return slices.Values(s.atoms) }

// Map is an immutable map from atoms to atoms. The zero Map is empty.
type Map struct{ pairs []Pair }

// Pair is one key and its value.
type Pair struct{ Key, Value Value }

// NewMap returns the map of the given pairs; of two with the same key the later counts.
func NewMap(pairs ...Pair) Map {
	p := slices.Clone(pairs)
	slices.SortStableFunc(p, func(a, b Pair) int { return CompareAtoms(a.Key, b.Key) })
	out := p[:0]
	for i, x := range p {
		if i > 0 && CompareAtoms(out[len(out)-1].Key, x.Key) == 0 {
			out[len(out)-1] = x
			continue
		}
		out = append(out, x)
	}
	return Map{out}
}

// MapOf returns the map with the contents of m.
func MapOf[K int64 | string | UUID, V int64 | string | UUID | NamedUUID](m map[K]V) Map {
	pairs := make([]Pair, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, Pair{k, v})
	}
	return NewMap(pairs...)
}

// Len is the number of pairs.
func (m Map) Len() int { return len(m.pairs) }

// At returns the pair at position i of the order of the keys (CompareAtoms).
func (m Map) At(i int) Pair { return m.pairs[i] }

// Get returns the value of key and whether there is one.
func (m Map) Get(key Value) (Value, bool) {
	i, ok := slices.BinarySearchFunc(m.pairs, key, func(p Pair, k Value) int { return CompareAtoms(p.Key, k) })
	if !ok {
		return nil, false
	}
	return m.pairs[i].Value, true
}

// All iterates over the pairs in the order of the keys.
func (m Map) All() iter.Seq2[Value, Value] {
	return func(yield func(Value, Value) bool) {
		for _, p := range m.pairs {
			if !yield(p.Key, p.Value) {
				return
			}
		}
	}
}

// CompareAtoms orders atoms: within a type by value (strings and UUIDs by
// bytes), between types by type. It panics on a value that is no atom.
func CompareAtoms(a, b Value) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok {
			switch {
			case x == y:
				return 0
			case y:
				return -1
			}
			return 1
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case UUID:
		if y, ok := b.(UUID); ok {
			return bytes.Compare(x[:], y[:])
		}
	case NamedUUID:
		if y, ok := b.(NamedUUID); ok {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(atomOrder(a), atomOrder(b))
}

func atomOrder(a Value) int {
	switch a.(type) {
	case int64:
		return 0
	case float64:
		return 1
	case bool:
		return 2
	case string:
		return 3
	case UUID:
		return 4
	case NamedUUID:
		return 5
	}
	panic(fmt.Sprintf("ovsdb: %T is not an atom", a))
}

// Equal reports whether two values are the same.
func Equal(a, b Value) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case Set:
		y, ok := b.(Set)
		return ok && slices.EqualFunc(x.atoms, y.atoms, atomsEqual)
	case Map:
		y, ok := b.(Map)
		return ok && slices.EqualFunc(x.pairs, y.pairs, func(p, q Pair) bool {
			return atomsEqual(p.Key, q.Key) && atomsEqual(p.Value, q.Value)
		})
	}
	switch b.(type) {
	case nil, Set, Map:
		return false
	}
	return atomsEqual(a, b)
}

func atomsEqual(a, b Value) bool { return CompareAtoms(a, b) == 0 }
