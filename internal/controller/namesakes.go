package controller

import (
	"time"

	"l2gw/internal/fabric"
)

// repeatNamesakes is after how long it is told again that two agents have one name.
const repeatNamesakes = 10 * time.Minute

// namesakes are the streams of agents with one name. Usually that is one agent,
// whose earlier stream has not been given up yet. Guarded by office.mu.
type namesakes struct {
	newest *link
	// other is a stream of another agent: it was beating for longer than a term after
	// the newest one began, and no agent has two streams with one server. nil: none.
	other *link
	told  time.Time
}

// named takes in a new stream. office.mu must be held.
func (o *office) named(l *link) {
	n := o.names[l.agent]
	if n == nil {
		n = &namesakes{}
		o.names[l.agent] = n
	}
	n.newest, n.other = l, nil
}

// unnamed takes in that a stream has ended. office.mu must be held.
func (o *office) unnamed(l *link) {
	n := o.names[l.agent]
	switch {
	case n == nil:
		return
	case n.other == l:
		n.other = nil
	}
	if n.newest != l {
		return
	}
	n.newest, n.other = nil, nil
	for _, x := range o.links {
		if x.agent == l.agent && x != l && (n.newest == nil || x.id > n.newest.id) {
			n.newest = x
		}
	}
	if n.newest == nil {
		delete(o.names, l.agent)
	}
}

// meets takes in a beat, and reports the stream of another agent with this name if
// that is to be told now. office.mu must be held.
func (o *office) meets(l *link, now time.Time) *link {
	n := o.names[l.agent]
	if n == nil || n.newest == l || now.Sub(n.newest.since) <= fabric.Term {
		return nil
	}
	n.other = l
	if !n.told.IsZero() && now.Sub(n.told) < repeatNamesakes {
		return nil
	}
	n.told = now
	return n.newest
}

// namesake is where another agent of this name connects from, or "".
func (o *office) namesake(agent string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.names[agent]; n != nil && n.other != nil {
		return n.other.address
	}
	return ""
}

// warnOfNamesake tells that there are two agents with one name.
func (c *Controller) warnOfNamesake(l, newest *link) {
	c.log.Warn("two agents have the same name and may take databases from one another; is a state folder or a configuration copied? Give each a name of its own (--host)",
		"agent", l.agent, "address", newest.address, "other", l.address)
}
