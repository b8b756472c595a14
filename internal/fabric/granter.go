package fabric

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"l2gw"
)

// How patient a Granter is.
const (
	// leadGrace is how long after it began to lead a server waits for the agent
	// that writes already, before it grants its database to another one.
	leadGrace = 3 * time.Second
	// returnGrace is for how long an agent whose stream ended may come back.
	returnGrace = 2 * time.Second
	// awayLimit is how long a holder may be without connection to its switch
	// while another agent has one.
	awayLimit = 5 * time.Second
	// waitLimit is how long a holder may wait for a lock that it may take by force,
	// or not even ask for one: somebody took it, and the session has ended since.
	waitLimit = 2 * time.Second
	// firstPause and longestPause bound the time between two grants to a holder
	// that cannot make use of them.
	firstPause   = 2 * time.Second
	longestPause = time.Minute
	// clearMargin is added to Grant.Clear: for clocks that do not run alike, and
	// for transactions that are still on their way to the switch.
	clearMargin = Term / 20
)

// LinkID names a stream between this server and an agent.
type LinkID uint64

// Claim is how an agent that names a database stands to it.
type Claim struct {
	Grant     l2gw.Version // the newest that it acted on
	Writer    bool         // it writes
	Connected bool         // it is connected to the switch
	Lock      l2gw.Locking
}

// Order is a message for the agent at the other end of a link.
type Order struct {
	Link    LinkID
	Message ToAgent // Grant or Revoke
}

// Granter decides which agent writes to which database, on a server that leads,
// and whose report on a database counts, on every server. It is pure: what
// happens is told to it, and nothing happens in it by itself. Not safe for use
// by several goroutines.
//
// Who writes already goes on writing. Where nobody does, an agent that is
// connected to the switch gets the grant, of those the one with the fewest
// databases, once the agent that had it had time to come back. A holder that
// cannot make use of its grant (it is not connected while another agent is, the
// lock is elsewhere, the grant came too late) loses it or gets a newer one.
//
// The times told to it must not run backwards, and what is told of one link must
// be told in order: all its Beats that were answered before its Detach.
type Granter struct {
	leading bool
	epoch   uint64
	began   time.Time // of leading
	counter uint64    // of the last grant

	links     map[LinkID]*granterLink
	databases map[string]*tenancy
	dirty     map[*tenancy]struct{} // to be looked at by the next Decide
	due       dueHeap               // to be looked at when their time has come
}

// granterLink is what is known of one stream.
type granterLink struct {
	id     LinkID
	beat   uint64    // the last one that arrived
	beatAt time.Time // and when: no grant of this stream is good for longer than Term from there
	claims map[*tenancy]*claimant
	holds  int // databases
}

// claimant is how the agent of a link stands to a database.
type claimant struct {
	Claim
	link    *granterLink
	away    time.Time    // since when it is not connected to the switch; zero: it is
	idle    time.Time    // since when it is connected without the lock that there is; zero: it is not
	revoked l2gw.Version // what it was told to be revoked
}

// NewGranter returns a granter of a server that does not lead.
func NewGranter() *Granter {
	return &Granter{links: map[LinkID]*granterLink{}, databases: map[string]*tenancy{}, dirty: map[*tenancy]struct{}{}}
}

// Lead takes in that this server is the controller from now on, with an epoch
// that is higher than all before. The lease must have been had before now was read.
func (g *Granter) Lead(epoch uint64, now time.Time) {
	g.Follow()
	g.leading, g.epoch, g.began, g.counter = true, epoch, now, 0
	for _, d := range g.databases {
		d.clear = now.Add(Term + clearMargin) // the grants of earlier controllers
		g.touch(d)
	}
}

// Follow takes in that this server is not the controller.
func (g *Granter) Follow() {
	g.leading = false
	clear(g.dirty)
	g.due = nil
	for _, l := range g.links {
		l.holds = 0
	}
	for name, d := range g.databases {
		if len(d.claims) == 0 {
			delete(g.databases, name)
			continue
		}
		*d = tenancy{name: name, claims: d.claims, index: -1}
		for _, c := range d.claims {
			c.revoked = l2gw.Version{}
		}
	}
}

// Attach takes in that an agent is there with these databases.
func (g *Granter) Attach(link LinkID, claims map[string]Claim, now time.Time) {
	g.Detach(link, now)
	l := &granterLink{id: link, beatAt: now, claims: make(map[*tenancy]*claimant, len(claims))}
	g.links[link] = l
	for name, claim := range claims {
		d := g.databases[name]
		if d == nil {
			d = &tenancy{name: name, claims: map[LinkID]*claimant{}, index: -1}
			d.clear = g.began.Add(Term + clearMargin)
			g.databases[name] = d
		}
		c := &claimant{link: l}
		l.claims[d], d.claims[link] = c, c
		c.take(claim, now)
		g.touch(d)
	}
}

