package vtep

import (
	"fmt"
	"slices"
	"strings"

	"l2gw/ovsdb"
)

// Capabilities is what a switch database can do.
type Capabilities struct {
	// Version is that of the switch's schema.
	Version string
	// Missing are tables and columns ("Table" or "Table.column") without which nothing can be done.
	Missing []string
	// ReplicationMode tells that the schema has Logical_Switch.replication_mode (1.4.0 and later).
	ReplicationMode bool
	// Refusing are the devices that report that they cannot replicate by source node.
	Refusing []string
	// FloodSets tells that broadcasts can be steered at all.
	FloodSets bool
	// OtherConfig tells that logical switches can carry marks (1.6.0 and later).
	OtherConfig bool
}

// required is what each version of the schema has.
var required = []struct {
	table   string
	columns []string
}{
	{tablePhysicalSwitch, []string{"name", "ports", "tunnel_ips"}},
	{tablePhysicalPort, []string{"name", "vlan_bindings"}},
	{tableLogicalSwitch, []string{"name", "tunnel_key"}},
	{tableUcastRemote, []string{"MAC", "logical_switch", "locator"}},
	{tableLocator, []string{"encapsulation_type", "dst_ip"}},
}

// Probe tells from its schema and its report what a switch database can do.
func Probe(schema *ovsdb.Schema, snap *ovsdb.Snapshot) Capabilities {
	c := Capabilities{
		Version:         schema.Version,
		ReplicationMode: schema.Has(tableLogicalSwitch, "replication_mode"),
		FloodSets: schema.Has(tableMcastRemote, "MAC", "logical_switch", "locator_set") &&
			schema.Has(tableLocatorSet, "locators"),
		OtherConfig: schema.Has(tableLogicalSwitch, "other_config"),
	}
	for _, r := range required {
		if !schema.Has(r.table) {
			c.Missing = append(c.Missing, r.table)
			continue
		}
		for _, column := range r.columns {
			if !schema.Has(r.table, column) {
				c.Missing = append(c.Missing, r.table+"."+column)
			}
		}
	}
	for r := range snap.Table(tablePhysicalSwitch).All() {
		s := PhysicalSwitch{r}
		if slices.Contains(s.Faults(), faultSourceReplication) {
			c.Refusing = append(c.Refusing, s.Name())
		}
	}
	slices.Sort(c.Refusing)
	return c
}

// Remembering returns c with the refusals of an earlier probe of the same
// connection added. A switch reports that it cannot replicate by source node
// when it is asked to; it may take the report back as soon as it is asked no more, and without memory it
// would be asked again and again.
func (c Capabilities) Remembering(earlier Capabilities) Capabilities {
	c.Refusing = append(slices.Clone(c.Refusing), earlier.Refusing...)
	slices.Sort(c.Refusing)
	c.Refusing = slices.Compact(c.Refusing)
	return c
}

// SourceNode tells that logical switches can replicate broadcasts to all VTEPs.
// Logical switches are shared by the devices of a database, so that one that refuses speaks for all.
func (c Capabilities) SourceNode() bool { return c.ReplicationMode && len(c.Refusing) == 0 }

// Err is an error that wraps ErrUnusableSchema if nothing can be done with the switch, else nil.
func (c Capabilities) Err() error {
	if len(c.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: version %q lacks %s", ErrUnusableSchema, c.Version, strings.Join(c.Missing, ", "))
}

// Losses says in words what the switch cannot do and what that means.
func (c Capabilities) Losses() []string {
	var losses []string
	if err := c.Err(); err != nil {
		losses = append(losses, "nothing can be written: "+err.Error())
	}
	switch {
	case !c.FloodSets:
		losses = append(losses, fmt.Sprintf("the switch's schema %s has no Mcast_Macs_Remote: broadcasts from its ports do not reach the overlay", c.Version))
	case !c.ReplicationMode:
		losses = append(losses, fmt.Sprintf("the switch's schema %s has no Logical_Switch.replication_mode: broadcasts need a service node to reach more than one VTEP", c.Version))
	case len(c.Refusing) > 0:
		losses = append(losses, fmt.Sprintf("%s cannot replicate by source node: broadcasts need a service node to reach more than one VTEP", strings.Join(c.Refusing, ", ")))
	}
	return losses
}
