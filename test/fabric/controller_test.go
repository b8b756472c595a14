package fabric

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// ledger is the servers' database seen by an administrator: triggers write down
// each change of what only a controller writes, with who made it (a connection's
// application_name is its server's name) and in which epoch of the lease. What is
// rolled back is not there.
type ledger struct {
	t  testing.TB
	db *sql.DB
}

func (l *lab) ledger() *ledger {
	l.t.Helper()
	s := sqlserver.PostgreSQL(l.t)
	u, err := url.Parse(l.Database)
	if err != nil {
		l.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	db, err := sql.Open("pgx", fmt.Sprintf("host=%s port=%s user=postgres dbname=%s", filepath.Dir(s.Socket), port, strings.TrimPrefix(u.Path, "/")))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { db.Close() })
	g := &ledger{l.t, db}
	g.exec(`CREATE TABLE ledger (id BIGSERIAL PRIMARY KEY, server TEXT, what TEXT, epoch BIGINT)`)
	g.exec(`GRANT ALL ON ledger, ledger_id_seq TO l2gw`)
	g.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO ledger (server, what, epoch) SELECT current_setting('application_name'), TG_OP || ' ' || TG_TABLE_NAME, epoch FROM leases WHERE name = 'controller';
		RETURN NULL; END $$`)
	for _, table := range []string{"owned_networks", "owned_bindings", "observed_devices", "observed_macs"} {
		g.exec(`CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION note()`)
	}
	return g
}

func (g *ledger) exec(statement string) {
	g.t.Helper()
	if _, err := g.db.Exec(statement); err != nil {
		g.t.Fatalf("%s: %v", statement, err)
	}
}

func (g *ledger) rows(query string) (rows []string) {
	g.t.Helper()
	found, err := g.db.Query(query)
	if err != nil {
		g.t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			g.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		g.t.Fatal(err)
	}
	return rows
}

// entries is what is written down, as "server epoch: operation table".
func (g *ledger) entries() []string {
	g.t.Helper()
	return g.rows(`SELECT server || ' ' || epoch || ': ' || what FROM ledger ORDER BY id`)
}

// owned is what is recorded as ours on switches.
func (g *ledger) owned() []string {
	g.t.Helper()
	return append(g.rows(`SELECT db || ' ' || network_id || ' ' || vni FROM owned_networks ORDER BY 1`),
		g.rows(`SELECT db || ' ' || device || ' ' || interface || ' ' || vlan || ' ' || network_id FROM owned_bindings ORDER BY 1`)...)
}

// block lets nobody write what is ours until release.
func (g *ledger) block() (release func()) {
	g.t.Helper()
	tx, err := g.db.Begin()
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := tx.Exec("LOCK TABLE owned_networks, owned_bindings IN SHARE MODE"); err != nil {
		g.t.Fatal(err)
	}
	return func() { _ = tx.Rollback() }
}

// waits says whether a server waits in the middle of a write.
func (g *ledger) waits(server string) error {
	g.t.Helper()
	n := g.rows(`SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%owned_%' AND application_name = '` + server + `'`)
	if len(n) == 0 {
		return fmt.Errorf("it does not: %v", g.rows(`SELECT application_name || ': ' || query FROM pg_stat_activity WHERE datname = current_database()`))
	}
	return nil
}

