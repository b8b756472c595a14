package store_test

import (
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

func TestServersThatStartAtOnceUpgradeTheDatabaseOneAfterAnother(t *testing.T) {
	for _, e := range engines[1:] {
		for _, from := range []string{"nothing", "the first schema"} {
			t.Run(e.name+" from "+from, func(t *testing.T) {
				url := e.fresh(t)
				if from != "nothing" {
					if err := store.OpenFirst(t.Context(), url); err != nil {
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
			if err := store.OpenFirst(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			s := open(t, url)
			mustConnect(t, s, mustGateway(t, s, gw("a", "ps1/eth1")).ID, "n", vlan(5))
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
