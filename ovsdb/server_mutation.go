package ovsdb

import "math"

// mutation is a parsed <mutation> (RFC 7047 §5.1).
type mutation struct {
	at      int
	column  *ColumnSchema
	mutator string
	arg     Value
}

func (t *dbTable) parseMutation(v any, names named) (m mutation, _ *Error) {
	array, _ := v.([]any)
	if len(array) != 3 {
		return m, syntaxError(v, "Parse error in mutation.")
	}
	name, ok := array[0].(string)
	mutator, ok2 := array[1].(string)
	if !ok || !ok2 {
		return m, syntaxError(v, "Parse error in mutation.")
	}
	column, at := t.column(name)
	switch {
	case column == nil:
		return m, wrongJSON(v, ErrUnknownColumn, "No column %s in table %s.", name, t.schema.Name)
	case !column.Mutable:
		return m, wrongJSON(v, ErrConstraintViolation, "Cannot mutate immutable column %s in table %s.", name, t.schema.Name)
	}
	m = mutation{at: at, column: column, mutator: mutator}
	ty := column.Type
	var err *Error
	switch mutator {
	case "+=", "-=", "*=", "/=", "%=":
		if ty.IsMap() || ty.Key.Type != TypeInteger && (ty.Key.Type != TypeReal || mutator == "%=") {
			return m, typeMismatch(v, mutator, column)
		}
		// Only the result has to meet the column's constraints.
		ty = ColumnType{Key: unconstrained(ty.Key.Type), Min: 1, Max: 1}
		m.arg, err = valueFromJSON(array[2], &ty, names)
	case "insert":
		if ty.IsScalar() {
			return m, typeMismatch(v, mutator, column)
		}
		ty.Min = 0
		m.arg, err = valueFromJSON(array[2], &ty, names)
	case "delete":
		if ty.IsScalar() {
			return m, typeMismatch(v, mutator, column)
		}
		ty.Min, ty.Max = 0, Unlimited
		m.arg, err = valueFromJSON(array[2], &ty, names)
		if err != nil && ty.IsMap() { // a set of keys will do
			ty.Value = nil
			m.arg, err = valueFromJSON(array[2], &ty, names)
		}
	default:
		err = &Error{Code: "unknown mutator", Details: "No mutator named " + mutator + "."}
	}
	return m, err
}

func unconstrained(t AtomType) BaseType {
	return BaseType{
		Type: t, MinInteger: math.MinInt64, MaxInteger: math.MaxInt64,
		MinReal: -math.MaxFloat64, MaxReal: math.MaxFloat64, MaxLength: math.MaxInt,
	}
}

// apply returns the result of the mutation on v.
func (m *mutation) apply(v Value) (Value, *Error) {
	var err *Error
	switch m.mutator {
	case "insert":
		v = union(v, m.arg)
	case "delete":
		v = subtract(v, m.arg)
	default:
		if v, err = m.calculate(v); err != nil {
			return nil, err
		}
	}
	if n := elements(v); n < m.column.Type.Min || n > m.column.Type.Max {
		return nil, violation("Attempted to store %d elements in %s.", n, m.column.Type.english())
	}
	return v, nil
}

func (m *mutation) calculate(v Value) (Value, *Error) {
	set, isSet := v.(Set)
	if !isSet {
		set = Set{[]Value{v}}
	}
	results := make([]Value, len(set.atoms))
	for i, a := range set.atoms {
		var err *Error
		switch a := a.(type) {
		case int64:
			results[i], err = calculateInt(a, m.mutator, m.arg.(int64))
		case float64:
			results[i], err = calculateReal(a, m.mutator, m.arg.(float64))
		}
		if err == nil {
			err = m.column.Type.Key.check(results[i])
		}
		if err != nil {
			return nil, err
		}
	}
	if !isSet {
		return results[0], nil
	}
	after := NewSet(results...)
	if after.Len() != len(results) {
		return nil, violation(`Result of "%s" operation contains duplicates.`, m.mutator)
	}
	return after, nil
}

var errDivision = &Error{Code: ErrDomain.Error(), Details: "Division by zero."}

func outOfRange(mutator string) *Error {
	return &Error{Code: ErrRange.Error(), Details: `Result of "` + mutator + `" operation is out of range.`}
}

func calculateInt(a int64, mutator string, b int64) (Value, *Error) {
	fits := true
	var c int64
	switch mutator {
	case "+=":
		c = a + b
		fits = (c > a) == (b > 0)
	case "-=":
		c = a - b
		fits = (c < a) == (b > 0)
	case "*=":
		c = a * b
		fits = a == 0 || c/a == b && (a != -1 || b != math.MinInt64)
	default:
		switch {
		case b == 0:
			return nil, errDivision
		case b == -1: // the one divisor whose quotient may not fit
			if mutator == "%=" {
				return int64(0), nil
			}
			c, fits = -a, a != math.MinInt64
		case mutator == "%=":
			c = a % b
		default:
			c = a / b
		}
	}
	if !fits {
		return nil, outOfRange(mutator)
	}
	return c, nil
}

func calculateReal(a float64, mutator string, b float64) (Value, *Error) {
	switch mutator {
	case "+=":
		a += b
	case "-=":
		a -= b
	case "*=":
		a *= b
	default:
		if b == 0 {
			return nil, errDivision
		}
		a /= b
	}
	if math.IsInf(a, 0) || math.IsNaN(a) {
		return nil, outOfRange(mutator)
	}
	return a, nil
}

// union adds arg to v; a key that v has keeps its value.
func union(v, arg Value) Value {
	switch arg := arg.(type) {
	case Set:
		old, _ := v.(Set)
		return NewSet(append(append(make([]Value, 0, len(old.atoms)+len(arg.atoms)), old.atoms...), arg.atoms...)...)
	case Map:
		old, _ := v.(Map)
		return NewMap(append(append(make([]Pair, 0, len(old.pairs)+len(arg.pairs)), arg.pairs...), old.pairs...)...)
	}
	return v
}

// subtract takes the elements of arg out of v: from a map the pairs or, if arg
// is a set, the keys.
func subtract(v, arg Value) Value {
	switch v := v.(type) {
	case Set:
		gone, _ := arg.(Set)
		var keep []Value
		for _, a := range v.atoms {
			if !gone.Has(a) {
				keep = append(keep, a)
			}
		}
		return Set{keep}
	case Map:
		var keep []Pair
		for _, p := range v.pairs {
			switch arg := arg.(type) {
			case Set:
				if arg.Has(p.Key) {
					continue
				}
			case Map:
				if x, ok := arg.Get(p.Key); ok && atomsEqual(x, p.Value) {
					continue
				}
			}
			keep = append(keep, p)
		}
		return Map{keep}
	}
	return v
}
