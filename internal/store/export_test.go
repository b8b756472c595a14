package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"l2gw"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

// CheckIntegrity lets SQLite look for damage.
func (s *Store) CheckIntegrity(ctx context.Context) error {
	var result string
	if err := s.reads.NewRaw("PRAGMA integrity_check").Scan(ctx, &result); err != nil {
		return err
	}
	if result != "ok" {
		return fmt.Errorf("integrity_check: %s", result)
	}
	broken, err := s.reads.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer func() { _ = broken.Close() }()
	if broken.Next() {
		return fmt.Errorf("foreign_key_check found a row without its parent")
	}
	return broken.Err()
}

// KeepLog sets how many revisions the change log keeps.
func (s *Store) KeepLog(revisions int64) { s.keepLog = revisions }

// Fill leaves SQLite hardly a page to write to.
func (s *Store) Fill(ctx context.Context, tb testing.TB) {
	tb.Helper()
	var pages int
	if err := s.writes.NewRaw("PRAGMA page_count").Scan(ctx, &pages); err != nil {
		tb.Fatal(err)
	}
	var limit int
	if err := s.writes.NewRaw(fmt.Sprintf("PRAGMA max_page_count = %d", pages+4)).Scan(ctx, &limit); err != nil {
		tb.Fatal(err)
	}
}

// ReadOnly has SQLite refuse writes, as it does with a file system that the kernel made read-only.
func (s *Store) ReadOnly(ctx context.Context, tb testing.TB, on bool) {
	tb.Helper()
	if _, err := s.writes.ExecContext(ctx, fmt.Sprintf("PRAGMA query_only = %t", on)); err != nil {
		tb.Fatal(err)
	}
}

// Analyze brings the statistics up to date by which the engine plans.
func (s *Store) Analyze(ctx context.Context, tb testing.TB) {
	tb.Helper()
	statement := "ANALYZE"
	switch s.dialect {
	case goose.DialectMySQL:
		statement = "ANALYZE TABLE gateways, gateway_devices, gateway_interfaces"
	case goose.DialectSQLite3:
		return // the program never does
	}
	if _, err := s.writes.ExecContext(ctx, statement); err != nil {
		tb.Fatal(err)
	}
}

// Plan is how the engine says that it reads a list of gateways.
func (s *Store) Plan(ctx context.Context, tb testing.TB, q Query) (plan string) {
	tb.Helper()
	err := s.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		var list []gatewayRow
		query, err := selectPage(ctx, tx, &list, q, gatewayColumns, s.rowwise)
		if err != nil {
			return err
		}
		explain := "EXPLAIN "
		if s.dialect == goose.DialectSQLite3 {
			explain = "EXPLAIN QUERY PLAN "
		}
		rows, err := tx.Tx.QueryContext(ctx, explain+query.String())
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		columns, err := rows.Columns()
		for err == nil && rows.Next() {
			values := make([]sql.NullString, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			err = rows.Scan(into...)
			for _, v := range values {
				plan += v.String + " "
			}
			plan += "\n"
		}
		return errors.Join(err, rows.Err())
	})
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// Encrypted reports whether the server says that a connection is by TLS.
func (s *Store) Encrypted(ctx context.Context, tb testing.TB) bool {
	tb.Helper()
	protocol, err := s.encryption(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return protocol != ""
}

// Pragma returns the value of a setting on both sides.
func (s *Store) Pragma(ctx context.Context, tb testing.TB, name string) map[string]string {
	tb.Helper()
	values := map[string]string{}
	for side, db := range map[string]*bun.DB{"writing": s.writes, "reading": s.reads} {
		var v string
		if err := db.NewRaw("PRAGMA "+name).Scan(ctx, &v); err != nil {
			tb.Fatal(err)
		}
		values[side] = v
	}
	return values
}

// BindBehind binds a place in a transaction that does not take the intent lock.
func (s *Store) BindBehind(ctx context.Context, device, iface string, vlan l2gw.VLAN, c l2gw.Connection) (commit, rollback func() error, err error) {
	tx, err := s.writes.BeginTx(ctx, s.writing)
	if err != nil {
		return nil, nil, err
	}
	row := bindingRow{Device: device, Interface: iface, VLAN: vlan, NetworkID: c.NetworkID, ConnectionID: c.ID, GatewayID: c.GatewayID}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return tx.Commit, tx.Rollback, err
}

// OpenAs opens a database as a program did whose newest migration was this one,
// and runs statements.
func OpenAs(ctx context.Context, url string, newest int64, statements ...string) error {
	e, err := open(ctx, url, usual())
	if err != nil {
		return err
	}
	err = migrate(ctx, &e, newest)
	for _, statement := range statements {
		if err == nil {
			_, err = e.writes.ExecContext(ctx, statement)
		}
	}
	return errors.Join(err, e.close())
}

// Execute runs a statement on a database as it is.
func Execute(ctx context.Context, url, statement string) error {
	e, err := open(ctx, url, usual())
	if err != nil {
		return err
	}
	_, err = e.writes.ExecContext(ctx, statement)
	return errors.Join(err, e.close())
}

// CutOffUpgrade leaves the tables of all migrations, and nothing in the one that records them.
func CutOffUpgrade(ctx context.Context, url string) error {
	e, err := open(ctx, url, usual())
	if err != nil {
		return err
	}
	_, err = e.writes.ExecContext(ctx, "DELETE FROM goose_db_version")
	return errors.Join(err, e.close())
}

// CountStatements counts the statements from now on, BEGIN and COMMIT included.
func (s *Store) CountStatements() *atomic.Int64 {
	var c counter
	s.writes = s.writes.WithQueryHook(&c)
	s.reads = s.reads.WithQueryHook(&c)
	return &c.Int64
}

type counter struct{ atomic.Int64 }

// BeforeQuery implements [bun.QueryHook].
func (c *counter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	c.Add(1)
	return ctx
}

// AfterQuery implements [bun.QueryHook].
func (c *counter) AfterQuery(context.Context, *bun.QueryEvent) {}
