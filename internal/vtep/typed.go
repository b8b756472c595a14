package vtep

import (
	"net/netip"

	"l2gw"
	"l2gw/ovsdb"
)

// The typed rows are views of an ovsdb.Row; a column that the switch lacks
// reads as its empty value.
type (
	// PhysicalSwitch is a row of Physical_Switch: a device.
	PhysicalSwitch struct{ *ovsdb.Row }
	// PhysicalPort is a row of Physical_Port.
	PhysicalPort struct{ *ovsdb.Row }
	// LogicalSwitch is a row of Logical_Switch.
	LogicalSwitch struct{ *ovsdb.Row }
	// Ucast is a row of Ucast_Macs_Local or Ucast_Macs_Remote.
	Ucast struct{ *ovsdb.Row }
	// Mcast is a row of Mcast_Macs_Local or Mcast_Macs_Remote.
	Mcast struct{ *ovsdb.Row }
	// Locator is a row of Physical_Locator.
	Locator struct{ *ovsdb.Row }
)

// Name is the device's name, unique in its database.
func (s PhysicalSwitch) Name() string { return s.Str("name") }

// Ports refers to the switch's rows of Physical_Port.
func (s PhysicalSwitch) Ports() ovsdb.Set { return s.Set("ports") }

// TunnelIPs are the switch's own VTEPs; what is no address is left out.
func (s PhysicalSwitch) TunnelIPs() []netip.Addr {
	var ips []netip.Addr
	for v := range s.Set("tunnel_ips").All() {
		if text, ok := v.(string); ok {
			if a, err := netip.ParseAddr(text); err == nil {
				ips = append(ips, a.Unmap())
			}
		}
	}
	return ips
}

// Faults are the faults that the switch reports (vtep(5), switch_fault_status).
func (s PhysicalSwitch) Faults() []string { return texts(s.Set("switch_fault_status")) }

// Name is the port's name, unique only on its switch.
func (p PhysicalPort) Name() string { return p.Str("name") }

// VLANBindings maps VLAN ids to logical switches.
func (p PhysicalPort) VLANBindings() ovsdb.Map { return p.Map("vlan_bindings") }

// Binding is the logical switch of a VLAN, zero if there is none.
func (p PhysicalPort) Binding(v l2gw.VLAN) ovsdb.UUID {
	at, _ := p.VLANBindings().Get(int64(v))
	u, _ := at.(ovsdb.UUID)
	return u
}

// Faults are the faults that the port reports (vtep(5), port_fault_status).
func (p PhysicalPort) Faults() []string { return texts(p.Set("port_fault_status")) }

// Name is unique among logical switches; of ours it is the network's id.
func (l LogicalSwitch) Name() string { return l.Str("name") }

// TunnelKey is the VNI, if there is one.
func (l LogicalSwitch) TunnelKey() (int64, bool) { return l.Int("tunnel_key") }

// MAC is the address as it is written there.
func (u Ucast) MAC() string { return u.Str("MAC") }

// LogicalSwitch is the network that the MAC is in.
func (u Ucast) LogicalSwitch() ovsdb.UUID { return u.Ref("logical_switch") }

// Locator is the VTEP that the MAC is behind.
func (u Ucast) Locator() ovsdb.UUID { return u.Ref("locator") }

// IP is the host's address as it is written there, or "".
func (u Ucast) IP() string { return u.Str("ipaddr") }

// MAC is a multicast address or unknown-dst.
func (m Mcast) MAC() string { return m.Str("MAC") }

// LogicalSwitch is the network that the MAC is in.
func (m Mcast) LogicalSwitch() ovsdb.UUID { return m.Ref("logical_switch") }

// LocatorSet refers to the row of Physical_Locator_Set.
func (m Mcast) LocatorSet() ovsdb.UUID { return m.Ref("locator_set") }

// DstIP is the VTEP's address as it is written there.
func (l Locator) DstIP() string { return l.Str("dst_ip") }

// Plain reports whether the locator is a VTEP without a tunnel key of its own,
// which are those that logical switches with a VNI use.
func (l Locator) Plain() bool {
	_, keyed := l.Int("tunnel_key")
	return !keyed && l.Str("encapsulation_type") == vxlanOverIPv4
}

// texts returns the strings of a set in its order.
func texts(s ovsdb.Set) []string {
	var out []string
	for v := range s.All() {
		if t, ok := v.(string); ok {
			out = append(out, t)
		}
	}
	return out
}

// parseMAC reads the six pairs of digits of a MAC; canonical tells that s is
// just as l2gw.MAC.String writes it. It allocates nothing, since a full plan calls it for each row.
func parseMAC(s string) (m l2gw.MAC, canonical, ok bool) {
	if len(s) != 17 {
		return m, false, false
	}
	canonical = true
	for i := range m {
		if i > 0 {
			switch s[3*i-1] {
			case ':':
			case '-':
				canonical = false
			default:
				return m, false, false
			}
		}
		var b byte
		for _, c := range []byte{s[3*i], s[3*i+1]} {
			switch {
			case '0' <= c && c <= '9':
				c -= '0'
			case 'a' <= c && c <= 'f':
				c -= 'a' - 10
			case 'A' <= c && c <= 'F':
				c -= 'A' - 10
				canonical = false
			default:
				return m, false, false
			}
			b = b<<4 | c
		}
		m[i] = b
	}
	return m, canonical, true
}

// tunnelIPs are the VTEPs of all switches of the database.
func tunnelIPs(snap *ovsdb.Snapshot) map[netip.Addr]bool {
	own := make(map[netip.Addr]bool)
	for r := range snap.Table(tablePhysicalSwitch).All() {
		for _, a := range (PhysicalSwitch{r}).TunnelIPs() {
			own[a] = true
		}
	}
	return own
}
