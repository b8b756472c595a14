package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"l2gw"
	"l2gw/internal/store"
)

// deviceView is a switch as an answer shows it: itself and its database. A
// database that never showed a switch has one view without a device.
type deviceView struct {
	l2gw.DeviceState
	database l2gw.DatabaseState
	status   l2gw.Status
	reason   string
}

// devices are what switches report of themselves. Only the mode can be changed,
// by commands.go.
func devices(s *server) resource[deviceView] {
	return resource[deviceView]{
		name: "l2_gateway_device", collection: "l2_gateway_devices", path: "l2-gateway-devices",
		title: "L2 gateway device", doc: "Switches that were seen, and what each holds.",
		attributes: deviceAttributes,
		faults: map[string][]fault{
			"show":   {deviceMissing},
			"update": commandFaults,
		},
		sample: func() deviceView {
			db := l2gw.DatabaseState{
				Name: "ovsdb1", Agent: "host1", Connected: true, InSync: true, SyncedAt: exampleTime, Schema: "1.7.0",
				Rows: map[string]int{"Logical_Switch": 1}, Writer: true, Lock: l2gw.LockingHeld,
			}
			return deviceView{database: db, status: l2gw.StatusActive, DeviceState: l2gw.DeviceState{
				Name: "sw1", TunnelIPs: []netip.Addr{netip.MustParseAddr("192.0.2.101")},
				Ports: []l2gw.PortState{{Name: "eth1", Bindings: []l2gw.PortBinding{{VLAN: 100, LogicalSwitch: exampleNetwork, Ours: true}}}},
			}}
		},
		sampleUpdate: object{{"mode", modePaused}},
		id:           func(d *deviceView) string { return d.Name },
		list: func(context.Context, store.Query) ([]deviceView, error) {
			return viewDevices(s.Devices.Databases()), nil
		},
		get: func(_ context.Context, name string) (deviceView, error) {
			all := viewDevices(s.Devices.Databases())
			if i := slices.IndexFunc(all, func(d deviceView) bool { return d.Name == name }); i >= 0 {
				return all[i], nil
			}
			return deviceView{}, l2gw.DeviceNotFound(name)
		},
		named:  s.deviceName,
		update: s.setMode,
	}
}

// viewDevices orders switches by name, then by database.
func viewDevices(databases []l2gw.DatabaseState) []deviceView {
	var all []deviceView
	seenIn := map[string][]string{}
	for _, db := range databases {
		if len(db.Devices) == 0 {
			all = append(all, deviceView{database: db})
		}
		for _, d := range db.Devices {
			all = append(all, deviceView{DeviceState: d, database: db})
			seenIn[d.Name] = append(seenIn[d.Name], db.Name)
		}
	}
	for i := range all {
		d := &all[i]
		d.status, d.reason = deviceStatus(d, seenIn[d.Name])
	}
	slices.SortStableFunc(all, func(a, b deviceView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.database.Name, b.database.Name))
	})
	return all
}

// deviceStatus tells how a switch is; seenIn are the databases that have one of its name.
func deviceStatus(d *deviceView, seenIn []string) (l2gw.Status, string) {
	switch db := d.database; {
	case len(seenIn) > 1:
		return l2gw.StatusError, "several databases have a switch of this name: " + strings.Join(seenIn, ", ")
	case d.Distrust != "":
		return l2gw.StatusError, d.Distrust
	case !db.Connected:
		return l2gw.StatusDown, cmp.Or(db.Error, "not connected")
	case len(d.Faults) > 0:
		return l2gw.StatusDown, "the switch reports: " + strings.Join(d.Faults, ", ")
	case db.Mode == l2gw.ModePaused:
		return l2gw.StatusDegraded, "paused by an operator: nothing is written until it is resumed"
	case db.Mode == l2gw.ModeObserve:
		return l2gw.StatusDegraded, "observed only, by an operator's wish: nothing is written until it is resumed"
	case db.Lock == l2gw.LockingStolen:
		return l2gw.StatusDegraded, "somebody else took the lock of the switch's database: nothing is written"
	case len(db.Held) > 0:
		return l2gw.StatusDegraded, heldReason(db.Held)
	case !db.InSync:
		return l2gw.StatusBuild, cmp.Or(db.Error, "not yet in sync")
	case db.Error != "": // it holds what it should, and more that it does not let go of
		return l2gw.StatusDegraded, db.Error
	}
	return l2gw.StatusActive, ""
}

