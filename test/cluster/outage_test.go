package cluster

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// inTime is when a client is told at the latest that there is no database, with room
// for a busy machine: it should be 5 s.
const inTime = 10 * time.Second

// world is a server with a few objects.
type world struct {
	*product.Serve
	gateway, connection string
}

func newWorld(t *testing.T, database string) *world {
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: database})
	w := &world{Serve: c.Servers[0]}
	serving(t, w.Serve)
	w.gateway = w.CreateGateway("first", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	w.connection = w.Connect(w.gateway, network, "5")
	return w
}

func (w *world) reads() []request {
	return []request{
		{"GET", "/v2.0/l2-gateways", nil},
		{"GET", "/v2.0/l2-gateways/" + w.gateway, nil},
		{"GET", "/v2.0/l2-gateway-connections", nil},
		{"GET", "/v2.0/l2-gateway-connections/" + w.connection, nil},
		{"GET", "/v2.0/quotas", nil},
		{"GET", "/v2.0/quotas/p/details", nil},
	}
}

func (w *world) writes() []request {
	quota := product.Object{"quota": product.Object{"l2_gateway": 7}}
	return []request{
		{"POST", "/v2.0/l2-gateways", gateway("refused", "p")},
		{"POST", "/v2.0/l2-gateway-connections", connection(w.gateway, other, "6")},
		{"PUT", "/v2.0/l2-gateways/" + w.gateway, product.Object{"l2_gateway": product.Object{"name": "refused"}}},
		{"PUT", "/v2.0/quotas/p", quota},
		{"DELETE", "/v2.0/l2-gateway-connections/" + w.connection, nil},
		{"DELETE", "/v2.0/l2-gateways/" + w.gateway, nil},
		{"DELETE", "/v2.0/quotas/p", nil},
	}
}

// unavailable asks all of these at once, and all again: each must be told to come again.
func (w *world) unavailable(t *testing.T, requests []request) (longest time.Duration) {
	t.Helper()
	for range 2 {
		for i, a := range together(t, []*product.Serve{w.Serve}, requests...) {
			if a.status != http.StatusServiceUnavailable || a.retryAfter == "" || a.took > inTime {
				t.Errorf("%s %s: %d %v after %v", requests[i].method, requests[i].path, a.status, a.body, a.took)
			}
			longest = max(longest, a.took)
		}
	}
	return longest
}

// contents is all that there is, but for the statuses, which come about by themselves.
func (w *world) contents(t *testing.T) (all []product.Object) {
	t.Helper()
	for _, path := range []string{
		"/v2.0/l2-gateways?fields=id&fields=name&fields=devices&fields=revision_number&fields=updated_at",
		"/v2.0/l2-gateway-connections?fields=id&fields=network_id&fields=l2_gateway_id&fields=segmentation_id&fields=revision_number", "/v2.0/quotas",
	} {
		status, body := w.Do("GET", path, nil)
		if status != http.StatusOK {
			t.Fatalf("GET %s: %d %v", path, status, body)
		}
		all = append(all, body)
	}
	return all
}

// works does each write with success.
func (w *world) works(t *testing.T) {
	t.Helper()
	for i, r := range w.writes() {
		if a := ask(t, w.Serve, r); a.status >= 300 {
			t.Errorf("afterwards: %s %s: %d %v", r.method, r.path, a.status, a.body)
		} else if i == 1 { // the gateway must be without any at the end
			w.Disconnect(a.id())
		}
	}
}

func TestWhileTheDatabaseIsAwayEveryRequestIsToldToComeAgainAndNothingIsHalfDone(t *testing.T) {
	connections := map[string]string{
		"PostgreSQL": "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'l2gw'",
		"MariaDB":    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'l2gw'",
	}
	for name, start := range map[string]func(testing.TB) *sqlserver.Server{"PostgreSQL": sqlserver.PostgreSQL, "MariaDB": sqlserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			w := newWorld(t, server.Database(t))
			before := w.contents(t)
			for what, fault := range map[string]struct{ begin, end func() }{
				"killed": {server.Kill, func() { server.Run(t) }},
				"hung":   {func() { server.Hang(t) }, server.Resume},
			} {
				fault.begin()
				longest := w.unavailable(t, append(w.reads(), w.writes()...))
				if a := ask(t, w.Serve, request{"GET", "/readyz", nil}); a.status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(a.body), "store") {
					t.Errorf("%s: /readyz: %d %v", what, a.status, a.body)
				}
				fault.end()
				w.Eventually("the server is ready again", func() error {
					if a := ask(t, w.Serve, request{"GET", "/readyz", nil}); a.status != http.StatusOK {
						return fmt.Errorf("%d %v", a.status, a.body)
					}
					return nil
				})
				if diff := cmp.Diff(before, w.contents(t)); diff != "" {
					t.Errorf("%s: something was done (-before +after):\n%s", what, diff)
				}
				t.Logf("%s: the last was told after %v", what, longest)
			}
			var reads []request
			for range 20 {
				reads = append(reads, w.reads()...)
			}
			if got := statuses(together(t, []*product.Serve{w.Serve}, reads...)); got[http.StatusOK] != len(reads) {
				t.Errorf("%d parallel reads: %v", len(reads), got)
			}
			w.works(t)
			w.Eventually("no connection was left behind", func() error {
				var n int
				if err := server.Admin().QueryRow(connections[name]).Scan(&n); err != nil || n > 16 {
					return fmt.Errorf("%d connections, %w", n, err)
				}
				return nil
			})
			if strings.Contains(w.Log(), "level=ERROR") {
				t.Error("the log has errors")
			}
		})
	}
}

// SQLite's readers wait for no writer.
func TestAFileThatAnotherProcessHasLockedIsReadAndNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l2gw.db")
	w := newWorld(t, "sqlite:///"+path)
	before := w.contents(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	w.Eventually("the file is locked", func() error {
		_, err := tx.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
		return err
	})
	t.Logf("the last was told after %v", w.unavailable(t, w.writes()))
	if got := statuses(together(t, []*product.Serve{w.Serve}, w.reads()...)); got[http.StatusOK] != len(w.reads()) {
		t.Errorf("reads: %v", got)
	}
	if _, err := tx.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.contents(t)); diff != "" {
		t.Errorf("something was done (-before +after):\n%s", diff)
	}
	w.works(t)
}

func TestAFullDiskIsReadAndNotWrittenAndNothingIsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2M"); err != nil {
		t.Fatalf("mount, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "l2gw.db")
	w := newWorld(t, "sqlite:///"+path)
	before := w.contents(t)
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	// What fits into the room that the log has already is done; much does not.
	long := strings.Repeat("x", 255)
	var many []product.Object
	for i := range 1200 {
		many = append(many, gateway(fmt.Sprint(i, long)[:255], long)["l2_gateway"].(product.Object))
	}
	w.unavailable(t, []request{{"POST", "/v2.0/l2-gateways", product.Object{"l2_gateways": many}}})
	if diff := cmp.Diff(before, w.contents(t)); diff != "" {
		t.Errorf("something was done (-before +after):\n%.2000s", diff)
	}
	if !strings.Contains(w.Log(), "disk is full") {
		t.Error("the log does not say why")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.works(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sound string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("%s, %v", sound, err)
	}
}
