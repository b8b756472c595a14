package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"l2gw/internal/python"
)

var gatewayColumns = []column[gateway]{
	{name: "ID", value: func(g gateway) any { return g.ID }},
	{name: "Tenant", value: func(g gateway) any { return g.TenantID }},
	{name: "Name", value: func(g gateway) any { return g.Name }},
	{name: "Devices", value: func(g gateway) any { return showDevices(g.Devices) }},
	{name: "created_at", value: func(g gateway) any { return g.CreatedAt }, long: true},
	{name: "description", value: func(g gateway) any { return g.Description }, long: true},
	{name: "project_id", value: func(g gateway) any { return g.ProjectID }, long: true},
	{name: "revision_number", value: func(g gateway) any { return g.Revision }, long: true},
	{name: "status", value: func(g gateway) any { return g.Status }, long: true},
	{name: "status_reason", value: func(g gateway) any { return g.StatusReason }, long: true},
	{name: "updated_at", value: func(g gateway) any { return g.UpdatedAt }, long: true},
}

func showDevices(devices []device) cell {
	lines := make([]string, len(devices))
	value := make(list, len(devices))
	for i, d := range devices {
		interfaces := make(list, len(d.Interfaces))
		for j, p := range d.Interfaces {
			interfaces[j] = dict{{"segmentation_id", texts(p.SegmentationID)}, {"name", p.Name}}
		}
		lines[i] = fmt.Sprintf("device_name='%s', id='%s', interfaces='%s'", d.DeviceName, d.ID, python.Repr(interfaces))
		value[i] = dict{{"device_name", d.DeviceName}, {"id", d.ID}, {"interfaces", interfaces}}
	}
	return cell{strings.Join(lines, "\n"), value}
}

const deviceUsage = `a switch and its ports: name=D,interface_names="if1|100#200;if2|300"; can be repeated`

// parseDevice reads name=D,interface_names=IF[|VLAN[#VLAN]...][;IF...] as the openstack
// client does: a comma without a key behind it belongs to the value before, and what is
// missing or wrong in a value is for the API to say. It notes what means nothing.
func parseDevice(s string) (d device, notes []string, err error) {
	var keys []string
	values := map[string]string{}
	for i, part := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case ok:
			key = strings.TrimSpace(key)
			keys = append(keys, key)
			values[key] = value
		case i == 0:
			return d, nil, fmt.Errorf("%q is no KEY=VALUE: it must look like name=ps1,interface_names=\"eth1|100#200;eth2|300\"", part)
		default:
			values[keys[len(keys)-1]] += "," + part
		}
	}
	for _, key := range keys {
		value := unquote(values[key])
		switch key {
		case "name":
			d.DeviceName = value
		case "interface_names":
			d.Interfaces = nil
			if value != "" {
				for p := range strings.SplitSeq(value, ";") {
					port, rest := parsePort(p)
					d.Interfaces = append(d.Interfaces, port)
					if rest != "" {
						notes = append(notes, fmt.Sprintf("%q in %q means nothing; VLANs have # between them", "|"+rest, p))
					}
				}
			}
		default:
			notes = append(notes, fmt.Sprintf("the key %q means nothing; there are name and interface_names", key))
		}
	}
	return d, notes, nil
}

// parsePort reads IF[|VLAN[#VLAN]...] and returns what is behind another |.
func parsePort(s string) (p port, rest string) {
	name, vlans, has := strings.Cut(s, "|")
	p.Name = strings.TrimSpace(name)
	if has {
		vlans, rest, _ = strings.Cut(vlans, "|")
		p.SegmentationID = strings.Split(strings.TrimSpace(vlans), "#")
	}
	return p, rest
}

// unquote takes away quotes that a shell was meant to.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// deviceFlag is --device, which is read where the command line is.
type deviceFlag struct {
	devices []device
	notes   []string
}

func (f *deviceFlag) String() string { return "" }
func (f *deviceFlag) Type() string   { return "name=D,interface_names=..." }
func (f *deviceFlag) Set(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("it is not UTF-8")
	}
	d, notes, err := parseDevice(s)
	if err != nil {
		return err
	}
	f.devices = append(f.devices, d)
	f.notes = append(f.notes, notes...)
	return nil
}

// list is never null: an empty list is what the API has a word for.
func (f *deviceFlag) list() []device { return append([]device{}, f.devices...) }

// note tells of what means nothing: a typing error, perhaps.
func (f *deviceFlag) note(a *app) {
	for _, note := range f.notes {
		_, _ = fmt.Fprintln(a.env.Err, "Note: --device:", note)
	}
}

