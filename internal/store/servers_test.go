package store_test

import (
	"flag"
	"testing"

	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// engines are all that a store runs on; each returns the URL of an empty database.
var engines = []struct {
	name  string
	fresh func(testing.TB) string
}{
	{"SQLite", sqliteURL},
	{"PostgreSQL", func(t testing.TB) string { return sqlserver.PostgreSQL(t).Database(t) }},
	{"MariaDB", func(t testing.TB) string { return sqlserver.MariaDB(t).Database(t) }},
}

func TestEveryEngineKeepsTheStoresPromises(t *testing.T) {
	// Each engine runs its own random histories, a third of what one would.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("30")
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			testStore(t, func(tb testing.TB) *store.Store { return open(tb, e.fresh(tb)) })
		})
	}
}

// onEach runs a benchmark on each engine.
func onEach(b *testing.B, f func(*testing.B, *store.Store)) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) { f(b, open(b, e.fresh(b))) })
	}
}
