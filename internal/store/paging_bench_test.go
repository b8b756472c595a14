package store_test

import (
	"fmt"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// pagedOrders are the lists whose pages must all cost the same.
var pagedOrders = []struct {
	name  string
	query store.Query
}{
	{"by creation", store.Query{}},
	{"by name", store.Query{Sort: []store.SortKey{{Key: "name"}}}},
	{"by name downwards", store.Query{Sort: []store.SortKey{{Key: "name", Descending: true}}}},
	{"of a project", store.Query{Filter: map[string][]string{"project_id": {"p1"}}}},
	{"of a project by name", store.Query{Filter: map[string][]string{"project_id": {"p1"}}, Sort: []store.SortKey{{Key: "name"}}}},
}

// manyGateways adds n gateways of three projects.
func manyGateways(tb testing.TB, s *store.Store, n int) []l2gw.Gateway {
	tb.Helper()
	var all []l2gw.Gateway
	for len(all) < n {
		in := make([]l2gw.Gateway, min(5_000, n-len(all)))
		for i := range in {
			in[i] = gw(fmt.Sprintf("gw%07d", (len(all)+i)*7919%n), "ps1/eth1")
			in[i].ProjectID = fmt.Sprint("p", i%3)
		}
		made, err := s.CreateGateways(tb.Context(), in)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, made...)
	}
	return all
}

// The first page of 100, one in the middle and the last of 100,000 gateways.
func BenchmarkPageOf100000Gateways(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		manyGateways(b, s, 100_000)
		s.Analyze(b.Context(), b) // as servers do by themselves soon after
		for _, order := range pagedOrders {
			q := order.query
			list, err := s.Gateways(b.Context(), q)
			if err != nil {
				b.Fatal(err)
			}
			q.Limit = 100
			for _, page := range []struct {
				name   string
				marker string
			}{{"first", ""}, {"middle", list[len(list)/2].ID}, {"last", list[len(list)-101].ID}} {
				q.Marker = page.marker
				b.Run(order.name+"/"+page.name, func(b *testing.B) {
					for b.Loop() {
						if list, err := s.Gateways(b.Context(), q); err != nil || len(list) != 100 {
							b.Fatal(len(list), err)
						}
					}
				})
			}
		}
	})
}
