package keystone

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// digest stands for a token: from it no token can be had.
type digest [sha256.Size]byte

// cache keeps values for some time, and only so many: who was not asked for
// longest goes first. Any goroutine may call its methods.
type cache[K comparable, V any] struct {
	size int

	mu      sync.Mutex
	entries map[K]*list.Element // of *entry[K, V]
	recent  *list.List          // the latest first
}

type entry[K comparable, V any] struct {
	key   K
	value V
	until time.Time
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, entries: map[K]*list.Element{}, recent: list.New()}
}

func (c *cache[K, V]) get(key K, now time.Time) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return value, false
	}
	kept := e.Value.(*entry[K, V])
	if !now.Before(kept.until) {
		c.recent.Remove(e)
		delete(c.entries, key)
		return value, false
	}
	c.recent.MoveToFront(e)
	return kept.value, true
}

func (c *cache[K, V]) put(key K, value V, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		e.Value = &entry[K, V]{key, value, until}
		c.recent.MoveToFront(e)
		return
	}
	c.entries[key] = c.recent.PushFront(&entry[K, V]{key, value, until})
	if c.recent.Len() > c.size {
		oldest := c.recent.Remove(c.recent.Back()).(*entry[K, V])
		delete(c.entries, oldest.key)
	}
}
