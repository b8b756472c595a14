package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// notSeenYet is the reason of a status that is BUILD because the connection was
// only just made.
const notSeenYet = "the controller has not seen it yet"

// connectionView is a connection as an answer shows it.
type connectionView struct {
	l2gw.Connection
	// segmentationID is what the client gave, in the answer to its POST alone.
	segmentationID *string
	status         l2gw.Status
	reason         string
	bindings       []l2gw.BindingStatus
}

func connections(s *server) resource[connectionView] {
	return resource[connectionView]{
		name: "l2_gateway_connection", collection: "l2_gateway_connections", path: "l2-gateway-connections",
		title: "L2 gateway connection", doc: "Connections: each joins a network and a gateway.",
		repeatable: true,
		attributes: connectionAttributes,
		faults: map[string][]fault{
			"show": {connectionMissing},
			"create": {
				vlanWrong, gatewayMissing, portTaken, overQuota,
				{http.StatusNotFound, "NetworkNotFound", "There is no such network, or the caller may not use it."},
				{http.StatusNotFound, "VxlanSegmentationIDNotFound", "The network has no VXLAN segment."},
				{http.StatusConflict, "MultipleVxlanSegmentsFound", "The network has several VXLAN segments."},
				{http.StatusConflict, "L2GatewayConnectionExists", "The network is connected to the gateway already."},
			},
			"update": {connectionMissing},
			"delete": {connectionMissing},
		},
		sample: func() connectionView {
			vlan := l2gw.VLAN(100)
			return connectionView{
				Connection: l2gw.Connection{
					ID: exampleConnection, ProjectID: exampleProject, GatewayID: exampleGateway, NetworkID: exampleNetwork, VLAN: &vlan,
					CreatedAt: exampleTime, UpdatedAt: exampleTime,
				},
				status: l2gw.StatusActive,
				bindings: []l2gw.BindingStatus{{
					Binding: l2gw.Binding{BindingKey: l2gw.BindingKey{Device: "sw1", Interface: "eth1", VLAN: vlan}}, Status: l2gw.StatusActive,
				}},
			}
		},
		sampleCreate: object{{"l2_gateway_id", exampleGateway}, {"network_id", exampleNetwork}, {"segmentation_id", "100"}},
		id:           func(c *connectionView) string { return c.ID },
		list: func(ctx context.Context, q store.Query) ([]connectionView, error) {
			all, err := s.Store.Connections(ctx, q)
			if err != nil {
				return nil, err
			}
			return s.viewConnections(ctx, all...)
		},
		get: s.connection,
		create: func(ctx context.Context, items []values) ([]connectionView, error) {
			made, err := s.createConnections(ctx, items)
			if err != nil {
				return nil, err
			}
			return s.viewConnections(ctx, made...)
		},
		asGiven: func(c *connectionView, item values) {
			id, _ := given[segmentationID](item, "segmentation_id")
			c.segmentationID = &id.text
			// Always the same, whether the controller was faster than the answer or not.
			c.status, c.reason = l2gw.StatusBuild, notSeenYet
			c.bindings = slices.Clone(c.bindings)
			for i := range c.bindings {
				c.bindings[i].Status, c.bindings[i].Reason = c.status, c.reason
			}
		},
		// There is nothing to update: the table refuses every attribute.
		update: func(ctx context.Context, id string, _ values) (connectionView, error) { return s.connection(ctx, id) },
		delete: s.Store.DeleteConnection,
	}
}

func (s *server) connection(ctx context.Context, id string) (connectionView, error) {
	c, err := s.Store.Connection(ctx, id)
	if err != nil {
		return connectionView{}, err
	}
	views, err := s.viewConnections(ctx, c)
	if err != nil {
		return connectionView{}, err
	}
	return views[0], nil
}

// viewConnections adds the status. A connection that the controller has not seen
// yet, since it was made a moment ago, shows the bindings that it expands into.
func (s *server) viewConnections(ctx context.Context, all ...l2gw.Connection) ([]connectionView, error) {
	views := make([]connectionView, len(all))
	var unseen []string
	for i, c := range all {
		v := &views[i]
		v.Connection = c
		v.status, v.reason, v.bindings = s.Status.Connection(c.ID)
		if len(v.bindings) == 0 {
			v.status = cmp.Or(v.status, l2gw.StatusBuild)
			unseen = append(unseen, c.ID)
		}
	}
	if unseen == nil {
		return views, nil
	}
	intent, err := s.Store.ConnectionBindings(ctx, unseen...)
	if err != nil {
		return nil, err
	}
	for i := range views {
		for _, b := range intent[views[i].ID] {
			views[i].bindings = append(views[i].bindings, l2gw.BindingStatus{Binding: b, Status: views[i].status, Reason: views[i].reason})
		}
	}
	return views, nil
}

