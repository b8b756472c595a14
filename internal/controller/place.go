package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"l2gw"
)

// place decides anew on which databases the given bindings belong, and tells the
// feeds. What a database may not have yet because nobody has recorded it as ours
// is asked to be recorded; see recorded.
func (c *Controller) place(_ context.Context, keys map[l2gw.BindingKey]bool) {
	if len(keys) == 0 {
		return
	}
	c.locked(func() { c.placeLocked(keys) })
}

// placeLocked is place for who holds c.mu.
func (c *Controller) placeLocked(keys map[l2gw.BindingKey]bool) {
	s := &c.state
	for name, more := range s.place(keys, c.opts.Now()) {
		c.writer.own(s.version.Epoch, name, more)
	}
}

// recorded takes in that the store has recorded more as ours: what waited for
// that is decided anew, since by now it may belong elsewhere or nowhere.
func (c *Controller) recorded(epoch uint64, name string, more l2gw.Ownership) {
	var told []answered
	c.locked(func() {
		s := &c.state
		if !s.leading || epoch != s.version.Epoch {
			return // what the store has is read when this server begins to lead
		}
		d := s.database(name)
		keys := map[l2gw.BindingKey]bool{}
		d.own(more)
		for id, vni := range more.Networks {
			if d.asked.Networks[id] == vni {
				delete(d.asked.Networks, id)
			}
			s.affects(id, keys)
		}
		for k, id := range more.Bindings {
			if d.asked.Bindings[k] == id {
				delete(d.asked.Bindings, k)
			}
			keys[k] = true
		}
		// In one step with what is bound by it: to an agent, what is ours and not
		// wanted is to be removed.
		c.placeLocked(keys)
		d.tellOwned()
		told = d.noteRecorded(more)
	})
	c.answerTellings(told)
}

// move is what place changes on one database.
type move struct {
	set   map[l2gw.BindingKey]l2gw.Binding
	unset map[l2gw.BindingKey]bool
	more  l2gw.Ownership // to be recorded as ours
}

// place decides anew on which databases the given bindings belong. A binding is
// wanted only where the store has recorded it and its network as ours; what it
// lacks for that is returned, by database, once.
func (s *state) place(keys map[l2gw.BindingKey]bool, now time.Time) map[string]l2gw.Ownership {
	ask := map[string]l2gw.Ownership{}
	touched := map[string][]*database{} // networks, and the databases where they are bound otherwise now
	for d, m := range s.moves(keys) {
		if !isNothing(m.more) {
			if s.leading {
				maps.Copy(d.asked.Networks, m.more.Networks)
				maps.Copy(d.asked.Bindings, m.more.Bindings)
				ask[d.name] = m.more
			} else {
				d.own(m.more)
			}
		}
		if len(m.set)+len(m.unset) > 0 {
			for id := range s.move(d, m) {
				s.relearn(d, id, now)
				touched[id] = append(touched[id], d)
			}
		}
		s.findLost(d)
	}
	for id, moved := range touched {
		s.rejoin(id)
		for _, d := range moved {
			if d.feed != nil {
				d.feed.network(id).full = true
			}
		}
	}
	for k := range keys {
		delete(s.unboundBy, k)
	}
	return ask
}

// moves finds out what of the given bindings is not where it belongs.
func (s *state) moves(keys map[l2gw.BindingKey]bool) map[*database]*move {
	moves := map[*database]*move{}
	at := func(d *database) *move {
		if moves[d] == nil {
			moves[d] = &move{set: map[l2gw.BindingKey]l2gw.Binding{}, unset: map[l2gw.BindingKey]bool{}, more: noOwnership()}
		}
		return moves[d]
	}
	for k := range keys {
		b, wanted := s.bindings[k]
		among := s.where.strike(k)
		var home []string
		if wanted && !s.gone(b.NetworkID) {
			home = s.homeAmong(k, among)
			for _, name := range home {
				if d := s.databases[name]; !slices.Contains(among, d) {
					among = append(among, d)
				}
			}
		}
		for _, d := range among {
			old, had := d.wanted[k]
			if !slices.Contains(home, d.name) {
				if had {
					at(d).unset[k] = true
				}
				if _, ours := d.owned.Bindings[k]; ours {
					at(d) // whether its network is lost may be otherwise now
				}
				continue
			}
			vni := s.vni(b.NetworkID)
			was, network := d.owned.Networks[b.NetworkID]
			place := d.owned.Bindings[k] == b.NetworkID
			if asked, ok := d.asked.Networks[b.NetworkID]; (!network || was != vni && vni != 0) && (!ok || asked != vni) {
				at(d).more.Networks[b.NetworkID] = vni
			}
			asked, pending := d.asked.Bindings[k]
			if pending && asked != b.NetworkID {
				place = false // by the time that it is read, the record may be another
			}
			if !place && asked != b.NetworkID {
				at(d).more.Bindings[k] = b.NetworkID
			}
			switch {
			case network && place || !s.leading:
				if !had || old != b {
					at(d).set[k] = b
				}
			case had && old.NetworkID != b.NetworkID:
				at(d).unset[k] = true // the one before does not wait
			}
		}
	}
	return moves
}

