package controller

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// forgetAgent is for how long an agent that is gone is remembered.
const forgetAgent = 24 * time.Hour

// agents are those that this server has heard of, by their names. Guarded by Controller.mu.
type agents map[string]*agentRecord

type agentRecord struct {
	links   []*link           // usually one; a newer one comes last
	refused map[string]string // databases that it may not have, and why
	last    l2gw.AgentState   // as it was when its last stream ended
}

func (a agents) of(name string) *agentRecord {
	r := a[name]
	if r == nil {
		r = &agentRecord{}
		a[name] = r
	}
	return r
}

func (a agents) attached(l *link) {
	r := a.of(l.agent)
	r.links = append(r.links, l)
}

func (a agents) detached(l *link, now time.Time) {
	r := a.of(l.agent)
	r.links = slices.DeleteFunc(r.links, func(x *link) bool { return x == l })
	r.last = l.state(r.refused)
	r.last.Connected, r.last.Since = false, now
	for i := range r.last.Databases {
		r.last.Databases[i].Connected, r.last.Databases[i].Writer = false, false
	}
	for name, r := range a {
		if len(r.links) == 0 && now.Sub(r.last.Since) > forgetAgent {
			delete(a, name)
		}
	}
}

// state is what there is to say of the agent at the other end. Controller.mu must be held.
func (l *link) state(refused map[string]string) l2gw.AgentState {
	s := l2gw.AgentState{Name: l.agent, Version: l.version, Address: l.address, Connected: true, Since: l.since}
	for name, sh := range l.shares {
		s.Databases = append(s.Databases, l2gw.AgentDatabase{Name: name, Connected: sh.claim.Connected, Writer: sh.claim.Writer})
	}
	for name, why := range refused {
		s.Databases = append(s.Databases, l2gw.AgentDatabase{Name: name, Refused: why})
	}
	slices.SortFunc(s.Databases, func(x, y l2gw.AgentDatabase) int { return cmp.Compare(x.Name, y.Name) })
	return s
}

// Agents returns the agents that are connected to this server, and those that
// were within the last day, by name.
func (c *Controller) Agents() []l2gw.AgentState {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := c.opts.Now()
	all := make([]l2gw.AgentState, 0, len(c.known))
	for _, r := range c.known {
		switch {
		case len(r.links) > 0:
			s := r.links[len(r.links)-1].state(r.refused)
			if other := c.office.namesake(s.Name); other != "" {
				s.Address += " and " + other
			}
			all = append(all, s)
		case now.Sub(r.last.Since) <= forgetAgent:
			all = append(all, r.last)
		}
	}
	slices.SortFunc(all, func(a, b l2gw.AgentState) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// refuse tells an agent which of its databases it may not have. It is logged
// once for each, however often the agent comes back.
func (c *Controller) refuse(l *link, hello fabric.Hello, peer fabric.Peer) {
	refused := map[string]string{}
	for _, h := range hello.Databases {
		if l.shares[h.Database] == nil {
			refused[h.Database] = fmt.Sprintf("agent %s may not have database %s: the server's list of agents does not say so", l.agent, h.Database)
		}
	}
	var before map[string]string
	c.locked(func() {
		r := c.known.of(l.agent)
		before, r.refused = r.refused, refused
		r.last = l.state(refused)
		r.last.Connected = false
	})
	for name, why := range refused {
		if before[name] == "" {
			c.log.Warn("an agent is refused a database", "agent", l.agent, "address", l.address, "database", name)
		}
		c.office.mu.Lock()
		l.order(fabric.Refused{Database: name, Reason: why})
		c.office.mu.Unlock()
	}
}
