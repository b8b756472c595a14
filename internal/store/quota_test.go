package store_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

func quotas(t *testing.T, s *store.Store) {
	wantQuota := func(project string, gateways, connections l2gw.QuotaUsage) {
		t.Helper()
		got, err := s.Quota(t.Context(), project)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, map[string]l2gw.QuotaUsage{l2gw.QuotaGateways: gateways, l2gw.QuotaConnections: connections})
	}
	set := func(project string, limits map[string]int) {
		t.Helper()
		if err := s.SetQuota(t.Context(), project, limits); err != nil {
			t.Fatal(err)
		}
	}
	none := l2gw.QuotaUsage{Limit: l2gw.Unlimited}
	wantQuota("p1", none, none)
	wantError(t, s.DeleteQuota(t.Context(), "p1"), l2gw.NotFound, "TenantQuotaNotFound")

	set("p1", map[string]int{l2gw.QuotaGateways: 3})
	set("p1", map[string]int{l2gw.QuotaConnections: 1})
	set("p1", map[string]int{})
	a := mustGateway(t, s, gw("a", "ps1/eth1"))
	two := []l2gw.Gateway{gw("b", "ps1/eth2"), gw("c", "ps1/eth3")}
	elsewhere := gw("d", "ps1/eth4")
	elsewhere.ProjectID = "p2"
	if _, err := s.CreateGateways(t.Context(), append(two, elsewhere)); err != nil {
		t.Fatal(err)
	}
	wantQuota("p1", l2gw.QuotaUsage{Limit: 3, Used: 3}, l2gw.QuotaUsage{Limit: 1})
	wantQuota("p2", l2gw.QuotaUsage{Limit: l2gw.Unlimited, Used: 1}, none)
	_, err := s.CreateGateways(t.Context(), []l2gw.Gateway{elsewhere, gw("e", "ps1/eth5")})
	wantError(t, err, l2gw.Conflict, "OverQuota")
	wantQuota("p2", l2gw.QuotaUsage{Limit: l2gw.Unlimited, Used: 1}, none)

	c := mustConnect(t, s, a.ID, "n", vlan(5))
	// What does not exist or is taken is told first, but a place that is taken last.
	for network, want := range map[string]string{"n": "L2GatewayConnectionExists", "m": "OverQuota"} {
		_, err = s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: a.ID, NetworkID: network, VLAN: vlan(5), ProjectID: "p1"})
		wantError(t, err, l2gw.Conflict, want)
	}
	_, err = s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: "no-such", NetworkID: "m", VLAN: vlan(6), ProjectID: "p1"})
	wantError(t, err, l2gw.NotFound, "L2GatewayNotFound")
	if err := s.DeleteConnection(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	mustConnect(t, s, a.ID, "m", vlan(6))

	// Below what is used: nothing goes, nothing comes.
	set("p1", map[string]int{l2gw.QuotaGateways: 0})
	wantQuota("p1", l2gw.QuotaUsage{Limit: 0, Used: 3}, l2gw.QuotaUsage{Limit: 1, Used: 1})
	_, err = s.CreateGateway(t.Context(), gw("f", "ps1/eth6"))
	wantError(t, err, l2gw.Conflict, "OverQuota")
	if !strings.Contains(err.Error(), "['l2_gateway']") {
		t.Errorf("%v does not name the resource", err)
	}
	all, err := s.Quotas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, all, map[string]map[string]int{"p1": {l2gw.QuotaGateways: 0, l2gw.QuotaConnections: 1}})
	if err := s.DeleteQuota(t.Context(), "p1"); err != nil {
		t.Fatal(err)
	}
	mustGateway(t, s, gw("f", "ps1/eth6"))
	if all, err = s.Quotas(t.Context()); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}

	before, _ := s.Revision(t.Context())
	for _, wrong := range []map[string]int{
		{"l2_gateway": -2},
		{"l2_gateway": math.MaxInt32 + 1},
		{"l2-gateway-connection": 5},
		{"l2_gateway": 5, "router": 5},
		{"\xff\x00": 1},
	} {
		wantError(t, s.SetQuota(t.Context(), "p1", wrong), l2gw.Invalid, "HTTPBadRequest")
	}
	if err := s.SetQuota(t.Context(), "p1", map[string]int{"router": 5}); !strings.Contains(err.Error(), "l2_gateway and of l2_gateway_connection") {
		t.Errorf("%v does not name what there is", err)
	}
	for _, wrong := range []string{"", "\x00", "\xff", strings.Repeat("p", 256)} {
		wantError(t, s.SetQuota(t.Context(), wrong, map[string]int{l2gw.QuotaGateways: 1}), l2gw.Invalid, "HTTPBadRequest")
		wantError(t, s.DeleteQuota(t.Context(), wrong), l2gw.NotFound, "TenantQuotaNotFound")
		wantQuota(wrong, none, none)
	}
	if after, _ := s.Revision(t.Context()); after != before {
		t.Errorf("what was refused moved the revision from %d to %d", before, after)
	}
	set(strings.Repeat("😀", 255), map[string]int{l2gw.QuotaGateways: math.MaxInt32})
}

