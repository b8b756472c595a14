package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
)

// trouble is something that is not ACTIVE.
type trouble struct {
	kind, id, name, status, reason string
}

var troubleColumns = []column[trouble]{
	{name: "Kind", value: func(t trouble) any { return t.kind }},
	{name: "ID", value: func(t trouble) any { return t.id }},
	{name: "Name", value: func(t trouble) any { return t.name }},
	{name: "Status", value: func(t trouble) any { return t.status }},
	{name: "Status Reason", value: func(t trouble) any { return t.reason }},
}

const active = "ACTIVE"

func (a *app) status(use string) *cobra.Command {
	var f form
	c := &cobra.Command{
		Use: use, Short: "Tell what is not ACTIVE, and why", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := check(&f, troubleColumns); err != nil {
				return err
			}
			ctx := c.Context()
			inventory, err := a.inventory(ctx)
			if err != nil {
				return err
			}
			devices, err := fetch[switchState](ctx, a, "/l2-gateway-devices", "l2_gateway_devices", nil)
			if err != nil {
				return err
			}
			agents, err := a.agents(ctx)
			if err != nil {
				return err
			}
			gateways, err := fetch[gateway](ctx, a, "/l2-gateways", "l2_gateways", nil)
			var connections []connection
			if err == nil {
				connections, err = fetch[connection](ctx, a, "/l2-gateway-connections", "l2_gateway_connections", nil)
			}
			found := troubles(inventory, agents, devices, gateways, connections)
			if err != nil {
				// The servers' database is away, say: agents and switches are known all the same.
				if len(found) > 0 {
					if failed := printList(a, &f, found, troubleColumns); failed != nil {
						return failed
					}
				}
				return err
			}
			if len(found) > 0 || f.format != "table" {
				return printList(a, &f, found, troubleColumns)
			}
			_, err = fmt.Fprintf(a.env.Out, "All is ACTIVE (devices: %d, gateways: %d, connections: %d).\n", len(devices), len(gateways), len(connections))
			return err
		},
	}
	f.flags(a, c, true)
	return c
}

// troubles names causes before effects: the inventory, agents that are gone,
// devices, removals that are held, the connections and their bindings, then the gateways.
func troubles(inventory inventory, agents []agent, devices []switchState, gateways []gateway, connections []connection) []trouble {
	var found []trouble
	note := func(kind, id, name, status, reason string) {
		if status != active {
			found = append(found, trouble{kind, id, name, status, reason})
		}
	}
	note("inventory", "", "", inventory.status(), inventory.trouble())
	for _, x := range agents {
		note("agent", "", x.Name, x.status(), x.trouble())
	}
	told := map[string]bool{} // databases: what is held there is held once, not for each switch
	for _, d := range devices {
		note("device", d.Database, cmp.Or(d.Name, "(none seen)"), d.Status, d.StatusReason)
		for _, h := range d.Held {
			if !told[d.Database] {
				note("held removal", d.Database, h.NetworkID, "HELD", h.text())
			}
		}
		told[d.Database] = true
	}
	for _, c := range connections {
		note("connection", c.ID, "", c.Status, c.StatusReason)
		for _, b := range c.Bindings {
			note("binding", c.ID, b.place(), b.Status, b.StatusReason)
		}
	}
	for _, g := range gateways {
		note("gateway", g.ID, g.Name, g.Status, g.StatusReason)
	}
	return found
}
