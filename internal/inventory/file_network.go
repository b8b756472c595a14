package inventory

import (
	"cmp"
	"math"
	"net/netip"

	"go.yaml.in/yaml/v3"

	"l2gw"
)

const (
	minMTU = 68    // bytes; RFC 791 §3.2
	maxMTU = 65535 // bytes; an IPv4 packet's longest
)

func (p *parser) network(n *yaml.Node) {
	var f [8]*yaml.Node
	if !p.mapping(n, "a network", f[:], "id", "name", "vni", "mtu", "description", "project_id", "shared", "segments") {
		return
	}
	id, name, vni, mtu, project, shared, segments := f[0], f[1], f[2], f[3], f[5], f[6], f[7]
	net := &network{line: n.Line, index: map[l2gw.MAC]int{}, vteps: map[netip.Addr]struct{}{}}
	if name != nil {
		net.Name, _ = p.name(name, "the network's name")
	}
	switch {
	case id != nil:
		net.ID, _ = p.uuid(id, "the network's id", "the name")
	case net.Name != "":
		net.ID = l2gw.NetworkIDFromName(net.Name)
	case name == nil:
		p.bad(n.Line, "a network has neither name nor id: it needs one of them")
	}
	switch {
	case vni != nil && segments != nil:
		p.bad(vni.Line, "the network %q has vni and segments: it needs one of them, as vni: 5001 is short for segments: [{network_type: vxlan, segmentation_id: 5001}]", cmp.Or(net.Name, net.ID))
	case segments != nil:
		p.segments(segments, net)
	case vni == nil:
		p.bad(n.Line, "the network %q has no vni: it must be a number from 1 to %d; or give it segments", cmp.Or(net.Name, net.ID), l2gw.MaxVNI)
	default:
		if v, ok := p.number(vni, "vni", 1, int(l2gw.MaxVNI)); ok {
			net.VNI = p.vni(vni, "vni", v, net)
		}
	}
	if mtu != nil {
		net.MTU, _ = p.number(mtu, "mtu", minMTU, maxMTU)
	}
	net.Description = p.description(f[4])
	net.ProjectID = p.optional(project, "project_id")
	net.Shared = project == nil // what is nobody's is everybody's
	if shared != nil {
		net.Shared = p.boolean(shared, "shared")
	}
	// Registered even with problems, so that its ports are not blamed for them.
	keys := []string{net.ID, net.Name}
	if net.ID == net.Name {
		keys = keys[:1]
	}
	for i, key := range keys {
		if key == "" {
			continue
		}
		if other := p.networks[key]; other != nil {
			p.bad(n.Line, "the network's %s %q is that of the network in line %d already: it must be its own",
				[]string{"id", "name"}[i], key, other.line)
			continue
		}
		p.networks[key] = net
	}
	p.contents.networks = append(p.contents.networks, net)
}

// vni takes in that the network has this VNI, and returns it.
func (p *parser) vni(at *yaml.Node, what string, v int, net *network) l2gw.VNI {
	vni := l2gw.VNI(v) //nolint:gosec // it was checked to be in range
	if other := p.vnis[vni]; other != nil {
		p.bad(at.Line, "%s %d is that of the network in line %d already: each network needs its own", what, v, other.line)
		return vni
	}
	p.vnis[vni] = net
	return vni
}

// segmentTypes are Neutron's types of networks, and what each of them has
// (neutron_lib/constants.py, neutron/plugins/ml2/drivers/type_*.py).
var segmentTypes = map[string]struct {
	physical bool // it is on a physical network, which has a name
	max      int  // of segmentation_id, from 1; 0: it has none
}{
	l2gw.SegmentVXLAN: {max: int(l2gw.MaxVNI)},
	"geneve":          {max: 1<<24 - 1},
	"gre":             {max: math.MaxUint32},
	"vlan":            {physical: true, max: 4094},
	"flat":            {physical: true},
	"local":           {},
}

// segments are the parts of a network that is more, or other, than one VXLAN.
func (p *parser) segments(list *yaml.Node, net *network) {
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		p.bad(list.Line, "segments is %s: it must be a list like [{network_type: vlan, physical_network: physnet1, segmentation_id: 100}]", describe(list))
		return
	}
	vxlans := 0
	for _, n := range list.Content {
		s, ok := p.segment(resolve(n), net)
		if !ok {
			continue
		}
		net.Segments = append(net.Segments, s)
		if s.Type == l2gw.SegmentVXLAN {
			vxlans++
			net.VNI = l2gw.VNI(s.SegmentationID) //nolint:gosec // it was checked to be in range
		}
	}
	if vxlans != 1 {
		net.VNI = 0 // which of them it would be is not clear
	}
}

func (p *parser) segment(n *yaml.Node, net *network) (s l2gw.NetworkSegment, ok bool) {
	var f [3]*yaml.Node
	if !p.mapping(n, "a segment", f[:], "network_type", "physical_network", "segmentation_id") || !p.need(n, "a segment", f[:1], "network_type") {
		return s, false
	}
	if s.Type, ok = p.oneOf(f[0], "network_type", "vxlan", "vlan", "flat", "geneve", "gre", "local"); !ok {
		return s, false
	}
	has := segmentTypes[s.Type]
	switch physical := f[1]; {
	case has.physical && physical == nil:
		p.bad(n.Line, "the %s segment has no physical_network: it must be the name of one, like physnet1", s.Type)
		ok = false
	case !has.physical && physical != nil:
		p.bad(physical.Line, "physical_network %q stands in a %s segment, which is on none: leave it out", physical.Value, s.Type)
		ok = false
	case physical != nil:
		s.PhysicalNetwork = p.optional(physical, "physical_network")
	}
	switch id := f[2]; {
	case has.max > 0 && id == nil:
		p.bad(n.Line, "the %s segment has no segmentation_id: it must be a number from 1 to %d", s.Type, has.max)
		ok = false
	case has.max == 0 && id != nil:
		p.bad(id.Line, "segmentation_id %s stands in a %s segment, which has none: leave it out", describe(id), s.Type)
		ok = false
	case id != nil:
		var valid bool
		s.SegmentationID, valid = p.number(id, "segmentation_id", 1, has.max)
		ok = ok && valid
		if valid && s.Type == l2gw.SegmentVXLAN {
			p.vni(id, "segmentation_id", s.SegmentationID, net)
		}
	}
	return s, ok
}
