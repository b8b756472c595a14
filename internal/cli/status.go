package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"
)

// trouble is something that is not ACTIVE.
type trouble struct {
	kind, id, name, status, reason string

	advice  string // what to do about it, where the reason does not say so
	target  string // with which database or device, behind the advice; may be ""
	gateway string // of a binding or a connection: its gateway's name or id
	told    bool   // what it says is said by others: a gateway is as bad as its connections
}

var troubleColumns = []column[trouble]{
	{name: "Kind", value: func(t trouble) any { return t.kind }},
	{name: "ID", value: func(t trouble) any { return t.id }},
	{name: "Name", value: func(t trouble) any { return t.name }},
	{name: "Status", value: func(t trouble) any { return t.status }},
	{name: "Status Reason", value: func(t trouble) any { return t.reason }},
}

const active = "ACTIVE"

// gravity has the worst first; a status that it does not have is worse than all.
var gravity = []string{"ERROR", "DOWN", onHold, "DEGRADED", "PENDING", "BUILD", active}

// noneSeen is the name of the device in a database that never showed one.
const noneSeen = "(none seen)"

// onHold is the status of a removal that waits.
const onHold = "HELD"

// situation is all that there is to tell.
type situation struct {
	inventory   inventory
	agents      []agent
	devices     []switchState
	gateways    []gateway
	connections []connection
	// failed is why gateways and connections are not known: the servers' database is away,
	// say, and agents and switches are known all the same.
	failed error
}

func (a *app) status(use string) *cobra.Command {
	var f form
	var exitCode bool
	c := &cobra.Command{
		Use: use, Short: "Tell on one screen what is not ACTIVE, and why",
		Long: `Tell on one screen what is not ACTIVE, and why, worst first: the inventory, agents, switches, removals
that are held, connections with their bindings, gateways. Causes that many have in common are told once.
With -f, also '-f table', or -c there is a row for each of them instead.

Exit code: 0 it was told, whatever it is; 1 it is not known. With --exit-code: 0 all is ACTIVE, 1 it is not,
2 it is not known.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := check(&f, troubleColumns); err != nil {
				return err
			}
			s, err := a.situation(c.Context())
			found := s.troubles()
			if err == nil {
				err = a.printStatus(c, &f, s, found)
			}
			if err = cmp.Or(err, s.failed); err != nil {
				if exitCode {
					return &exitError{exitNotKnown, err.Error()}
				}
				return err
			}
			if exitCode && len(found) > 0 {
				return &exitError{exitNotActive, ""}
			}
			return nil
		},
	}
	f.flags(a, c, true)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 1 if something is not ACTIVE, and with 2 if that is not known")
	return c
}

// printStatus prints for people, or, if any option says how, a row for each trouble.
func (a *app) printStatus(c *cobra.Command, f *form, s situation, found []trouble) error {
	asked := slices.ContainsFunc([]string{"format", "column", "sort-column", "max-width", "fit-width", "print-empty"}, c.Flags().Changed)
	switch {
	case !asked:
		return a.printOverview(s, found)
	case s.failed != nil && len(found) == 0:
		return nil // an empty list would say that all is well
	}
	return printList(a, f, found, troubleColumns)
}

// situation asks for all that there is to tell.
func (a *app) situation(ctx context.Context) (s situation, err error) {
	if s.inventory, err = a.inventory(ctx); err != nil {
		return s, err
	}
	if s.devices, err = fetch[switchState](ctx, a, "/l2-gateway-devices", "l2_gateway_devices", nil); err != nil {
		return s, err
	}
	if s.agents, err = a.agents(ctx); err != nil {
		return s, err
	}
	s.gateways, s.failed = fetch[gateway](ctx, a, "/l2-gateways", "l2_gateways", nil)
	if s.failed == nil {
		s.connections, s.failed = fetch[connection](ctx, a, "/l2-gateway-connections", "l2_gateway_connections", nil)
	}
	return s, nil
}

// troubles are what is not ACTIVE, worst first, and of equals causes before effects: the
// inventory, agents that are gone, devices, removals that are held, the connections and
// their bindings, then the gateways.
func (s situation) troubles() []trouble {
	var found []trouble
	note := func(t trouble) {
		if t.status != active {
			found = append(found, t)
		}
	}
	note(trouble{kind: "inventory", status: s.inventory.status(), reason: s.inventory.trouble()})
	for _, x := range s.agents {
		t := trouble{kind: "agent", name: x.Name, status: x.status(), reason: x.trouble()}
		if !x.Alive {
			t.advice = "see its log on its host, and whether it reaches a server"
		}
		note(t)
	}
	told := map[string]bool{} // databases: what is held there is held once, not for each switch
	for _, d := range s.devices {
		t := trouble{kind: "device", id: d.Database, name: cmp.Or(d.Name, noneSeen), status: d.Status, reason: d.StatusReason}
		t.advice, t.target = d.advice()
		note(t)
		for _, h := range d.Held {
			if !told[d.Database] {
				note(trouble{kind: "held removal", id: d.Database, name: h.NetworkID, status: onHold, reason: h.text(), advice: "mend the inventory or, if it is right: l2gw device release", target: d.Database})
			}
		}
		told[d.Database] = true
	}
	names := map[string]string{}
	for _, g := range s.gateways {
		names[g.ID] = cmp.Or(g.Name, g.ID)
	}
	covered := map[string]bool{} // gateways
	for _, c := range s.connections {
		at := cmp.Or(names[c.L2GatewayID], c.L2GatewayID)
		bad := slices.ContainsFunc(c.Bindings, func(b binding) bool { return b.Status != active })
		note(trouble{kind: "connection", id: c.ID, status: c.Status, reason: c.StatusReason, gateway: at, told: bad})
		covered[c.L2GatewayID] = covered[c.L2GatewayID] || c.Status != active
		for _, b := range c.Bindings {
			note(trouble{kind: "binding", id: c.ID, name: b.place(), status: b.Status, reason: b.StatusReason, gateway: at})
		}
	}
	for _, g := range s.gateways {
		note(trouble{kind: "gateway", id: g.ID, name: g.Name, status: g.Status, reason: g.StatusReason, told: covered[g.ID]})
	}
	slices.SortStableFunc(found, func(a, b trouble) int { return slices.Index(gravity, a.status) - slices.Index(gravity, b.status) })
	return found
}

// advice is what to do with a device that is not ACTIVE, "" where its reason says so.
func (d switchState) advice() (text, target string) {
	switch {
	case !d.Connected && d.Agent != "":
		return "make it reachable for agent " + d.Agent + ", which tries again by itself", ""
	case d.Mode == modePaused || d.Mode == modeObserve:
		return "l2gw device resume", cmp.Or(d.Name, d.Database)
	}
	return "", ""
}
