package ovsdb

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// execution carries out the operations of one transact request.
type execution struct {
	txn       *txn
	readOnly  bool
	holds     func(lock string) bool // for assert
	elapsed   time.Duration          // since the request came in
	impatient bool                   // a wait that does not hold now has timed out
	committed []*change

	// timeout is set when a wait's condition is false and may yet become true:
	// how long after the request it is to be given up; negative for never.
	timeout time.Duration
	blocked bool
}

// run carries out the operations and returns the JSON array of their results
// (RFC 7047 §4.1.3). It returns nil if a wait blocks: then nothing has changed,
// and the whole is to be tried again.
func (e *execution) run(ops []any) []byte {
	out := []byte{'['}
	done := 0
	var failed *Error
	for i, op := range ops {
		p := &opParser{json: op, name: fmt.Sprintf("ovsdb operation %d of %d", i+1, len(ops))}
		if i > 0 {
			out = append(out, ',')
		}
		var result []byte
		result, failed = e.operation(p, out)
		if e.blocked {
			return nil
		}
		done++
		if failed != nil {
			out = appendError(out, failed)
			break
		}
		out = result
	}
	if failed == nil {
		if failed = e.txn.check(); failed == nil {
			e.committed = e.txn.commit()
			return append(out, ']')
		}
		if done > 0 {
			out = append(out, ',')
		}
		out = appendError(out, failed)
	}
	for range len(ops) - done {
		out = append(out, ",null"...)
	}
	return append(out, ']')
}

// operation carries out one operation and appends its result to out.
func (e *execution) operation(p *opParser, out []byte) ([]byte, *Error) {
	op := p.id("op")
	var f func(*execution, *opParser, []byte) ([]byte, *Error)
	if p.err == nil {
		if f = operations[OpKind(op)]; f == nil {
			p.fail("No operation \"%s\"", op)
		}
	}
	if p.err != nil {
		return out, p.err
	}
	result, err := f(e, p, out)
	if unused := p.finish(); unused != nil {
		e.blocked = false
		return out, unused
	}
	if err == nil && e.readOnly && writes(OpKind(op)) {
		err = &Error{Code: ErrNotAllowed.Error(), Details: op + " operation not allowed on table in reserved database " + e.txn.db.schema.Name}
	}
	return result, err
}

func writes(op OpKind) bool {
	return op == OpInsert || op == OpUpdate || op == OpMutate || op == OpDelete
}

var operations = map[OpKind]func(*execution, *opParser, []byte) ([]byte, *Error){
	OpInsert:  (*execution).insert,
	OpSelect:  (*execution).selectRows,
	OpUpdate:  (*execution).update,
	OpMutate:  (*execution).mutate,
	OpDelete:  (*execution).delete,
	OpWait:    (*execution).wait,
	OpCommit:  (*execution).commit,
	OpAbort:   (*execution).abort,
	OpComment: (*execution).comment,
	OpAssert:  (*execution).assert,
}

func appendError(b []byte, e *Error) []byte {
	b = append(b, '{')
	if e.Details != "" {
		b = append(b, `"details":`...)
		b = append(appendString(b, e.Details), ',')
	}
	b = append(b, `"error":`...)
	b = appendString(b, e.Code)
	if e.Syntax != "" {
		b = append(b, `,"syntax":`...)
		b = appendString(b, e.Syntax)
	}
	return append(b, '}')
}

func appendCount(b []byte, n int) []byte {
	b = append(b, `{"count":`...)
	return append(strconv.AppendInt(b, int64(n), 10), '}')
}

func (e *execution) insert(p *opParser, out []byte) ([]byte, *Error) {
	t := p.table(e.txn.db)
	given, hasUUID := p.optionalString("uuid")
	name := p.optionalID("uuid-name")
	row := p.object("row")
	if p.err != nil {
		return out, p.err
	}
	u := NewUUID()
	if hasUUID {
		var bad error
		if u, bad = ParseUUID(given); bad != nil {
			return out, syntaxError(given, "bad uuid")
		}
		if !e.txn.mayInsert(t, u) {
			return out, wrongJSON(given, ErrDuplicateUUID,
				"This UUID would duplicate a UUID already present within the table or deleted within the same transaction.")
		}
	}
	if name != "" {
		n := e.txn.names.get(name)
		if n.created {
			return out, wrongJSON(name, ErrDuplicateUUIDName, "This \"uuid-name\" appeared on an earlier \"insert\" operation.")
		}
		if hasUUID {
			n.uuid = u
		} else {
			u = n.uuid
		}
		n.created = true
	}
	r := &dbRow{table: t, uuid: u, version: NewUUID(), values: make([]Value, len(t.columns))}
	cells, err := t.parseRow(row, e.txn.names)
	if err != nil {
		return out, err
	}
	for _, c := range cells {
		if c.at >= 0 {
			r.values[c.at] = c.value
		}
	}
	for i, c := range t.columns {
		if r.values[i] == nil {
			// The value that stands for nothing may itself break the column's constraints.
			r.values[i] = c.Type.Default()
			if err := c.Type.check(r.values[i]); err != nil {
				return out, err
			}
		}
	}
	e.txn.put(r)
	out = append(out, `{"uuid":`...)
	return append(appendAtom(out, u), '}'), nil
}

