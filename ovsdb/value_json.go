package ovsdb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// named gives the names of one transaction their identities (RFC 7047 §5.1,
// <named-uuid>). A name may be used before the insert that bears it.
type named map[string]*namedRow

type namedRow struct {
	uuid    UUID
	created bool
}

func (n named) get(name string) *namedRow {
	r, ok := n[name]
	if !ok {
		r = &namedRow{uuid: NewUUID()}
		n[name] = r
	}
	return r
}

// syntaxError is an error about the JSON text v; nil stands for none.
func syntaxError(v any, format string, args ...any) *Error {
	return wrongJSON(v, ErrSyntax, format, args...)
}

func wrongJSON(v any, code error, format string, args ...any) *Error {
	return &Error{Code: code.Error(), Details: fmt.Sprintf(format, args...), Syntax: string(appendJSON(nil, v))}
}

func violation(format string, args ...any) *Error {
	return &Error{Code: ErrConstraintViolation.Error(), Details: fmt.Sprintf(format, args...)}
}

// valueFromJSON reads a <value> of the given type and checks it against all of
// the type's constraints. Without names, a named-uuid is an error.
func valueFromJSON(v any, t *ColumnType, names named) (Value, *Error) {
	val, err := valueWithinSize(v, t, names)
	if err != nil {
		return nil, err
	}
	return val, t.check(val)
}

// valueWithinSize checks types and the number of elements alone.
func valueWithinSize(v any, t *ColumnType, names named) (Value, *Error) {
	array, _ := v.([]any)
	tag := ""
	if len(array) > 0 {
		tag, _ = array[0].(string)
	}
	if !t.IsMap() && tag != "set" {
		a, err := atomFromJSON(v, t.Key.Type, names)
		if err != nil || t.IsScalar() {
			return a, err
		}
		return Set{[]Value{a}}, nil
	}
	class := "set"
	if t.IsMap() {
		class = "map"
	}
	var elements []any
	if len(array) == 2 {
		elements, _ = array[1].([]any)
	}
	if tag != class || elements == nil {
		return nil, syntaxError(v, `expected ["%s", <array>]`, class)
	}
	if n := len(elements); n < t.Min || n > t.Max {
		if t.Min == 1 && t.Max == 1 {
			return nil, syntaxError(v, "%s must have exactly one member but %d are present", class, n)
		}
		return nil, syntaxError(v, "%s must have %d to %d members but %d are present", class, t.Min, min(t.Max, math.MaxUint32), n) // how ovsdb-server keeps "unlimited"
	}
	if t.IsMap() {
		return mapFromJSON(elements, t, names)
	}
	atoms := make([]Value, len(elements))
	for i, e := range elements {
		var err *Error
		if atoms[i], err = atomFromJSON(e, t.Key.Type, names); err != nil {
			return nil, err
		}
	}
	if t.IsScalar() {
		return atoms[0], nil
	}
	s := NewSet(atoms...)
	if s.Len() != len(atoms) {
		return nil, &Error{Code: "ovsdb error", Details: "set contains duplicate"}
	}
	return s, nil
}

func mapFromJSON(elements []any, t *ColumnType, names named) (Value, *Error) {
	pairs := make([]Pair, len(elements))
	for i, e := range elements {
		pair, _ := e.([]any)
		if len(pair) != 2 {
			return nil, syntaxError(e, "expected 2-element array")
		}
		var err *Error
		if pairs[i].Key, err = atomFromJSON(pair[0], t.Key.Type, names); err != nil {
			return nil, err
		}
		if pairs[i].Value, err = atomFromJSON(pair[1], t.Value.Type, names); err != nil {
			return nil, err
		}
	}
	m := NewMap(pairs...)
	if m.Len() != len(pairs) {
		return nil, &Error{Code: "ovsdb error", Details: "map contains duplicate key"}
	}
	return m, nil
}

func atomFromJSON(v any, t AtomType, names named) (Value, *Error) {
	switch t {
	case TypeInteger:
		if i, ok := v.(int64); ok {
			return i, nil
		}
	case TypeReal:
		switch f := v.(type) {
		case float64:
			return f, nil
		case int64:
			return float64(f), nil
		}
	case TypeBoolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case TypeString:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case TypeUUID:
		return uuidFromJSON(v, names)
	}
	return nil, syntaxError(v, "expected %s", t)
}

