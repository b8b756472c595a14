package ovsdb

// clause is a parsed <condition> (RFC 7047 §5.1), or with no function the
// boolean that ovsdb-server accepts in its place.
type clause struct {
	at       int
	function string
	arg      Value
	always   bool
}

// parseConditions reads a "where".
func (t *dbTable) parseConditions(where []any, names named) ([]clause, *Error) {
	clauses := make([]clause, len(where))
	for i, w := range where {
		var err *Error
		if clauses[i], err = t.parseClause(w, names); err != nil {
			return nil, err
		}
	}
	return clauses, nil
}

func (t *dbTable) parseClause(w any, names named) (c clause, _ *Error) {
	if b, ok := w.(bool); ok {
		return clause{always: b}, nil
	}
	array, _ := w.([]any)
	if len(array) != 3 {
		return c, syntaxError(w, "Parse error in condition.")
	}
	name, ok := array[0].(string)
	function, ok2 := array[1].(string)
	if !ok || !ok2 {
		return c, syntaxError(w, "Parse error in condition.")
	}
	column, at := t.column(name)
	if column == nil {
		return c, wrongJSON(w, ErrUnknownColumn, "No column %s in table %s.", name, t.schema.Name)
	}
	ty := column.Type // the argument's type may be wider than the column's
	switch function {
	case "==", "!=":
	case "<", "<=", ">", ">=":
		if ty.IsMap() || ty.Max != 1 || ty.Key.Type != TypeInteger && ty.Key.Type != TypeReal {
			return c, typeMismatch(w, function, column)
		}
		ty.Min = 1
	case "includes":
		if !ty.IsScalar() {
			ty.Min = 0
		}
	case "excludes":
		if !ty.IsScalar() {
			ty.Min, ty.Max = 0, Unlimited
		}
	default:
		return c, &Error{Code: "unknown function", Details: "No function named " + function + "."}
	}
	arg, err := valueFromJSON(array[2], &ty, names)
	return clause{at: at, function: function, arg: arg}, err
}

func typeMismatch(v any, operator string, c *ColumnSchema) *Error {
	return syntaxError(v, `Type mismatch: "%s" operator may not be applied to column %s of type %s.`, operator, c.Name, c.Type.english())
}

func (c *clause) matches(r *dbRow) bool {
	if c.function == "" {
		return c.always
	}
	v := r.value(c.at)
	switch c.function {
	case "==":
		return Equal(v, c.arg)
	case "!=":
		return !Equal(v, c.arg)
	case "includes":
		return includes(v, c.arg)
	case "excludes":
		return excludes(v, c.arg)
	}
	a, b := one(v), one(c.arg)
	if a == nil || b == nil {
		return false
	}
	order := CompareAtoms(a, b)
	switch c.function {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// includes reports whether v has every element of arg.
func includes(v, arg Value) bool {
	switch arg := arg.(type) {
	case Set:
		for _, a := range arg.atoms {
			if s, ok := v.(Set); !ok || !s.Has(a) {
				return false
			}
		}
		return true
	case Map:
		m, ok := v.(Map)
		for _, p := range arg.pairs {
			if x, has := m.Get(p.Key); !ok || !has || !atomsEqual(x, p.Value) {
				return false
			}
		}
		return true
	}
	return Equal(v, arg)
}

// excludes reports whether v has no element of arg.
func excludes(v, arg Value) bool {
	switch arg := arg.(type) {
	case Set:
		s, _ := v.(Set)
		for _, a := range arg.atoms {
			if s.Has(a) {
				return false
			}
		}
		return true
	case Map:
		m, _ := v.(Map)
		for _, p := range arg.pairs {
			if x, has := m.Get(p.Key); has && atomsEqual(x, p.Value) {
				return false
			}
		}
		return true
	}
	return !Equal(v, arg)
}

// find calls f with each row of the table that meets all of the conditions.
func (x *txn) find(t *dbTable, where []clause, f func(*dbRow)) {
	for i := range where {
		if where[i].at == atUUID && where[i].function == "==" {
			if r := x.get(t, where[i].arg.(UUID)); r != nil && matchesAll(where, r) {
				f(r)
			}
			return
		}
	}
	x.rows(t, func(r *dbRow) {
		if matchesAll(where, r) {
			f(r)
		}
	})
}

func matchesAll(where []clause, r *dbRow) bool {
	for i := range where {
		if !where[i].matches(r) {
			return false
		}
	}
	return true
}
