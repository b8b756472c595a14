package api

import (
	"slices"
	"sort"

	"l2gw"
	"l2gw/internal/store"
)

// shelf is a list in memory that may be long: objects with places from 0 to n,
// such as the inventory's ports.
type shelf[T any] struct {
	n    int
	at   func(place int) T
	find func(id string) (place int, found bool)
	// narrow returns places in order, outside of which nothing is what a filter
	// wants, or false if it knows none but all; nil: it never does.
	narrow func(filter map[string][]string) (places []int, narrowed bool)
}

// pick answers a query as the store answers its own: without a look at more than
// it must, and without a copy of what it does not return.
func pick[T any](q store.Query, t table[T], s shelf[T]) ([]T, error) {
	marker := -1
	if q.Marker != "" {
		var found bool
		if marker, found = s.find(q.Marker); !found {
			return nil, l2gw.MarkerNotFound(q.Marker)
		}
	}
	places := s.candidates(q.Filter, t)
	if len(q.Sort) > 0 {
		return s.pickSorted(q, t, marker, places), nil
	}
	from, to := 0, places.n
	if marker >= 0 {
		i := sort.Search(places.n, func(i int) bool { return places.at(i) >= marker })
		switch {
		case q.Reverse:
			to = i
		case i < places.n && places.at(i) == marker:
			from = i + 1
		default:
			from = i
		}
	}
	step, i := 1, from
	if q.Reverse {
		step, i = -1, to-1
	}
	most := to - from
	if q.Limit > 0 && q.Limit < most {
		most = q.Limit
	}
	var all []T
	if places.isWanted == nil {
		all = make([]T, 0, most)
	}
	var x T
	for ; from <= i && i < to && len(all) < most; i += step {
		if x = s.at(places.at(i)); places.isWanted == nil || places.isWanted(&x) {
			all = append(all, x)
		}
	}
	if q.Reverse {
		slices.Reverse(all)
	}
	return all, nil
}

// candidates are n places in order, and what tells which of the objects there are
// wanted (nil: all of them).
type candidates[T any] struct {
	n        int
	at       func(i int) (place int)
	isWanted func(*T) bool
}

func (s shelf[T]) candidates(filter map[string][]string, t table[T]) candidates[T] {
	c := candidates[T]{n: s.n, at: func(i int) int { return i }}
	var tests []func(*T) bool
	for name, wanted := range filter {
		if a := t.filterable(name); a != nil && name != "id" {
			tests = append(tests, a.matcher(wanted))
		}
	}
	switch len(tests) {
	case 0:
	case 1:
		c.isWanted = tests[0]
	default:
		c.isWanted = func(x *T) bool {
			return !slices.ContainsFunc(tests, func(passes func(*T) bool) bool { return !passes(x) })
		}
	}
	places, narrowed := []int(nil), false
	if ids, asked := filter["id"]; asked {
		places, narrowed = placesOf(ids, s.find), true
	} else if s.narrow != nil {
		places, narrowed = s.narrow(filter)
	}
	if narrowed {
		c.n, c.at = len(places), func(i int) int { return places[i] }
	}
	return c
}

// placesOf are the places, in order, of the objects with these ids.
func placesOf(ids []string, find func(id string) (int, bool)) []int {
	places := []int{}
	for _, id := range ids {
		if i, ok := find(id); ok {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// pickSorted finds the first ones after the marker in the order of the query, and
// sorts no others.
func (s shelf[T]) pickSorted(q store.Query, t table[T], marker int, among candidates[T]) []T {
	order := s.order(q, t)
	var first []int // the first ones so far, in no order but for those before sorted
	sorted := 0
	var x T
	for i := range among.n {
		place := among.at(i)
		if among.isWanted != nil {
			if x = s.at(place); !among.isWanted(&x) {
				continue
			}
		}
		switch {
		case marker >= 0 && order(place, marker) <= 0:
		case sorted > 0 && order(place, first[sorted-1]) > 0:
		default:
			first = append(first, place)
		}
		if q.Limit > 0 && len(first)/2 >= q.Limit {
			slices.SortFunc(first, order)
			sorted = q.Limit
			first = first[:sorted]
		}
	}
	slices.SortFunc(first, order)
	if q.Limit > 0 && len(first) > q.Limit {
		first = first[:q.Limit]
	}
	if q.Reverse {
		slices.Reverse(first)
	}
	all := make([]T, len(first))
	for i, place := range first {
		all[i] = s.at(place)
	}
	return all
}

// order compares the objects at two places as the query sorts and reads them: at
// last by id, as the store does (store.Query).
func (s shelf[T]) order(q store.Query, t table[T]) func(a, b int) int {
	type key struct {
		compare    func(a, b *T) int
		descending bool
	}
	var keys []key
	for _, k := range append(slices.Clone(q.Sort), store.SortKey{Key: "id", Descending: q.Sort[len(q.Sort)-1].Descending}) {
		keys = append(keys, key{t.find(k.Key).compare, k.Descending != q.Reverse})
	}
	var x, y T
	return func(a, b int) int {
		x, y = s.at(a), s.at(b)
		for _, k := range keys {
			if c := k.compare(&x, &y); c != 0 {
				if k.descending {
					return -c
				}
				return c
			}
		}
		return 0
	}
}
