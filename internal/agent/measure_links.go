package agent

import (
	"cmp"
	"slices"
)

// LinkStanding is how the agent stands with a server.
type LinkStanding struct {
	Server    string
	Connected bool // a stream is open
	Obeyed    bool // it is the controller's
}

// Links tells of each server, by name.
func (a *Agent) Links() []LinkStanding {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]LinkStanding, 0, len(a.links))
	for _, l := range a.links {
		x := LinkStanding{Server: l.server.Name}
		for s := range a.sessions {
			if s.link == l {
				x.Connected = true
				x.Obeyed = x.Obeyed || s == a.obeyed
			}
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(x, y LinkStanding) int { return cmp.Compare(x.Server, y.Server) })
	return all
}

// Epoch is the highest of a controller that the agent has heard of.
func (a *Agent) Epoch() uint64 { return a.epoch.Load() }