// Detach takes in that a stream ended: nothing was sent on it after now.
func (g *Granter) Detach(link LinkID, now time.Time) {
	l := g.links[link]
	if l == nil {
		return
	}
	delete(g.links, link)
	for d := range l.claims {
		delete(d.claims, link)
		if d.holder == l {
			d.holder, d.vacant, d.left = nil, now, l.beatAt.Add(Term+clearMargin)
		}
		if len(d.claims) == 0 && !g.leading {
			delete(g.databases, d.name)
			continue
		}
		g.touch(d)
	}
}

// Beat takes in that an agent is there: the last Beat that arrived, and when. It
// must be told no later than the Renewal is sent, or at least before Detach.
func (g *Granter) Beat(link LinkID, sequence uint64, now time.Time) {
	if l := g.links[link]; l != nil && sequence > l.beat {
		l.beat, l.beatAt = sequence, now
	}
}

// Claim takes in how an agent stands to a database now. Databases that it did
// not name when it was attached are left alone.
func (g *Granter) Claim(link LinkID, database string, claim Claim, now time.Time) {
	d := g.databases[database]
	if d == nil || d.claims[link] == nil || d.claims[link].Claim == claim {
		return
	}
	c := d.claims[link]
	c.take(claim, now)
	if g.leading && d.holder == c.link && claim.Grant == d.grant {
		d.lock(claim.Lock, now)
	}
	g.touch(d)
}

// Decide returns what is to be sent, and when it must be asked again at the
// latest (zero: when something happens). The orders must be sent in this order,
// and a Revoke before any Renewal of a Beat that arrives after this moment.
func (g *Granter) Decide(now time.Time) (orders []Order, next time.Time) {
	if !g.leading {
		return nil, time.Time{}
	}
	for len(g.due) > 0 && !now.Before(g.due[0].due) {
		g.touch(g.due.pop())
	}
	for _, d := range slices.SortedFunc(maps.Keys(g.dirty), func(a, b *tenancy) int { return cmp.Compare(a.name, b.name) }) {
		var due time.Time
		orders, due = g.settle(orders, d, now)
		g.due.set(d, due)
	}
	clear(g.dirty)
	if len(g.due) > 0 {
		next = g.due[0].due
	}
	return orders, next
}

// Holder returns who was granted the database by this server, as it leads.
func (g *Granter) Holder(database string) (link LinkID, grant l2gw.Version, ok bool) {
	d := g.databases[database]
	if d == nil || d.holder == nil {
		return 0, l2gw.Version{}, false
	}
	return d.holder.id, d.grant, true
}

// Source returns the link whose report on the database counts: the holder's, or
// where there is none that of the newest claim; ok is false if nobody names the
// database.
func (g *Granter) Source(database string) (link LinkID, ok bool) {
	d := g.databases[database]
	switch {
	case d == nil || len(d.claims) == 0:
		return 0, false
	case d.holder != nil:
		return d.holder.id, true
	}
	return d.best(anybody, nearer).link.id, true
}

func (g *Granter) touch(d *tenancy) {
	if g.leading {
		g.dirty[d] = struct{}{}
	}
}

func (c *claimant) take(claim Claim, now time.Time) {
	c.Claim = claim
	switch {
	case claim.Connected:
		c.away = time.Time{}
	case c.away.IsZero():
		c.away = now
	}
	switch {
	case !claim.Connected || claim.Lock != l2gw.LockingWaiting && claim.Lock != l2gw.LockingNone:
		c.idle = time.Time{}
	case c.idle.IsZero():
		c.idle = now
	}
}

func anybody(*claimant) bool { return true }

// nearer orders those whose report may count by how near they are to the
// switch: who writes, who is connected, who had the newest grant.
func nearer(a, b *claimant) int {
	return cmp.Or(yes(a.Writer, b.Writer), yes(a.Connected, b.Connected), b.Grant.Compare(a.Grant), cmp.Compare(a.link.id, b.link.id))
}

// worthier orders those who may be given a database: who writes to it already
// (of two that believe so, the one with the newer grant), who is connected, who
// has the fewest.
func worthier(a, b *claimant) int {
	if a.Writer && b.Writer {
		return nearer(a, b)
	}
	return cmp.Or(yes(a.Writer, b.Writer), yes(a.Connected, b.Connected), cmp.Compare(a.link.holds, b.link.holds), cmp.Compare(a.link.id, b.link.id))
}

// yes orders true before false.
func yes(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