func uuidFromJSON(v any, names named) (Value, *Error) {
	pair, _ := v.([]any)
	if len(pair) == 2 {
		tag, _ := pair[0].(string)
		text, ok := pair[1].(string)
		switch {
		case tag == "uuid" && ok:
			u, err := ParseUUID(text)
			if err != nil {
				return nil, syntaxError(v, "%q is not a valid UUID", text)
			}
			return u, nil
		case tag == "named-uuid" && ok && names != nil:
			if !isID(text) {
				return nil, syntaxError(v, "named-uuid string is not a valid <id>")
			}
			return names.get(text).uuid, nil
		}
	}
	return nil, syntaxError(v, `expected ["uuid", <string>]`)
}

// check tells which constraint of the type the value breaks, or nil. The
// number of elements is not looked at.
func (t *ColumnType) check(v Value) *Error {
	switch v := v.(type) {
	case Set:
		for _, a := range v.atoms {
			if err := t.Key.check(a); err != nil {
				return err
			}
		}
	case Map:
		for _, p := range v.pairs {
			if err := t.Key.check(p.Key); err != nil {
				return err
			}
			if err := t.Value.check(p.Value); err != nil {
				return err
			}
		}
	default:
		return t.Key.check(v)
	}
	return nil
}

func (b *BaseType) check(a Value) *Error {
	if b.Enum != nil {
		if !b.Enum.Has(a) {
			return violation("%s is not one of the allowed values ([%s])", atomText(a), atomsText(*b.Enum))
		}
		return nil
	}
	switch a := a.(type) {
	case int64:
		return checkRange(a, b.MinInteger, b.MaxInteger, math.MinInt64, math.MaxInt64)
	case float64:
		return checkRange(a, b.MinReal, b.MaxReal, -math.MaxFloat64, math.MaxFloat64)
	case string:
		n := utf8.RuneCountInString(a)
		switch {
		case n < b.MinLength:
			return violation(`"%s" length %d is less than minimum allowed length %d`, a, n, b.MinLength)
		case n > b.MaxLength:
			return violation(`"%s" length %d is greater than maximum allowed length %d`, a, n, b.MaxLength)
		}
	}
	return nil
}

func checkRange[T int64 | float64](a, least, most, lowest, highest T) *Error {
	text := func(n T) string { return atomText(Value(n)) }
	switch {
	case a >= least && a <= most:
		return nil
	case least != lowest && most != highest:
		return violation("%s is not in the valid range %s to %s (inclusive)", text(a), text(least), text(most))
	case least != lowest:
		return violation("%s is less than minimum allowed value %s", text(a), text(least))
	}
	return violation("%s is greater than maximum allowed value %s", text(a), text(most))
}

// atomText is how people write an atom: strings that are words stand without quotes.
func atomText(a Value) string {
	switch a := a.(type) {
	case string:
		if needsQuotes(a) {
			return string(appendString(nil, a))
		}
		return a
	case UUID:
		return a.String()
	case float64:
		return strconv.FormatFloat(a, 'g', 15, 64)
	}
	return fmt.Sprint(a)
}

// needsQuotes tells that a string would not be understood as one if it stood bare.
func needsQuotes(s string) bool {
	if s == "" || s == "true" || s == "false" {
		return true
	}
	if c := s[0]; c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
		return true
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '-' && c != '.' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return true
		}
	}
	_, err := ParseUUID(s)
	return err == nil
}

// valueText is how people write a value.
func valueText(v Value) string {
	var parts []string
	switch v := v.(type) {
	case Set:
		if len(v.atoms) == 1 {
			return atomText(v.atoms[0])
		}
		return "[" + atomsText(v) + "]"
	case Map:
		for _, p := range v.pairs {
			parts = append(parts, atomText(p.Key)+"="+atomText(p.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return atomText(v)
}

func atomsText(s Set) string {
	parts := make([]string, len(s.atoms))
	for i, a := range s.atoms {
		parts[i] = atomText(a)
	}
	return strings.Join(parts, ", ")
}

// english describes the type in words, for error messages.
func (t *ColumnType) english() string {
	key := string(t.Key.Type)
	switch {
	case t.IsScalar():
		return key
	case t.IsMap():
		s := fmt.Sprintf("(%s, %s) pair", key, t.Value.Type)
		return "map of " + t.count() + s + "s"
	}
	return "set of " + t.count() + key + "s"
}

func (t *ColumnType) count() string {
	switch {
	case t.Max == Unlimited && t.Min > 0:
		return fmt.Sprintf("%d or more ", t.Min)
	case t.Max == Unlimited:
		return ""
	case t.Min > 0:
		return fmt.Sprintf("%d to %d ", t.Min, t.Max)
	}
	return fmt.Sprintf("up to %d ", t.Max)
}

// elements is the number of atoms or pairs in a value.
func elements(v Value) int {
	switch v := v.(type) {
	case Set:
		return len(v.atoms)
	case Map:
		return len(v.pairs)
	}
	return 1
}
