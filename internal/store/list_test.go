package store_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

func filters(t *testing.T, s *store.Store) {
	a := gw("a", "ps1/eth1")
	a.Description = "x"
	b := gw("b", "ps1/eth1")
	b.ProjectID = "p2"
	ga, gb := mustGateway(t, s, a), mustGateway(t, s, b)
	ca := mustConnect(t, s, ga.ID, "net-1", vlan(0))
	cb := mustConnect(t, s, gb.ID, "net-1", vlan(50))
	cc := mustConnect(t, s, mustGateway(t, s, gw("c", "ps2/eth1/9")).ID, "net-2", nil)
	ids := func(filter map[string][]string) (names string) {
		t.Helper()
		list, err := s.Gateways(t.Context(), store.Query{Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list {
			names += g.Name
		}
		return names
	}
	created := ga.CreatedAt.Format(time.RFC3339)
	for _, test := range []struct {
		filter map[string][]string
		want   string
	}{
		{nil, "abc"},
		{map[string][]string{"name": {"a"}}, "a"},
		{map[string][]string{"name": {"b", "a", "zz"}}, "ab"},
		{map[string][]string{"name": {"zz"}}, ""},
		{map[string][]string{"name": {}}, ""},
		{map[string][]string{"id": {ga.ID}}, "a"},
		{map[string][]string{"tenant_id": {"p2"}}, "b"},
		{map[string][]string{"project_id": {"p1"}, "name": {"a", "b"}}, "a"},
		{map[string][]string{"description": {"x"}}, "a"},
		{map[string][]string{"revision_number": {"2", "nonsense"}}, ""},
		{map[string][]string{"revision_number": {"1"}}, "abc"},
		{map[string][]string{"created_at": {created}, "name": {"a"}}, "a"},
		{map[string][]string{"created_at": {"2001-01-01T00:00:00Z"}}, ""},
		{map[string][]string{"updated_at": {"yesterday"}}, ""},
		{map[string][]string{"bogus": {"1"}, "devices": {"x"}}, "abc"},
	} {
		if got := ids(test.filter); got != test.want {
			t.Errorf("%v: %q, want %q", test.filter, got, test.want)
		}
	}
	for _, test := range []struct {
		attribute string
		values    []string
		want      []l2gw.Connection
	}{
		{"id", []string{cb.ID}, []l2gw.Connection{cb}},
		{"l2_gateway_id", []string{ga.ID, gb.ID}, []l2gw.Connection{ca, cb}},
		{"network_id", []string{"net-2"}, []l2gw.Connection{cc}},
		{"segmentation_id", []string{"50", " 0"}, []l2gw.Connection{ca, cb}},
		{"segmentation_id", []string{""}, []l2gw.Connection{cc}},
		{"segmentation_id", []string{"abc"}, nil},
		{"tenant_id", []string{"p1"}, []l2gw.Connection{ca, cb, cc}},
		{"project_id", []string{"p2"}, nil},
	} {
		got, err := s.Connections(t.Context(), store.Query{Filter: map[string][]string{test.attribute: test.values}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, test.want)
	}
}

// manyValues: filters of hundreds of values, among them what no column can hold,
// what is too long for one, and what means something in SQL.
func manyValues(t *testing.T, s *store.Store) {
	a, b := mustGateway(t, s, gw("a", "ps1/eth1")), mustGateway(t, s, gw("b%_'\\😀", "ps1/eth1"))
	ca := mustConnect(t, s, a.ID, "n", vlan(5))
	values := []string{"\x00", "a\x00", "\xff", "%", "_", "' OR '1'='1", "\\", "\\'", "A", "a ", strings.Repeat("😀", 10_000), "b%_'\\😀", "?", "-1", "9223372036854775808", "1e3", "NaN"}
	for i := range 1_000 {
		values = append(values, fmt.Sprint("value", i), fmt.Sprint(100_000+i))
	}
	for _, test := range []struct {
		attributes []string
		extra      string
		want       int
	}{
		{[]string{"name"}, "b%_'\\😀", 1},
		{[]string{"id"}, a.ID, 1},
		{[]string{"name", "id"}, b.ID, 1},
		{[]string{"revision_number"}, "1", 2},
		{[]string{"created_at"}, a.CreatedAt.Format(time.RFC3339), 2},
		{[]string{"project_id", "description"}, "p1", 0},
	} {
		filter := map[string][]string{}
		for _, attribute := range test.attributes {
			filter[attribute] = append([]string{test.extra}, values...)
		}
		list, err := s.Gateways(t.Context(), store.Query{Filter: filter})
		if err != nil || len(list) < min(1, test.want) || len(list) > 2 || test.attributes[0] != "created_at" && len(list) != test.want {
			t.Errorf("%v: %d found, want %d: %v", test.attributes, len(list), test.want, err)
		}
	}
	list, err := s.Connections(t.Context(), store.Query{Filter: map[string][]string{"segmentation_id": append([]string{"5"}, values...), "network_id": append([]string{"n"}, values...)}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, list, []l2gw.Connection{ca})
	for _, marker := range []string{"\x00", "\xff", strings.Repeat("😀", 10_000), "' OR '1'='1"} {
		_, err := s.Gateways(t.Context(), store.Query{Marker: marker})
		wantError(t, err, l2gw.Invalid, "InvalidInput")
	}
}

// SQLite once looked up each name with each id, for ten seconds with five thousand of both.
func TestManyValuesOfTwoAttributesAreNotLookedUpInPairs(t *testing.T) {
	s := open(t, sqliteURL(t))
	plan := func(names, ids int) string {
		filter := map[string][]string{}
		for i := range names {
			filter["name"] = append(filter["name"], fmt.Sprint("name", i))
		}
		for i := range ids {
			filter["id"] = append(filter["id"], fmt.Sprint("id", i))
		}
		return s.Plan(t.Context(), t, store.Query{Filter: filter})
	}
	for _, test := range []struct {
		names, ids int
		looksUp    string
	}{
		{2, 3, "(name=? AND id=?)"},
		{101, 102, "(name=?)"},
		{102, 101, "(id=?)"},
		{5000, 5000, "(id=?)"},
	} {
		if got := plan(test.names, test.ids); !strings.Contains(got, test.looksUp) {
			t.Errorf("%d names and %d ids: %s, want %s", test.names, test.ids, got, test.looksUp)
		}
	}
}

// pages reads lists page by page in many orders, both ways, and compares with
// sorting in memory. Names and projects repeat, so that ties are common.
func pages(t *testing.T, s *store.Store) {
	r := rand.New(rand.NewPCG(1, 2))
	var in []l2gw.Gateway
	for range 23 {
		g := gw(fmt.Sprint("n", r.IntN(4)), "ps1/eth1")
		g.ProjectID = fmt.Sprint("p", r.IntN(3))
		in = append(in, g)
	}
	all, err := s.CreateGateways(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]func(a, b l2gw.Gateway) int{
		"name":       func(a, b l2gw.Gateway) int { return strings.Compare(a.Name, b.Name) },
		"tenant_id":  func(a, b l2gw.Gateway) int { return strings.Compare(a.ProjectID, b.ProjectID) },
		"created_at": func(a, b l2gw.Gateway) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"id":         func(a, b l2gw.Gateway) int { return strings.Compare(a.ID, b.ID) },
	}
	for _, sort := range [][]store.SortKey{
		nil,
		{{Key: "name"}},
		{{Key: "name", Descending: true}},
		{{Key: "name", Descending: true}, {Key: "tenant_id"}},
		{{Key: "tenant_id", Descending: true}, {Key: "name", Descending: true}, {Key: "id", Descending: true}},
		{{Key: "id"}, {Key: "name"}},
	} {
		want := slices.Clone(all)
		slices.SortFunc(want, func(a, b l2gw.Gateway) int {
			order := 0
			for _, k := range sort {
				c := keys[k.Key](a, b)
				if k.Descending {
					c = -c
				}
				order = cmp.Or(order, c)
			}
			id := keys["id"](a, b)
			if len(sort) > 0 && sort[len(sort)-1].Descending {
				id = -id
			}
			return cmp.Or(order, id)
		})
		for _, limit := range []int{0, 1, 5, 23, 50} {
			var forward, backward []l2gw.Gateway
			for marker := ""; ; marker = forward[len(forward)-1].ID {
				page, err := s.Gateways(t.Context(), store.Query{Sort: sort, Limit: limit, Marker: marker})
				if err != nil {
					t.Fatal(err)
				}
				if forward = append(forward, page...); len(page) == 0 || limit == 0 {
					break
				}
			}
			for marker := ""; ; marker = backward[0].ID {
				page, err := s.Gateways(t.Context(), store.Query{Sort: sort, Limit: limit, Marker: marker, Reverse: true})
				if err != nil {
					t.Fatal(err)
				}
				if backward = append(page, backward...); len(page) == 0 || limit == 0 {
					break
				}
			}
			equal(t, forward, want)
			equal(t, backward, want)
		}
	}
	_, err = s.Gateways(t.Context(), store.Query{Sort: []store.SortKey{{Key: "bogus"}}})
	wantError(t, err, l2gw.Invalid, "HTTPBadRequest")
	_, err = s.Gateways(t.Context(), store.Query{Marker: "no-such"})
	wantError(t, err, l2gw.Invalid, "InvalidInput")
}

// A page that began by reading all before it would cost the more the later it is.
func TestEachPageIsReadFromAnIndexWithoutSorting(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, e.fresh(t))
			all := manyGateways(t, s, 5_000)
			s.Analyze(t.Context(), t)
			for _, order := range pagedOrders {
				for _, reverse := range []bool{false, true} {
					q := order.query
					q.Limit, q.Marker, q.Reverse = 10, all[2_400].ID, reverse
					plan := strings.ToLower(s.Plan(t.Context(), t, q))
					entered := false
					for line := range strings.Lines(plan) {
						// MariaDB names those of "ref" that are read from the filter's first on.
						entered = entered || strings.Contains(line, " gateways_") && !strings.Contains(line, " ref ")
						sorted := strings.Contains(line, "sort") || strings.Contains(line, "temp b-tree")
						if sorted && !strings.Contains(line, "<subquery") { // which is the page alone
							t.Errorf("%s, reverse %v, is sorted:\n%s", order.name, reverse, plan)
						}
					}
					if !entered {
						t.Errorf("%s, reverse %v, enters no index:\n%s", order.name, reverse, plan)
					}
				}
			}
		})
	}
}
