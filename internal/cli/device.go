package cli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

var deviceColumns = []column[switchState]{
	{name: "Name", value: func(d switchState) any { return d.Name }},
	{name: "Database", value: func(d switchState) any { return d.Database }},
	{name: "Status", value: func(d switchState) any { return d.Status }},
	{name: "Status Reason", value: func(d switchState) any { return d.StatusReason }},
	{name: "Tunnel IPs", value: func(d switchState) any { return joined(d.TunnelIPs) }},
	{name: "Ports", value: func(d switchState) any { return showPorts(d.Ports) }, long: true},
	{name: "Agent", value: func(d switchState) any { return d.Agent }, long: true},
	{name: "Connected", value: func(d switchState) any { return d.Connected }, long: true},
	{name: "In Sync", value: func(d switchState) any { return d.InSync }, long: true},
	{name: "Last Sync", value: func(d switchState) any { return showTime(d.LastSyncAt) }, long: true},
	{name: "Schema", value: func(d switchState) any { return d.Schema }, long: true},
	{name: "Faults", value: func(d switchState) any { return joined(d.Faults) }, long: true},
	{name: "Losses", value: func(d switchState) any { return cell{strings.Join(d.Losses, "\n"), texts(d.Losses)} }, long: true},
	{name: "Rows", value: func(d switchState) any { return showCounts(d.Rows) }, long: true},
	{name: "Writer", value: func(d switchState) any { return d.Writer }, long: true},
	{name: "Lock", value: func(d switchState) any { return d.Lock }, long: true},
	{name: "Mode", value: func(d switchState) any { return d.Mode }, long: true},
	{name: "Held", value: func(d switchState) any { return showHeld(d.Held) }, long: true},
}

func showHeld(held []heldRemoval) cell {
	lines := make([]string, len(held))
	value := make(list, len(held))
	for i, h := range held {
		lines[i] = h.text()
		value[i] = dict{
			{"network_id", h.NetworkID},
			{"rows", h.Rows},
			{"total", h.Total},
			{"reason", h.Reason},
			{"since", showTime(h.Since)},
			{"confirms", h.Confirms},
		}
	}
	return cell{strings.Join(lines, "\n"), value}
}

// text is what is held, on one line.
func (h heldRemoval) text() string {
	text := fmt.Sprintf("%d of %d rows", h.Rows, h.Total)
	if h.NetworkID != "" {
		text += " of network " + h.NetworkID
	}
	text += ": " + h.Reason
	if h.Since != nil {
		text += ", since " + h.Since.UTC().Format(time.RFC3339)
	}
	if h.Confirms {
		text += ", until a second look at the inventory"
	}
	return text
}

func showTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func showCounts(counts map[string]int) cell {
	var lines []string
	value := dict{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d", name, counts[name]))
		}
		value = append(value, pair{name, counts[name]})
	}
	return cell{strings.Join(lines, "\n"), value}
}

func showPorts(ports []switchPort) cell {
	lines := make([]string, len(ports))
	value := make(list, len(ports))
	for i, p := range ports {
		lines[i] = p.Name
		bindings := make(list, len(p.Bindings))
		for j, b := range p.Bindings {
			where := fmt.Sprintf("VLAN %d", b.SegmentationID)
			if b.SegmentationID == 0 {
				where = "untagged"
			}
			foreign := ""
			if !b.Ours {
				foreign = " (not ours)"
			}
			lines[i] += fmt.Sprintf("\n  %s: %s%s", where, b.LogicalSwitch, foreign)
			bindings[j] = dict{{"segmentation_id", b.SegmentationID}, {"logical_switch", b.LogicalSwitch}, {"ours", b.Ours}}
		}
		if len(p.Faults) > 0 {
			lines[i] += "\n  fault: " + strings.Join(p.Faults, ", ")
		}
		value[i] = dict{{"name", p.Name}, {"faults", texts(p.Faults)}, {"bindings", bindings}}
	}
	return cell{strings.Join(lines, "\n"), value}
}

func (a *app) deviceList(use string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: "List the switches that were seen", Args: arguments(0, 0)}
	return listing(a, c, deviceColumns, func(ctx context.Context, _ []string) ([]switchState, error) {
		return fetch[switchState](ctx, a, "/l2-gateway-devices", "l2_gateway_devices", nil)
	})
}

func (a *app) deviceShow(use string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: "Show a switch: its ports, what is bound on them, and how it is", Args: names(1, 1),
		ValidArgsFunction: a.complete(a.deviceNames),
	}
	return showingAll(a, c, deviceColumns, func(ctx context.Context, args []string) (switchState, error) {
		return send[switchState](ctx, a, http.MethodGet, devicePath(args[0]), "l2_gateway_device", nil)
	})
}

var macColumns = []column[macEntry]{
	{name: "MAC Address", value: func(m macEntry) any { return m.MACAddress }},
	{name: "Network ID", value: func(m macEntry) any { return m.NetworkID }},
	{name: "Origin", value: func(m macEntry) any { return m.Origin }},
	{name: "VTEP", value: func(m macEntry) any { return m.VTEP }},
	{name: "IP Addresses", value: func(m macEntry) any { return joined(m.IPAddresses) }},
	{name: "Note", value: func(m macEntry) any { return m.Note }},
}

func (a *app) deviceMACs(use string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: "List the MACs that a switch learned and those that it was given", Args: names(1, 1),
		ValidArgsFunction: a.complete(a.deviceNames),
	}
	networkText := c.Flags().String("network", "", "only those of this network (name or ID)")
	return listing(a, c, macColumns, func(ctx context.Context, args []string) ([]macEntry, error) {
		query := url.Values{}
		if *networkText != "" {
			n, err := a.findNetwork(ctx, *networkText)
			if err != nil {
				return nil, err
			}
			query.Set("network_id", n.ID)
		}
		return fetch[macEntry](ctx, a, devicePath(args[0])+"/macs", "macs", query)
	})
}
