package api

import (
	"cmp"
	"context"

	"l2gw"
	"l2gw/internal/store"
)

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
		attributes: connectionAttributes,
		id:         func(c *connectionView) string { return c.ID },
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
			views, err := s.viewConnections(ctx, made...)
			for i := range views {
				id, _ := given[segmentationID](items[i], "segmentation_id")
				views[i].segmentationID = &id.text
			}
			return views, err
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
	if err := s.checkVLANs(ctx, all); err != nil {
		return nil, err
	}
	for i := range all {
		n, err := s.Networks.Network(ctx, all[i].NetworkID)
		if err == nil {
			err = n.Connectable()
		}
		if err != nil {
			return nil, err
		}
	}
	return s.Store.CreateConnections(ctx, all)
}

// checkVLANs reports a VLAN that is given on both sides or on neither. A gateway
// that does not exist gives none; that it does not exist is told later, if at all.
// Each gateway is read once: thousands of connections may be of one with thousands of ports.
func (s *server) checkVLANs(ctx context.Context, all []l2gw.Connection) error {
	gateways := map[string]*l2gw.Gateway{} // nil: it does not exist
	for _, c := range all {
		g, read := gateways[c.GatewayID]
		if !read {
			stored, err := s.Store.Gateway(ctx, c.GatewayID)
			switch {
			case err == nil:
				g = &stored
			case l2gw.ErrorCode(err) != l2gw.NotFound:
				return err
			}
			gateways[c.GatewayID] = g
		}
		switch {
		case g != nil:
			if err := l2gw.CheckConnection(g, c.VLAN); err != nil {
				return err
			}
		case c.VLAN == nil:
			return l2gw.SegmentationIDMissing()
		}
	}
	return nil
}

var connectionAttributes = table[connectionView]{
	{
		name: "id", stored: true, show: func(c *connectionView) any { return c.ID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ID, b.ID) },
	},
	{
		name: "network_id", stored: true, post: true, required: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.NetworkID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.NetworkID, b.NetworkID) },
	},
	{
		name: "l2_gateway_id", stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.GatewayID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.GatewayID, b.GatewayID) },
	},
	{
		name: "tenant_id", stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.ProjectID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "segmentation_id", stored: true, post: true, accept: acceptSegmentationID,
		show:    showSegmentationID,
		compare: func(a, b *connectionView) int { return cmp.Compare(vlanOrder(a.VLAN), vlanOrder(b.VLAN)) },
	},
	{
		name: "project_id", stored: true, post: true, accept: acceptText,
		show:    func(c *connectionView) any { return c.ProjectID },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	},
	{
		name: "description", stored: true, post: true, accept: acceptText,
		show: func(c *connectionView) any { return c.Description },
	},
	{
		name: "status", show: func(c *connectionView) any { return string(c.status) },
		compare: func(a, b *connectionView) int { return cmp.Compare(a.status, b.status) },
	},
	{name: "status_reason", show: func(c *connectionView) any { return c.reason }},
	{
		name: "bindings", show: func(c *connectionView) any { return showBindings(c.bindings) },
		matches: func(c *connectionView) []string { return bindingDevices(c.bindings) },
	},
	{
		name: "created_at", stored: true, show: func(c *connectionView) any { return timestamp(c.CreatedAt) },
		compare: func(a, b *connectionView) int { return a.CreatedAt.Compare(b.CreatedAt) },
	},
	{
		name: "updated_at", stored: true, show: func(c *connectionView) any { return timestamp(c.UpdatedAt) },
		compare: func(a, b *connectionView) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	},
	{name: "revision_number", stored: true, show: func(c *connectionView) any { return c.Revision }},
}

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

func bindingDevices(bindings []l2gw.BindingStatus) []string {
	out := make([]string, len(bindings))
	for i, b := range bindings {
		out[i] = b.Device
	}
	return out
}
