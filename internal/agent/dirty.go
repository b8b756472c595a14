package agent

import (
	"l2gw"
	"l2gw/internal/vtep"
)

// maxDirtyMACs is from how many single MACs on a whole network is looked at.
const maxDirtyMACs = 5_000

// dirty is what has to be looked at.
type dirty struct {
	all      bool
	networks map[string]bool
	macs     map[string]map[l2gw.MAC]bool
}

func (d *dirty) empty() bool { return !d.all && len(d.networks)+len(d.macs) == 0 }

func (d *dirty) network(id string) {
	if d.networks == nil {
		d.networks = map[string]bool{}
	}
	d.networks[id] = true
	delete(d.macs, id)
}

// mac notes hosts of a network; none at all means its flood set alone.
func (d *dirty) mac(network string, macs ...l2gw.MAC) {
	if d.networks[network] {
		return
	}
	if len(d.macs[network])+len(macs) > maxDirtyMACs {
		d.network(network)
		return
	}
	if d.macs == nil {
		d.macs = map[string]map[l2gw.MAC]bool{}
	}
	if d.macs[network] == nil {
		d.macs[network] = map[l2gw.MAC]bool{}
	}
	for _, m := range macs {
		d.macs[network][m] = true
	}
}

// add notes all that a scope covers.
func (d *dirty) add(s vtep.Scope) {
	d.all = d.all || s.All
	for id := range s.Networks {
		d.network(id)
	}
	for id, macs := range s.MACs {
		d.mac(id)
		for m := range macs {
			d.mac(id, m)
		}
	}
}

// take returns what to look at next and forgets it: single changes go before a
// pass over everything, so that they need not wait for it.
func (d *dirty) take() vtep.Scope {
	if len(d.networks)+len(d.macs) > 0 {
		s := vtep.Scope{Networks: d.networks, MACs: d.macs}
		d.networks, d.macs = nil, nil
		return s
	}
	s := vtep.Scope{All: d.all}
	d.all = false
	return s
}

// without forgets what a scope covers: it has just been looked at.
func (d *dirty) without(s vtep.Scope) {
	if s.All {
		*d = dirty{}
		return
	}
	for id := range s.Networks {
		delete(d.networks, id)
		delete(d.macs, id)
	}
	for id, macs := range s.MACs {
		for m := range macs {
			delete(d.macs[id], m)
		}
		if len(d.macs[id]) == 0 {
			delete(d.macs, id)
		}
	}
}