// lastPlace: of twenty that want the last place of a quota exactly one has it.
func lastPlace(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	if err := s.SetQuota(t.Context(), "p1", map[string]int{l2gw.QuotaGateways: 2, l2gw.QuotaConnections: 1}); err != nil {
		t.Fatal(err)
	}
	for what, create := range map[string]func(i int) error{
		"gateways": func(i int) error {
			_, err := s.CreateGateway(t.Context(), gw(fmt.Sprint("g", i), "ps1/eth1"))
			return err
		},
		"connections": func(i int) error {
			_, err := s.CreateConnection(t.Context(),
				l2gw.Connection{GatewayID: g.ID, NetworkID: fmt.Sprint("n", i), VLAN: vlan(l2gw.VLAN(i)), ProjectID: "p1"})
			return err
		},
	} {
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := create(i); err == nil {
					won.Add(1)
				} else if e, ok := errors.AsType[*l2gw.Error](err); !ok || e.Type != "OverQuota" {
					t.Errorf("a loser got %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("of the %s %d of 20 won", what, won.Load())
		}
	}
}

// sufficientLimit: a limit that was checked against what the project has holds,
// whoever creates meanwhile.
func sufficientLimit(t *testing.T, s *store.Store) {
	const limit = 5
	for round := range 4 {
		project := fmt.Sprint("sufficient", round)
		var limited atomic.Bool
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				g := gw(fmt.Sprint("g", i), "ps1/eth1")
				g.ProjectID = project
				if _, err := s.CreateGateway(t.Context(), g); err != nil && err.Error() != l2gw.OverQuota(l2gw.QuotaGateways).Message {
					t.Error(err)
				}
			})
			if i == round+1 {
				wg.Go(func() {
					err := s.SetSufficientQuota(t.Context(), project, map[string]int{l2gw.QuotaGateways: limit})
					if limited.Store(err == nil); err != nil && !strings.Contains(err.Error(), "must be greater than or equal to already used") {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		q, err := s.Quota(t.Context(), project)
		if err != nil {
			t.Fatal(err)
		}
		if got := q[l2gw.QuotaGateways]; limited.Load() && got != (l2gw.QuotaUsage{Limit: limit, Used: limit}) || !limited.Load() && got.Limit != l2gw.Unlimited {
			t.Errorf("limited %v: %+v", limited.Load(), got)
		}
	}
	err := s.SetSufficientQuota(t.Context(), "sufficient0", map[string]int{l2gw.QuotaGateways: 1, l2gw.QuotaConnections: 0})
	if wantError(t, err, l2gw.Invalid, "HTTPBadRequest"); !strings.Contains(err.Error(), "Quota limit 1 for l2_gateway must be greater") {
		t.Error(err)
	}
}

func TestDefaultQuotasCountForProjectsWithoutTheirOwn(t *testing.T) {
	s, err := store.Open(t.Context(), sqliteURL(t), store.WithQuotaDefaults(map[string]int{l2gw.QuotaGateways: 1}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.QuotaDefaults()[l2gw.QuotaGateways] = 99 // the caller's own
	equal(t, s.QuotaDefaults(), map[string]int{l2gw.QuotaGateways: 1, l2gw.QuotaConnections: l2gw.Unlimited})
	mustGateway(t, s, gw("a", "ps1/eth1"))
	_, err = s.CreateGateway(t.Context(), gw("b", "ps1/eth1"))
	wantError(t, err, l2gw.Conflict, "OverQuota")
	if err := s.SetQuota(t.Context(), "p1", map[string]int{l2gw.QuotaGateways: 2}); err != nil {
		t.Fatal(err)
	}
	mustGateway(t, s, gw("b", "ps1/eth1"))
	if err := s.DeleteQuota(t.Context(), "p1"); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateGateway(t.Context(), gw("c", "ps1/eth1"))
	wantError(t, err, l2gw.Conflict, "OverQuota")

	for _, wrong := range []map[string]int{{"router": 1}, {l2gw.QuotaGateways: -2}} {
		if s, err := store.Open(t.Context(), sqliteURL(t), store.WithQuotaDefaults(wrong)); err == nil {
			_ = s.Close()
			t.Errorf("%v was taken", wrong)
		}
	}
}
