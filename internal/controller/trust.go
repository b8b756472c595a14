package controller

import (
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
			s.nodes[ip]++
			changed = changed || s.nodes[ip] == 1
		}
	}
	if old != nil {
		for _, ip := range old.VTEPs {
			if s.nodes[ip]--; s.nodes[ip] == 0 {
				delete(s.nodes, ip)
				changed = true
			}
		}
	}
	return changed
}

// judgeTunnels finds out anew whose tunnel IPs are refused. It returns the
// databases for which that is otherwise than before.
func (s *state) judgeTunnels() (changed []*database) {
	names := slices.Sorted(maps.Keys(s.databases))
	for ip, name := range s.holders {
		if d := s.databases[name]; !d.reports(ip) || d.isMemory() {
			delete(s.holders, ip)
		}
	}
	for _, memory := range []bool{false, true} {
		for _, name := range names {
			if s.databases[name].isMemory() == memory {
				s.hold(name)
			}
		}
	}
	for _, name := range names {
		d := s.databases[name]
		refused := map[netip.Addr]string{}
		for _, dev := range d.observed.Devices {
			for _, ip := range dev.TunnelIPs {
				if why := s.mayNotHave(d, ip); why != "" {
					refused[ip] = why
				}
			}
		}
		if !maps.Equal(refused, d.refused) {
			d.refused = refused
			changed = append(changed, d)
		}
	}
	return changed
}

// hold gives a database the tunnel IPs that nobody has.
func (s *state) hold(name string) {
	for _, dev := range s.databases[name].observed.Devices {
		for _, ip := range dev.TunnelIPs {
			if s.holders[ip] == "" {
				s.holders[ip] = name
			}
		}
	}
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
