package ovsdb

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"
)

func modelSchema(t testing.TB) *Schema {
	s, err := ParseSchema([]byte(`{"name":"d","tables":{
		"A":{"columns":{"k":{"type":"string"},"n":{"type":"integer"},"s":{"type":{"key":"integer","min":0,"max":"unlimited"}}}},
		"B":{"columns":{"k":{"type":"string"},"n":{"type":"integer"},"s":{"type":{"key":"integer","min":0,"max":"unlimited"}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	byK  = Index{Name: "k", Columns: []string{"k"}}
	byKN = Index{Name: "kn", Columns: []string{"k", "n"}}
)

func modelLayouts(s *Schema) map[string]*Layout {
	m := make(map[string]*Layout)
	for _, name := range []string{"A", "B"} {
		m[name] = NewLayout(s.Tables[name], []string{"k", "n", "s"}, byK, byKN)
	}
	return m
}

// checkSnapshot compares a snapshot with plain maps of rows by table and UUID.
func checkSnapshot(t *rapid.T, s *Snapshot, want map[string]map[UUID]*Row) {
	t.Helper()
	for name, rows := range want {
		table := s.Table(name)
		if table.Len() != len(rows) {
			t.Fatalf("table %s: %d rows, want %d", name, table.Len(), len(rows))
		}
		keys := map[string]map[UUID]*Row{}
		both := map[string]map[UUID]*Row{}
		for u, r := range rows {
			if table.Get(u) != r {
				t.Fatalf("table %s, row %s is another", name, u)
			}
			n, _ := r.Int("n")
			add(keys, r.Str("k"), r)
			add(both, fmt.Sprint(r.Str("k"), "/", n), r)
		}
		seen := 0
		for r := range table.All() {
			if rows[r.UUID()] != r {
				t.Fatalf("All gives a row that is not there")
			}
			seen++
		}
		if seen != len(rows) {
			t.Fatalf("All gives %d rows, want %d", seen, len(rows))
		}
		for k := range 4 {
			key := fmt.Sprint("k", k)
			checkRows(t, table.Lookup(byK, key), keys[key])
			for n := range 3 {
				checkRows(t, table.Lookup(byKN, key, int64(n)), both[fmt.Sprint(key, "/", n)])
			}
			// An index that the table lacks is made up by a search.
			checkRows(t, table.Lookup(Index{Name: "none", Columns: []string{"k"}}, key), keys[key])
		}
	}
}

func add(m map[string]map[UUID]*Row, key string, r *Row) {
	if m[key] == nil {
		m[key] = map[UUID]*Row{}
	}
	m[key][r.UUID()] = r
}

func checkRows(t *rapid.T, got Rows, want map[UUID]*Row) {
	t.Helper()
	if got.Len() != len(want) {
		t.Fatalf("%d rows by an index, want %d", got.Len(), len(want))
	}
	seen := map[UUID]bool{}
	for r := range got.All() {
		if want[r.UUID()] != r || seen[r.UUID()] {
			t.Fatal("a row by an index that should not be there")
		}
		seen[r.UUID()] = true
	}
	if first := got.First(); (first == nil) != (len(want) == 0) || first != nil && want[first.UUID()] != first {
		t.Fatal("First is none of the rows")
	}
}

func drawRow(t *rapid.T, layouts map[string]*Layout) *Row {
	table := rapid.SampledFrom([]string{"A", "B"}).Draw(t, "table")
	var u UUID
	u[0] = byte(rapid.IntRange(1, 60).Draw(t, "row"))
	return NewRow(layouts[table], u, []Value{
		fmt.Sprint("k", rapid.IntRange(0, 3).Draw(t, "k")), int64(rapid.IntRange(0, 2).Draw(t, "n")),
		SetOf(rapid.SliceOfN(rapid.Int64Range(0, 5), 0, 4).Draw(t, "s")),
	})
}

// Snapshots behave like plain maps and their clones, and old ones never change.
func TestSnapshotsAndIndexesEqualPlainMaps(t *testing.T) {
	schema := modelSchema(t)
	layouts := modelLayouts(schema)
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			s    *Snapshot
			want map[string]map[UUID]*Row
		}
		want := map[string]map[UUID]*Row{"A": {}, "B": {}}
		s := NewSnapshot(schema, layouts["A"], layouts["B"])
		e := s.Edit()
		var versions []version
		keep := func() {
			s = e.Commit()
			versions = append(versions, version{s, map[string]map[UUID]*Row{"A": maps.Clone(want["A"]), "B": maps.Clone(want["B"])}})
			e = s.Edit()
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "rows") {
					r := drawRow(t, layouts)
					name := r.Layout().Table.Name
					if old := e.Put(r); old != want[name][r.UUID()] {
						t.Fatal("Put returns another row than was there")
					}
					want[name][r.UUID()] = r
				}
			},
			"delete": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "rows") {
					r := drawRow(t, layouts)
					name := r.Layout().Table.Name
					if old := e.Delete(name, r.UUID()); old != want[name][r.UUID()] {
						t.Fatal("Delete returns another row than was there")
					}
					delete(want[name], r.UUID())
				}
			},
			"commit": func(*rapid.T) { keep() },
			"get": func(t *rapid.T) {
				r := drawRow(t, layouts)
				if got := e.Get(r.Layout().Table.Name, r.UUID()); got != want[r.Layout().Table.Name][r.UUID()] {
					t.Fatal("Get does not see the changes so far")
				}
			},
		})
		keep()
		for _, v := range versions {
			checkSnapshot(t, v.s, v.want)
		}
	})
}

// However seldom a subscription is read, what it says leads from its Old to its New.
func TestASubscriptionAddsUpToTheTruth(t *testing.T) {
	schema := modelSchema(t)
	layouts := modelLayouts(schema)
	rapid.Check(t, func(t *rapid.T) {
		c := &Client{subs: make(map[*Subscription]struct{})}
		subs := []*Subscription{c.Subscribe(), c.Subscribe()}
		copies := []map[string]map[UUID]*Row{{}, {}}
		read := func(t *rapid.T, i int) {
			ch, ok := subs[i].take()
			if !ok {
				return
			}
			if ch.Reset {
				copies[i] = map[string]map[UUID]*Row{}
				for _, name := range []string{"A", "B"} {
					copies[i][name] = map[UUID]*Row{}
					for r := range ch.New.Table(name).All() {
						copies[i][name][r.UUID()] = r
					}
				}
			}
			for name, rows := range ch.Rows {
				for u, x := range rows {
					if x.Old != ch.Old.Table(name).Get(u) || x.New != ch.New.Table(name).Get(u) || x.Old == nil && x.New == nil {
						t.Fatal("a change does not lead from Old to New")
					}
					if delete(copies[i][name], u); x.New != nil {
						copies[i][name][u] = x.New
					}
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"update": func(t *rapid.T) {
				s := c.Snapshot()
				reset := s == nil || rapid.IntRange(0, 9).Draw(t, "reset") == 0
				if reset {
					s = NewSnapshot(schema, layouts["A"], layouts["B"])
				}
				e := s.Edit()
				var changes []rowChange
				touched := map[*Layout]map[UUID]bool{layouts["A"]: {}, layouts["B"]: {}}
				for range rapid.IntRange(0, 20).Draw(t, "rows") {
					r := drawRow(t, layouts)
					if touched[r.layout][r.uuid] {
						continue // an update has a row once
					}
					touched[r.layout][r.uuid] = true
					ch := rowChange{now: r}
					if rapid.Bool().Draw(t, "delete") {
						ch.now = nil
						ch.old = e.Delete(r.layout.Table.Name, r.uuid)
					} else {
						ch.old = e.Put(r)
					}
					if ch.old != nil || ch.now != nil {
						changes = append(changes, ch)
					}
				}
				if reset {
					changes = nil
				}
				c.mu.Lock()
				c.store(e.Commit(), changes, reset, "")
				c.mu.Unlock()
			},
			"read": func(t *rapid.T) { read(t, rapid.IntRange(0, 1).Draw(t, "which")) },
		})
		for i := range subs {
			read(t, i)
			if s := c.Snapshot(); s != nil {
				checkSnapshot(t, s, copies[i])
			}
		}
	})
}

func TestASubscriptionWithTooManyChangesStartsAnew(t *testing.T) {
	schema := modelSchema(t)
	layouts := modelLayouts(schema)
	c := &Client{subs: make(map[*Subscription]struct{})}
	s := c.Subscribe()
	c.store(NewSnapshot(schema, layouts["A"], layouts["B"]), nil, true, "")
	if ch, ok := s.take(); !ok || !ch.Reset || ch.Old != nil || ch.New == nil {
		t.Fatalf("at first: %+v", ch)
	}
	for round := range 2 {
		e := c.Snapshot().Edit()
		var changes []rowChange
		for range maxChanges/2 + 1 {
			r := NewRow(layouts["A"], NewUUID(), []Value{"k", int64(round), emptySet})
			changes = append(changes, rowChange{e.Put(r), r})
		}
		c.store(e.Commit(), changes, false, "")
	}
	ch, ok := s.take()
	if !ok || !ch.Reset || ch.Rows != nil || ch.New != c.Snapshot() {
		t.Errorf("reset %v, %d tables of changes", ch.Reset, len(ch.Rows))
	}
	if _, ok := s.take(); ok {
		t.Error("there is more to take")
	}
}

// The difference of update2 is its own inverse on sets; on maps it leads from old to new.
func TestADifferenceLeadsFromOldToNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOfN(rapid.Int64Range(0, 8), 0, 9)
		a, b := SetOf(ints.Draw(t, "a")), SetOf(ints.Draw(t, "b"))
		diff, err := xor(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := xor(a, diff); err != nil || !Equal(got, b) {
			t.Fatalf("%v with %v is %v, %v, want %v", a, diff, got, err, b)
		}
		pairs := rapid.MapOfN(rapid.Int64Range(0, 20), rapid.SampledFrom([]string{"a", "b"}), 0, 6)
		old, now := pairs.Draw(t, "old"), pairs.Draw(t, "now")
		delta := map[int64]string{} // as ovsdb-server makes it
		for k, v := range old {
			if _, ok := now[k]; !ok {
				delta[k] = v
			}
		}
		for k, v := range now {
			if w, ok := old[k]; !ok || v != w {
				delta[k] = v
			}
		}
		if got, err := xor(MapOf(old), MapOf(delta)); err != nil || !Equal(got, MapOf(now)) {
			t.Fatalf("%v with %v is %v, %v, want %v", old, delta, got, err, now)
		}
	})
	if _, err := xor(Set{}, Map{}); err == nil {
		t.Error("a map is taken for the difference of a set")
	}
}

func TestValuesAreWrittenAsTheyAreRead(t *testing.T) {
	atoms := map[AtomType]*rapid.Generator[Value]{
		TypeInteger: rapid.Custom(func(t *rapid.T) Value { return rapid.Int64().Draw(t, "i") }),
		TypeReal: rapid.Custom(func(t *rapid.T) Value {
			return rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(t, "r")
		}),
		TypeBoolean: rapid.Custom(func(t *rapid.T) Value { return rapid.Bool().Draw(t, "b") }),
		TypeString: rapid.Custom(func(t *rapid.T) Value { // OVSDB strings have no null characters
			return rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") }).Draw(t, "s")
		}),
		TypeUUID: rapid.Custom(func(t *rapid.T) Value {
			return UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "u"))
		}),
	}
	kinds := slices.Sorted(maps.Keys(atoms))
	rapid.Check(t, func(t *rapid.T) {
		key, value := rapid.SampledFrom(kinds).Draw(t, "key"), rapid.SampledFrom(kinds).Draw(t, "value")
		ty := ColumnType{Key: BaseType{Type: key}, Min: 1, Max: 1}
		var v Value
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 0:
			v = atoms[key].Draw(t, "atom")
		case 1:
			ty.Min, ty.Max = 0, Unlimited
			v = NewSet(rapid.SliceOfN(atoms[key], 0, 5).Draw(t, "set")...)
		case 2:
			ty.Min, ty.Max, ty.Value = 0, Unlimited, &BaseType{Type: value}
			var pairs []Pair
			for _, k := range rapid.SliceOfN(atoms[key], 0, 5).Draw(t, "keys") {
				pairs = append(pairs, Pair{k, atoms[value].Draw(t, "value")})
			}
			v = NewMap(pairs...)
		}
		text := AppendValue(nil, v)
		var d valueDecoder
		c := cursor{b: append(text, " ,"...)}
		got, err := d.value(&c, &ty)
		if err != nil || !Equal(got, v) || c.i != len(text) {
			t.Fatalf("%v is written as %s and read as %v, %v (%d of %d bytes)", v, text, got, err, c.i, len(text))
		}
	})
}

func TestAScalarMayBeASetOfOne(t *testing.T) {
	scalar := func(b AtomType) *ColumnType { return &ColumnType{Key: unconstrained(b), Min: 1, Max: 1} }
	u := NewUUID()
	for _, c := range []struct {
		text string
		t    *ColumnType
		want Value
	}{
		{`["set",["a"]]`, scalar(TypeString), "a"},
		{` [ "set" , [ 7 ] ] `, scalar(TypeInteger), int64(7)},
		{`["set",[["uuid","` + u.String() + `"]]]`, scalar(TypeUUID), u},
		{`["set",[]]`, scalar(TypeString), nil},
		{`["set",["a","b"]]`, scalar(TypeString), nil},
		{`["set",[1]]`, scalar(TypeString), nil},
		{`["set"]`, scalar(TypeString), nil},
	} {
		var d valueDecoder
		got, err := d.value(&cursor{b: []byte(c.text)}, c.t)
		if !Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: got %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

func TestZeroHasOneKey(t *testing.T) {
	if minus := math.Copysign(0, -1); indexKey([]Value{minus}) != indexKey([]Value{0.0}) || !Equal(minus, 0.0) {
		t.Error("-0 and 0 are equal and have different keys")
	}
}

func TestSetsAndMapsAreInOrderWithoutRepetition(t *testing.T) {
	s := NewSet("b", "a", "b")
	if s.Len() != 2 || s.At(0) != "a" || !s.Has("b") || s.Has("c") || !slices.Equal(slices.Collect(s.All()), []Value{"a", "b"}) {
		t.Errorf("%v", s)
	}
	m := NewMap(Pair{"b", int64(1)}, Pair{"a", int64(2)}, Pair{"b", int64(3)})
	if diff := cmp.Diff(map[Value]Value{"a": int64(2), "b": int64(3)}, maps.Collect(m.All())); diff != "" {
		t.Error(diff)
	}
	if v, ok := m.Get("b"); !ok || v != int64(3) {
		t.Errorf("b is %v", v)
	}
	if Equal(s, m) || Equal(s, nil) || Equal("a", s) || !Equal(nil, nil) || Equal(int64(1), 1.0) {
		t.Error("values of different kinds are equal")
	}
}
