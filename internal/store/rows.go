package store

import (
	"strconv"
	"strings"
	"time"

	"l2gw"

	"github.com/uptrace/bun"
)

type intentRow struct {
	bun.BaseModel `bun:"table:intent"`
	ID            int64 `bun:",pk"`
	Revision      int64
	Trimmed       int64
}

type intentWriteRow struct {
	bun.BaseModel `bun:"table:intent_writes"`
	Revision      int64 `bun:",pk"`
	Token         string
	Request       string
}

type repeatRow struct {
	bun.BaseModel `bun:"table:repeatable_writes"`
	RepeatKey     string `bun:",pk"`
	Digest        string
	Revision      int64
}

type repeatObjectRow struct {
	bun.BaseModel `bun:"table:repeatable_objects"`
	Revision      int64 `bun:",pk"`
	Ordinal       int   `bun:",pk"`
	ObjectID      string
}

type gatewayRow struct {
	bun.BaseModel `bun:"table:gateways"`
	ID            string `bun:",pk"`
	ProjectID     string
	Name          string
	Description   string
	CreatedAt     int64
	UpdatedAt     int64
	Revision      int64
}

type deviceRow struct {
	bun.BaseModel `bun:"table:gateway_devices"`
	ID            string `bun:",pk"`
	GatewayID     string
	Ordinal       int
	Name          string
}

type interfaceRow struct {
	bun.BaseModel `bun:"table:gateway_interfaces"`
	GatewayID     string `bun:",pk"`
	DeviceID      string `bun:",pk"`
	Ordinal       int    `bun:",pk"`
	Name          string
	VLANs         string `bun:"vlans"`
}

type connectionRow struct {
	bun.BaseModel `bun:"table:connections"`
	ID            string `bun:",pk"`
	ProjectID     string
	GatewayID     string
	NetworkID     string
	Description   string
	VLAN          int `bun:"vlan"`
	CreatedAt     int64
	UpdatedAt     int64
	Revision      int64
}

type bindingRow struct {
	bun.BaseModel `bun:"table:bindings"`
	Device        string    `bun:",pk"`
	Interface     string    `bun:",pk"`
	VLAN          l2gw.VLAN `bun:"vlan,pk"`
	NetworkID     string
	ConnectionID  string
	GatewayID     string
	Revision      int64
	Request       string
}

type changeRow struct {
	bun.BaseModel `bun:"table:binding_changes"`
	Revision      int64 `bun:",pk"`
	Ordinal       int   `bun:",pk"`
	Bound         int
	Device        string
	Interface     string
	VLAN          l2gw.VLAN `bun:"vlan"`
	NetworkID     string
	ConnectionID  string
	GatewayID     string
	Request       string
}

type ownedNetworkRow struct {
	bun.BaseModel `bun:"table:owned_networks"`
	DB            string   `bun:"db,pk"`
	NetworkID     string   `bun:",pk"`
	VNI           l2gw.VNI `bun:"vni"`
}

type ownedBindingRow struct {
	bun.BaseModel `bun:"table:owned_bindings"`
	DB            string    `bun:"db,pk"`
	Device        string    `bun:",pk"`
	Interface     string    `bun:",pk"`
	VLAN          l2gw.VLAN `bun:"vlan,pk"`
	NetworkID     string
}

type quotaRow struct {
	bun.BaseModel `bun:"table:quotas"`
	ProjectID     string `bun:",pk"`
	Resource      string `bun:",pk"`
	Most          int
}

func at(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func gatewayToRow(g *l2gw.Gateway) gatewayRow {
	return gatewayRow{
		ID: g.ID, ProjectID: g.ProjectID, Name: g.Name, Description: g.Description,
		CreatedAt: g.CreatedAt.UnixMicro(), UpdatedAt: g.UpdatedAt.UnixMicro(), Revision: g.Revision,
	}
}

func (r gatewayRow) gateway() l2gw.Gateway {
	return l2gw.Gateway{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Description: r.Description,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), Revision: r.Revision,
	}
}

func deviceToRows(gatewayID string, ordinal int, d l2gw.Device) (deviceRow, []interfaceRow) {
	interfaces := make([]interfaceRow, len(d.Interfaces))
	for i, f := range d.Interfaces {
		interfaces[i] = interfaceRow{GatewayID: gatewayID, DeviceID: d.ID, Ordinal: i, Name: f.Name, VLANs: joinVLANs(f.VLANs)}
	}
	return deviceRow{ID: d.ID, GatewayID: gatewayID, Ordinal: ordinal, Name: d.Name}, interfaces
}

func connectionToRow(c *l2gw.Connection) connectionRow {
	vlan := noVLAN
	if c.VLAN != nil {
		vlan = int(*c.VLAN)
	}
	return connectionRow{
		ID: c.ID, ProjectID: c.ProjectID, GatewayID: c.GatewayID, NetworkID: c.NetworkID, Description: c.Description, VLAN: vlan,
		CreatedAt: c.CreatedAt.UnixMicro(), UpdatedAt: c.UpdatedAt.UnixMicro(), Revision: c.Revision,
	}
}

// noVLAN stands in the table for a connection without a VLAN of its own: a
// number, because engines sort NULL differently.
const noVLAN = -1

func (r connectionRow) connection() l2gw.Connection {
	c := l2gw.Connection{
		ID: r.ID, ProjectID: r.ProjectID, GatewayID: r.GatewayID, NetworkID: r.NetworkID, Description: r.Description,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), Revision: r.Revision,
	}
	if r.VLAN != noVLAN {
		c.VLAN = new(l2gw.VLAN(r.VLAN))
	}
	return c
}

func bindingToRow(b l2gw.Binding) bindingRow {
	return bindingRow{
		Device: b.Device, Interface: b.Interface, VLAN: b.VLAN,
		NetworkID: b.NetworkID, ConnectionID: b.ConnectionID, GatewayID: b.GatewayID, Revision: b.Revision, Request: b.Request,
	}
}

func (r bindingRow) binding() l2gw.Binding {
	return l2gw.Binding{
		BindingKey: l2gw.BindingKey{Device: r.Device, Interface: r.Interface, VLAN: r.VLAN},
		NetworkID:  r.NetworkID, ConnectionID: r.ConnectionID, GatewayID: r.GatewayID, Revision: r.Revision, Request: r.Request,
	}
}

func joinVLANs(vlans []l2gw.VLAN) string {
	var b []byte
	for i, v := range vlans {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return string(b)
}

func splitVLANs(s string) ([]l2gw.VLAN, error) {
	if s == "" {
		return nil, nil
	}
	vlans := make([]l2gw.VLAN, 0, strings.Count(s, ",")+1)
	for part := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return nil, err
		}
		vlans = append(vlans, l2gw.VLAN(v))
	}
	return vlans, nil
}
