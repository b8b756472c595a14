package cow

import (
	"slices"
)

// Txn collects changes to a Map. It belongs to one goroutine. Between changes
// it may be read, and Commit may be called more than once: each Map that it
// gave out stays as it was.
type Txn[K comparable, V any] struct {
	root  *node[K, V]
	len   int
	owner *owner
}

// Len is the number of keys at this moment.
func (t *Txn[K, V]) Len() int { return t.len }

// Get returns the value of k as it stands after the changes so far.
func (t *Txn[K, V]) Get(k K) (V, bool) { return t.root.get(hashOf(k), k) }

// Set gives k the value v.
func (t *Txn[K, V]) Set(k K, v V) { t.Swap(k, v) }

// Swap gives k the value v and returns the value that it had, if it had one.
func (t *Txn[K, V]) Swap(k K, v V) (old V, had bool) {
	t.root, had = t.set(t.root, 0, hashOf(k), entry[K, V]{k, v}, &old)
	if !had {
		t.len++
	}
	return old, had
}

// Delete removes k and reports whether it was there.
func (t *Txn[K, V]) Delete(k K) bool {
	h := hashOf(k)
	if _, ok := t.root.get(h, k); !ok {
		return false
	}
	t.root = t.remove(t.root, 0, h, k)
	t.len--
	return true
}

// Commit returns the map as it stands. The transaction may go on; what it does
// from then on is not seen in the returned map.
func (t *Txn[K, V]) Commit() Map[K, V] {
	t.owner = new(owner)
	return Map[K, V]{root: t.root, len: t.len}
}

// own returns n if this transaction may write it, else a copy that it may.
func (t *Txn[K, V]) own(n *node[K, V]) *node[K, V] {
	if n.owner == t.owner {
		return n
	}
	return &node[K, V]{
		owner:    t.owner,
		entryBit: n.entryBit,
		childBit: n.childBit,
		entries:  slices.Clone(n.entries),
		children: slices.Clone(n.children),
	}
}

// set puts e into n. If its key was there, *old is the value that it had.
func (t *Txn[K, V]) set(n *node[K, V], shift int, h uint64, e entry[K, V], old *V) (_ *node[K, V], had bool) {
	if n == nil {
		n = &node[K, V]{owner: t.owner}
	}
	n = t.own(n)
	if shift > maxShift {
		for i := range n.entries {
			if n.entries[i].key == e.key {
				*old, n.entries[i] = n.entries[i].val, e
				return n, true
			}
		}
		n.entries = append(n.entries, e)
		return n, false
	}
	bit := uint32(1) << (h >> shift & levelMask)
	switch {
	case n.entryBit&bit != 0:
		i := rank(n.entryBit, bit)
		if n.entries[i].key == e.key {
			*old, n.entries[i] = n.entries[i].val, e
			return n, true
		}
		other := n.entries[i]
		var child *node[K, V]
		child, _ = t.set(child, shift+bitsPerLevel, hashOf(other.key), other, old)
		child, _ = t.set(child, shift+bitsPerLevel, h, e, old)
		n.entries = slices.Delete(n.entries, i, i+1)
		n.entryBit &^= bit
		n.children = slices.Insert(n.children, rank(n.childBit, bit), child)
		n.childBit |= bit
		return n, false
	case n.childBit&bit != 0:
		i := rank(n.childBit, bit)
		n.children[i], had = t.set(n.children[i], shift+bitsPerLevel, h, e, old)
		return n, had
	default:
		n.entries = slices.Insert(n.entries, rank(n.entryBit, bit), e)
		n.entryBit |= bit
		return n, false
	}
}

// remove takes k, which is there, out of n. It returns nil when nothing is left.
func (t *Txn[K, V]) remove(n *node[K, V], shift int, h uint64, k K) *node[K, V] {
	n = t.own(n)
	if shift > maxShift {
		n.entries = slices.DeleteFunc(n.entries, func(e entry[K, V]) bool { return e.key == k })
		return n.orNil()
	}
	bit := uint32(1) << (h >> shift & levelMask)
	if n.entryBit&bit != 0 {
		i := rank(n.entryBit, bit)
		n.entries = slices.Delete(n.entries, i, i+1)
		n.entryBit &^= bit
		return n.orNil()
	}
	i := rank(n.childBit, bit)
	child := t.remove(n.children[i], shift+bitsPerLevel, h, k)
	switch {
	case child == nil:
		n.children = slices.Delete(n.children, i, i+1)
		n.childBit &^= bit
	case len(child.children) == 0 && len(child.entries) == 1:
		// One key needs no node of its own.
		n.children = slices.Delete(n.children, i, i+1)
		n.childBit &^= bit
		n.entries = slices.Insert(n.entries, rank(n.entryBit, bit), child.entries[0])
		n.entryBit |= bit
	default:
		n.children[i] = child
	}
	return n.orNil()
}

func (n *node[K, V]) orNil() *node[K, V] {
	if len(n.entries) == 0 && len(n.children) == 0 {
		return nil
	}
	return n
}
