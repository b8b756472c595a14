package controller

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"l2gw"
)

// Network returns what the inventory says of a network.
// Errors: NotFound if a complete inventory lacks it, Unavailable while there is none.
func (c *Controller) Network(ctx context.Context, id string) (l2gw.Network, error) {
	d, err := c.Directory(ctx)
	if err != nil {
		return l2gw.Network{}, err
	}
	i, ok := d.FindNetwork(id)
	if !ok {
		return l2gw.Network{}, l2gw.NetworkNotFound(id)
	}
	return *d.Network(i), nil
}

// Directory returns what the inventory lets clients look up.
// Errors: Unavailable while there is no inventory.
func (c *Controller) Directory(context.Context) (*l2gw.Directory, error) {
	c.mu.RLock()
	d, known, cause := c.state.directory, c.state.inventoryRead, c.state.inventoryError
	c.mu.RUnlock()
	switch {
	case !known:
		return nil, l2gw.ServiceUnavailable("the network inventory", cause)
	case d == nil:
		return c.describeSegments(), nil
	}
	return d, nil
}

// describeSegments stands in for the directory of a source that gives none: it
// has the networks, and of them what gateways need.
func (c *Controller) describeSegments() *l2gw.Directory {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]l2gw.DirectoryNetwork, 0, len(c.state.networks))
	for _, n := range c.state.networks {
		if s := n.base; s != nil {
			all = append(all, l2gw.DirectoryNetwork{Network: l2gw.Network{ID: s.NetworkID, Name: s.Name, VNI: s.VNI, MTU: s.MTU, Shared: true}})
		}
	}
	return l2gw.NewDirectory(all, nil)
}

// Inventory tells whether the inventory is known and can be read.
func (c *Controller) Inventory() l2gw.InventoryState {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := l2gw.InventoryState{Known: c.state.inventoryRead}
	if err := c.state.inventoryError; err != nil {
		s.Error = err.Error()
	}
	if c.state.directory != nil {
		s.Networks = c.state.directory.NetworkCount()
		return s
	}
	for _, n := range c.state.networks {
		if n.base != nil {
			s.Networks++
		}
	}
	return s
}

// MACs returns the MACs that the switch with this name learned on networks that
// are bound on it, and those that it must hold; false if no switch has that name.
func (c *Controller) MACs(device string) ([]l2gw.MACEntry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d := c.state.reporter(device)
	if d == nil {
		return nil, false
	}
	own := map[netip.Addr]bool{} // tunnel IPs of the database
	for _, dev := range d.observed.Devices {
		for _, ip := range dev.TunnelIPs {
			own[ip] = true
		}
	}
	networks := map[string]bool{}
	for k, b := range d.wanted {
		if k.Device == device {
			networks[b.NetworkID] = true
		}
	}
	var all []l2gw.MACEntry
	for id := range networks {
		n := c.state.networks[id]
		if n == nil || n.merged == nil {
			continue
		}
		for h := range n.merged.Hosts.Values() {
			if !own[h.VTEP] {
				all = append(all, l2gw.MACEntry{NetworkID: id, Host: h, Origin: l2gw.MACProgrammed})
			}
		}
	}
	for key, l := range d.learned {
		if !networks[key.NetworkID] {
			continue
		}
		e := l2gw.MACEntry{
			NetworkID: key.NetworkID, Host: l.Host, Origin: l2gw.MACLearned, Note: c.state.networks[key.NetworkID].note(key.MAC),
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b l2gw.MACEntry) int {
		return cmp.Or(cmp.Compare(a.NetworkID, b.NetworkID), slices.Compare(a.MAC[:], b.MAC[:]), cmp.Compare(a.Origin, b.Origin))
	})
	return all, true
}

// reporter is the database that reports a device, or nil.
func (s *state) reporter(device string) *database {
	for _, name := range s.reporting[device] {
		return s.databases[name]
	}
	return nil
}
