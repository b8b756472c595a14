package api

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"l2gw"
	"l2gw/internal/store"
)

const (
	whoSeesPorts   = "rule:admin_or_owner or rule:context_is_advsvc"
	whoSeesBinding = "rule:admin_only"
)

// ports are read-only, as networks are.
func ports(s *server) resource[l2gw.Port] {
	return resource[l2gw.Port]{
		name: "port", collection: "ports", path: "ports",
		title: "port", doc: "The hosts of networks, as the inventory has them; read-only.",
		attributes: portAttributes,
		access:     map[string]string{"get": whoSeesPorts},
		missing:    portNotFound,
		faults:     map[string][]fault{"show": {{http.StatusNotFound, "PortNotFound", "There is no such port, or the caller may not see it."}}},
		sample: func() l2gw.Port {
			mac := l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}
			n := l2gw.DirectoryNetwork{Network: sampleNetwork}
			n.Hosts = n.Hosts.Set(mac, l2gw.Host{MAC: mac, VTEP: netip.MustParseAddr("192.0.2.11"), IPs: []netip.Addr{netip.MustParseAddr("198.51.100.11")}})
			return l2gw.NewDirectory([]l2gw.DirectoryNetwork{n}, map[netip.Addr]string{netip.MustParseAddr("192.0.2.11"): "compute-1"}).Port(0)
		},
		id: portID,
		list: func(ctx context.Context, q store.Query) ([]l2gw.Port, error) {
			d, err := s.Networks.Directory(ctx)
			if err != nil {
				return nil, err
			}
			return pick(q, portAttributes, shelf[l2gw.Port]{n: d.PortCount(), at: d.Port, find: d.FindPort, narrow: portsNear(d)})
		},
		get: func(ctx context.Context, id string) (l2gw.Port, error) {
			d, err := s.Networks.Directory(ctx)
			if err != nil {
				return l2gw.Port{}, err
			}
			i, ok := d.FindPort(id)
			if !ok {
				return l2gw.Port{}, portNotFound(id)
			}
			return d.Port(i), nil
		},
	}
}

func portID(p *l2gw.Port) string { return p.ID() }

func portNotFound(id string) error {
	return &l2gw.Error{Code: l2gw.NotFound, Type: "PortNotFound", Message: "Port " + id + " could not be found."}
}

func portText(name, doc string, get func(*l2gw.Port) string) attribute[l2gw.Port] {
	return attribute[l2gw.Port]{
		name: name, doc: doc, schema: kind("string"), stored: true, text: get, show: func(p *l2gw.Port) any { return get(p) },
		compare: func(a, b *l2gw.Port) int { return cmp.Compare(get(a), get(b)) },
	}
}

// forAdmins is an attribute that administrators alone see.
func forAdmins(a attribute[l2gw.Port]) attribute[l2gw.Port] {
	a.visibleIf = whoSeesBinding
	return a
}

