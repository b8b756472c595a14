package cli

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

var gatewayColumns = []column[gateway]{
	{name: "ID", value: func(g gateway) any { return g.ID }},
	{name: "Tenant", value: func(g gateway) any { return g.TenantID }},
	{name: "Name", value: func(g gateway) any { return g.Name }},
	{name: "Devices", value: func(g gateway) any { return showDevices(g.Devices) }},
	{name: "Status", value: func(g gateway) any { return g.Status }, long: true},
	{name: "Status Reason", value: func(g gateway) any { return g.StatusReason }, long: true},
	{name: "Description", value: func(g gateway) any { return g.Description }, long: true},
}

func showDevices(devices []device) cell {
	lines := make([]string, len(devices))
	value := make(list, len(devices))
	for i, d := range devices {
		interfaces := make(list, len(d.Interfaces))
		for j, p := range d.Interfaces {
			interfaces[j] = dict{{"segmentation_id", texts(p.SegmentationID)}, {"name", p.Name}}
		}
		lines[i] = fmt.Sprintf("device_name='%s', id='%s', interfaces='%s'", d.DeviceName, d.ID, pythonText(interfaces))
		value[i] = dict{{"device_name", d.DeviceName}, {"id", d.ID}, {"interfaces", interfaces}}
	}
	return cell{strings.Join(lines, "\n"), value}
}

const deviceUsage = `a switch and its ports: name=D,interface_names="if1|100#200;if2|300"; can be repeated`

// parseDevice reads name=D,interface_names=IF[|VLAN[#VLAN]...][;IF...]. What is
// missing or wrong in it is for the API to say.
func parseDevice(s string) (device, error) {
	var d device
	for _, part := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		value = strings.Trim(value, `"'`)
		switch key = strings.TrimSpace(key); {
		case ok && key == "name":
			d.DeviceName = value
		case ok && key == "interface_names":
			for _, p := range strings.Split(value, ";") {
				name, vlans, has := strings.Cut(p, "|")
				if p = strings.TrimSpace(p); p == "" {
					continue
				}
				port := port{Name: strings.TrimSpace(name)}
				if has {
					port.SegmentationID = strings.Split(vlans, "#")
				}
				d.Interfaces = append(d.Interfaces, port)
			}
		default:
			return d, usage("--device %s: %q is not known: it must look like name=ps1,interface_names=\"eth1|100#200;eth2|300\"", s, part)
		}
	}
	return d, nil
}

func parseDevices(all []string) ([]device, error) {
	devices := make([]device, len(all))
	for i, s := range all {
		var err error
		if devices[i], err = parseDevice(s); err != nil {
			return nil, err
		}
	}
	return devices, nil
}

func (a *app) gatewayCreate(use string) *cobra.Command {
	var f form
	var w waiting
	var devices []string
	var project, tenant, description string
	c := &cobra.Command{
		Use: use, Short: "Create a gateway: ports of switches that networks can be connected to", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			parsed, err := parseDevices(devices)
			if err != nil {
				return err
			}
			if err := check(&f, gatewayColumns); err != nil {
				return err
			}
			body := map[string]any{"name": args[0], "devices": parsed}
			if owner := cmp.Or(project, tenant); owner != "" {
				body["tenant_id"] = owner
			}
			if description != "" {
				body["description"] = description
			}
			g, err := send[gateway](c.Context(), a, http.MethodPost, "/l2-gateways", "l2_gateway", body)
			if err != nil {
				return err
			}
			if w.wanted {
				if g, err = a.awaitGateway(c.Context(), w, g); err != nil {
					return err
				}
			}
			return printOne(a.env.Out, &f, g, gatewayColumns)
		},
	}
	f.flags(c, false)
	w.flags(c, "the gateway is ACTIVE")
	c.Flags().StringArrayVar(&devices, "device", nil, deviceUsage)
	c.Flags().StringVar(&description, "description", "", "what it is for")
	projectFlags(c, &project, &tenant, "the project that owns it")
	return c
}

