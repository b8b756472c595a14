package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"l2gw"
	"l2gw/internal/store"
)

// page is the part of a list that a client asked for (Neutron: limit, marker,
// page_reverse, sort_key, sort_dir).
type page struct {
	limit   int // 0: none
	marker  string
	reverse bool
	sort    []sortKey
}

type sortKey struct {
	name       string
	descending bool
}

// parseQuery reads the query of a request as Neutron does: a semicolon is a
// character like any other, and what only looks like an escape stands for itself.
// (net/url leaves such parameters out, and without its filter a list is of all.)
// Empty values of parameters that name attributes say nothing.
func parseQuery(r *http.Request) url.Values {
	query := url.Values{}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if value == "" && slices.Contains([]string{"fields", "sort_key", "sort_dir"}, name) {
			continue
		}
		query.Add(name, value)
	}
	return query
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// notFilters are the query parameters that are none of a resource's attributes.
var notFilters = []string{"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"}

func parsePage[T any](query url.Values, t table[T]) (page, error) {
	p := page{
		marker:  query.Get("marker"),
		reverse: strings.EqualFold(query.Get("page_reverse"), "true"),
	}
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 0 {
			return p, badLimit(query.Get("limit"))
		}
		p.limit = n
	}
	keys, dirs := query["sort_key"], query["sort_dir"]
	if len(keys) != len(dirs) {
		return p, badRequest("The number of sort_keys and sort_dirs must be same")
	}
	for i, key := range keys {
		if a := t.find(key); a == nil || a.compare == nil {
			return p, l2gw.BadSortKey(key)
		}
		if dirs[i] != "asc" && dirs[i] != "desc" {
			return p, badRequest("['%s'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dirs[i])
		}
		if !slices.ContainsFunc(p.sort, func(k sortKey) bool { return k.name == key }) { // what is equal in it stays equal
			p.sort = append(p.sort, sortKey{key, dirs[i] == "desc"})
		}
	}
	return p, nil
}

// maxStoredValues is the number of values of one filter that the store is asked
// for: database engines limit the size of an expression (SQLite: a depth of 1,000).
const maxStoredValues = 200

// storeQuery is the page as a query to the store; false if the store cannot answer it.
func storeQuery[T any](p page, t table[T], query url.Values) (store.Query, bool) {
	q := store.Query{Limit: p.limit, Marker: p.marker, Reverse: p.reverse, Filter: map[string][]string{}}
	for _, k := range p.sort {
		if !t.find(k.name).stored {
			return q, false
		}
		q.Sort = append(q.Sort, store.SortKey{Key: k.name, Descending: k.descending})
	}
	for name, wanted := range query {
		switch a := t.filterable(name); {
		case a == nil:
		case !a.stored, len(wanted) > maxStoredValues:
			return q, false
		default:
			q.Filter[name] = wanted
		}
	}
	if t.nameless(query) {
		q.Filter["id"] = []string{""}
	}
	return q, slices.ContainsFunc(t, func(a attribute[T]) bool { return a.stored })
}

// asStored is the page with the order of equals that the store has (store.Query):
// of one list it may cut some pages and others be cut here, and an object must not
// be on two of them or on none.
func asStored[T any](p page, t table[T]) page {
	if n := len(p.sort); n > 0 && slices.ContainsFunc(t, func(a attribute[T]) bool { return a.stored }) {
		p.sort = append(slices.Clone(p.sort), sortKey{"id", p.sort[n-1].descending})
	}
	return p
}

// filterable is the attribute that a query parameter filters by, or nil: what
// is no visible attribute, or none with plain values, filters nothing.
func (t table[T]) filterable(name string) *attribute[T] {
	if a := t.find(name); a != nil && a.filters() && !slices.Contains(notFilters, name) {
		return a
	}
	return nil
}

// nameless reports whether a query looks by name for what has none. Clients do so
// when an id was not found, and act on what is listed if it is only one: nothing
// must be, or they delete another than was meant.
func (t table[T]) nameless(query url.Values) bool {
	return query.Has("name") && t.find("name") == nil
}

// cut sorts all, goes to the marker, and takes what the filters and the limit
// leave. The marker need not match the filters. What is equal by the sort keys,
// or everything if there are none, stays in the order in which it was given.
func cut[T any](p page, all []T, t table[T], id func(*T) string, query url.Values) ([]T, error) {
	sortBy(all, t, p.sort)
	if p.marker != "" {
		at := slices.IndexFunc(all, func(x T) bool { return id(&x) == p.marker })
		switch {
		case at < 0:
			return nil, l2gw.MarkerNotFound(p.marker)
		case p.reverse:
			all = all[:at]
		default:
			all = all[at+1:]
		}
	}
	all = filter(all, t, query)
	if p.limit == 0 || len(all) <= p.limit {
		return all, nil
	}
	if p.reverse {
		return all[len(all)-p.limit:], nil
	}
	return all[:p.limit], nil
}

func sortBy[T any](all []T, t table[T], keys []sortKey) {
	if len(keys) == 0 {
		return
	}
	compares := make([]func(a, b *T) int, len(keys))
	for i, k := range keys {
		compares[i] = t.find(k.name).compare
	}
	places := make([]int, len(all)) // what stays in place can be compared without copies
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int {
		for i, compare := range compares {
			c := compare(&all[a], &all[b])
			if keys[i].descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return a - b
	})
	sorted := make([]T, len(all))
	for i, place := range places {
		sorted[i] = all[place]
	}
	copy(all, sorted)
}

// filter keeps what has, for each attribute named in the query, one of the
// values given for it.
func filter[T any](all []T, t table[T], query url.Values) []T {
	if t.nameless(query) {
		return nil
	}
	for name, wanted := range query {
		if a := t.filterable(name); a != nil {
			matches, kept := a.matcher(wanted), 0
			for i := range all {
				if matches(&all[i]) {
					all[kept] = all[i]
					kept++
				}
			}
			clear(all[kept:])
			all = all[:kept]
		}
	}
	return all
}

// links lead to the pages around the one shown, as Neutron builds them: there is
// one in a direction unless that side came out short of the limit.
func (p page) links(self, rawQuery string, shown int, id func(int) string) []object {
	if p.limit == 0 {
		return nil
	}
	var kept []string
	for _, pair := range strings.Split(rawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && name != "marker" && name != "page_reverse" {
			kept = append(kept, pair)
		}
	}
	link := func(rel string, at int, more ...string) object {
		parts := slices.Clone(kept)
		if shown > 0 {
			parts = append(parts, "marker="+url.QueryEscape(id(at)))
		}
		return object{{"rel", rel}, {"href", self + "?" + strings.Join(append(parts, more...), "&")}}
	}
	var links []object
	if shown >= p.limit || p.reverse {
		links = append(links, link("next", shown-1))
	}
	if shown >= p.limit || !p.reverse {
		links = append(links, link("previous", 0, "page_reverse=True"))
	}
	return links
}
