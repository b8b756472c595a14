package inventory

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"l2gw"
)

// contents is what one reading of a file says.
type contents struct {
	networks []*network            // in the order of the file
	vteps    map[netip.Addr]string // to the host's name
}

// network is a network of the file with its ports.
type network struct {
	l2gw.Network
	line int

	hosts []fileHost
	index map[l2gw.MAC]int // into hosts
	vteps map[netip.Addr]struct{}
}

// fileHost is a MAC of a network. During a live migration two ports of the file
// have it; what is here is then the later one.
type fileHost struct {
	l2gw.Host
	on       string            // name of its host
	details  *l2gw.PortDetails // nil: there are none
	line     int
	migrates bool
}

// segment returns n as a segment, built upon old, the network's segment so far
// or nil. It returns old itself if nothing differs. The delta is nil without old.
func (n *network) segment(old *l2gw.Segment) (*l2gw.Segment, *Delta) {
	seg := &l2gw.Segment{
		NetworkID: n.ID, Name: n.Name, VNI: n.VNI, MTU: n.MTU,
		VTEPs: slices.SortedFunc(maps.Keys(n.vteps), netip.Addr.Compare),
	}
	if old == nil {
		txn := seg.Hosts.Txn()
		for i := range n.hosts {
			txn.Set(n.hosts[i].MAC, n.hosts[i].Host)
		}
		seg.Hosts = txn.Commit()
		return seg, nil
	}
	delta := n.delta(old)
	if delta.Empty() && seg.Name == old.Name && seg.VNI == old.VNI && seg.MTU == old.MTU && slices.Equal(seg.VTEPs, old.VTEPs) {
		return old, delta
	}
	txn := old.Hosts.Txn()
	for _, h := range delta.Set {
		txn.Set(h.MAC, h)
	}
	for _, mac := range delta.Removed {
		txn.Delete(mac)
	}
	seg.Hosts = txn.Commit()
	return seg, delta
}

// delta returns how n's hosts differ from old's.
func (n *network) delta(old *l2gw.Segment) *Delta {
	delta, known := new(Delta), 0
	for i := range n.hosts {
		h := n.hosts[i].Host
		was, ok := old.Hosts.Get(h.MAC)
		if ok {
			known++
		}
		if !ok || !was.Equal(h) {
			delta.Set = append(delta.Set, h)
		}
	}
	if known < old.Hosts.Len() {
		for mac := range old.Hosts.Keys() {
			if _, ok := n.index[mac]; !ok {
				delta.Removed = append(delta.Removed, mac)
			}
		}
	}
	slices.SortFunc(delta.Set, func(a, b l2gw.Host) int { return compareMACs(a.MAC, b.MAC) })
	slices.SortFunc(delta.Removed, compareMACs)
	return delta
}

func compareMACs(a, b l2gw.MAC) int { return slices.Compare(a[:], b[:]) }

// update returns how c differs from the segments so far, and the segments of c.
// have is nil when nothing was told yet.
func (c *contents) update(have map[string]*l2gw.Segment) (Update, map[string]*l2gw.Segment) {
	var (
		u    = Update{Complete: have == nil}
		next = make(map[string]*l2gw.Segment, len(c.networks))
		all  = make([]l2gw.DirectoryNetwork, len(c.networks))
	)
	for i, n := range c.networks {
		old := have[n.ID]
		seg, delta := n.segment(old)
		all[i] = l2gw.DirectoryNetwork{Network: n.Network, Hosts: seg.Hosts, Ports: n.details()}
		if n.VNI == 0 {
			continue // no gateway can be connected to it
		}
		next[n.ID] = seg
		if seg != old {
			u.Changed = append(u.Changed, Change{seg, delta})
		}
	}
	for id := range have {
		if next[id] == nil {
			u.Removed = append(u.Removed, id)
		}
	}
	slices.SortFunc(u.Changed, func(a, b Change) int { return cmp.Compare(a.Segment.NetworkID, b.Segment.NetworkID) })
	slices.Sort(u.Removed)
	u.Directory = l2gw.NewDirectory(all, c.vteps)
	return u, next
}

// details are what the file says of the network's ports beyond their place.
func (n *network) details() map[l2gw.MAC]*l2gw.PortDetails {
	var all map[l2gw.MAC]*l2gw.PortDetails
	for i := range n.hosts {
		if h := &n.hosts[i]; h.details != nil {
			if all == nil {
				all = map[l2gw.MAC]*l2gw.PortDetails{}
			}
			all[h.MAC] = h.details
		}
	}
	return all
}
