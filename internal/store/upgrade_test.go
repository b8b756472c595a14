package store_test

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

func TestServersThatStartAtOnceUpgradeTheDatabaseOneAfterAnother(t *testing.T) {
	for _, e := range engines[1:] {
		for from, version := range map[string]int64{"nothing": 0, "the first schema": 1, "the schema before leases": 3} {
			t.Run(e.name+" from "+from, func(t *testing.T) {
				t.Parallel()
				url := e.fresh(t)
				if version > 0 {
					if err := store.OpenAs(t.Context(), url, version); err != nil {
						t.Fatal(err)
					}
				}
				stores := make([]*store.Store, 8)
				var wg sync.WaitGroup
				for i := range stores {
					wg.Go(func() {
						s, err := store.Open(t.Context(), url)
						if err != nil {
							t.Error(err)
							return
						}
						t.Cleanup(func() { _ = s.Close() })
						stores[i] = s
					})
				}
				wg.Wait()
				if t.Failed() {
					return
				}
				g := mustGateway(t, stores[0], gw("a", "ps1/eth1"))
				for _, s := range stores {
					shown, err := s.Gateway(t.Context(), g.ID)
					if err != nil {
						t.Fatal(err)
					}
					equal(t, shown, g)
				}
			})
		}
	}
}

func TestADatabaseOfTheFirstSchemaIsUpgraded(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			if err := store.OpenAs(t.Context(), url, 1); err != nil {
				t.Fatal(err)
			}
			s := open(t, url)
			mustConnect(t, s, mustGateway(t, s, gw("a", "ps1/eth1")).ID, "n", vlan(5))
		})
	}
}