// A controller that stands still in the middle of a write to SQL, past its lease,
// wakes up when another has undone what it was about to record. Its write does not
// land, and no switch hears of it.
func TestAControllerThatStoodStillInTheMiddleOfAWriteRecordsNothing(t *testing.T) {
	l := newLab(t, 50)
	l.Start()
	g := l.ledger()
	first, others := l.Leader()
	second := others[0]
	api := &second.API
	one := api.CreateGateway("one", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	two := api.CreateGateway("two", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	kept := api.Connect(one, netA, "100")
	api.WaitStatus(kept, "ACTIVE")
	if entries := g.entries(); len(entries) == 0 || !strings.HasPrefix(entries[len(entries)-1], first.Name+" ") {
		t.Fatalf("the ledger does not tell of the first server: %v", entries)
	}

	release := g.block()
	stale := api.Connect(two, netA, "100")
	product.Eventually(t, "the first server is in the middle of a write", func() error { return g.waits(first.Name) })
	first.Pause()
	release()
	api.Disconnect(stale) // what the first one is about to record is wrong from now on
	product.Eventually(t, "the other server leads", func() error {
		if second.Metric("l2gw_lease_leading") != 1 {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	more := api.Connect(api.CreateGateway("three", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth2"}}}), netA, "100")
	api.WaitStatus(more, "ACTIVE")
	if err := l.bound("two", 0); err != nil {
		t.Error(err)
	}
	before, owned := g.entries(), g.owned()
	if len(owned) != 3 { // the network, and two bindings
		t.Errorf("recorded as ours: %v", owned)
	}
	over := len(before)
	for i, e := range before {
		if strings.HasPrefix(e, second.Name+" ") {
			over = min(over, i)
		}
	}
	if over == len(before) {
		t.Errorf("the ledger does not tell of the second server: %v", before)
	}
	watched := []*witness{l.watch("one"), l.watch("two")}

	first.Continue()
	product.Eventually(t, "the first server's write is refused", func() error {
		for _, e := range g.entries()[over:] {
			if strings.HasPrefix(e, first.Name+" ") {
				t.Fatalf("the first server wrote after the second one: %s", e)
			}
		}
		if !strings.Contains(first.Log(), "a write is refused") {
			return errors.New("it has not tried again")
		}
		return nil
	})
	product.Eventually(t, "the first server stands by", func() error {
		if first.Metric("l2gw_lease_leading") != 0 {
			return fmt.Errorf("it leads")
		}
		return nil
	})
	l.linked() // it has streams with all agents again
	for _, e := range g.entries()[over:] {
		if strings.HasPrefix(e, first.Name+" ") {
			t.Errorf("the first server wrote after the second one: %s", e)
		}
	}
	if diff := cmp.Diff(owned, g.owned()); diff != "" {
		t.Errorf("what is recorded as ours changed (-before +after):\n%s", diff)
	}
	for _, w := range watched {
		if commits, _, _ := w.counts(); commits > 0 {
			t.Errorf("switch %s saw %d commits", w.name, commits)
		}
	}
	api.WaitStatus(kept, "ACTIVE")
}

// The same of the controller: one that stood still wakes up, finds that another
// leads in a higher epoch, and neither feeds agents nor writes to SQL.
func TestAControllerThatStoodStillWhileAnotherTookOverFeedsNobody(t *testing.T) {
	l := newLab(t, 50)
	l.Start()
	first, others := l.Leader()
	second := others[0]
	api := &second.API
	gw := api.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := api.Connect(gw, netA, "100")
	api.WaitStatus(c, "ACTIVE")
	l.waitRows(50)
	epoch := first.Value("l2gw_lease_epoch")

	first.Pause()
	product.Eventually(t, "the other server leads", func() error {
		if second.Metric("l2gw_lease_leading") != 1 {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	if now := second.Value("l2gw_lease_epoch"); now <= epoch {
		t.Errorf("the epoch went from %v to %v", epoch, now)
	}
	second.Disconnect(c)
	l.waitRows(0)
	first.Continue()
	product.Eventually(t, "the first server stands by", func() error {
		if first.Metric("l2gw_lease_leading") != 0 {
			return fmt.Errorf("it leads")
		}
		return nil
	})
	for _, a := range l.Agents {
		product.Eventually(t, a.Name+" has streams with both and obeys the second", func() error {
			if err := linked(a, l); err != nil {
				return err
			}
			if a.Monitor.Metric(`l2gw_agent_stream_obeyed{server="`+second.Fabric+`"}`) != 1 ||
				a.Monitor.Metric(`l2gw_agent_stream_obeyed{server="`+first.Fabric+`"}`) != 0 {
				return fmt.Errorf("it does not")
			}
			return nil
		})
	}
	l.waitRows(0) // it brought nothing back
	c = first.Connect(gw, netA, "100")
	l.waitRows(50)
	first.WaitStatus(c, "ACTIVE")
}