// createConnections checks in the order that Tempest expects: what is wrong in
// itself (400), what does not exist (404), what is in conflict (409, by the store).
func (s *server) createConnections(ctx context.Context, items []values) ([]l2gw.Connection, error) {
	all := make([]l2gw.Connection, len(items))
	for i, vs := range items {
		c := &all[i]
		c.ProjectID = ownerOf(ctx, vs)
		c.NetworkID, _ = given[string](vs, "network_id")
		c.GatewayID, _ = given[string](vs, "l2_gateway_id")
		c.Description, _ = given[string](vs, "description")
		id, _ := given[segmentationID](vs, "segmentation_id")
		c.VLAN = id.vlan
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	gateways, err := s.connectedGateways(ctx, all)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if g := gateways[c.GatewayID]; g != nil {
			err = l2gw.CheckConnection(g, c.VLAN)
		} else if c.VLAN == nil {
			err = l2gw.SegmentationIDMissing()
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range all {
		if err := s.checkNetwork(ctx, all[i].NetworkID); err != nil {
			return nil, err
		}
	}
	for i := range all {
		if gateways[all[i].GatewayID] == nil {
			return nil, l2gw.GatewayNotFound(all[i].GatewayID)
		}
	}
	return s.Store.CreateConnections(ctx, all)
}

// connectedGateways are the gateways of new connections. One that the caller may
// not see is missing, like one that does not exist: nobody connects to what is not
// shown to him, nor learns that it is there. Each is read once, and all together:
// thousands of connections may be of one with thousands of ports, or of as many.
func (s *server) connectedGateways(ctx context.Context, all []l2gw.Connection) (map[string]*l2gw.Gateway, error) {
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.GatewayID
	}
	slices.Sort(ids)
	found, err := s.Store.GatewaysWithID(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	gateways := make(map[string]*l2gw.Gateway, len(found))
	for i := range found {
		if g := &found[i]; s.allows(ctx, "get_l2_gateway", gatewayAttributes.target(&gatewayView{Gateway: *g})) {
			gateways[g.ID] = g
		}
	}
	return gateways, nil
}

// checkNetwork reports a network that cannot be connected, or that the caller may
// not see, which is as if it did not exist.
func (s *server) checkNetwork(ctx context.Context, id string) error {
	n, err := s.Networks.Network(ctx, id)
	if err != nil {
		return err
	}
	if !s.allows(ctx, "get_network", networkTarget(&n)) {
		return l2gw.NetworkNotFound(id)
	}
	return n.Connectable()
}

// networkTarget is a network as the policy's rules name it.
func networkTarget(n *l2gw.Network) map[string]any {
	return map[string]any{
		"id": n.ID, "name": n.Name, "description": n.Description, "project_id": n.ProjectID, "tenant_id": n.ProjectID,
		"shared": n.Shared, "router:external": false, "admin_state_up": true, "status": string(l2gw.StatusActive),
	}
}

var connectionAttributes = table[connectionView]{
	{
		name: "id", doc: "The id that the server gave it.", schema: idSchema,
		stored: true, show: func(c *connectionView) any { return c.ID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ID, b.ID) },
	},
	{
		name: "network_id", doc: "The network that is connected.", schema: kind("string"),
		stored: true, post: true, required: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.NetworkID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.NetworkID, b.NetworkID) },
	},
	{
		name: "l2_gateway_id", doc: "The gateway that it is connected to.", schema: kind("string"),
		stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.GatewayID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.GatewayID, b.GatewayID) },
	},
	{
		name: "tenant_id", doc: tenantDoc, schema: kind("string"), given: nameSchema,
		stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.ProjectID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "segmentation_id", doc: "The VLAN, 0 to 4094 (0: untagged), on all interfaces of the gateway that have none of their own; needed just if there are some. The answer to a POST has the text that was given, others an integer, or an empty text for none.",
		schema: either(between(0, 4094), kind("string")), given: kind("string"), fallback: "",
		stored: true, post: true, accept: acceptSegmentationID,
		show:     showSegmentationID,
		matching: bySegmentationID,
		compare:  func(a, b *connectionView) int { return cmp.Compare(vlanOrder(a.VLAN), vlanOrder(b.VLAN)) },
	},
	{
		name: "project_id", doc: projectDoc, schema: kind("string"), given: nameSchema,
		stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.ProjectID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "description", doc: "Any text.", schema: nameSchema, fallback: "",
		stored: true, post: true, accept: acceptText,
		show: func(c *connectionView) any { return c.Description },
	},
	{
		name: "status", doc: statusDoc, schema: statusSchema,
		show:    func(c *connectionView) any { return string(c.status) },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.status, b.status) },
	},
	{
		name: "status_reason", doc: reasonDoc, schema: kind("string"),
		show: func(c *connectionView) any { return c.reason },
	},
	{
		name: "bindings", doc: "What it becomes on switches: one for each device, interface and VLAN.", schema: bindingSchema,
		show: func(c *connectionView) any { return showBindings(c.bindings) },
		matches: func(c *connectionView) []string {
			return mapped(c.bindings, func(b l2gw.BindingStatus) string { return b.Device })
		},
	},
	{
		name: "created_at", doc: createdDoc, schema: moment,
		stored: true, show: func(c *connectionView) any { return timestamp(c.CreatedAt) },
		matching: bySecond(func(c *connectionView) time.Time { return c.CreatedAt }),
		compare:  func(a, b *connectionView) int { return a.CreatedAt.Compare(b.CreatedAt) },
	},
	{
		name: "updated_at", doc: updatedDoc, schema: moment,
		stored: true, show: func(c *connectionView) any { return timestamp(c.UpdatedAt) },
		matching: bySecond(func(c *connectionView) time.Time { return c.UpdatedAt }),
		compare:  func(a, b *connectionView) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	},
	{
		name: "revision_number", doc: revisionDoc, schema: revisionSchema,
		stored: true, show: func(c *connectionView) any { return c.Revision },
	},
}