// projectFlags adds --project and its old name.
func projectFlags(c *cobra.Command, project, tenant *string, about string) {
	c.Flags().StringVar(project, "project", "", about+" (an ID)")
	c.Flags().StringVar(tenant, "tenant-id", "", "the same as --project")
	c.MarkFlagsMutuallyExclusive("project", "tenant-id")
}

func (a *app) gatewayList(use string) *cobra.Command {
	var f form
	var project, tenant string
	c := &cobra.Command{
		Use: use, Short: "List gateways", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := check(&f, gatewayColumns); err != nil {
				return err
			}
			all, err := fetch[gateway](c.Context(), a, "/l2-gateways", "l2_gateways", ownedBy(cmp.Or(project, tenant)))
			if err != nil {
				return err
			}
			return printList(a.env.Out, &f, all, gatewayColumns)
		},
	}
	f.flags(c, true)
	projectFlags(c, &project, &tenant, "only those of this project")
	return c
}

func ownedBy(project string) url.Values {
	if project == "" {
		return nil
	}
	return url.Values{"tenant_id": {project}}
}

func (a *app) gatewayShow(use string) *cobra.Command {
	var f form
	c := &cobra.Command{
		Use: use, Short: "Show a gateway", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := check(&f, gatewayColumns); err != nil {
				return err
			}
			g, err := a.findGateway(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a.env.Out, &f, g, gatewayColumns)
		},
	}
	f.flags(c, false)
	return c
}

func (a *app) gatewayUpdate(use string) *cobra.Command {
	var f form
	var devices, remove []string
	var name, description string
	c := &cobra.Command{
		Use: use, Short: "Change a gateway's name, devices or interfaces", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{}
			if c.Flags().Changed("name") {
				body["name"] = name
			}
			if c.Flags().Changed("description") {
				body["description"] = description
			}
			if len(remove) > 0 {
				body["remove_devices"] = remove
			}
			if len(devices) > 0 {
				parsed, err := parseDevices(devices)
				if err != nil {
					return err
				}
				body["devices"] = parsed
			}
			if err := check(&f, gatewayColumns); err != nil {
				return err
			}
			g, err := a.findGateway(c.Context(), args[0])
			if err != nil {
				return err
			}
			if g, err = send[gateway](c.Context(), a, http.MethodPut, "/l2-gateways/"+url.PathEscape(g.ID), "l2_gateway", body); err != nil {
				return err
			}
			return printOne(a.env.Out, &f, g, gatewayColumns)
		},
	}
	f.flags(c, false)
	c.Flags().StringVar(&name, "name", "", "the new name")
	c.Flags().StringVar(&description, "description", "", "what it is for")
	c.Flags().StringArrayVar(&devices, "device", nil, deviceUsage+"; it replaces the ports of this device, the others stay")
	c.Flags().StringArrayVar(&remove, "remove-device", nil, "the name of a device to take away; can be repeated")
	return c
}

func (a *app) gatewayDelete(use string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: "Delete gateways", Args: arguments(1, -1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.deleteEach("L2 Gateway", args, func(text string) error {
				g, err := a.findGateway(c.Context(), text)
				if err != nil {
					return err
				}
				if err := a.call(c.Context(), http.MethodDelete, "/l2-gateways/"+url.PathEscape(g.ID), nil, nil); err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.env.Out, "L2 Gateaway %s deleted\n", g.ID) // sic: scripts know it so
				return err
			})
		},
	}
}

// deleteEach goes on after a failure and counts them in the end.
func (a *app) deleteEach(kind string, names []string, remove func(string) error) error {
	failed := 0
	for _, name := range names {
		if err := remove(name); err != nil {
			failed++
			_, _ = fmt.Fprintf(a.env.Err, "Failed to delete %s with name or ID '%s': %v\n", kind, name, err)
		}
	}
	if failed > 0 {
		return &exitError{exitFailed, fmt.Sprintf("Failed to delete %d of %d %s.", failed, len(names), kind)}
	}
	return nil
}