var portAttributes = table[l2gw.Port]{
	{
		name: "id", doc: "The port's id; derived from network and MAC if the inventory gives none.", schema: formatted("uuid"), stored: true,
		show:    func(p *l2gw.Port) any { return p.ID() },
		compare: func(a, b *l2gw.Port) int { return a.Compare(*b) },
	},
	portText("name", "What people call it.", func(p *l2gw.Port) string { return p.Details().Name }),
	portText("network_id", "The network that it is in.", func(p *l2gw.Port) string { return p.Network().ID }),
	portText("tenant_id", "The same as project_id.", func(p *l2gw.Port) string { return p.ProjectID() }),
	{
		name: "mac_address", doc: "Its MAC address.", schema: kind("string"), stored: true,
		show:    func(p *l2gw.Port) any { return p.MAC().String() },
		compare: func(a, b *l2gw.Port) int { return a.MAC().Compare(b.MAC()) },
		matching: func(wanted []string) func(*l2gw.Port) bool {
			var macs []l2gw.MAC
			for _, text := range wanted {
				if mac, err := l2gw.ParseMAC(text); err == nil {
					macs = append(macs, mac)
				}
			}
			return func(p *l2gw.Port) bool { return slices.Contains(macs, p.MAC()) }
		},
	},
	fixed[l2gw.Port]("admin_state_up", "Whether it is meant to work: always.", kind("boolean"), true),
	portText("status", "What the inventory says: ACTIVE, DOWN, BUILD or ERROR.", func(p *l2gw.Port) string { return string(p.Status()) }),
	portText("device_id", "What it belongs to, such as a server's id.", func(p *l2gw.Port) string { return p.Details().DeviceID }),
	portText("device_owner", "Of what kind that is, such as compute:nova.", func(p *l2gw.Port) string { return p.Details().DeviceOwner }),
	{
		name: "fixed_ips", doc: "Its addresses; as a filter, ip_address=ADDRESS or ip_address_substr=PART.",
		schema:  listOf(record(field{"ip_address", kind("string"), "An IPv4 or IPv6 address."})),
		stored:  true,
		show:    showFixedIPs,
		matches: func(*l2gw.Port) []string { return nil }, // matching knows better
		matching: func(wanted []string) func(*l2gw.Port) bool {
			isWanted := fixedIP(wanted)
			return func(p *l2gw.Port) bool { return slices.ContainsFunc(p.IPs(), isWanted) }
		},
	},
	portText("description", "What people say of it.", func(p *l2gw.Port) string { return p.Details().Description }),
	forAdmins(fixed[l2gw.Port]("binding:vnic_type", "The kind of interface: always normal.", kind("string"), "normal")),
	forAdmins(fixed[l2gw.Port]("binding:profile", "What the host was told beside."+unknownDoc, mapOf(kind("string")), object{})),
	forAdmins(portText("binding:host_id", "The host that it is on.", func(p *l2gw.Port) string { return p.HostName() })),
	forAdmins(portText("binding:vif_type", "How the host connects it: ovs, or unbound without a host.", func(p *l2gw.Port) string {
		if p.HostName() == "" {
			return "unbound"
		}
		return "ovs"
	})),
	forAdmins(fixed[l2gw.Port]("binding:vif_details", "How the host connects it, in detail."+unknownDoc, mapOf(kind("string")), object{})),
	fixed[l2gw.Port]("tags", "Its tags."+unknownDoc, listOf(kind("string")), []string{}),
	portText("project_id", "The project that it belongs to, which is its network's if nothing else is known; empty if none.", func(p *l2gw.Port) string { return p.ProjectID() }),
}

func showFixedIPs(p *l2gw.Port) any {
	ips := p.IPs()
	out := make([]object, len(ips))
	for i, ip := range ips {
		out[i] = object{{"ip_address", ip.String()}}
	}
	return out
}

// fixedIP is Neutron's filter by addresses. The inventory knows no subnets, so that
// nothing is in the one that is asked for.
func fixedIP(wanted []string) func(netip.Addr) bool {
	var whole []netip.Addr
	var parts []string
	for _, text := range wanted {
		switch key, value, _ := strings.Cut(text, "="); key {
		case "ip_address":
			if ip, err := netip.ParseAddr(value); err == nil {
				whole = append(whole, ip.Unmap())
			}
		case "ip_address_substr":
			parts = append(parts, value)
		}
	}
	return func(ip netip.Addr) bool {
		if slices.Contains(whole, ip) {
			return true
		}
		return parts != nil && slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(ip.String(), part) })
	}
}

// portsNear knows where the ports of a network are, and those with an address: the
// rest is found by a look at each, which takes milliseconds for 100,000.
func portsNear(d *l2gw.Directory) func(map[string][]string) ([]int, bool) {
	return func(filter map[string][]string) (places []int, narrowed bool) {
		if networks, asked := filter["network_id"]; asked {
			for _, id := range networks {
				places = append(places, d.PortsOf(id)...)
			}
			slices.Sort(places)
			return slices.Compact(places), true
		}
		if wanted, asked := filter["fixed_ips"]; asked {
			return d.PortsWithIP(fixedIP(wanted)), true
		}
		return nil, false
	}
}
