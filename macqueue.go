package l2gw

import "slices"

// macQueue is a queue of MACs, first in, first out. Items that no longer hold,
// which only its owner knows, stay in it until they are passed over.
type macQueue struct{ items []queuedMAC }

type queuedMAC struct {
	mac MAC
	id  uint64
}

// push adds an item. live is how many items hold, this one included; when more
// than half of the queue does not, it is swept.
func (q *macQueue) push(mac MAC, id uint64, live int, holds func(MAC, uint64) bool) {
	q.items = append(q.items, queuedMAC{mac, id})
	if len(q.items) > 2*live+64 {
		q.items = slices.DeleteFunc(q.items, func(i queuedMAC) bool { return !holds(i.mac, i.id) })
	}
}

// oldest returns the first item that holds, and forgets those before it.
func (q *macQueue) oldest(holds func(MAC, uint64) bool) (MAC, bool) {
	for len(q.items) > 0 {
		if i := q.items[0]; holds(i.mac, i.id) {
			return i.mac, true
		}
		q.items = q.items[1:]
	}
	q.items = nil
	return MAC{}, false
}