var deviceAttributes = table[deviceView]{
	{
		name: "name", doc: "What the switch calls itself; empty for a database that never showed a switch.", schema: kind("string"),
		show:    func(d *deviceView) any { return d.Name },
		compare: func(a, b *deviceView) int { return cmp.Compare(a.Name, b.Name) },
	},
	{
		name: "database", doc: "The OVSDB database that the switch is in.", schema: kind("string"),
		show:    func(d *deviceView) any { return d.database.Name },
		compare: func(a, b *deviceView) int { return cmp.Compare(a.database.Name, b.database.Name) },
	},
	{
		name: "agent", doc: "The host of the agent that reports the database.", schema: kind("string"),
		show: func(d *deviceView) any { return d.database.Agent },
	},
	{
		name: "description", doc: "What the switch says of itself.", schema: kind("string"),
		show: func(d *deviceView) any { return d.Description },
	},
	{
		name: "status", doc: "How it is: ACTIVE, BUILD not yet in sync, DEGRADED works in part or nothing is written to it, DOWN not connected or a fault is reported, ERROR it cannot be used.",
		schema:  statusSchema,
		show:    func(d *deviceView) any { return string(d.status) },
		compare: func(a, b *deviceView) int { return cmp.Compare(a.status, b.status) },
	},
	{
		name: "status_reason", doc: reasonDoc, schema: kind("string"),
		show: func(d *deviceView) any { return d.reason },
	},
	{
		name: "connected", doc: "Whether the agent is connected to the database.", schema: kind("boolean"),
		show: func(d *deviceView) any { return d.database.Connected },
	},
	{
		name: "in_sync", doc: "Whether it holds what it should.", schema: kind("boolean"),
		show: func(d *deviceView) any { return d.database.InSync },
	},
	{
		name: "last_sync_at", doc: "When it was last in sync (UTC).", schema: moment,
		show: func(d *deviceView) any { return timestamp(d.database.SyncedAt) },
	},
	{
		name: "tunnel_ips", doc: "Where the switch ends its tunnels.", schema: listOf(kind("string")),
		show: func(d *deviceView) any { return addresses(d.TunnelIPs) },
	},
	{
		name: "management_ips", doc: "Where the switch is managed.", schema: listOf(kind("string")),
		show: func(d *deviceView) any { return texts(d.ManagementIPs) },
	},
	{
		name: "faults", doc: "What the switch reports of itself.", schema: listOf(kind("string")),
		show: func(d *deviceView) any { return texts(d.Faults) },
	},
	{
		name: "schema_version", doc: "The version of its hardware_vtep schema.", schema: kind("string"),
		show: func(d *deviceView) any { return d.database.Schema },
	},
	{
		name: "losses", doc: "What the switch cannot do, in words.", schema: listOf(kind("string")),
		show: func(d *deviceView) any { return texts(d.database.Losses) },
	},
	{
		name: "ports", doc: "Its ports and the VLANs bound there. A filter looks for their names.", schema: portSchema,
		show:    func(d *deviceView) any { return showPorts(d.Ports) },
		matches: func(d *deviceView) []string { return mapped(d.Ports, func(p l2gw.PortState) string { return p.Name }) },
	},
	{
		name: "rows", doc: "How many rows there are in each table of its database.", schema: mapOf(between(0, 1<<31-1)),
		show: func(d *deviceView) any { return counts(d.database.Rows) },
	},
	{
		name: "writer", doc: "Whether the agent may write to the database at this moment.", schema: kind("boolean"),
		show: func(d *deviceView) any { return d.database.Writer },
	},
	{
		name: "lock", doc: "How the agent stands to the lock of the database: held, waiting (another session has it), stolen (another session took it), unsupported (the switch has no locks), or empty.",
		schema: oneOf("", "waiting", "held", "stolen", "unsupported"),
		show:   func(d *deviceView) any { return string(d.database.Lock) },
	},
	{
		name: "mode", doc: "What may be done to the database: run, observe (compare, write nothing) or paused (leave it alone).",
		schema: oneOf(modeRun, modeObserve, modePaused),
		put:    true, accept: acceptMode,
		show: func(d *deviceView) any { return modeName(d.database.Mode) },
	},
	{
		name: "held", doc: "Removals that wait for an operator, or for a second look. A filter looks for their networks.", schema: heldSchema,
		show: func(d *deviceView) any { return showHeld(d.database.Held) },
		matches: func(d *deviceView) []string {
			return mapped(d.database.Held, func(h l2gw.HeldRemoval) string { return h.NetworkID })
		},
	},
}

