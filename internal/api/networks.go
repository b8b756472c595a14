package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"l2gw"
	"l2gw/internal/store"
)

// Who sees networks and ports, as with Neutron (neutron/conf/policies/network.py, port.py).
const (
	whoSeesNetworks = "rule:admin_or_owner or rule:shared or rule:external or rule:context_is_advsvc"
	whoSeesProvider = "rule:admin_only"
)

// networks are read-only: they are the inventory's. Their attributes are Neutron's,
// for clients that look for them; what the inventory does not know is as it is
// with a network that nothing was ever said of.
func networks(s *server) resource[l2gw.Network] {
	return resource[l2gw.Network]{
		name: "network", collection: "networks", path: "networks",
		title: "network", doc: "The networks that gateways can be connected to, as the inventory has them; read-only.",
		attributes: networkAttributes,
		access:     map[string]string{"get": whoSeesNetworks},
		missing:    func(id string) error { return l2gw.NetworkNotFound(id) },
		faults:     map[string][]fault{"show": {{http.StatusNotFound, "NetworkNotFound", "There is no such network, or the caller may not see it."}}},
		sample:     func() l2gw.Network { return sampleNetwork },
		id:         networkID,
		list: func(ctx context.Context, q store.Query) ([]l2gw.Network, error) {
			d, err := s.Networks.Directory(ctx)
			if err != nil {
				return nil, err
			}
			return pick(q, networkAttributes, shelf[l2gw.Network]{
				n: d.NetworkCount(), at: func(i int) l2gw.Network { return *d.Network(i) }, find: d.FindNetwork,
			})
		},
		get: s.Networks.Network,
	}
}

func networkID(n *l2gw.Network) string { return n.ID }

var sampleNetwork = l2gw.Network{ID: "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65", Name: "net-a", VNI: 5001, MTU: 1450, Shared: true}

func networkText(name, doc string, s schema, get func(*l2gw.Network) string) attribute[l2gw.Network] {
	return attribute[l2gw.Network]{
		name: name, doc: doc, schema: s, text: get, show: func(n *l2gw.Network) any { return get(n) },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(get(a), get(b)) },
	}
}

// fixed is an attribute that is the same for all.
func fixed[T any](name, doc string, s schema, value any) attribute[T] {
	return attribute[T]{name: name, doc: doc, schema: s, show: func(*T) any { return value }}
}

const unknownDoc = " The inventory does not know it."

