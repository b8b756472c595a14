package store_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// findings returns what a check found by subject, as "verdict text".
func findings(t *testing.T, url string) map[string]string {
	t.Helper()
	list, err := store.Check(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range list {
		found[f.Subject] += string(f.Verdict) + " " + f.Text
	}
	return found
}

func TestACheckFindsWhatIsWrongWithADatabase(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.fresh(t)
			if e.name == "SQLite" {
				if err := os.WriteFile(strings.TrimPrefix(url, "sqlite:///"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			schema, err := store.SchemaOf(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			newest := schema.Program
			if found := findings(t, url); !strings.Contains(found["schema"], fmt.Sprintf("wrong version 0, and %d migrations to version %[1]d are pending; run `l2gw db upgrade`", newest)) {
				t.Errorf("of an empty database: %q", found)
			}
			s := open(t, url)
			g := mustGateway(t, s, gw("a", "ps1/eth1", "ps1/eth2"))
			c := mustConnect(t, s, g.ID, "n", vlan(5))
			before, _ := s.Revision(t.Context())
			for subject, text := range findings(t, url) {
				if !strings.HasPrefix(text, "ok ") || strings.Contains(text, "p@ss") {
					t.Errorf("of a sound database: %s: %s", subject, text)
				}
			}
			if after, _ := s.Revision(t.Context()); after != before {
				t.Errorf("the check moved the revision from %d to %d", before, after)
			}
			harm := func(statements ...string) map[string]string {
				t.Helper()
				if err := store.OpenAs(t.Context(), url, math.MaxInt64, statements...); err != nil {
					t.Fatal(err)
				}
				return findings(t, url)
			}
			want := func(found map[string]string, subject, text string) {
				t.Helper()
				if !strings.Contains(found[subject], text) {
					t.Errorf("%s: %q, want %q", subject, found[subject], text)
				}
			}
			on := map[string]string{"MariaDB": " ON gateways"}[e.name]
			want(harm("DROP INDEX gateways_created"+on), "indexes", "warning missing: gateways_created on gateways")
			on = map[string]string{"MariaDB": " ON gateway_devices"}[e.name]
			if e.name != "MariaDB" { // which needs it for the foreign key
				want(harm("DROP INDEX gateway_devices_name"+on), "indexes", "wrong missing: gateway_devices_name on gateway_devices, gateways_created")
			}
			found := harm("DELETE FROM bindings WHERE connection_id = '"+c.ID+"'",
				"INSERT INTO gateways (id, project_id, name, description, created_at, updated_at, revision) VALUES ('lonely', 'p', '', '', 1, 1, 1)")
			want(found, "contents", "wrong 1 connections without any binding")
			want(found, "contents", "wrong 1 gateways without any device")
			switch e.name {
			case "PostgreSQL":
				found = harm(`ALTER TABLE gateways ALTER COLUMN name TYPE VARCHAR(255) COLLATE "default"`)
				want(found, "collation", `wrong gateways.name: not "C"`)
			case "MariaDB":
				found = harm("ALTER TABLE quotas ENGINE = Aria", "ALTER TABLE gateways MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL")
				want(found, "collation", "wrong gateways.name: not utf8mb4_nopad_bin")
				want(found, "storage engine", "quotas (Aria) must be InnoDB")
			}
			want(harm("DELETE FROM intent"), "writing", "wrong refused: the table intent must have one row")
			want(harm("DELETE FROM goose_db_version WHERE version_id > 5"), "schema", fmt.Sprintf("wrong version 5, and %d migrations to version %d are pending", newest-5, newest))
		})
	}
}

func TestACheckSaysIfAnybodyCanListen(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		t.Parallel()
		database := server.Database(t)
		secure := findings(t, tlsURL(database, server.Addr, "sslmode=verify-full&sslrootcert="+server.CA, "ssl_ca="+server.CA))
		if !strings.HasPrefix(secure["encryption"], "ok TLS") {
			t.Errorf("with TLS: %s", secure["encryption"])
		}
		if plain := findings(t, database); !strings.HasPrefix(plain["encryption"], "ok none") {
			t.Errorf("on this host: %s", plain["encryption"])
		}
	})
}

func TestACheckOfAnAbsentDatabaseIsAnErrorWithoutThePassword(t *testing.T) {
	for _, url := range []string{"postgresql://u:tiger@127.0.0.1:1/d", "mysql://u:tiger@127.0.0.1:1/d", "sqlite:////nonexistent/a.db"} {
		if found, err := store.Check(t.Context(), url); err == nil || strings.Contains(err.Error(), "tiger") {
			t.Errorf("%s: %v, %v", url, found, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "l2gw.db")
	if _, err := store.Check(t.Context(), "sqlite:///"+missing); err == nil || !strings.Contains(err.Error(), "`l2gw db upgrade` makes it") {
		t.Error(err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the check made the file")
	}
}
