package engine

import (
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// The intent may be kept on a database server instead of in a file.
func TestTheIntentMayBeOnADatabaseServer(t *testing.T) {
	for name, server := range map[string]func(testing.TB) *sqlserver.Server{"PostgreSQL": sqlserver.PostgreSQL, "MariaDB": sqlserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			s := twoSwitches(t)
			p := product.StartWith(t, inventoryFile, "--database", server(t).Database(t), "--ovsdb-hosts", "tor:"+s.Endpoint())
			connectA(t, p)
			p.Kill()
			s.Wipe()
			fill(s)
			p.Run()
			waitFor(t, s, wantA())
		})
	}
}
