package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

const (
	// maxLearned is how many learned MACs of one database a network takes.
	maxLearned = 10_000
	// idle is how long the loop sleeps when no learned MAC has a deadline.
	idle = time.Hour
)

// hearLearned takes in what a database's switches learned.
func (s *state) hearLearned(d *database, m fabric.Learned, now time.Time) {
	d.learnedNews = true
	networks := map[string]bool{}
	if m.Full {
		for key := range d.learned {
			networks[key.NetworkID] = true
		}
		d.learned = map[fabric.LearnedKey]l2gw.Learned{}
	}
	for _, l := range m.Set {
		d.learned[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
		networks[l.NetworkID] = true
	}
	for _, key := range m.Gone {
		delete(d.learned, key)
		networks[key.NetworkID] = true
	}
	byNetwork, behind := map[string][]l2gw.Host{}, map[string]map[netip.Addr]bool{}
	for _, l := range m.Set {
		if behind[l.NetworkID] == nil {
			behind[l.NetworkID] = s.bridging(d, l.NetworkID)
		}
		if behind[l.NetworkID][l.VTEP] {
			byNetwork[l.NetworkID] = append(byNetwork[l.NetworkID], l.Host)
		}
	}
	gone := map[string][]l2gw.MAC{}
	for _, key := range m.Gone {
		gone[key.NetworkID] = append(gone[key.NetworkID], key.MAC)
	}
	for id := range networks {
		if d.bound[id] == 0 {
			continue // it counts from when the network is bound there: relearn
		}
		n := s.network(id)
		table := n.table(now)
		if m.Full {
			s.learnedChanged(n, table.Full(now, d.name, byNetwork[id]))
		} else {
			s.learnedChanged(n, table.Delta(now, d.name, byNetwork[id], gone[id]))
		}
	}
}

// relearn takes in that a network is bound on a database otherwise than before,
// or that its switches have other tunnel IPs. What is learned counts where the
// network is bound only, and a MAC is not held behind an address at which
// nobody bridges the network any more. While no switch is there at all, it is to
// be seen yet who comes back.
func (s *state) relearn(d *database, network string, now time.Time) {
	n := s.networks[network]
	if d.bound[network] == 0 {
		if n != nil && n.learned != nil {
			s.learnedChanged(n, n.learned.Forget(now, d.name))
			d.learnedNews = true // what was held is so no more
		}
		return
	}
	if len(d.observed.Devices) == 0 {
		return
	}
	behind := s.bridging(d, network)
	var hosts []l2gw.Host
	for key, l := range d.learned {
		if key.NetworkID == network && behind[l.VTEP] {
			hosts = append(hosts, l.Host)
		}
	}
	if n == nil || n.learned == nil {
		if len(hosts) == 0 {
			return
		}
		n = s.network(network)
	}
	table := n.table(now)
	for h := range table.Hosts().Values() {
		if d.tunnels[h.VTEP] && !behind[h.VTEP] {
			s.learnedChanged(n, table.Forget(now, d.name))
			break
		}
	}
	s.learnedChanged(n, table.Full(now, d.name, hosts))
}

// bridging are the tunnel IPs of those switches of a database on which the
// network is bound, but for those that are refused.
func (s *state) bridging(d *database, network string) map[netip.Addr]bool {
	ips := map[netip.Addr]bool{}
	for k := range s.ofNetwork[network] {
		if _, here := d.wanted[k]; !here {
			continue
		}
		for _, dev := range d.observed.Devices {
			if dev.Name == k.Device {
				for _, ip := range d.believed(dev) {
					ips[ip] = true
				}
			}
		}
	}
	return ips
}

// table is the network's table of learned MACs, made when it is first needed.
func (n *network) table(now time.Time) *l2gw.MACTable {
	if n.learned == nil {
		n.learned = l2gw.NewMACTable(maxLearned)
		if n.base != nil {
			n.learned.SetInventory(now, n.base.Hosts)
		}
	}
	return n.learned
}

// learnedChanged brings the network's segment up to date after its table of
// learned MACs changed.
func (s *state) learnedChanged(n *network, ch l2gw.MACChanges) {
	s.age(n)
	macs := slices.Clone(ch.Unset)
	for _, h := range ch.Set {
		macs = append(macs, h.MAC)
	}
	if len(macs) > 0 {
		s.mergeHosts(n, macs)
	}
	for d := range s.binding[n.id] {
		d.learnedNews = d.learnedNews || slices.ContainsFunc(ch.Unset, func(mac l2gw.MAC) bool {
			_, kept := d.kept[fabric.LearnedKey{NetworkID: n.id, MAC: mac}]
			return kept
		})
	}
}

// untilLearnedDeadline is how long until a learned MAC ages or thaws.
func (c *Controller) untilLearnedDeadline() time.Duration {
	if len(c.state.aging) == 0 {
		return idle
	}
	return min(max(c.state.aging[0].ages.next.Sub(c.opts.Now()), time.Millisecond), idle)
}

// ageLearned lets go of what has been silent for long enough.
func (c *Controller) ageLearned(context.Context) {
	now := c.opts.Now()
	c.locked(func() {
		s := &c.state
		for _, n := range s.due(now) {
			s.learnedChanged(n, n.learned.Advance(now))
		}
	})
}

// trouble says what is wrong with the network's learned MACs, or "".
func (n *network) trouble() string {
	if n.learned == nil {
		return ""
	}
	const most = 3
	var reasons []string
	reports := n.learned.Reports()
	for i, r := range reports {
		if i == most {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(reports)-most))
			break
		}
		reasons = append(reasons, r.Reason)
	}
	return strings.Join(reasons, "; ")
}

// learnedHost is what switches learned of a MAC that the inventory does not know.
func (n *network) learnedHost(mac l2gw.MAC) (l2gw.Host, bool) {
	if n.learned == nil {
		return l2gw.Host{}, false
	}
	return n.learned.Hosts().Get(mac)
}

// holds reports whether a MAC that a database's switches do not report any more is
// held there for a while.
func (n *network) holds(d *database, mac l2gw.MAC) bool {
	return n != nil && n.learned != nil && n.learned.Holds(d.name, mac)
}

// note says what is wrong with one learned MAC, or "".
func (n *network) note(mac l2gw.MAC) string {
	if n == nil || n.learned == nil {
		return ""
	}
	for _, r := range n.learned.Reports() {
		if r.MAC == mac {
			return r.Reason
		}
	}
	return ""
}
