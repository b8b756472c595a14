package sqlserver

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Main{m}) }

func TestACommitSurvivesKillingTheServer(t *testing.T) {
	for _, start := range []func(testing.TB) *Server{PostgreSQL, MariaDB} {
		s := start(t)
		t.Run(s.kind.name, func(t *testing.T) {
			s.Database(t)
			name := fmt.Sprint("l2gw_", database.Load())
			table := map[string]string{"PostgreSQL": "kept_by_" + name, "MariaDB": name + ".kept"}[s.kind.name]
			for _, q := range []string{"CREATE TABLE " + table + " (id INTEGER PRIMARY KEY)", "INSERT INTO " + table + " VALUES (7)"} {
				if _, err := s.admin.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			s.Kill()
			// PostgreSQL's children outlive their parent for a moment.
			for deadline := time.Now().Add(30 * time.Second); s.admin.Ping() == nil; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it answers long after its death")
				}
			}
			s.Run(t)
			var id int
			if err := s.admin.QueryRow("SELECT id FROM " + table).Scan(&id); err != nil || id != 7 {
				t.Fatalf("%d, %v", id, err)
			}
			if start(t) != s {
				t.Fatal("a second server was started")
			}
			info, err := os.Stat(s.Socket)
			if err != nil || info.Mode()&os.ModeSocket == 0 {
				t.Fatalf("%v: %v", s.Socket, err)
			}
		})
	}
}

func TestFoldersOfTestsThatDiedAreRemoved(t *testing.T) {
	dir, err := os.MkdirTemp("", folders)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/log", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live := PostgreSQL(t)
	removeLeftovers()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(live.dir); err != nil {
		t.Errorf("the one in use: %v", err)
	}
}

func TestANodeThatWasKilledJoinsItsClusterAgain(t *testing.T) {
	nodes := Cluster(t)
	nodes[0].Database(t)
	table := fmt.Sprintf("l2gw_%d.kept", database.Load())
	do := func(node int, statement string) {
		t.Helper()
		if _, err := nodes[node].admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	do(0, "CREATE TABLE "+table+" (id INTEGER PRIMARY KEY)")
	do(1, "INSERT INTO "+table+" VALUES (1)")
	nodes[1].Kill()
	do(0, "INSERT INTO "+table+" VALUES (2)") // which waits until the other one is given up
	nodes[1].Run(t)
	var n int
	if err := nodes[1].admin.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if Cluster(t)[1] != nodes[1] {
		t.Error("a second cluster was started")
	}
}