// While replicas are replaced one at a time, those of the version before go on
// with the new schema, and start with it: they know neither leases nor requests.
func TestServersOfTheVersionBeforeWorkBesideThisOne(t *testing.T) {
	old := func(revision, id, vlan string) []string {
		return []string{
			"UPDATE intent SET revision = " + revision + " WHERE id = 1",
			"INSERT INTO intent_writes (revision, token) VALUES (" + revision + ", '" + id + "')",
			"INSERT INTO gateways (id, project_id, name, description, created_at, updated_at, revision) VALUES ('" + id + "', 'p', 'old', '', 1, 1, 1)",
			"INSERT INTO connections (id, project_id, gateway_id, network_id, description, vlan, created_at, updated_at, revision) " +
				"VALUES ('" + id + "', 'p', '" + id + "', 'n', '', " + vlan + ", 1, 1, 1)",
			"INSERT INTO bindings (device, interface, vlan, network_id, connection_id, gateway_id, revision) " +
				"VALUES ('ps1', 'eth1', " + vlan + ", 'n', '" + id + "', '" + id + "', " + revision + ")",
			"INSERT INTO binding_changes (revision, ordinal, bound, device, interface, vlan, network_id, connection_id, gateway_id) " +
				"VALUES (" + revision + ", 0, 1, 'ps1', 'eth1', " + vlan + ", 'n', '" + id + "', '" + id + "')",
			"INSERT INTO owned_networks (db, network_id, vni) VALUES ('db', '" + id + "', 5)",
		}
	}
	const before, after = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			if err := store.OpenAs(t.Context(), url, 3, old("1", before, "5")...); err != nil {
				t.Fatal(err)
			}
			s := open(t, url)
			epoch, held, err := s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
			if err != nil || !held {
				t.Fatal(held, err)
			}
			if err := store.OpenAs(t.Context(), url, 3, old("2", after, "6")...); err != nil {
				t.Fatal(err)
			}
			ctx := l2gw.WithRequest(t.Context(), "req-new")
			if err := s.DeleteConnection(ctx, before); err != nil {
				t.Fatal(err)
			}
			g := mustGateway(t, s, gw("new", "ps1/eth1"))
			if _, err := s.CreateConnection(ctx, l2gw.Connection{GatewayID: g.ID, NetworkID: "n", VLAN: vlan(7)}); err != nil {
				t.Fatal(err)
			}
			_, list, err := s.Bindings(t.Context())
			if err != nil || len(list) != 2 || list[0].Request != "" || list[1].Request != "req-new" {
				t.Fatalf("bindings %+v, %v", list, err)
			}
			_, changes, complete, err := s.Changes(t.Context(), 0)
			if err != nil || !complete {
				t.Fatal(complete, err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, fmt.Sprint(c.VLAN, c.Set, c.Request))
			}
			equal(t, got, []string{"5 true", "6 true", "5 falsereq-new", "7 truereq-new"})
			if err := s.Own(t.Context(), epoch, "db", l2gw.Ownership{Networks: map[string]l2gw.VNI{after: 6}}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// MariaDB commits each change of the schema by itself: an upgrade that was cut
// off has done a part, or all but the record of it.
func TestAnUpgradeThatWasCutOffIsDoneToItsEnd(t *testing.T) {
	e := engines[2]
	url := e.fresh(t)
	g := mustGateway(t, open(t, url), gw("a", "ps1/eth1"))
	if err := store.CutOffUpgrade(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s := open(t, url)
	shown, err := s.Gateway(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shown, g)
	if revision, err := s.Revision(t.Context()); err != nil || revision != 1 {
		t.Fatalf("revision %d, %v", revision, err)
	}
	mustConnect(t, s, g.ID, "n", vlan(5))
	_, err = s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: g.ID, NetworkID: "n", VLAN: vlan(6)})
	wantError(t, err, l2gw.Conflict, "L2GatewayConnectionExists")
}

// Of a later program's schema only what was taken away is in the way.
func TestASchemaOfALaterVersionIsUsedUntilItTakesAway(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.fresh(t)
			if e.name != "SQLite" { // whose file is not there yet
				if schema, err := store.SchemaOf(t.Context(), url); err != nil || schema.Database != 0 || schema.Pending == 0 {
					t.Fatalf("of an empty database: %+v, %v", schema, err)
				}
			}
			from, to, err := store.Upgrade(t.Context(), url)
			if err != nil || from.Database != 0 || to.Database != to.Program || to.Pending != 0 {
				t.Fatalf("from %+v to %+v: %v", from, to, err)
			}
			if again, same, err := store.Upgrade(t.Context(), url); err != nil || again != to || same != to {
				t.Fatalf("the second time from %+v to %+v: %v", again, same, err)
			}
			program := to.Program
			expand := []string{
				"CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY)",
				"ALTER TABLE gateways ADD COLUMN later INTEGER NOT NULL DEFAULT 0",
				fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", program+1),
			}
			if err := store.OpenAs(t.Context(), url, program, expand...); err != nil {
				t.Fatal(err)
			}
			s := open(t, url)
			mustConnect(t, s, mustGateway(t, s, gw("a", "ps1/eth1")).ID, "n", vlan(5))
			if list, err := s.Gateways(t.Context(), store.Query{}); err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			if err := store.OpenAs(t.Context(), url, program, fmt.Sprintf("UPDATE schema_compatibility SET oldest = %d", program+1)); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{
				"open":    func() error { _, err := store.Open(t.Context(), url); return err }(),
				"version": func() error { _, err := store.SchemaOf(t.Context(), url); return err }(),
			} {
				tooNew, ok := errors.AsType[*store.TooNewError](err)
				if !ok || tooNew.Oldest != program+1 || tooNew.Program != program || !strings.Contains(err.Error(), "install the newer version") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func TestAnUpToDateDatabaseNeedsNoRightToChangeTables(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.fresh(t)
			if _, _, err := store.Upgrade(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			s := open(t, readWriteOnly(t, e.name, url))
			mustConnect(t, s, mustGateway(t, s, gw("a", "ps1/eth1")).ID, "n", vlan(5))
			if err := s.SetQuota(t.Context(), "p", map[string]int{l2gw.QuotaGateways: 5}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// readWriteOnly is the URL of a user who may do with the database what
// docs/deploy/database.md asks for, and no more.
func readWriteOnly(t *testing.T, engine, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if engine == "PostgreSQL" {
		err = store.OpenAs(t.Context(), database, math.MaxInt64, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO l2gw_rw")
	} else {
		_, err = sqlserver.MariaDB(t).Admin().ExecContext(t.Context(),
			"GRANT SELECT, INSERT, UPDATE, DELETE ON "+strings.TrimPrefix(u.Path, "/")+".* TO l2gw_rw@'%'")
	}
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("l2gw_rw", sqlserver.Password)
	return u.String()
}

// Whoever gives l2gw the configuration of Neutron gives it Neutron's database.
func TestTheDatabaseOfAnotherProgramIsLeftAlone(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for _, table := range []string{"quotas (id VARCHAR(36), project_id VARCHAR(255), resource VARCHAR(255))", "alembic_version (version_num VARCHAR(32))"} {
				url := e.fresh(t)
				if err := store.Execute(t.Context(), url, "CREATE TABLE "+table); err != nil {
					t.Fatal(err)
				}
				name, _, _ := strings.Cut(table, " ")
				want := "the database of another program, such as Neutron's: it has " + name + ","
				for range 2 { // what was refused has left nothing
					s, err := store.Open(t.Context(), url)
					if err == nil {
						_ = s.Close()
					}
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("opened: %v, want %s", err, want)
					}
				}
				if found := findings(t, url)["schema"]; !strings.Contains(found, "wrong ") || !strings.Contains(found, want) {
					t.Errorf("checked: %s", found)
				}
				if err := store.Execute(t.Context(), url, "DROP TABLE "+name); err != nil {
					t.Fatal(err)
				}
				_ = open(t, url)
			}
		})
	}
}
