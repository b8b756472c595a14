package controller

import (
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// granter is what fabric.Granter does.
type granter interface {
	Lead(epoch uint64, now time.Time)
	Follow()
	Attach(link fabric.LinkID, claims map[string]fabric.Claim, now time.Time)
	Detach(link fabric.LinkID, now time.Time)
	Beat(link fabric.LinkID, sequence uint64, now time.Time)
	Claim(link fabric.LinkID, database string, c fabric.Claim, now time.Time)
	Decide(now time.Time) (orders []fabric.Order, next time.Time)
	Holder(database string) (link fabric.LinkID, grant l2gw.Version, ok bool)
	Source(database string) (link fabric.LinkID, ok bool)
}

// firstCome grants a database to the first agent that names it.
type firstCome struct {
	version l2gw.Version
	names   map[string][]fabric.LinkID
	granted map[string]fabric.LinkID
	grants  map[string]l2gw.Version
	beats   map[fabric.LinkID]uint64
}

func newFirstCome() *firstCome {
	return &firstCome{names: map[string][]fabric.LinkID{}, granted: map[string]fabric.LinkID{}, grants: map[string]l2gw.Version{}, beats: map[fabric.LinkID]uint64{}}
}

func (g *firstCome) Lead(epoch uint64, _ time.Time) { g.version = l2gw.Version{Epoch: epoch} }

func (g *firstCome) Follow() { g.version = l2gw.Version{}; clear(g.granted) }

func (g *firstCome) Attach(link fabric.LinkID, claims map[string]fabric.Claim, _ time.Time) {
	for name := range claims {
		g.names[name] = append(g.names[name], link)
	}
}

func (g *firstCome) Detach(link fabric.LinkID, _ time.Time) {
	for name, links := range g.names {
		var left []fabric.LinkID
		for _, l := range links {
			if l != link {
				left = append(left, l)
			}
		}
		g.names[name] = left
		if g.granted[name] == link {
			delete(g.granted, name)
		}
	}
}

func (g *firstCome) Beat(link fabric.LinkID, sequence uint64, _ time.Time) { g.beats[link] = sequence }

func (g *firstCome) Claim(fabric.LinkID, string, fabric.Claim, time.Time) {}

func (g *firstCome) Decide(time.Time) (orders []fabric.Order, next time.Time) {
	for name, links := range g.names {
		if _, ok := g.granted[name]; ok || len(links) == 0 || g.version.Epoch == 0 {
			continue
		}
		g.version.Counter++
		g.granted[name], g.grants[name] = links[0], g.version
		orders = append(orders, fabric.Order{Link: links[0], Message: fabric.Grant{
			Database: name, Version: g.version, Steal: true, Term: fabric.Term, Beat: g.beats[links[0]],
		}})
	}
	return orders, time.Time{}
}

func (g *firstCome) Holder(database string) (fabric.LinkID, l2gw.Version, bool) {
	l, ok := g.granted[database]
	return l, g.grants[database], ok
}

func (g *firstCome) Source(database string) (fabric.LinkID, bool) {
	if l, ok := g.granted[database]; ok {
		return l, true
	}
	if links := g.names[database]; len(links) > 0 {
		return links[0], true
	}
	return 0, false
}
