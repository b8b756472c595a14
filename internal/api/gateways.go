package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// gatewayView is a gateway as an answer shows it.
type gatewayView struct {
	l2gw.Gateway
	status l2gw.Status
	reason string
}

func gateways(s *server) resource[gatewayView] {
	view := func(g l2gw.Gateway) gatewayView {
		v := gatewayView{Gateway: g}
		v.status, v.reason = s.Status.Gateway(g.ID)
		if v.status == "" { // it is newer than what the controller has seen
			v.status = l2gw.StatusActive
		}
		return v
	}
	return resource[gatewayView]{
		name: "l2_gateway", collection: "l2_gateways", path: "l2-gateways",
		title: "L2 gateway", doc: "Gateways: sets of switch ports that networks can be connected to.",
		repeatable: true,
		attributes: gatewayAttributes,
		faults: map[string][]fault{
			"show":   {gatewayMissing},
			"create": {vlanWrong, vlansMixed, overQuota},
			"update": {
				gatewayMissing, vlanWrong, vlansMixed, deviceMissing, portTaken,
				{http.StatusConflict, "L2GatewaySegmentationIDExists", "A device would lose the VLANs of its own."},
				{http.StatusConflict, "L2GatewaySegmentationIDNotExists", "A device would gain VLANs of its own."},
			},
			"delete": {gatewayMissing, {http.StatusConflict, "L2GatewayInUse", "It has connections."}},
		},
		sample: func() gatewayView {
			return gatewayView{Gateway: l2gw.Gateway{
				ID: exampleGateway, ProjectID: exampleProject, Name: "rack1", CreatedAt: exampleTime, UpdatedAt: exampleTime,
				Devices: []l2gw.Device{{ID: exampleDevice, Name: "sw1", Interfaces: []l2gw.Interface{{Name: "eth1", VLANs: []l2gw.VLAN{100}}, {Name: "eth2", VLANs: []l2gw.VLAN{0}}}}},
			}, status: l2gw.StatusActive}
		},
		sampleCreate: object{{"name", "rack1"}, {"devices", []object{{{"device_name", "sw1"}, {"interfaces", []object{
			{{"name", "eth1"}, {"segmentation_id", []any{100}}}, {{"name", "eth2"}, {"segmentation_id", []any{"0"}}},
		}}}}}},
		sampleUpdate: object{{"name", "rack 1"}, {"remove_devices", []string{"sw0"}}},
		id:           func(g *gatewayView) string { return g.ID },
		list: func(ctx context.Context, q store.Query) ([]gatewayView, error) {
			all, err := s.Store.Gateways(ctx, q)
			return mapped(all, view), err
		},
		get: func(ctx context.Context, id string) (gatewayView, error) {
			g, err := s.Store.Gateway(ctx, id)
			return view(g), err
		},
		create: func(ctx context.Context, items []values) ([]gatewayView, error) {
			all := make([]l2gw.Gateway, len(items))
			for i, vs := range items {
				all[i] = l2gw.Gateway{ProjectID: ownerOf(ctx, vs)}
				all[i].Name, _ = given[string](vs, "name")
				all[i].Description, _ = given[string](vs, "description")
				all[i].Devices, _ = given[[]l2gw.Device](vs, "devices")
			}
			made, err := s.Store.CreateGateways(ctx, all)
			return mapped(made, view), err
		},
		update: func(ctx context.Context, id string, change values) (gatewayView, error) {
			u := l2gw.GatewayUpdate{
				Name:        givenPtr[string](change, "name"),
				Description: givenPtr[string](change, "description"),
			}
			u.Devices, _ = given[[]l2gw.Device](change, "devices")
			u.RemoveDevices, _ = given[[]string](change, "remove_devices")
			g, err := s.Store.UpdateGateway(ctx, id, func(g *l2gw.Gateway) error { return g.Apply(u) })
			return view(g), err
		},
		delete: s.Store.DeleteGateway,
	}
}