func (a *app) gatewayCreate(use string) *cobra.Command {
	var w waiting
	var devices deviceFlag
	var owner ownerFlags
	c := &cobra.Command{Use: use, Short: "Create a gateway: ports of switches that networks can be connected to", Args: arguments(1, 1)}
	w.flags(c, "the gateway is ACTIVE")
	c.Flags().Var(&devices, "device", deviceUsage)
	description := c.Flags().String("description", "", "what it is for")
	owner.flags(c, "the project that owns it")
	showing(a, c, gatewayColumns, func(ctx context.Context, args []string) (gateway, error) {
		devices.note(a)
		body := map[string]any{"name": args[0], "devices": devices.list()}
		if *description != "" {
			body["description"] = *description
		}
		if err := owner.put(ctx, a, body); err != nil {
			return gateway{}, err
		}
		g, err := send[gateway](ctx, a, http.MethodPost, "/l2-gateways", "l2_gateway", body)
		if err == nil && w.wanted {
			g, err = a.awaitGateway(ctx, w, g)
		}
		return g, err
	})
	return a.persistent(c)
}

func (a *app) gatewayList(use string) *cobra.Command {
	var owner ownerFlags
	c := &cobra.Command{Use: use, Short: "List gateways", Args: arguments(0, 0)}
	owner.flags(c, "only those of this project")
	return listing(a, c, gatewayColumns, func(ctx context.Context, _ []string) ([]gateway, error) {
		query, err := owner.query(ctx, a)
		if err != nil {
			return nil, err
		}
		return fetch[gateway](ctx, a, "/l2-gateways", "l2_gateways", query)
	})
}

func (a *app) gatewayShow(use string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: "Show a gateway", Args: arguments(1, 1), ValidArgsFunction: a.complete(a.gatewayNames)}
	return showing(a, c, gatewayColumns, func(ctx context.Context, args []string) (gateway, error) {
		return a.findGateway(ctx, args[0])
	})
}

func (a *app) gatewayUpdate(use string) *cobra.Command {
	var devices deviceFlag
	c := &cobra.Command{
		Use: use, Short: "Change a gateway's name, devices or interfaces", Args: arguments(1, 1),
		ValidArgsFunction: a.complete(a.gatewayNames),
	}
	name := c.Flags().String("name", "", "the new name")
	description := c.Flags().String("description", "", "what it is for")
	c.Flags().Var(&devices, "device", deviceUsage+"; it replaces the ports of this device, the others stay")
	remove := c.Flags().StringArray("remove-device", nil, "the name of a device to take away; can be repeated")
	showing(a, c, gatewayColumns, func(ctx context.Context, args []string) (gateway, error) {
		body := map[string]any{}
		if c.Flags().Changed("name") {
			body["name"] = *name
		}
		if c.Flags().Changed("description") {
			body["description"] = *description
		}
		if len(*remove) > 0 {
			body["remove_devices"] = *remove
		}
		if len(devices.devices) > 0 {
			body["devices"] = devices.devices
		}
		devices.note(a)
		g, err := a.findGateway(ctx, args[0])
		if err != nil {
			return g, err
		}
		return send[gateway](ctx, a, http.MethodPut, "/l2-gateways/"+url.PathEscape(g.ID), "l2_gateway", body)
	})
	return a.persistent(c)
}

func (a *app) gatewayDelete(use string) *cobra.Command {
	return a.persistent(&cobra.Command{
		Use: use, Short: "Delete gateways", Args: arguments(1, -1),
		ValidArgsFunction: a.complete(a.gatewayNames),
		RunE: func(c *cobra.Command, args []string) error {
			return a.deleteEach("L2 Gateway", args, func(text string) error {
				g, err := a.findGateway(c.Context(), text)
				if err != nil {
					return err
				}
				if err := a.call(c.Context(), http.MethodDelete, "/l2-gateways/"+url.PathEscape(g.ID), nil, nil); err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.env.Err, "L2 Gateaway %s deleted\n", g.ID) // sic: scripts know it so
				return err
			})
		},
	})
}

// deleteEach goes on after a failure and counts them in the end.
func (a *app) deleteEach(kind string, names []string, remove func(string) error) error {
	failed := 0
	for _, name := range names {
		if err := remove(name); err != nil {
			failed++
			_, _ = fmt.Fprintf(a.env.Err, "Failed to delete %s with name or ID '%s': %v\n", kind, name, err)
			if errors.Is(err, errInterrupted) {
				return err // for all others, too
			}
		}
	}
	if failed > 0 {
		return &exitError{exitFailed, fmt.Sprintf("Failed to delete %d of %d %s.", failed, len(names), kind)}
	}
	return nil
}
