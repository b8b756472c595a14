package store_test

import (
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// The important part of what every engine promises, where commits are certified
// by a cluster, even if of one node.
func TestANodeOfGaleraKeepsTheStoresPromises(t *testing.T) {
	t.Parallel()
	server := sqlserver.Galera(t)
	for name, run := range map[string]func(*testing.T, *store.Store){
		"what is created is shown and listed in the order of creation": createShowList,
		"an update rebinds only its own gateway, atomically":           updateRebinds,
		"hundreds of places are bound, moved and refused as one is":    large,
		"of fifty that bind one place exactly one wins":                fiftyBind,
		"of ten deletes one succeeds":                                  tenDeletes,
		"of twenty that want a quota's last place exactly one has it":  lastPlace,
		"of eight that take a lease exactly one has it":                raceForLease,
		"who lost the lease writes nothing":                            fencedWrites,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t, server.Database(t))) })
	}
	t.Run("a check tells of the cluster", func(t *testing.T) {
		url := server.Database(t)
		open(t, url)
		if found := findings(t, url); !strings.Contains(found["cluster"], "ok Galera node, Synced, Primary of 1 nodes") || found["cluster reads"] != "" {
			t.Errorf("%q", found)
		}
		s, err := store.Open(t.Context(), url, store.WithSyncWait(0))
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
	})
	t.Run("a node outside the cluster is unavailable, and needs no reopening", func(t *testing.T) {
		s := open(t, server.Database(t))
		g := mustGateway(t, s, gw("a", "ps1/eth1"))
		reject := func(what string) {
			t.Helper()
			if _, err := server.Admin().ExecContext(t.Context(), "SET GLOBAL wsrep_reject_queries = "+what); err != nil {
				t.Fatal(err)
			}
		}
		reject("ALL") // error 1047, as of a node that lost the others
		defer reject("NONE")
		var wg sync.WaitGroup
		for what, ask := range map[string]func() error{
			"show":   func() error { _, err := s.Gateway(t.Context(), g.ID); return err },
			"list":   func() error { _, err := s.Gateways(t.Context(), store.Query{}); return err },
			"create": func() error { _, err := s.CreateGateway(t.Context(), gw("b", "ps1/eth1")); return err },
			"delete": func() error { return s.DeleteGateway(t.Context(), g.ID) },
		} {
			wg.Go(func() {
				if err := ask(); l2gw.ErrorCode(err) != l2gw.Unavailable {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		wg.Wait()
		reject("NONE")
		if _, err := s.Gateway(t.Context(), g.ID); err != nil {
			t.Error(err)
		}
	})
}