var gatewayAttributes = table[gatewayView]{
	{
		name: "id", doc: "The id that the server gave it.", schema: idSchema,
		stored: true, show: func(g *gatewayView) any { return g.ID },
		compare: func(a, b *gatewayView) int { return cmp.Compare(a.ID, b.ID) },
	},
	{
		name: "name", doc: "What people call it; it need not be unique.", schema: nameSchema, fallback: "",
		stored: true, post: true, put: true, accept: acceptText,
		show:    func(g *gatewayView) any { return g.Name },
		compare: func(a, b *gatewayView) int { return cmp.Compare(a.Name, b.Name) },
	},
	{
		name: "devices", doc: "The switches and their ports. A PUT replaces the interfaces of the devices that it names, adds those that are new, and leaves the others.",
		schema: deviceSchema, given: givenDeviceSchema,
		post: true, put: true, required: true, accept: acceptDevices,
		show:    func(g *gatewayView) any { return showDevices(g.Devices) },
		matches: func(g *gatewayView) []string { return mapped(g.Devices, func(d l2gw.Device) string { return d.Name }) },
	},
	{
		name: "remove_devices", doc: "Names of devices to take away.", given: listOf(nameSchema),
		put: true, accept: acceptTexts,
	},
	{
		name: "tenant_id", doc: tenantDoc, schema: kind("string"), given: nameSchema,
		stored: true, post: true, accept: acceptText,
		show:    func(g *gatewayView) any { return g.ProjectID },
		compare: func(a, b *gatewayView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "project_id", doc: projectDoc, schema: kind("string"), given: nameSchema,
		stored: true, post: true, accept: acceptText,
		show:    func(g *gatewayView) any { return g.ProjectID },
		compare: func(a, b *gatewayView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "description", doc: "Any text.", schema: nameSchema, fallback: "",
		stored: true, post: true, put: true, accept: acceptText,
		show: func(g *gatewayView) any { return g.Description },
	},
	{
		name: "status", doc: statusDoc, schema: statusSchema,
		show:    func(g *gatewayView) any { return string(g.status) },
		compare: func(a, b *gatewayView) int { return cmp.Compare(a.status, b.status) },
	},
	{
		name: "status_reason", doc: reasonDoc, schema: kind("string"),
		show: func(g *gatewayView) any { return g.reason },
	},
	{
		name: "created_at", doc: createdDoc, schema: moment,
		stored: true, show: func(g *gatewayView) any { return timestamp(g.CreatedAt) },
		matching: bySecond(func(g *gatewayView) time.Time { return g.CreatedAt }),
		compare:  func(a, b *gatewayView) int { return a.CreatedAt.Compare(b.CreatedAt) },
	},
	{
		name: "updated_at", doc: updatedDoc, schema: moment,
		stored: true, show: func(g *gatewayView) any { return timestamp(g.UpdatedAt) },
		matching: bySecond(func(g *gatewayView) time.Time { return g.UpdatedAt }),
		compare:  func(a, b *gatewayView) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	},
	{
		name: "revision_number", doc: revisionDoc, schema: revisionSchema,
		stored: true, show: func(g *gatewayView) any { return g.Revision },
	},
}

var deviceSchema = listOf(record(
	field{"device_name", nameSchema, "What the switch calls itself."},
	field{"id", idSchema, "The id that the server gave the device."},
	field{"interfaces", listOf(record(
		field{"segmentation_id", listOf(kind("string")), "The VLANs that each connection binds there; none: each connection brings its own."},
		field{"name", nameSchema, "What the switch calls the port."},
	)), "Its ports."},
))

var vlanSchema = either(between(0, int(l2gw.MaxVLAN)), schema{{"type", "string"}, {"pattern", "^[0-9]+$"}})

var givenDeviceSchema = append(listOf(openRecord([]string{"device_name", "interfaces"},
	field{"device_name", nameSchema, "What the switch calls itself; it need not be known yet."},
	field{"interfaces", append(listOf(openRecord([]string{"name"},
		field{"name", nameSchema, "What the switch calls the port."},
		field{"segmentation_id", append(listOf(vlanSchema), member{"minItems", 1}), "The VLANs that each connection binds there (0: untagged). All interfaces of a device have some, or none has."},
	)), member{"minItems", 1}), "Its ports."},
)), member{"minItems", 1}, member{"maxItems", l2gw.MaxDevices})

func showDevices(devices []l2gw.Device) []object {
	out := make([]object, len(devices))
	for i, d := range devices {
		interfaces := make([]object, len(d.Interfaces))
		for j, port := range d.Interfaces {
			interfaces[j] = object{{"segmentation_id", showVLANs(port.VLANs)}, {"name", port.Name}}
		}
		out[i] = object{{"device_name", d.Name}, {"id", d.ID}, {"interfaces", interfaces}}
	}
	return out
}

func showVLANs(vlans []l2gw.VLAN) []string {
	out := make([]string, len(vlans))
	for i, v := range vlans {
		out[i] = strconv.Itoa(int(v))
	}
	return out
}

// acceptDevices checks the form of a gateway's devices. What they may say is the
// domain's to check; unknown keys are ignored, as Neutron's clients expect.
func acceptDevices(name string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, l2gw.BadAttribute(name, "devices must be a list of objects, not %s.", typeName(v))
	}
	if len(list) == 0 {
		return nil, l2gw.BadAttribute(name, "Cannot create a gateway with an empty device list.")
	}
	devices := make([]l2gw.Device, len(list))
	for i, v := range list {
		d, ok := v.(map[string]any)
		if !ok {
			return nil, l2gw.BadAttribute(name, "devices must be a list of objects; '%s' is %s.", str(v), typeName(v))
		}
		var err error
		if devices[i].Name, err = acceptName(name, "device_name", d["device_name"]); err != nil {
			return nil, err
		}
		if devices[i].Interfaces, err = acceptInterfaces(name, d["interfaces"]); err != nil {
			return nil, err
		}
	}
	return devices, (&l2gw.Gateway{Devices: devices}).Validate()
}

func acceptInterfaces(name string, v any) ([]l2gw.Interface, error) {
	if text, ok := v.(string); v == nil || ok && text == "" {
		return nil, nil // the domain says that it is empty
	}
	list, ok := v.([]any)
	if !ok {
		return nil, l2gw.BadAttribute(name, "interfaces format is not a type list of dicts.")
	}
	interfaces := make([]l2gw.Interface, len(list))
	for i, v := range list {
		port, ok := v.(map[string]any)
		if !ok {
			return nil, l2gw.BadAttribute(name, "interfaces format is not a type dict.")
		}
		var err error
		if interfaces[i].Name, err = acceptName(name, "interface name", port["name"]); err != nil {
			return nil, err
		}
		if ids, has := port["segmentation_id"]; has {
			if interfaces[i].VLANs, err = acceptVLANs(name, ids); err != nil {
				return nil, err
			}
		}
	}
	return interfaces, nil
}

// acceptName takes a string; absent and null are the empty one.
func acceptName(attribute, what string, v any) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", l2gw.BadAttribute(attribute, "%s '%s' is not a valid string.", what, str(v))
	}
	return s, nil
}

func acceptVLANs(name string, v any) ([]l2gw.VLAN, error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, l2gw.BadAttribute(name, "segmentation_id type should be of list type .")
	}
	if len(list) == 0 {
		return nil, l2gw.BadAttribute(name, "segmentation_id_list should not be empty.")
	}
	vlans := make([]l2gw.VLAN, len(list))
	for i, v := range list {
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		default:
			return nil, l2gw.SegmentationIDInvalid()
		}
		vlan, err := l2gw.ParseVLAN(text)
		if err != nil {
			return nil, err
		}
		vlans[i] = vlan
	}
	return vlans, nil
}

// mapped is what f makes of each; nil of none.
func mapped[T, V any](all []T, f func(T) V) []V {
	out := slices.Grow([]V(nil), len(all))
	for _, x := range all {
		out = append(out, f(x))
	}
	return out
}