// cell is a parsed member of a <row>.
type cell struct {
	at     int
	column *ColumnSchema
	value  Value
}

func (t *dbTable) parseRow(row jsonObject, names named) ([]cell, *Error) {
	cells := make([]cell, 0, len(row))
	for name, v := range row {
		c, at := t.column(name)
		if c == nil {
			return nil, wrongJSON(row, ErrUnknownColumn, "No column %s in table %s.", name, t.schema.Name)
		}
		cells = append(cells, cell{at: at, column: c, value: v})
	}
	slices.SortFunc(cells, func(a, b cell) int { return a.at - b.at })
	for i := range cells {
		var err *Error
		if cells[i].value, err = valueFromJSON(cells[i].value, &cells[i].column.Type, names); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

func (e *execution) selectRows(p *opParser, out []byte) ([]byte, *Error) {
	t := p.table(e.txn.db)
	where := p.array("where")
	columns, given := p.optionalArray("columns")
	p.optionalArray("sort")
	if p.err != nil {
		return out, p.err
	}
	clauses, err := t.parseConditions(where, e.txn.names)
	if err != nil {
		return out, err
	}
	at := append([]int{atUUID, atVersion}, t.allColumns()...)
	if given {
		if at, err = t.parseColumns(columns); err != nil {
			return out, err
		}
	}
	out = append(out, `{"rows":[`...)
	n := 0
	e.txn.find(t, clauses, func(r *dbRow) {
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = append(out, '{')
		for i, at := range at {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, t.name(at))
			out = append(out, ':')
			out = AppendValue(out, r.value(at))
		}
		out = append(out, '}')
	})
	return append(out, `]}`...), nil
}

// parseColumns reads the names of columns.
func (t *dbTable) parseColumns(names []any) ([]int, *Error) {
	at := make([]int, 0, len(names))
	for _, n := range names {
		name, ok := n.(string)
		if !ok {
			return nil, syntaxError(names, "array of distinct column names expected")
		}
		c, i := t.column(name)
		if c == nil {
			return nil, syntaxError(names, "%s is not a valid column name", name)
		}
		at = append(at, i)
	}
	sorted := slices.Sorted(slices.Values(at))
	if len(slices.Compact(sorted)) != len(at) {
		return nil, syntaxError(names, "array of distinct column names expected")
	}
	return at, nil
}

func (e *execution) update(p *opParser, out []byte) ([]byte, *Error) {
	t := p.table(e.txn.db)
	where := p.array("where")
	row := p.object("row")
	if p.err != nil {
		return out, p.err
	}
	cells, err := t.parseRow(row, e.txn.names)
	if err != nil {
		return out, err
	}
	for _, c := range cells {
		if !c.column.Mutable {
			return out, wrongJSON(p.json, ErrConstraintViolation, "Cannot update immutable column %s in table %s.", c.column.Name, t.schema.Name)
		}
	}
	clauses, err := t.parseConditions(where, e.txn.names)
	if err != nil {
		return out, err
	}
	n := 0
	e.txn.find(t, clauses, func(r *dbRow) {
		n++
		if len(cells) == 0 {
			return
		}
		now := *r
		now.values = slices.Clone(r.values)
		for _, c := range cells {
			now.values[c.at] = c.value
		}
		e.txn.put(&now)
	})
	return appendCount(out, n), nil
}

func (e *execution) mutate(p *opParser, out []byte) ([]byte, *Error) {
	t := p.table(e.txn.db)
	where := p.array("where")
	list := p.array("mutations")
	if p.err != nil {
		return out, p.err
	}
	mutations := make([]mutation, len(list))
	for i, m := range list {
		var err *Error
		if mutations[i], err = t.parseMutation(m, e.txn.names); err != nil {
			return out, err
		}
	}
	clauses, err := t.parseConditions(where, e.txn.names)
	if err != nil {
		return out, err
	}
	n := 0
	e.txn.find(t, clauses, func(r *dbRow) {
		n++
		if err != nil || len(mutations) == 0 {
			return
		}
		now := *r
		now.values = slices.Clone(r.values)
		for i := range mutations {
			m := &mutations[i]
			if now.values[m.at], err = m.apply(now.values[m.at]); err != nil {
				return
			}
		}
		e.txn.put(&now)
	})
	if err != nil {
		return out, err
	}
	return appendCount(out, n), nil
}

func (e *execution) delete(p *opParser, out []byte) ([]byte, *Error) {
	t := p.table(e.txn.db)
	where := p.array("where")
	if p.err != nil {
		return out, p.err
	}
	clauses, err := t.parseConditions(where, e.txn.names)
	if err != nil {
		return out, err
	}
	n := 0
	e.txn.find(t, clauses, func(r *dbRow) {
		n++
		e.txn.delete(t, r.uuid)
	})
	return appendCount(out, n), nil
}

func (e *execution) wait(p *opParser, out []byte) ([]byte, *Error) {
	timeout := p.optionalNumber("timeout")
	t := p.table(e.txn.db)
	where := p.array("where")
	columns, given := p.optionalArray("columns")
	until := p.string("until")
	rows := p.array("rows")
	if p.err != nil {
		return out, p.err
	}
	limit := time.Duration(-1)
	switch n := timeout.(type) {
	case int64:
		limit = milliseconds(float64(n))
	case float64:
		limit = milliseconds(n)
	}
	if timeout != nil && limit < 0 {
		return out, syntaxError(timeout, "timeout must be nonnegative")
	}
	clauses, err := t.parseConditions(where, e.txn.names)
	if err != nil {
		return out, err
	}
	at := append([]int{atUUID}, t.allColumns()...)
	if given {
		if at, err = t.parseColumns(columns); err != nil {
			return out, err
		}
	}
	if until != "==" && until != "!=" {
		return out, syntaxError(until, `"until" must be "==" or "!="`)
	}
	wanted := make(map[string]bool)
	for _, row := range rows {
		o, ok := row.(jsonObject)
		if !ok {
			return out, syntaxError(row, "row must be JSON object")
		}
		cells, err := t.parseRow(o, e.txn.names)
		if err != nil {
			return out, err
		}
		wanted[t.projection(at, cells)] = true
	}
	found := make(map[string]bool)
	e.txn.find(t, clauses, func(r *dbRow) {
		var b []byte
		for _, i := range at {
			b = appendKey(b, r.value(i))
		}
		found[string(b)] = true
	})
	equal := len(wanted) == len(found)
	for k := range wanted {
		equal = equal && found[k]
	}
	switch {
	case equal == (until == "=="):
		return append(out, "{}"...), nil
	case e.impatient || timeout != nil && limit == 0:
		return out, &Error{Code: ErrTimedOut.Error(), Details: `"where" clause test failed`}
	case timeout != nil && e.elapsed >= limit:
		return out, &Error{Code: ErrTimedOut.Error(), Details: fmt.Sprintf(`"wait" timed out after %d ms`, e.elapsed.Milliseconds())}
	}
	e.blocked, e.timeout = true, limit
	return out, nil
}

// projection is the key of the row that has the given cells, and in other
// columns what a new row has, among the columns at.
func (t *dbTable) projection(at []int, cells []cell) string {
	var b []byte
	for _, i := range at {
		var v Value
		if i < 0 {
			v = UUID{}
		} else {
			v = t.columns[i].Type.Default()
		}
		for _, c := range cells {
			if c.at == i {
				v = c.value
			}
		}
		b = appendKey(b, v)
	}
	return string(b)
}

// milliseconds converts without overflow; a wait of years is a wait for ever.
func milliseconds(n float64) time.Duration {
	return time.Duration(min(n, 1e12)) * time.Millisecond
}

func (e *execution) commit(p *opParser, out []byte) ([]byte, *Error) {
	p.bool("durable") // in memory there is nothing to do for it
	return append(out, "{}"...), nil
}

func (e *execution) abort(*opParser, []byte) ([]byte, *Error) {
	return nil, &Error{Code: ErrAborted.Error(), Details: "aborted by request"}
}

func (e *execution) comment(p *opParser, out []byte) ([]byte, *Error) {
	p.string("comment")
	return append(out, "{}"...), nil
}

func (e *execution) assert(p *opParser, out []byte) ([]byte, *Error) {
	lock := p.id("lock")
	if p.err != nil {
		return out, p.err
	}
	if !e.holds(lock) {
		return out, &Error{Code: ErrNotOwner.Error(), Details: "Asserted lock " + lock + " not held."}
	}
	return append(out, "{}"...), nil
}