// move takes in what changes on one database, and returns the networks that it concerns.
func (s *state) move(d *database, m *move) (networks map[string]bool) {
	networks = map[string]bool{}
	for k := range m.unset {
		networks[d.wanted[k].NetworkID] = true
		d.want(k, nil)
		delete(d.bindingResults, k)
		if id := s.unboundBy[k]; id != "" {
			d.unboundBy[k] = id
		}
		if d.feed != nil {
			d.feed.unbind(k, s.unboundBy[k])
		}
	}
	for k, b := range m.set {
		if old, ok := d.wanted[k]; ok {
			networks[old.NetworkID] = true
		}
		networks[b.NetworkID] = true
		d.want(k, &b)
		d.boundSince[b.NetworkID] = s.nextVersion()
		delete(d.unboundBy, k)
		if d.feed != nil {
			d.feed.bind(k)
		}
	}
	d.tellOwned()
	return networks
}

// awaits reports whether a binding waits until the store has recorded it.
func (d *database) awaits(b l2gw.Binding) bool {
	if _, here := d.wanted[b.BindingKey]; here {
		return false
	}
	_, network := d.asked.Networks[b.NetworkID]
	_, place := d.asked.Bindings[b.BindingKey]
	return network || place
}

// tellOwned has the agent told anew what is ours.
func (d *database) tellOwned() {
	if d.feed != nil {
		d.feed.ownedChanged()
	}
}

// findLost finds out anew which networks of ours on a database are not bound
// there because the inventory does not have them any more, although users want
// them bound. Removing their rows is the inventory's doing, not a user's, and so
// the agent may hold it; when the user unbinds such a network, it must hear of it.
func (s *state) findLost(d *database) {
	lost := map[string]bool{}
	for id := range d.owned.Networks {
		if d.bound[id] > 0 || !s.gone(id) {
			continue
		}
		for k := range s.ofNetwork[id] {
			if slices.Contains(s.home(k), d.name) {
				lost[id] = true
				break
			}
		}
	}
	if !maps.Equal(lost, d.lost) {
		d.lost = lost
		d.tellOwned()
	}
}

// lost are the networks that findLost found, sorted.
func (s *state) lost(d *database) []string { return slices.Sorted(maps.Keys(d.lost)) }

func (s *state) vni(network string) l2gw.VNI {
	if n := s.networks[network]; n != nil && n.base != nil {
		return n.base.VNI
	}
	return 0
}

// everyKey are the places of all bindings, of those that users want and of those
// that are somewhere.
func (s *state) everyKey() map[l2gw.BindingKey]bool {
	keys := make(map[l2gw.BindingKey]bool, len(s.bindings))
	for k := range s.bindings {
		keys[k] = true
	}
	for _, d := range s.databases {
		for k := range d.wanted {
			keys[k] = true
		}
	}
	return keys
}

// adopt takes in what the store has as this server begins to lead: what it has
// recorded is ours, and what this server only believed to be ours waits until it
// is recorded. It must be called before anything is fed, with c.mu held.
func (c *Controller) adopt(epoch uint64, owned map[string]l2gw.Ownership, remembered map[string]l2gw.Remembered) {
	s := &c.state
	s.leading, s.version = true, l2gw.Version{Epoch: epoch}
	for name := range owned {
		s.database(name)
	}
	s.recall(remembered)
	now := c.opts.Now()
	for name, d := range s.databases {
		d.owned, d.asked, d.tellings = noOwnership(), noOwnership(), nil
		d.own(owned[name])
		clear(d.boundSince) // words of earlier epochs confirm nothing: noLonger
		clear(d.unboundBy)
		bound := maps.Clone(d.bound)
		for k, b := range maps.Clone(d.wanted) {
			if _, network := d.owned.Networks[b.NetworkID]; !network || d.owned.Bindings[k] != b.NetworkID {
				d.want(k, nil)
			}
		}
		for id := range bound {
			s.relearn(d, id, now)
		}
	}
	c.distrustTunnels()
	for _, n := range s.networks {
		s.renew(n)
	}
	c.placeLocked(s.everyKey())
	for _, d := range s.databases {
		s.findLost(d)
		c.reconsider(d, remembered[d.name])
	}
}

// mirror ends what adopt began: from now on this server follows what the
// controller does, and writes nothing; with c.mu held. What was asked to be written and is
// not yet is dropped.
func (c *Controller) mirror(epoch uint64) {
	c.writer.drop(epoch)
	s := &c.state
	s.leading = false
	for _, d := range s.databases {
		d.asked, d.tellings, d.keeping = noOwnership(), nil, false
	}
	c.placeLocked(s.everyKey())
}
