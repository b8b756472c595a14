package vtep

import (
	"cmp"
	"net/netip"
	"slices"

	"l2gw"
	"l2gw/ovsdb"
)

// Observe returns the devices as they report themselves, in order of their
// names, and the number of rows per monitored table.
func Observe(snap *ovsdb.Snapshot, owned l2gw.Ownership) ([]l2gw.DeviceState, map[string]int) {
	rows := make(map[string]int)
	for table := range Tables() {
		if t := snap.Table(table); t != nil {
			rows[table] = t.Len()
		}
	}
	var devices []l2gw.DeviceState
	for r := range snap.Table(tablePhysicalSwitch).All() {
		s := PhysicalSwitch{r}
		d := l2gw.DeviceState{
			Name:          s.Name(),
			Description:   s.Str("description"),
			TunnelIPs:     s.TunnelIPs(),
			ManagementIPs: texts(s.Set("management_ips")),
			Faults:        s.Faults(),
		}
		for v := range s.Ports().All() {
			if p := snap.Table(tablePhysicalPort).Get(asUUID(v)); p != nil {
				d.Ports = append(d.Ports, portState(snap, PhysicalPort{p}, owned))
			}
		}
		slices.SortFunc(d.TunnelIPs, netip.Addr.Compare)
		slices.SortStableFunc(d.Ports, func(a, b l2gw.PortState) int { return cmp.Compare(a.Name, b.Name) })
		devices = append(devices, d)
	}
	slices.SortStableFunc(devices, func(a, b l2gw.DeviceState) int { return cmp.Compare(a.Name, b.Name) })
	return devices, rows
}

func portState(snap *ovsdb.Snapshot, p PhysicalPort, owned l2gw.Ownership) l2gw.PortState {
	state := l2gw.PortState{Name: p.Name(), Description: p.Str("description"), Faults: p.Faults()}
	for vlan, ls := range p.VLANBindings().All() {
		id, _ := vlan.(int64)
		b := l2gw.PortBinding{VLAN: l2gw.VLAN(id)}
		if r := snap.Table(tableLogicalSwitch).Get(asUUID(ls)); r != nil {
			b.LogicalSwitch = LogicalSwitch{r}.Name()
			_, b.Ours = owned.Networks[b.LogicalSwitch]
		}
		state.Bindings = append(state.Bindings, b)
	}
	return state
}

// LearnedMACs returns the MACs that the switches found behind their own ports,
// by network and MAC, each once: those of networks of ours that are bound
// here, whose locator is a tunnel IP of this database and which can be a host's
// address (design: Learned MACs). With networks given, only theirs.
func LearnedMACs(snap *ovsdb.Snapshot, intent *Intent, networks ...string) []l2gw.Learned {
	byNetwork := boundNetworks(intent)
	if len(networks) == 0 {
		for id := range byNetwork {
			networks = append(networks, id)
		}
	} else {
		networks = slices.Clone(networks)
	}
	slices.Sort(networks)
	own := tunnelIPs(snap)
	var learned []l2gw.Learned
	for _, id := range slices.Compact(networks) {
		if _, ours := intent.Owned.Networks[id]; !ours || len(byNetwork[id]) == 0 {
			continue
		}
		ls := snap.Table(tableLogicalSwitch).Lookup(byName, id).First()
		if ls == nil {
			continue
		}
		from := len(learned)
		for r := range snap.Table(tableUcastLocal).Lookup(byLogicalSwitch, ls.UUID()).All() {
			if h, ok := learnedHost(snap, Ucast{r}, own); ok {
				learned = append(learned, l2gw.Learned{NetworkID: id, Host: h})
			}
		}
		// Of a MAC behind two of the switches the lower VTEP is taken, so that
		// the same contents always give the same answer.
		slices.SortFunc(learned[from:], func(a, b l2gw.Learned) int {
			return cmp.Or(slices.Compare(a.MAC[:], b.MAC[:]), a.VTEP.Compare(b.VTEP),
				slices.CompareFunc(a.IPs, b.IPs, netip.Addr.Compare))
		})
		once := slices.CompactFunc(learned[from:], func(a, b l2gw.Learned) bool { return a.MAC == b.MAC })
		learned = learned[:from+len(once)]
	}
	return learned
}

func learnedHost(snap *ovsdb.Snapshot, row Ucast, own map[netip.Addr]bool) (l2gw.Host, bool) {
	mac, _, ok := parseMAC(row.MAC())
	if !ok || !mac.IsUnicast() {
		return l2gw.Host{}, false
	}
	locator := snap.Table(tableLocator).Get(row.Locator())
	if locator == nil {
		return l2gw.Host{}, false
	}
	vtep, err := netip.ParseAddr(Locator{locator}.DstIP())
	if vtep = vtep.Unmap(); err != nil || !own[vtep] {
		return l2gw.Host{}, false
	}
	h := l2gw.Host{MAC: mac, VTEP: vtep}
	if ip, err := netip.ParseAddr(row.IP()); err == nil && !ip.IsUnspecified() {
		h.IPs = []netip.Addr{ip.Unmap()}
	}
	return h, true
}

// boundNetworks returns the keys of the bindings by network.
func boundNetworks(intent *Intent) map[string][]l2gw.BindingKey {
	if intent.ByNetwork != nil {
		return intent.ByNetwork
	}
	by := make(map[string][]l2gw.BindingKey)
	for k, b := range intent.Bindings {
		by[b.NetworkID] = append(by[b.NetworkID], k)
	}
	return by
}

func asUUID(v ovsdb.Value) ovsdb.UUID { u, _ := v.(ovsdb.UUID); return u }
