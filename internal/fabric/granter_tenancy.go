package fabric

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"l2gw"
)

// tenancy is one database as a Granter sees it. The fields from grant on are of
// a server that leads.
type tenancy struct {
	name   string
	claims map[LinkID]*claimant

	grant  l2gw.Version // the newest, or zero
	holder *granterLink // of grant; nil: there is none, or its stream has ended
	at     time.Time    // when grant was given
	vacant time.Time    // when the holder's stream ended
	left   time.Time    // when the grant of that holder has expired
	clear  time.Time    // when all grants that other agents had before have expired

	locked bool      // the holder had the lock by a grant of ours
	hand   bool      // and an operator took it
	tries  int       // grants to this holder that it could not make use of
	again  time.Time // no further one before

	due   time.Time // when to look at it at the latest
	index int       // in the heap of what is due; -1: it is not there
}

// lock takes in how the holder stands to the lock by the newest grant. It is an
// operator who took it, unless it may have been an agent with an older grant that
// had not expired.
func (d *tenancy) lock(l l2gw.Locking, now time.Time) {
	switch {
	case l == l2gw.LockingHeld:
		d.locked, d.hand = true, false
	case l == l2gw.LockingStolen && d.locked:
		d.locked, d.hand = false, !now.Before(d.clear.Add(Term))
	}
}

// best returns the first of those who name the database and are fit, or nil.
func (d *tenancy) best(fit func(*claimant) bool, order func(a, b *claimant) int) *claimant {
	var best *claimant
	for _, c := range d.claims {
		if fit(c) && (best == nil || order(c, best) < 0) {
			best = c
		}
	}
	return best
}

// settle decides about one database. It returns when to look at it again.
func (g *Granter) settle(orders []Order, d *tenancy, now time.Time) (_ []Order, due time.Time) {
	to, due := g.next(d, now)
	if to != nil {
		orders = g.give(orders, d, to, now)
		if to, due = g.next(d, now); to != nil {
			due = now.Add(firstPause) // somebody else would be better; there is time
		}
	}
	return d.evict(orders), due
}

// next says who is to be given a grant now: somebody, or nobody before due
// (zero: until something happens).
func (g *Granter) next(d *tenancy, now time.Time) (to *claimant, due time.Time) {
	// Whoever acted on the newest grant is the agent that it was given to. By a
	// newer stream it is back: the older one has ended, or will be found to have.
	back := d.best(func(c *claimant) bool {
		return d.grant != (l2gw.Version{}) && c.Grant == d.grant && (d.holder == nil || c.link.id > d.holder.id)
	}, func(a, b *claimant) int { return cmp.Compare(b.link.id, a.link.id) })
	switch {
	case back != nil:
		return back, time.Time{}
	case d.holder == nil:
		return g.vacancy(d, now)
	}
	c := d.claims[d.holder.id]
	if !c.away.IsZero() {
		if o := d.best(func(o *claimant) bool { return o.Connected }, worthier); o != nil {
			if due = c.away.Add(awayLimit); !now.Before(due) {
				return o, time.Time{}
			}
		}
	}
	var again time.Time
	switch {
	case c.Grant != d.grant:
		again = d.at.Add(Term) // it was not taken: it came too late
	case c.Lock == l2gw.LockingStolen:
		again = d.at
	case !c.idle.IsZero() && !(d.hand && c.Lock == l2gw.LockingWaiting):
		again = later(c.idle, d.at).Add(waitLimit)
	default:
		return nil, due
	}
	if again = later(again, d.again); !now.Before(again) {
		return c, time.Time{}
	}
	return nil, earlier(due, again)
}

// vacancy chooses who is given a database that nobody has.
func (g *Granter) vacancy(d *tenancy, now time.Time) (to *claimant, due time.Time) {
	best := d.best(anybody, worthier)
	switch {
	case best == nil:
		return nil, time.Time{}
	case d.grant != (l2gw.Version{}):
		due = d.vacant.Add(returnGrace)
	case best.Writer:
		return best, time.Time{}
	default:
		due = g.began.Add(leadGrace)
	}
	if now.Before(due) {
		return nil, due
	}
	return best, time.Time{}
}

// give makes a grant.
func (g *Granter) give(orders []Order, d *tenancy, to *claimant, now time.Time) []Order {
	old := d.holder
	again := old == to.link
	switch {
	case again && now.Sub(d.at) > 2*longestPause:
		d.tries = 1 // the last time is long ago
	case again:
		d.tries++
	default:
		d.tries = 0
	}
	d.again = time.Time{}
	if d.tries > 0 {
		d.again = now.Add(min(firstPause<<min(d.tries-1, 10), longestPause))
	}
	back := d.grant != (l2gw.Version{}) && to.Grant == d.grant
	if !again && !back {
		d.locked, d.hand = false, false
	}
	// Who has had the last grant, and all others before, has nobody to wait for
	// but those that it was waiting for then.
	if !again && (!back || old != nil) {
		if old != nil {
			d.left = now.Add(Term + clearMargin)
		}
		d.clear = later(d.clear, d.left)
	}
	g.counter++
	d.holder, d.grant, d.at = to.link, l2gw.Version{Epoch: g.epoch, Counter: g.counter}, now
	if !again {
		to.link.holds++
		if old != nil {
			old.holds--
			orders = append(orders, d.revoke(d.claims[old.id]))
		}
	}
	return append(orders, Order{to.link.id, Grant{
		Database: d.name, Version: d.grant, Steal: !d.hand,
		Term: Term, Beat: to.link.beat, Clear: max(0, d.clear.Sub(now)),
	}})
}

// evict takes back the grants of earlier times, which agents had from their
// disks or from earlier controllers: with one, they would stand in line for the lock.
func (d *tenancy) evict(orders []Order) []Order {
	if d.holder == nil {
		return orders
	}
	first := len(orders)
	for _, c := range d.claims {
		if c.link != d.holder && c.Grant != (l2gw.Version{}) && c.Grant.Compare(c.revoked) > 0 {
			orders = append(orders, d.revoke(c))
		}
	}
	slices.SortFunc(orders[first:], func(a, b Order) int { return cmp.Compare(a.Link, b.Link) })
	return orders
}

// revoke takes back from an agent all grants that are older than the newest.
func (d *tenancy) revoke(c *claimant) Order {
	c.revoked = d.grant
	if c.Grant.Compare(c.revoked) > 0 {
		c.revoked = c.Grant // of a newer controller: not ours to take
	}
	return Order{c.link.id, Revoke{Database: d.name, Version: l2gw.Version{Epoch: d.grant.Epoch, Counter: d.grant.Counter - 1}}}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// dueHeap is a heap of databases by when they are due.
type dueHeap []*tenancy

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	d := x.(*tenancy)
	d.index = len(*h)
	*h = append(*h, d)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.index = -1
	return d
}

func (h *dueHeap) pop() *tenancy { return heap.Pop(h).(*tenancy) }

// set says when a database is due; zero: never.
func (h *dueHeap) set(d *tenancy, due time.Time) {
	d.due = due
	switch {
	case due.IsZero() && d.index >= 0:
		heap.Remove(h, d.index)
	case due.IsZero():
	case d.index >= 0:
		heap.Fix(h, d.index)
	default:
		heap.Push(h, d)
	}
}