var networkAttributes = table[l2gw.Network]{
	{
		name: "id", doc: "The network's id.", schema: formatted("uuid"), stored: true,
		show:    func(n *l2gw.Network) any { return n.ID },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(a.ID, b.ID) },
	},
	networkText("name", "What people call it.", kind("string"), func(n *l2gw.Network) string { return n.Name }),
	networkText("tenant_id", "The same as project_id.", kind("string"), func(n *l2gw.Network) string { return n.ProjectID }),
	fixed[l2gw.Network]("admin_state_up", "Whether it is meant to work: always.", kind("boolean"), true),
	{
		name: "mtu", doc: "The longest IP packet that it carries, in bytes; 0 if unknown.", schema: kind("integer"),
		show:    func(n *l2gw.Network) any { return n.MTU },
		compare: func(a, b *l2gw.Network) int { return cmp.Compare(a.MTU, b.MTU) },
	},
	fixed[l2gw.Network]("status", "ACTIVE, as far as the inventory knows.", kind("string"), string(l2gw.StatusActive)),
	fixed[l2gw.Network]("subnets", "Its subnets."+unknownDoc, listOf(kind("string")), []string{}),
	{
		name: "shared", doc: "Whether all projects may see and use it.", schema: kind("boolean"),
		show: func(n *l2gw.Network) any { return n.Shared },
	},
	networkText("project_id", "The project that it belongs to; empty if none.", kind("string"), func(n *l2gw.Network) string { return n.ProjectID }),
	fixed[l2gw.Network]("router:external", "Whether it leads out of the cloud.", kind("boolean"), false),
	{
		name: "provider:network_type", doc: "How it is carried, if in one way: vxlan, vlan …", schema: kind("string"), visibleIf: whoSeesProvider,
		show: func(n *l2gw.Network) any { return single(n, func(s l2gw.NetworkSegment) any { return s.Type }) },
		matches: func(n *l2gw.Network) []string {
			return ofParts(n, func(s l2gw.NetworkSegment) string { return s.Type })
		},
	},
	{
		name: "provider:physical_network", doc: "The physical network that it is on, if it is carried in one way.", schema: orNull(kind("string")), visibleIf: whoSeesProvider,
		show: func(n *l2gw.Network) any {
			return single(n, func(s l2gw.NetworkSegment) any { return orNothing(s.PhysicalNetwork) })
		},
		matches: func(n *l2gw.Network) []string {
			return ofParts(n, func(s l2gw.NetworkSegment) string { return s.PhysicalNetwork })
		},
	},
	{
		name: "provider:segmentation_id", doc: "Its VNI or VLAN, if it is carried in one way.", schema: orNull(kind("integer")), visibleIf: whoSeesProvider,
		show: func(n *l2gw.Network) any {
			return single(n, func(s l2gw.NetworkSegment) any { return orNothing(s.SegmentationID) })
		},
		matches: func(n *l2gw.Network) []string {
			return ofParts(n, func(s l2gw.NetworkSegment) string { return strconv.Itoa(s.SegmentationID) })
		},
		compare: func(a, b *l2gw.Network) int {
			return cmp.Compare(a.Parts()[0].SegmentationID, b.Parts()[0].SegmentationID)
		},
	},
	{
		name: "segments", doc: "How it is carried, if in several ways.", visibleIf: whoSeesProvider,
		schema: listOf(record(
			field{"provider:network_type", kind("string"), "The kind of segment: vxlan, vlan …"},
			field{"provider:physical_network", orNull(kind("string")), "The physical network that it is on."},
			field{"provider:segmentation_id", orNull(kind("integer")), "Its VNI or VLAN."},
		)),
		show: showSegments,
	},
	fixed[l2gw.Network]("availability_zone_hints", "Where it was asked to be."+unknownDoc, listOf(kind("string")), []string{}),
	fixed[l2gw.Network]("availability_zones", "Where it is."+unknownDoc, listOf(kind("string")), []string{}),
	fixed[l2gw.Network]("ipv4_address_scope", "The scope of its IPv4 addresses."+unknownDoc, orNull(kind("string")), nil),
	fixed[l2gw.Network]("ipv6_address_scope", "The scope of its IPv6 addresses."+unknownDoc, orNull(kind("string")), nil),
	networkText("description", "What people say of it.", kind("string"), func(n *l2gw.Network) string { return n.Description }),
	fixed[l2gw.Network]("tags", "Its tags."+unknownDoc, listOf(kind("string")), []string{}),
}

// single is what a network that is carried in one way shows of it; one that is
// carried in several shows its segments instead.
func single(n *l2gw.Network, show func(l2gw.NetworkSegment) any) any {
	if parts := n.Parts(); len(parts) == 1 {
		return show(parts[0])
	}
	return absent{}
}

func ofParts(n *l2gw.Network, text func(l2gw.NetworkSegment) string) []string {
	var out []string
	for _, s := range n.Parts() {
		out = append(out, text(s))
	}
	return out
}

func showSegments(n *l2gw.Network) any {
	if len(n.Segments) < 2 {
		return absent{}
	}
	out := make([]object, len(n.Segments))
	for i, s := range n.Segments {
		out[i] = object{
			{"provider:network_type", s.Type},
			{"provider:physical_network", orNothing(s.PhysicalNetwork)},
			{"provider:segmentation_id", orNothing(s.SegmentationID)},
		}
	}
	return out
}

// orNothing is v, or null for the zero value.
func orNothing[V comparable](v V) any {
	var zero V
	if v == zero {
		return nil
	}
	return v
}
