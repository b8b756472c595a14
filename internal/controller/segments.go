package controller

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/inventory"
)

// sink hands what the inventory tells to the loop.
type sink struct {
	c   *Controller
	ctx context.Context // of Run: once it ends nobody takes events any more
}

// Inventory implements inventory.Sink. It returns once the update is queued.
func (s sink) Inventory(u inventory.Update) {
	s.c.post(s.ctx, func(ctx context.Context) { s.c.takeInventory(ctx, u) })
}

func (c *Controller) takeInventory(_ context.Context, u inventory.Update) {
	if u.Err != nil {
		c.locked(func() { c.state.inventoryError = u.Err })
		return
	}
	s := &c.state
	affected := map[l2gw.BindingKey]bool{}
	now := c.opts.Now()
	c.locked(func() {
		s.inventoryError = nil
		first := !s.inventoryRead
		s.inventoryRead = s.inventoryRead || u.Complete
		if u.Directory != nil {
			s.directory = u.Directory
		}
		if u.Complete {
			named := make(map[string]bool, len(u.Changed))
			for _, ch := range u.Changed {
				named[ch.Segment.NetworkID] = true
			}
			for id, n := range s.networks {
				if !named[id] && n.base != nil {
					u.Removed = append(u.Removed, id)
				}
			}
		}
		nodes := false // that came or went
		for _, id := range u.Removed {
			nodes = s.countNodes(s.network(id).base, nil) || nodes
			s.network(id).base = nil
			s.remerge(id)
			s.affects(id, affected)
		}
		for _, ch := range u.Changed {
			n := s.network(ch.Segment.NetworkID)
			appeared := n.base == nil || n.base.VNI != ch.Segment.VNI
			nodes = s.countNodes(n.base, ch.Segment) || nodes
			s.changeBase(n, ch, now)
			if appeared {
				s.affects(n.id, affected)
			}
		}
		if nodes {
			c.distrustTunnels()
		}
		if first && s.inventoryRead {
			// Networks that are bound and that the inventory lacks are known to be gone only now.
			for id := range s.ofNetwork {
				if s.gone(id) {
					s.affects(id, affected)
				}
			}
		}
		c.placeLocked(affected)
		c.confirm(u)
	})
}

func (s *state) affects(network string, keys map[l2gw.BindingKey]bool) {
	for k := range s.ofNetwork[network] {
		keys[k] = true
	}
}

// changeBase takes in what the inventory says of a network.
func (s *state) changeBase(n *network, ch inventory.Change, now time.Time) {
	old := n.base
	n.base = summed(ch, old)
	if n.merged == nil || old == nil || ch.Delta == nil {
		if n.learned != nil {
			n.learned.SetInventory(now, n.base.Hosts)
			s.age(n)
		}
		s.remerge(n.id)
		return
	}
	macs := make([]l2gw.MAC, 0, len(ch.Delta.Set)+len(ch.Delta.Removed))
	for _, h := range ch.Delta.Set {
		macs = append(macs, h.MAC)
	}
	macs = append(macs, ch.Delta.Removed...)
	if n.learned != nil {
		c := n.learned.UpdateInventory(now, n.base.Hosts, macs)
		s.age(n)
		macs = append(macs, c.Unset...) // others may have fallen due with it
		for _, h := range c.Set {
			macs = append(macs, h.MAC)
		}
	}
	s.mergeHosts(n, macs)
}

// summed is the segment that a source told of, with the sum of its hosts: sources
// need not know of it. old is what the change is from.
func summed(ch inventory.Change, old *l2gw.Segment) *l2gw.Segment {
	seg := *ch.Segment
	if old == nil || ch.Delta == nil {
		seg.HostSum = seg.SumHosts()
		return &seg
	}
	seg.HostSum = old.HostSum
	less := func(mac l2gw.MAC) {
		if h, ok := old.Hosts.Get(mac); ok {
			seg.HostSum -= h.Digest()
		}
	}
	for _, h := range ch.Delta.Set {
		less(h.MAC)
		seg.HostSum += h.Digest()
	}
	for _, mac := range ch.Delta.Removed {
		less(mac)
	}
	return &seg
}

