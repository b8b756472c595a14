package store_test

import (
	"fmt"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// While one writes, all others wait, and each statement is a round trip. How many
// there are must not depend on how much is created together.
func TestTheNumberOfStatementsDoesNotGrowWithTheRequest(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), e.fresh(t), store.WithQuotaDefaults(map[string]int{l2gw.QuotaGateways: 1000, l2gw.QuotaConnections: 1000}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			statements := s.CountStatements()
			taken := 0
			counted := func(what string, want int, do func() error) {
				t.Helper()
				before := statements.Load()
				if err := do(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if n := int(statements.Load() - before); n != want {
					t.Errorf("%s takes %d statements, want %d", what, n, want)
				}
			}
			var gateways []l2gw.Gateway
			create := func(n int) func() error {
				return func() (err error) {
					var list []l2gw.Gateway
					for i := range n {
						g := gw("a", fmt.Sprintf("ps%d/eth1", taken), fmt.Sprintf("ps%d/eth2", taken))
						g.ProjectID = fmt.Sprint("p", i)
						list = append(list, g)
						taken++
					}
					gateways, err = s.CreateGateways(t.Context(), list)
					return err
				}
			}
			// BEGIN, revision, its token, the gateways, quotas, the count, devices, interfaces, COMMIT.
			counted("creating a gateway", 9, create(1))
			counted("creating 200 gateways", 9, create(200))
			connect := func(n, of int) func() error {
				return func() error {
					var list []l2gw.Connection
					for i := range n {
						taken++
						list = append(list, l2gw.Connection{
							GatewayID: gateways[i%of].ID, NetworkID: fmt.Sprint("n", taken), VLAN: vlan(l2gw.VLAN(taken)), ProjectID: fmt.Sprint("p", i),
						})
					}
					_, err := s.CreateConnections(t.Context(), list)
					return err
				}
			}
			// BEGIN, revision, its token, the gateway, what it is connected to, the connection, quotas, the
			// count, places that are taken, bindings, the log, COMMIT.
			counted("creating a connection", 12, connect(1, 1))
			counted("creating 100 connections", 12, connect(100, 1))
			counted("creating 100 connections of as many gateways", 13, connect(100, 100)) // gateways and interfaces
			for _, q := range []store.Query{{}, {Limit: 10}} {
				counted("listing gateways", 4, func() error { _, err := s.Gateways(t.Context(), q); return err })
				counted("listing connections", 3, func() error { _, err := s.Connections(t.Context(), q); return err })
			}
			counted("showing a gateway", 1, func() error { _, err := s.Gateway(t.Context(), gateways[0].ID); return err })
			counted("the bindings of connections", 1, func() error { _, err := s.ConnectionBindings(t.Context(), "a", "b"); return err })
		})
	}
}
