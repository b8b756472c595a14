package controller

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"l2gw"
)

// What a switch says of itself is believed, but for a tunnel IP that is a
// compute node's or another switch's: with it, a switch would draw to itself
// what is meant for them. Such an address is refused: no gateway is told of it,
// and no MAC behind it is believed. What the switch itself must hold stays as it
// is, so that putting the address right is all that has to be done.
//
// Of two switches in different databases, the one that was seen with an address
// first keeps it for as long as it says so, also while it is away: the other's
// claim disturbs nobody. Switches in one database may share an address: whoever
// writes that database speaks for all of them.

// countNodes takes in that a network's inventory is now another, and says
// whether there are compute nodes' VTEPs that came or went.
func (s *state) countNodes(old, now *l2gw.Segment) (changed bool) {
	if old != nil && now != nil && slices.Equal(old.VTEPs, now.VTEPs) {
		return false
	}
	if now != nil {
		for _, ip := range now.VTEPs {
			if s.nodes[ip]++; s.nodes[ip] == 1 {
				s.suspect[ip], changed = true, true
			}
		}
	}
	if old != nil {
		for _, ip := range old.VTEPs {
			if s.nodes[ip]--; s.nodes[ip] == 0 {
				delete(s.nodes, ip)
				s.suspect[ip], changed = true, true
			}
		}
	}
	return changed
}

// suspectAll has all tunnel IPs judged anew that a database's switches have had.
func (s *state) suspectAll(d *database) {
	for ip := range d.tunnels {
		s.suspect[ip] = true
	}
}

// judgeTunnels finds out anew which of the tunnel IPs that are suspect are
// refused to whom. It returns the databases for which that is otherwise than before.
func (s *state) judgeTunnels() (changed []*database) {
	news := map[*database]bool{}
	refuse := func(d *database, ip netip.Addr, why string) {
		if d.refused[ip] == why {
			return
		}
		news[d] = true
		if d.refused[ip] = why; why == "" {
			delete(d.refused, ip)
		}
	}
	for ip := range s.suspect {
		have, had := s.where.having(ip)
		s.hold(ip, have)
		for _, d := range had {
			refuse(d, ip, "")
		}
		for _, d := range have {
			refuse(d, ip, s.mayNotHave(d, ip))
		}
	}
	clear(s.suspect)
	return slices.SortedFunc(maps.Keys(news), byName)
}

// hold decides which of the databases that have a tunnel IP, sorted, is its
// holder: the one that is, or else the first, and before those that are memory only.
func (s *state) hold(ip netip.Addr, have []*database) {
	rank := func(d *database) int {
		switch {
		case d.isMemory():
			return 2
		case s.holders[ip] == d.name:
			return 0
		}
		return 1
	}
	if len(have) == 0 {
		delete(s.holders, ip)
		return
	}
	s.holders[ip] = slices.MinFunc(have, func(a, b *database) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), byName(a, b)) }).name
}

// mayNotHave is why a switch of d may not have the tunnel IP, or "".
func (s *state) mayNotHave(d *database, ip netip.Addr) string {
	if s.nodes[ip] > 0 {
		return "it is that of a compute node in the inventory"
	}
	if holder := s.holders[ip]; holder != d.name {
		for _, dev := range s.databases[holder].observed.Devices {
			if slices.Contains(dev.TunnelIPs, ip) {
				return fmt.Sprintf("switch %s in database %s has it", dev.Name, holder)
			}
		}
	}
	return ""
}

func (d *database) reports(ip netip.Addr) bool {
	return slices.ContainsFunc(d.observed.Devices, func(dev l2gw.DeviceState) bool { return slices.Contains(dev.TunnelIPs, ip) })
}

// believed are the tunnel IPs of a switch that are not refused.
func (d *database) believed(dev l2gw.DeviceState) []netip.Addr {
	if len(d.refused) == 0 {
		return dev.TunnelIPs
	}
	return slices.DeleteFunc(slices.Clone(dev.TunnelIPs), func(ip netip.Addr) bool { return d.refused[ip] != "" })
}

// distrust is what a device's connections suffer from tunnel IPs that are
// refused: ERROR if it has no other, since nobody can reach what is behind it.
func (d *database) distrust(dev l2gw.DeviceState) (l2gw.Status, string) {
	var reasons []string
	for _, ip := range dev.TunnelIPs {
		if why := d.refused[ip]; why != "" {
			reasons = append(reasons, fmt.Sprintf("tunnel IP %s of switch %s is refused: %s", ip, dev.Name, why))
		}
	}
	switch len(reasons) {
	case 0:
		return l2gw.StatusActive, ""
	case len(dev.TunnelIPs):
		return l2gw.StatusError, strings.Join(reasons, "; ")
	}
	return l2gw.StatusDegraded, strings.Join(reasons, "; ")
}

// distrustOf is distrust of the device with that name.
func (d *database) distrustOf(device string) (l2gw.Status, string) {
	for _, dev := range d.observed.Devices {
		if dev.Name == device {
			return d.distrust(dev)
		}
	}
	return l2gw.StatusActive, ""
}

// distrustTunnels takes in that tunnel IPs or compute nodes are others: what is
// refused leaves the segments of its networks, what is no more comes back.
func (c *Controller) distrustTunnels() {
	s := &c.state
	networks := map[string]bool{}
	for _, d := range s.judgeTunnels() {
		for ip, why := range d.refused {
			c.log.Warn("a tunnel IP is refused", "database", d.name, "tunnel_ip", ip, "reason", why)
		}
		for id := range d.bound {
			s.relearn(d, id, c.opts.Now())
			networks[id] = true
		}
	}
	for id := range networks {
		if n := s.networks[id]; n != nil && n.merged != nil {
			s.mergeHosts(n, nil)
		}
	}
}

// withDistrust is the state of a database with what is refused of its devices.
func (d *database) withDistrust() l2gw.DatabaseState {
	seen := d.observed
	if len(d.refused) == 0 {
		return seen
	}
	seen.Devices = slices.Clone(seen.Devices)
	for i := range seen.Devices {
		_, seen.Devices[i].Distrust = d.distrust(seen.Devices[i])
	}
	return seen
}
