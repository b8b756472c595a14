package cow

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A Map and its snapshots behave like Go's own map and its clones.
func TestMapEqualsAPlainMapAndOldVersionsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			m    Map[int, int]
			want map[int]int
		}
		var (
			versions []version
			txn      = Map[int, int]{}.Txn()
			want     = map[int]int{}
			key      = rapid.IntRange(0, 300)
		)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.Int().Draw(t, "v")
				was, had := want[k]
				if old, ok := txn.Swap(k, v); ok != had || old != was {
					t.Fatalf("Swap(%d) = %d, %v, want %d, %v", k, old, ok, was, had)
				}
				want[k] = v
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "k")
				_, had := want[k]
				if got := txn.Delete(k); got != had {
					t.Fatalf("Delete(%d) = %v, want %v", k, got, had)
				}
				delete(want, k)
			},
			"commit": func(*rapid.T) {
				versions = append(versions, version{txn.Commit(), maps.Clone(want)})
			},
			"": func(t *rapid.T) {
				if txn.Len() != len(want) {
					t.Fatalf("Len = %d, want %d", txn.Len(), len(want))
				}
			},
		})
		for _, v := range versions {
			if diff := cmp.Diff(v.want, maps.Collect(v.m.All())); diff != "" {
				t.Fatalf("a snapshot changed (-want +got):\n%s", diff)
			}
			for k, x := range v.want {
				if got, ok := v.m.Get(k); !ok || got != x {
					t.Fatalf("Get(%d) = %d, %v, want %d", k, got, ok, x)
				}
			}
		}
	})
}

// Keys whose whole hash is equal end in one node, and still are different keys.
func TestCollidingKeysAreKeptApart(t *testing.T) {
	const spent = maxShift + bitsPerLevel // the depth at which no bit of the hash is left
	txn := Map[string, int]{}.Txn()
	var n *node[string, int]
	for i, k := range []string{"a", "b", "c", "b"} {
		var old int
		n, _ = txn.set(n, spent, 42, entry[string, int]{k, i}, &old)
	}
	if len(n.entries) != 3 {
		t.Errorf("%d entries, want 3", len(n.entries))
	}
	n = txn.remove(n, spent, 42, "a")
	var got []int
	n.walk(func(_ string, v int) bool { got = append(got, v); return true })
	if diff := cmp.Diff([]int{3, 2}, got); diff != "" {
		t.Errorf("after a was removed (-want +got):\n%s", diff)
	}
}

func BenchmarkOneMoreKeyIn100000(b *testing.B) {
	txn := Map[int, int]{}.Txn()
	for i := range 100_000 {
		txn.Set(i, i)
	}
	m := txn.Commit()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = m.Set(100_000+i, i)
	}
}
