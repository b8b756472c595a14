package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// sqliteURL names a database of the test's own.
func sqliteURL(tb testing.TB) string {
	return "sqlite:///" + filepath.Join(tb.TempDir(), "l2gw #1?.db")
}

// open opens the database and closes it at the end of the test.
func open(tb testing.TB, url string) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Two processes may have the same file open, as during a careless restart.
func TestTwoStoresOfOneFileShareTheirWrites(t *testing.T) {
	url := sqliteURL(t)
	stores := []*store.Store{open(t, url), open(t, url)}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			g, err := stores[i%2].CreateGateway(t.Context(), gw("a", "ps1/eth1"))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := stores[(i+1)%2].CreateConnection(t.Context(), l2gw.Connection{GatewayID: g.ID, NetworkID: "n", VLAN: vlan(l2gw.VLAN(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		if revision, got := bindings(t, s); revision != 80 || len(got) != 40 {
			t.Errorf("revision %d with %d bindings, want 80 with 40", revision, len(got))
		}
		if err := s.CheckIntegrity(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestACancelledWriteChangesNothing(t *testing.T) {
	s := open(t, sqliteURL(t))
	ctx, cancel := context.WithCancel(t.Context())
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	_, err := s.UpdateGateway(ctx, g.ID, func(g *l2gw.Gateway) error {
		g.Name = "b"
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	shown, err := s.Gateway(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shown, g)
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l2gw.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), "sqlite:///"+path); err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	} else if !strings.Contains(err.Error(), path) {
		t.Fatalf("the error does not name the file: %v", err)
	}
}

// A database that fails is not the client's mistake: 503, and what it said is
// for the log alone.
func TestADatabaseThatFailsIsUnavailable(t *testing.T) {
	s := open(t, sqliteURL(t))
	s.Fill(t.Context(), t)
	var many []l2gw.Gateway
	for range 1_000 {
		many = append(many, gw(strings.Repeat("n", 255), "ps1/eth1"))
	}
	_, err := s.CreateGateways(t.Context(), many)
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
	if strings.Contains(err.Error(), "full") || errors.Unwrap(err) == nil {
		t.Fatalf("shown: %v; logged: %v", err, errors.Unwrap(err))
	}
	if list, err := s.Gateways(t.Context(), store.Query{}); err != nil || len(list) != 0 {
		t.Fatalf("a part was left: %d gateways, %v", len(list), err)
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	s, err := store.Open(t.Context(), sqliteURL(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateGateway(t.Context(), gw("a", "ps1/eth1"))
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
	_, _, err = s.Bindings(t.Context())
	wantError(t, err, l2gw.Unavailable, "ServiceUnavailable")
}

// What survives a loss of power cannot be tried here; what SQLite documents it by can.
func TestCommitsAreOnDiskWhenTheyReturn(t *testing.T) {
	s := open(t, sqliteURL(t))
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  "2", // FULL: in WAL mode every commit is synced
		"foreign_keys": "1",
	} {
		for side, got := range s.Pragma(t.Context(), t, pragma) {
			if got != want {
				t.Errorf("%s is %s on the %s side, want %s", pragma, got, side, want)
			}
		}
	}
	if got := s.Pragma(t.Context(), t, "query_only"); got["reading"] != "1" || got["writing"] != "0" {
		t.Errorf("query_only: %v", got)
	}
}
