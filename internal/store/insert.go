package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Sizes of statements: no engine's limit is near, and their planning stays cheap.
const (
	idsPerStatement  = 500
	keysPerStatement = 200
	rowsPerStatement = 500
	// As columns, PostgreSQL takes more of them at a time; fewer are not worth it.
	rowsByColumn    = 2_000
	fewestByColumns = 20
)

// insert adds any number of rows.
func insert[R any](ctx context.Context, tx bun.Tx, rows []R) error {
	if len(rows) >= fewestByColumns && tx.Dialect().Name() == dialect.PG {
		return insertColumns(ctx, tx, rows)
	}
	for part := range slices.Chunk(rows, rowsPerStatement) {
		if _, err := tx.NewInsert().Model(&part).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// insertColumns adds rows as one array for each column: PostgreSQL reads these in a
// quarter of the time in which it reads, plans and runs a list of rows.
func insertColumns[R any](ctx context.Context, tx bun.Tx, rows []R) error {
	table := tx.Dialect().Tables().Get(reflect.TypeFor[R]())
	var names, arrays []string
	for _, f := range table.Fields {
		names = append(names, string(f.SQLName))
		switch f.IndirectType.Kind() {
		case reflect.String:
			arrays = append(arrays, "?::text[]")
		case reflect.Int, reflect.Int64, reflect.Uint16, reflect.Uint32:
			arrays = append(arrays, "?::bigint[]")
		default:
			panic(fmt.Sprintf("store: %s has a %s", f.Name, f.IndirectType))
		}
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s)", table.SQLName, strings.Join(names, ", "), strings.Join(arrays, ", "))
	for part := range slices.Chunk(rows, rowsByColumn) {
		columns := make([]any, len(table.Fields))
		for i, f := range table.Fields {
			if f.IndirectType.Kind() == reflect.String {
				columns[i] = pgdialect.Array(columnOf(part, f.Index, reflect.Value.String))
			} else {
				columns[i] = pgdialect.Array(columnOf(part, f.Index, wholeNumber))
			}
		}
		if _, err := tx.ExecContext(ctx, statement, columns...); err != nil {
			return err
		}
	}
	return nil
}

func columnOf[R, V any](rows []R, index []int, value func(reflect.Value) V) []V {
	all := make([]V, len(rows))
	for i := range rows {
		all[i] = value(reflect.ValueOf(&rows[i]).Elem().FieldByIndex(index))
	}
	return all
}

func wholeNumber(v reflect.Value) int64 {
	if v.CanUint() {
		return int64(v.Uint()) //nolint:gosec // of 32 bits at most
	}
	return v.Int()
}