// renew gives a network's segment a version of this epoch: agents ignore what is
// of a lower one.
func (s *state) renew(n *network) {
	if n.merged != nil {
		m := *n.merged
		m.Version = s.nextVersion()
		n.merged = &m
	}
}

// unmerge drops the segment of a network that nobody wants bound any more.
func (s *state) unmerge(id string) {
	if n := s.networks[id]; n != nil && n.merged != nil && len(s.ofNetwork[id]) == 0 {
		s.remerge(id)
	}
}

// remerge makes a network's segment anew, whole, or drops it where it is not
// bound or not known.
func (s *state) remerge(id string) {
	n := s.networks[id]
	if n == nil {
		if len(s.ofNetwork[id]) == 0 {
			return
		}
		n = s.network(id)
	}
	if n.base == nil || len(s.ofNetwork[id]) == 0 {
		n.merged = nil
		if n.base == nil && len(s.ofNetwork[id]) == 0 && n.learned == nil {
			delete(s.networks, id)
		}
		s.dirty(id, nil)
		return
	}
	m := *n.base
	if n.learned != nil && n.learned.Hosts().Len() > 0 {
		txn := m.Hosts.Txn()
		for mac, h := range n.learned.Hosts().All() {
			if !n.base.Hosts.Has(mac) {
				txn.Set(mac, h)
				m.HostSum += h.Digest()
			}
		}
		m.Hosts = txn.Commit()
	}
	m.VTEPs, m.Version = joinVTEPs(n.base.VTEPs, s.gateways(id)), s.nextVersion()
	n.merged = &m
	s.dirty(id, nil)
}

// rejoin brings a network's segment up to date after it was bound or unbound
// somewhere: what there is of it may be the same, but for its VTEPs.
func (s *state) rejoin(id string) {
	if n := s.networks[id]; n != nil && n.base != nil && n.merged != nil && len(s.ofNetwork[id]) > 0 {
		s.mergeHosts(n, nil)
		return
	}
	s.remerge(id)
}

// mergeHosts brings the named hosts of a network's segment up to date, and its VTEPs.
func (s *state) mergeHosts(n *network, macs []l2gw.MAC) {
	if n.merged == nil {
		return
	}
	hosts, sum := n.merged.Hosts.Txn(), n.merged.HostSum
	for _, mac := range macs {
		if old, ok := hosts.Get(mac); ok {
			sum -= old.Digest()
		}
		h, ok := n.base.Hosts.Get(mac)
		if !ok {
			h, ok = n.learnedHost(mac)
		}
		if ok {
			hosts.Set(mac, h)
			sum += h.Digest()
		} else {
			hosts.Delete(mac)
		}
	}
	m := *n.base
	m.Hosts, m.HostSum = hosts.Commit(), sum
	m.VTEPs, m.Version = joinVTEPs(n.base.VTEPs, s.gateways(n.id)), s.nextVersion()
	old := n.merged
	n.merged = &m
	if len(macs) == 0 && m.Name == old.Name && m.VNI == old.VNI && m.MTU == old.MTU && slices.Equal(m.VTEPs, old.VTEPs) {
		return // nothing to tell
	}
	if macs == nil {
		macs = []l2gw.MAC{}
	}
	s.dirty(n.id, macs)
}

// dirty notes for all databases that bind the network which hosts changed; nil for any.
func (s *state) dirty(network string, macs []l2gw.MAC) {
	for d := range s.binding[network] {
		if d.feed != nil {
			d.feed.network(network).note(macs)
		}
	}
}

// joinVTEPs returns all addresses of both, sorted, each once.
func joinVTEPs(base, more []netip.Addr) []netip.Addr {
	if len(more) == 0 {
		return base
	}
	all := slices.Concat(base, more)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
