package cow

import (
	"hash/maphash"
	"iter"
	"math/bits"
)

const (
	bitsPerLevel = 5
	levelMask    = 1<<bitsPerLevel - 1
	// Below this shift a node branches on bits of the hash; at it, the hash is
	// spent and the node is a plain list of keys whose hashes are equal.
	maxShift = 60
)

// seed is the process's own, so that no peer can choose keys that collide.
var seed = maphash.MakeSeed()

// Map is an immutable hash map. The zero Map is empty and ready for use; a Map
// may be copied and read by any number of goroutines at once.
type Map[K comparable, V any] struct {
	root *node[K, V]
	len  int
}

type entry[K comparable, V any] struct {
	key K
	val V
}

// node holds entries (keys that end here) and children (longer prefixes), each
// in the order of their bit. A node with a nil owner, or another transaction's,
// must not be written.
type node[K comparable, V any] struct {
	owner    *owner
	entryBit uint32
	childBit uint32
	entries  []entry[K, V]
	children []*node[K, V]
}

// owner marks the nodes that one Txn made and may therefore change in place.
// Its one field keeps two owners from having the same address.
type owner struct{ _ byte }

func hashOf[K comparable](k K) uint64 { return maphash.Comparable(seed, k) }

// Len is the number of keys.
func (m Map[K, V]) Len() int { return m.len }

// Get returns the value of k and whether there is one.
func (m Map[K, V]) Get(k K) (V, bool) { return m.root.get(hashOf(k), k) }

// Has reports whether k is in the map.
func (m Map[K, V]) Has(k K) bool { _, ok := m.Get(k); return ok }

// Set returns a map in which k has the value v.
func (m Map[K, V]) Set(k K, v V) Map[K, V] {
	t := m.Txn()
	t.Set(k, v)
	return t.Commit()
}

// Delete returns a map without k.
func (m Map[K, V]) Delete(k K) Map[K, V] {
	t := m.Txn()
	t.Delete(k)
	return t.Commit()
}

// All iterates over all keys and values, in no particular order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walk(yield) }
}

// Keys iterates over all keys, in no particular order.
func (m Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.root.walk(func(k K, _ V) bool { return yield(k) })
	}
}

// Values iterates over all values, in no particular order.
func (m Map[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.root.walk(func(_ K, v V) bool { return yield(v) })
	}
}

// Txn starts a series of changes on top of m; m itself stays as it is.
func (m Map[K, V]) Txn() *Txn[K, V] {
	return &Txn[K, V]{root: m.root, len: m.len, owner: new(owner)}
}

func (n *node[K, V]) get(h uint64, k K) (v V, ok bool) {
	for shift := 0; n != nil; shift += bitsPerLevel {
		if shift > maxShift {
			for i := range n.entries {
				if n.entries[i].key == k {
					return n.entries[i].val, true
				}
			}
			return v, false
		}
		bit := uint32(1) << (h >> shift & levelMask)
		if n.entryBit&bit != 0 {
			if e := &n.entries[rank(n.entryBit, bit)]; e.key == k {
				return e.val, true
			}
			return v, false
		}
		if n.childBit&bit == 0 {
			return v, false
		}
		n = n.children[rank(n.childBit, bit)]
	}
	return v, false
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.entries {
		if !yield(n.entries[i].key, n.entries[i].val) {
			return false
		}
	}
	for _, c := range n.children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

func rank(bitmap, bit uint32) int { return bits.OnesCount32(bitmap & (bit - 1)) }
