package vtep

import "l2gw/ovsdb"

// Database is the name of the database (vtep(5)).
const Database = "hardware_vtep"

// The tables that we read or write.
const (
	tableGlobal         = "Global"
	tablePhysicalSwitch = "Physical_Switch"
	tablePhysicalPort   = "Physical_Port"
	tableLogicalSwitch  = "Logical_Switch"
	tableUcastLocal     = "Ucast_Macs_Local"
	tableUcastRemote    = "Ucast_Macs_Remote"
	tableMcastLocal     = "Mcast_Macs_Local"
	tableMcastRemote    = "Mcast_Macs_Remote"
	tableLocator        = "Physical_Locator"
	tableLocatorSet     = "Physical_Locator_Set"
	tableLogicalRouter  = "Logical_Router"
)

// Values that vtep(5) gives a meaning.
const (
	unknownDst             = "unknown-dst" // Mcast_Macs_*.MAC: broadcast, unknown unicast and multicast
	vxlanOverIPv4          = "vxlan_over_ipv4"
	sourceNode             = "source_node"
	serviceNode            = "service_node"
	faultMACTable          = "mac_table_exhaustion"
	faultSourceReplication = "unsupported_source_node_replication"
)

// Tables returns the columns to monitor by table. What changes often and tells
// us nothing, such as statistics and BFD, is not among them. The caller leaves out what a schema lacks.
func Tables() map[string][]string {
	return map[string][]string{
		tablePhysicalSwitch: {"name", "description", "ports", "management_ips", "tunnel_ips", "switch_fault_status"},
		tablePhysicalPort:   {"name", "description", "vlan_bindings", "port_fault_status"},
		tableLogicalSwitch:  {"name", "description", "tunnel_key", "replication_mode"},
		tableUcastLocal:     {"MAC", "logical_switch", "locator", "ipaddr"},
		tableUcastRemote:    {"MAC", "logical_switch", "locator", "ipaddr"},
		tableMcastLocal:     {"MAC", "logical_switch"},
		tableMcastRemote:    {"MAC", "logical_switch", "locator_set"},
		tableLocator:        {"encapsulation_type", "dst_ip", "tunnel_key"},
		tableLocatorSet:     {"locators"},
		tableLogicalRouter:  {"name", "switch_binding"},
	}
}

var (
	byName          = ovsdb.Index{Name: "name", Columns: []string{"name"}}
	byTunnelKey     = ovsdb.Index{Name: "tunnel_key", Columns: []string{"tunnel_key"}}
	byLogicalSwitch = ovsdb.Index{Name: "logical_switch", Columns: []string{"logical_switch"}}
	byMAC           = ovsdb.Index{Name: "logical_switch+MAC", Columns: []string{"logical_switch", "MAC"}}
	byDstIP         = ovsdb.Index{Name: "dst_ip", Columns: []string{"dst_ip"}}
)

// Indexes returns the lookups that plans need, by table.
func Indexes() map[string][]ovsdb.Index {
	return map[string][]ovsdb.Index{
		tablePhysicalSwitch: {byName},
		tableLogicalSwitch:  {byName, byTunnelKey},
		tableUcastLocal:     {byLogicalSwitch},
		tableUcastRemote:    {byLogicalSwitch, byMAC},
		tableMcastLocal:     {byLogicalSwitch},
		tableMcastRemote:    {byLogicalSwitch},
		tableLocator:        {byDstIP},
	}
}

// NewSnapshot returns a snapshot without rows, with the tables, columns and
// indexes that this package reads, as far as the schema has them.
func NewSnapshot(schema *ovsdb.Schema) *ovsdb.Snapshot {
	indexes := Indexes()
	var layouts []*ovsdb.Layout
	for table, columns := range Tables() {
		if t, ok := schema.Tables[table]; ok {
			layouts = append(layouts, ovsdb.NewLayout(t, columns, indexes[table]...))
		}
	}
	return ovsdb.NewSnapshot(schema, layouts...)
}