var heldSchema = listOf(record(
	field{"network_id", kind("string"), "The network whose rows would go; empty: of the whole database."},
	field{"rows", between(0, 1<<31-1), "How many rows would go."},
	field{"total", between(0, 1<<31-1), "How many rows there are."},
	field{"reason", kind("string"), "Why they are held."},
	field{"since", moment, "Since when (UTC)."},
	field{"confirms", kind("boolean"), "Whether a second complete look at the inventory is enough; otherwise only an operator releases them."},
))

func showHeld(held []l2gw.HeldRemoval) []object {
	out := make([]object, len(held))
	for i, h := range held {
		out[i] = object{
			{"network_id", h.NetworkID},
			{"rows", h.Rows},
			{"total", h.Total},
			{"reason", h.Reason},
			{"since", timestamp(h.Since)},
			{"confirms", h.Confirms},
		}
	}
	return out
}

// heldReason sums up what is held; the attribute held has it one by one.
func heldReason(held []l2gw.HeldRemoval) string {
	rows, first := 0, held[0].Reason
	for _, h := range held {
		rows += h.Rows
	}
	if len(held) > 1 {
		first += fmt.Sprintf(" (and %d more)", len(held)-1)
	}
	return fmt.Sprintf("the removal of %d rows is held: %s", rows, first)
}

var portSchema = listOf(record(
	field{"name", kind("string"), "What the switch calls the port."},
	field{"description", kind("string"), "What the switch says of it."},
	field{"faults", listOf(kind("string")), "What the switch reports of it."},
	field{"bindings", listOf(record(
		field{"segmentation_id", between(0, int(l2gw.MaxVLAN)), "The VLAN; 0: untagged."},
		field{"logical_switch", kind("string"), "What it is bound to: the name of a Logical_Switch, a network's id if it is ours."},
		field{"ours", kind("boolean"), "Whether we bound it."},
	)), "The VLANs bound there."},
))

func showPorts(ports []l2gw.PortState) []object {
	out := make([]object, len(ports))
	for i, p := range ports {
		bindings := make([]object, len(p.Bindings))
		for j, b := range p.Bindings {
			bindings[j] = object{{"segmentation_id", int(b.VLAN)}, {"logical_switch", b.LogicalSwitch}, {"ours", b.Ours}}
		}
		out[i] = object{
			{"name", p.Name},
			{"description", p.Description},
			{"faults", texts(p.Faults)},
			{"bindings", bindings},
		}
	}
	return out
}

// mountDeviceViews adds what can be asked of one switch.
func mountDeviceViews(s *server) {
	rules := adminsMay("get_l2_gateway_device", "Show and list L2 gateway devices")
	s.offer(
		offered{
			method: http.MethodGet, path: "/v2.0/l2-gateway-devices/{id}/macs", do: s.deviceMACs, rules: rules,
			doc: macAttributes.listDoc("macs", "list_l2_gateway_device_macs", "l2_gateway_devices",
				"List the MACs that a switch learned and was given", macExample, deviceMissing),
		},
		offered{
			method: http.MethodGet, path: "/v2.0/l2-gateway-devices/{id}/validate", do: s.validateDevice, rules: rules,
			doc: operationDoc{
				id: "validate_l2_gateway_device", tag: "l2_gateway_devices", status: http.StatusOK,
				summary: "Compare what a switch should hold with what it holds at this moment",
				answer: record(field{"validation", record(
					field{"device", kind("string"), "The name of the switch."},
					field{"database", kind("string"), "The database that was compared."},
					field{"in_sync", kind("boolean"), "Whether there was a comparison and no difference."},
					field{"checked_at", moment, "When it was compared (UTC)."},
					field{"differences", listOf(record(
						field{"table", kind("string"), "A table of hardware_vtep."},
						field{"row", kind("string"), "What people call the row."},
						field{"wanted", kind("string"), "What it should hold; empty: it should not be there."},
						field{"held", kind("string"), "What it holds; empty: it is missing."},
					)), "All rows that are not as they should be."},
					field{"error", kind("string"), "Why there could be no comparison, or empty."},
				), "The comparison."}),
				faults: []fault{deviceMissing},
			},
		},
	)
}

