package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

var connectionColumns = []column[connection]{
	{name: "ID", value: func(c connection) any { return c.ID }},
	{name: "Tenant", value: func(c connection) any { return c.TenantID }},
	{name: "L2 GateWay ID", value: func(c connection) any { return c.L2GatewayID }},
	{name: "Network ID", value: func(c connection) any { return c.NetworkID }},
	{name: "Segmentation ID", value: func(c connection) any { return showNumber(c.SegmentationID) }},
	{name: "bindings", value: func(c connection) any { return showBindings(c.Bindings) }, long: true},
	{name: "created_at", value: func(c connection) any { return c.CreatedAt }, long: true},
	{name: "description", value: func(c connection) any { return c.Description }, long: true},
	{name: "project_id", value: func(c connection) any { return c.ProjectID }, long: true},
	{name: "revision_number", value: func(c connection) any { return c.Revision }, long: true},
	{name: "status", value: func(c connection) any { return c.Status }, long: true},
	{name: "status_reason", value: func(c connection) any { return c.StatusReason }, long: true},
	{name: "updated_at", value: func(c connection) any { return c.UpdatedAt }, long: true},
}

// showNumber is a JSON number as a whole one, and anything else as it is.
func showNumber(v any) any {
	if n, ok := v.(float64); ok {
		return int(n)
	}
	return v
}

func (b binding) place() string {
	if b.SegmentationID == 0 {
		return b.DeviceName + "/" + b.InterfaceName + " untagged"
	}
	return fmt.Sprintf("%s/%s VLAN %d", b.DeviceName, b.InterfaceName, b.SegmentationID)
}

func showBindings(bindings []binding) cell {
	lines := make([]string, len(bindings))
	value := make(list, len(bindings))
	for i, b := range bindings {
		lines[i] = describe(b.place(), b.Status, b.StatusReason)
		value[i] = dict{
			{"device_name", b.DeviceName},
			{"interface_name", b.InterfaceName},
			{"segmentation_id", b.SegmentationID},
			{"status", b.Status},
			{"status_reason", b.StatusReason},
		}
	}
	return cell{strings.Join(lines, "\n"), value}
}

func (a *app) connectionCreate(use string) *cobra.Command {
	var w waiting
	var owner ownerFlags
	c := &cobra.Command{
		Use: use, Short: "Connect a network to a gateway", Args: arguments(2, 2),
		ValidArgsFunction: a.complete(a.gatewayNames, a.networkNames),
	}
	w.flags(c, "every switch has confirmed the connection")
	vlan := c.Flags().String("default-segmentation-id", "", "the VLAN for those interfaces of the gateway that have none; 0 is untagged")
	owner.flags(c, "the project that owns it")
	showing(a, c, connectionColumns, func(ctx context.Context, args []string) (connection, error) {
		g, err := a.findGateway(ctx, args[0])
		if err != nil {
			return connection{}, err
		}
		n, err := a.findNetwork(ctx, args[1])
		if err != nil {
			return connection{}, err
		}
		body := map[string]any{"l2_gateway_id": g.ID, "network_id": n.ID}
		if *vlan != "" {
			body["segmentation_id"] = *vlan
		}
		if err := owner.put(ctx, a, body); err != nil {
			return connection{}, err
		}
		made, err := send[connection](ctx, a, http.MethodPost, "/l2-gateway-connections", "l2_gateway_connection", body)
		if err == nil && w.wanted {
			made, err = a.awaitConnection(ctx, w, made)
		}
		return made, err
	})
	return a.persistent(c)
}

// awaitConnection waits until a connection is ACTIVE and returns it as it is then.
func (a *app) awaitConnection(ctx context.Context, w waiting, c connection) (connection, error) {
	err := a.until(ctx, w, func(ctx context.Context) (bool, string, error) {
		now, err := a.findConnection(ctx, c.ID)
		if err != nil {
			return false, "", err
		}
		c = now
		return c.Status == active, describe(c.ID, c.Status, c.StatusReason), nil
	})
	return c, err
}

func (a *app) awaitGateway(ctx context.Context, w waiting, g gateway) (gateway, error) {
	err := a.until(ctx, w, func(ctx context.Context) (bool, string, error) {
		now, err := a.findGateway(ctx, g.ID)
		if err != nil {
			return false, "", err
		}
		g = now
		return g.Status == active, describe(g.ID, g.Status, g.StatusReason), nil
	})
	return g, err
}

func (a *app) connectionList(use string) *cobra.Command {
	var owner ownerFlags
	c := &cobra.Command{Use: use, Short: "List connections", Args: arguments(0, 0)}
	owner.flags(c, "only those of this project")
	return listing(a, c, connectionColumns, func(ctx context.Context, _ []string) ([]connection, error) {
		query, err := owner.query(ctx, a)
		if err != nil {
			return nil, err
		}
		return fetch[connection](ctx, a, "/l2-gateway-connections", "l2_gateway_connections", query)
	})
}

func (a *app) connectionShow(use string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: "Show a connection", Args: arguments(1, 1), ValidArgsFunction: a.complete(a.connectionIDs)}
	return showing(a, c, connectionColumns, func(ctx context.Context, args []string) (connection, error) {
		return a.findConnection(ctx, args[0])
	})
}

func (a *app) connectionDelete(use string) *cobra.Command {
	var w waiting
	c := &cobra.Command{
		Use: use, Short: "Delete connections", Args: arguments(1, -1),
		ValidArgsFunction: a.complete(a.connectionIDs),
		RunE: func(c *cobra.Command, args []string) error {
			return a.deleteEach("L2 Gateway Connection", args, func(id string) error {
				found, err := a.findConnection(c.Context(), id)
				if err != nil {
					return err
				}
				if err := a.call(c.Context(), http.MethodDelete, "/l2-gateway-connections/"+url.PathEscape(found.ID), nil, nil); err != nil {
					return err
				}
				if w.wanted {
					if err := a.awaitGone(c.Context(), w, found); err != nil {
						return err
					}
				}
				_, err = fmt.Fprintf(a.env.Err, "L2 Gateaway Connection %s deleted\n", found.ID) // sic: scripts know it so
				return err
			})
		},
	}
	w.flags(c, "no switch has the connection's VLANs any more")
	return a.persistent(c)
}

// awaitGone waits until no switch holds a deleted connection's bindings. A
// switch that was never seen holds none; one that cannot be asked may hold them.
func (a *app) awaitGone(ctx context.Context, w waiting, c connection) error {
	return a.until(ctx, w, func(ctx context.Context) (bool, string, error) {
		for _, b := range c.Bindings {
			d, err := send[switchState](ctx, a, http.MethodGet, devicePath(b.DeviceName), "l2_gateway_device", nil)
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return false, "", err
			}
			if !d.Connected {
				return false, b.DeviceName + " cannot be asked: " + cmp.Or(d.StatusReason, "not connected"), nil
			}
			if d.holds(b, c.NetworkID) {
				return false, b.place() + " is still bound", nil
			}
		}
		return true, c.ID + ": gone", nil
	})
}

// holds reports whether the switch binds the place to the network.
func (d switchState) holds(b binding, networkID string) bool {
	for _, p := range d.Ports {
		if p.Name != b.InterfaceName {
			continue
		}
		for _, held := range p.Bindings {
			if held.SegmentationID == b.SegmentationID && held.LogicalSwitch == networkID {
				return true
			}
		}
	}
	return false
}
