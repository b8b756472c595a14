package ovsdb

import (
	"context"
	"fmt"
)

// Pending is a transaction that was sent and may not be answered yet.
type Pending struct {
	conn   *Conn
	schema *Schema
	ops    []Op
	id     uint64
	call   *call
	err    error // it was not sent
}

// Transact carries out the operations as one transaction (RFC 7047 §4.1.3) and
// waits for the answer. If an operation or the commit fails, nothing was changed
// and the error is a *TransactError.
func (c *Conn) Transact(ctx context.Context, database string, ops ...Op) ([]OpResult, error) {
	return c.TransactAsync(ctx, database, ops...).Wait(ctx)
}

// TransactAsync sends a transaction and does not wait for the answer.
// Transactions are carried out in the order in which they are sent, each on its
// own: one that fails does not keep back those after it. ctx is for the sending
// alone, which waits while several MB are queued.
func (c *Conn) TransactAsync(ctx context.Context, database string, ops ...Op) *Pending {
	c.mu.Lock()
	p := &Pending{conn: c, schema: c.schemas[database], ops: ops, call: &call{}}
	c.mu.Unlock()
	p.id, p.err = c.send(ctx, p.call, "transact", func(b []byte) []byte {
		b = appendString(append(b, '['), database)
		for i := range ops {
			b = ops[i].AppendJSON(append(b, ','))
		}
		return append(b, ']')
	})
	return p
}

// Done is closed when Wait would not wait.
func (p *Pending) Done() <-chan struct{} {
	if p.err != nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	return p.call.done
}

// Wait returns the results, one for each operation. It may be called again.
// When ctx ends first, the transaction is still carried out or not.
func (p *Pending) Wait(ctx context.Context) ([]OpResult, error) {
	if p.err != nil {
		return nil, p.err
	}
	select {
	case <-p.call.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.call.err != nil {
		return nil, p.call.err
	}
	return parseResults(p.call.result, p.ops, p.schema)
}

// parseResults reads the "result" of a transaction (RFC 7047 §4.1.3): one
// element for each operation; after one that failed null; and one more with an
// error if the commit failed.
func parseResults(text []byte, ops []Op, schema *Schema) ([]OpResult, error) {
	c := &cursor{b: text}
	if !c.take('[') {
		return nil, protocolError("transact: result: %s is no array", excerpt(text))
	}
	results := make([]OpResult, 0, len(ops))
	for first := true; c.more(']', first); first = false {
		i := len(results)
		at := c.i
		switch {
		case c.peek() == 'n':
			c.skip()
			results = append(results, OpResult{})
			continue
		case c.peek() != '{':
			return nil, protocolError("transact: result %d: %s is no object", i, c.from(at))
		}
		if i > len(ops) {
			return nil, protocolError("transact: there are more results than operations")
		}
		var table *TableSchema
		if i < len(ops) && schema != nil {
			table = schema.Tables[ops[i].Table]
		}
		r, failed, err := parseResult(c, table)
		switch {
		case err != nil:
			return nil, protocolError("transact: result %d: %w", i, err)
		case failed && i >= len(ops):
			return nil, &TransactError{Index: len(ops), AtCommit: true, Op: "commit", Err: parseError(c.b[at:c.i])}
		case failed:
			what := string(ops[i].Kind)
			if ops[i].Table != "" {
				what += " " + ops[i].Table
			}
			return nil, &TransactError{Index: i, Op: what, Err: parseError(c.b[at:c.i])}
		}
		results = append(results, r)
	}
	if len(results) != len(ops) {
		return nil, protocolError("transact: there are %d results for %d operations", len(results), len(ops))
	}
	return results, nil
}

func parseResult(c *cursor, table *TableSchema) (r OpResult, failed bool, err error) {
	c.take('{')
	for first := true; c.more('}', first); first = false {
		name, _, ok := c.quoted()
		if !ok || !c.take(':') {
			return r, false, fmt.Errorf("%s is no member", c.from(c.i))
		}
		var d valueDecoder
		switch string(name) {
		case "error":
			failed = true
			c.skip()
		case "uuid":
			v, err := d.atom(c, &BaseType{Type: TypeUUID})
			if err != nil {
				return r, false, err
			}
			r.UUID = v.(UUID)
		case "count":
			if r.Count, err = parseInteger(c.word()); err != nil {
				return r, false, fmt.Errorf("count: %w", err)
			}
		case "rows":
			if r.Rows, err = parseRows(c, &d, table); err != nil {
				return r, false, err
			}
		default:
			c.skip()
		}
	}
	return r, failed, nil
}

// parseRows reads the rows of a select; table may be nil.
func parseRows(c *cursor, d *valueDecoder, table *TableSchema) ([]map[string]Value, error) {
	rows := []map[string]Value{}
	if !c.take('[') {
		return nil, fmt.Errorf("rows: %s is no array", c.from(c.i))
	}
	for first := true; c.more(']', first); first = false {
		row := make(map[string]Value)
		if !c.take('{') {
			return nil, fmt.Errorf("rows: %s is no object", c.from(c.i))
		}
		for first := true; c.more('}', first); first = false {
			name, ok := c.str()
			if !ok || !c.take(':') {
				return nil, fmt.Errorf("rows: %s is no column and value", c.from(c.i))
			}
			var v Value
			var err error
			if column := columnOf(table, name); column != nil {
				v, err = d.value(c, &column.Type)
			} else {
				v, err = d.untyped(c)
			}
			if err != nil {
				return nil, fmt.Errorf("rows: column %q: %w", name, err)
			}
			row[name] = v
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func columnOf(t *TableSchema, name string) *ColumnSchema {
	if t == nil {
		return nil
	}
	return t.Columns[name]
}