// deviceMissing is the error of a switch that nobody knows.
var deviceMissing = fault{http.StatusNotFound, "L2GatewayDeviceNotFound", "There is no switch of this name."}

var macExample = macAttributes.render(&l2gw.MACEntry{
	NetworkID: "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65", Origin: l2gw.MACLearned,
	Host: l2gw.Host{MAC: l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}, VTEP: netip.MustParseAddr("192.0.2.101")},
}, nil)

func (s *server) deviceMACs(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.allow(r.Context(), "get_l2_gateway_device", nil); err != nil {
		return answer{}, err
	}
	query := parseQuery(r)
	p, err := parsePage(query, macAttributes)
	if err != nil {
		return answer{}, err
	}
	all, ok := s.Devices.MACs(r.PathValue("id"))
	if !ok {
		return answer{}, l2gw.DeviceNotFound(r.PathValue("id"))
	}
	shown, err := cut(p, slices.Clone(all), macAttributes, macID, query)
	if err != nil {
		return answer{}, err
	}
	list, fields := make([]object, len(shown)), macAttributes.chosen(query["fields"])
	for i := range shown {
		list[i] = macAttributes.render(&shown[i], fields)
	}
	body := object{{"macs", list}}
	if links := p.links(s.selfURL(r), r.URL.RawQuery, len(shown), func(i int) string { return macID(&shown[i]) }); links != nil {
		body = append(body, member{"macs_links", links})
	}
	return answer{http.StatusOK, body}, nil
}

// macID marks where a page of MACs ends.
func macID(m *l2gw.MACEntry) string {
	return fmt.Sprintf("%s/%s/%s", m.NetworkID, m.MAC, m.Origin)
}

var macAttributes = table[l2gw.MACEntry]{
	{
		name: "mac_address", doc: "The MAC address.", schema: kind("string"),
		show:    func(m *l2gw.MACEntry) any { return m.MAC.String() },
		compare: func(a, b *l2gw.MACEntry) int { return slices.Compare(a.MAC[:], b.MAC[:]) },
	},
	{
		name: "network_id", doc: "The network that it is in.", schema: kind("string"),
		show:    func(m *l2gw.MACEntry) any { return m.NetworkID },
		compare: func(a, b *l2gw.MACEntry) int { return cmp.Compare(a.NetworkID, b.NetworkID) },
	},
	{
		name: "origin", doc: "learned by the switch behind one of its ports, or programmed by us behind a VTEP.", schema: oneOf("learned", "programmed"),
		show:    func(m *l2gw.MACEntry) any { return string(m.Origin) },
		compare: func(a, b *l2gw.MACEntry) int { return cmp.Compare(a.Origin, b.Origin) },
	},
	{
		name: "vtep", doc: "Where it is, or empty.", schema: kind("string"),
		show:    func(m *l2gw.MACEntry) any { return addressText(m) },
		compare: func(a, b *l2gw.MACEntry) int { return a.VTEP.Compare(b.VTEP) },
	},
	{
		name: "ip_addresses", doc: "Its IP addresses as far as known.", schema: listOf(kind("string")),
		show: func(m *l2gw.MACEntry) any { return addresses(m.IPs) },
	},
	{
		name: "note", doc: "What is wrong with it, or empty.", schema: kind("string"),
		show: func(m *l2gw.MACEntry) any { return m.Note },
	},
}

func addressText(m *l2gw.MACEntry) string {
	if !m.VTEP.IsValid() {
		return ""
	}
	return m.VTEP.String()
}

// validateDevice compares what a switch should hold with what it holds.
func (s *server) validateDevice(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.allow(r.Context(), "get_l2_gateway_device", nil); err != nil {
		return answer{}, err
	}
	v, err := s.Devices.Validate(r.Context(), r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	differences := make([]object, len(v.Differences))
	for i, d := range v.Differences {
		differences[i] = object{{"table", d.Table}, {"row", d.Row}, {"wanted", d.Wanted}, {"held", d.Held}}
	}
	return answer{http.StatusOK, object{{"validation", object{
		{"device", v.Device},
		{"database", v.Database},
		{"in_sync", v.InSync()},
		{"checked_at", timestamp(v.CheckedAt)},
		{"differences", differences},
		{"error", v.Error},
	}}}}, nil
}
