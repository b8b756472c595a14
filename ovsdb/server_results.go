package ovsdb

import (
	"bytes"
	"fmt"
)

// readJSON reads one JSON value.
func readJSON(b []byte) (any, error) { return newJSONReader(bytes.NewReader(b)).read() }

// decodeResults turns the results of a transaction into what Transact returns.
func (d *database) decodeResults(ops []Op, results []any) ([]OpResult, error) {
	out := make([]OpResult, 0, len(ops))
	for i, r := range results {
		o, _ := r.(jsonObject)
		if code, ok := o["error"].(string); ok {
			e := &TransactError{Index: i, AtCommit: i >= len(ops), Op: "commit", Err: &Error{Code: code}}
			e.Err.Details, _ = o["details"].(string)
			e.Err.Syntax, _ = o["syntax"].(string)
			if !e.AtCommit {
				e.Op = string(ops[i].Kind)
				if ops[i].Table != "" {
					e.Op += " " + ops[i].Table
				}
			}
			return nil, e
		}
		var result OpResult
		if u, ok := o["uuid"]; ok {
			v, _ := uuidFromJSON(u, nil)
			result.UUID, _ = v.(UUID)
		}
		result.Count, _ = o["count"].(int64)
		rows, _ := o["rows"].([]any)
		for _, row := range rows {
			values := make(map[string]Value)
			members, _ := row.(jsonObject)
			for name, v := range members {
				c, _ := d.tables[ops[i].Table].column(name)
				value, err := valueWithinSize(v, &c.Type, nil)
				if err != nil {
					return nil, fmt.Errorf("column %q: %w", name, err)
				}
				values[name] = value
			}
			result.Rows = append(result.Rows, values)
		}
		out = append(out, result)
	}
	return out, nil
}