var bindingSchema = listOf(record(
	field{"device_name", kind("string"), "The switch."},
	field{"interface_name", kind("string"), "The port."},
	field{"segmentation_id", between(0, int(l2gw.MaxVLAN)), "The VLAN; 0: untagged."},
	field{"status", statusSchema, "How far it has become true."},
	field{"status_reason", kind("string"), reasonDoc},
))

// segmentationID is a connection's VLAN id as it was given and as it was understood.
type segmentationID struct {
	text string
	vlan *l2gw.VLAN
}

// acceptSegmentationID takes a VLAN id in a string, or an empty string for none.
func acceptSegmentationID(name string, v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, notAString(name, v)
	}
	if text == "" {
		return segmentationID{}, nil
	}
	vlan, err := l2gw.ParseVLAN(text)
	if err != nil {
		return nil, err
	}
	return segmentationID{text, &vlan}, nil
}

// showSegmentationID shows an integer, or "" for none; in the answer to a POST
// the string that was given.
func showSegmentationID(c *connectionView) any {
	switch {
	case c.segmentationID != nil:
		return *c.segmentationID
	case c.VLAN == nil:
		return ""
	}
	return int(*c.VLAN)
}

// bySegmentationID finds a VLAN as the store does: in whatever way it is written.
func bySegmentationID(wanted []string) func(*connectionView) bool {
	sought := map[int]bool{}
	for _, text := range wanted {
		if text == "" {
			sought[vlanOrder(nil)] = true
		} else if v, err := l2gw.ParseVLAN(text); err == nil {
			sought[vlanOrder(&v)] = true
		}
	}
	return func(c *connectionView) bool { return sought[vlanOrder(c.VLAN)] }
}

func vlanOrder(v *l2gw.VLAN) int {
	if v == nil {
		return -1
	}
	return int(*v)
}

func showBindings(bindings []l2gw.BindingStatus) []object {
	out := make([]object, len(bindings))
	for i, b := range bindings {
		out[i] = object{
			{"device_name", b.Device},
			{"interface_name", b.Interface},
			{"segmentation_id", int(b.VLAN)},
			{"status", string(b.Status)},
			{"status_reason", b.Reason},
		}
	}
	return out
}
