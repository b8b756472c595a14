package controller

import (
	"context"
	"maps"
	"slices"

	"l2gw"
)

// place decides anew on which databases the given bindings belong, records as
// ours what is to be written, and tells the feeds.
func (c *Controller) place(ctx context.Context, keys map[l2gw.BindingKey]bool) {
	if len(keys) == 0 {
		return
	}
	type move struct {
		set   map[l2gw.BindingKey]l2gw.Binding
		unset map[l2gw.BindingKey]bool
	}
	moves := map[string]*move{}
	at := func(name string) *move {
		if moves[name] == nil {
			moves[name] = &move{map[l2gw.BindingKey]l2gw.Binding{}, map[l2gw.BindingKey]bool{}}
		}
		return moves[name]
	}
	// Only this goroutine writes the state, so it may read it without the lock.
	s := &c.state
	for k := range keys {
		b, wanted := s.bindings[k]
		var home []string
		if wanted && !s.gone(b.NetworkID) {
			home = s.home(k)
		}
		for name, d := range s.databases {
			old, had := d.wanted[k]
			switch here := slices.Contains(home, name); {
			case here && (!had || old != b):
				at(name).set[k] = b
			case !here && had:
				at(name).unset[k] = true
			}
		}
	}
	touched := map[string]bool{}
	for name, m := range moves {
		d := s.databases[name]
		more := l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
		for k, b := range m.set {
			vni := s.vni(b.NetworkID)
			if old, ok := d.owned.Networks[b.NetworkID]; !ok || old != vni && vni != 0 {
				more.Networks[b.NetworkID] = vni
			}
			if d.owned.Bindings[k] != b.NetworkID {
				more.Bindings[k] = b.NetworkID
			}
		}
		if len(more.Networks)+len(more.Bindings) > 0 {
			if err := c.opts.Store.Own(ctx, name, more); err != nil {
				c.log.Warn("cannot record what is to be written as ours; it waits", "database", name, "error", err)
				c.later(func(ctx context.Context) { c.place(ctx, keys) })
				for k := range m.set {
					delete(m.set, k)
				}
				more = l2gw.Ownership{}
			}
		}
		c.locked(func() {
			changed := map[string]bool{} // networks
			maps.Copy(d.owned.Networks, more.Networks)
			maps.Copy(d.owned.Bindings, more.Bindings)
			for k := range m.unset {
				changed[d.wanted[k].NetworkID] = true
				d.want(k, nil)
				delete(d.bindingResults, k)
			}
			for k, b := range m.set {
				if old, ok := d.wanted[k]; ok {
					changed[old.NetworkID] = true
				}
				changed[b.NetworkID] = true
				d.want(k, &b)
				d.boundSince[b.NetworkID] = s.nextVersion()
			}
			for id := range changed {
				s.relearn(d, id, c.opts.Now())
				touched[id] = true
			}
			if d.feed != nil {
				d.feed.owned = true
				for k := range m.set {
					d.feed.bindings[k] = true
				}
				for k := range m.unset {
					d.feed.bindings[k] = true
				}
			}
		})
	}
	c.locked(func() {
		for id := range touched {
			s.remerge(id)
			for name := range moves {
				if d := s.databases[name]; d.feed != nil {
					d.feed.network(id).full = true
				}
			}
		}
		s.wakeFeeds()
	})
}

func (s *state) vni(network string) l2gw.VNI {
	if n := s.networks[network]; n != nil && n.base != nil {
		return n.base.VNI
	}
	return 0
}

// later runs f again at the next poll: the store did not take something.
func (c *Controller) later(f func(context.Context)) { c.waiting = append(c.waiting, f) }

func (c *Controller) retry(ctx context.Context) {
	waiting := c.waiting
	c.waiting = nil
	for _, f := range waiting {
		f(ctx)
	}
}
