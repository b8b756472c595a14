package api

import (
	"cmp"
	"context"

	"l2gw"
	"l2gw/internal/store"
)

// networks are read-only: they are the inventory's. Their attributes are the
// part of Neutron's that a client needs to choose one.
func networks(s *server) resource[l2gw.Network] {
	return resource[l2gw.Network]{
		name: "network", collection: "networks", path: "networks",
		attributes: networkAttributes,
		id:         func(n *l2gw.Network) string { return n.ID },
		list: func(ctx context.Context, _ store.Query) ([]l2gw.Network, error) {
			d, err := s.Networks.Directory(ctx)
			if err != nil {
				return nil, err
			}
			all := make([]l2gw.Network, d.NetworkCount())
			for i := range all {
				all[i] = *d.Network(i)
			}
			return all, nil
		},
		get: s.Networks.Network,
	}
}

var networkAttributes = table[l2gw.Network]{
	{
		name: "id", show: func(n *l2gw.Network) any { return n.ID },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(a.ID, b.ID) },
	},
	{
		name: "name", show: func(n *l2gw.Network) any { return n.Name },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(a.Name, b.Name) },
	},
	{
		name: "mtu", show: func(n *l2gw.Network) any { return n.MTU },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(a.MTU, b.MTU) },
	},
	{name: "status", show: func(*l2gw.Network) any { return string(l2gw.StatusActive) }},
	{name: "admin_state_up", show: func(*l2gw.Network) any { return true }},
	{name: "provider:network_type", show: func(*l2gw.Network) any { return "vxlan" }},
	{name: "provider:physical_network", show: func(*l2gw.Network) any { return nil }},
	{name: "provider:segmentation_id", show: func(n *l2gw.Network) any { return int(n.VNI) }},
}
