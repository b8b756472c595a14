package l2gw

import (
	"encoding/binary"
	"time"
)

// Gateway is a set of switch ports that a network can be connected to
// (Neutron: l2_gateway).
type Gateway struct {
	ID          string
	ProjectID   string
	Name        string
	Description string
	Devices     []Device
	CreatedAt   time.Time // UTC
	UpdatedAt   time.Time // UTC
	Revision    int64     // revision_number: grows with each change of this gateway
}

// Device is a physical switch of a gateway (hardware_vtep: Physical_Switch).
type Device struct {
	ID         string
	Name       string
	Interfaces []Interface
}

// Interface is a port of a device (hardware_vtep: Physical_Port).
type Interface struct {
	Name string
	// VLANs are those that every connection of the gateway binds on this port;
	// without any, each connection brings its own.
	VLANs []VLAN
}

// VLAN is an 802.1Q VLAN id; 0 stands for untagged frames.
type VLAN uint16

// MaxVLAN is the highest VLAN id (IEEE 802.1Q §9.6: 4095 is reserved).
const MaxVLAN VLAN = 4094

// Connection joins a network and a gateway (Neutron: l2_gateway_connection).
type Connection struct {
	ID          string
	ProjectID   string
	GatewayID   string
	NetworkID   string
	Description string
	// VLAN is the one to bind on all ports of the gateway; nil if the gateway's
	// interfaces have their own.
	VLAN      *VLAN
	CreatedAt time.Time // UTC
	UpdatedAt time.Time // UTC
	Revision  int64     // revision_number
}

// BindingKey is the place of a binding: no two bindings of any gateway share one.
type BindingKey struct {
	Device    string
	Interface string
	VLAN      VLAN
}

// Binding is the smallest intent: this network on this VLAN of this port.
type Binding struct {
	BindingKey
	NetworkID    string
	ConnectionID string
	GatewayID    string // of the connection's gateway
	// Revision is the intent revision (Store) at which the binding took this form.
	Revision int64
	// Request is the id of the API request that gave it this form, or "".
	Request string
}

// Digest of a binding: of all its fields.
func (b Binding) Digest() Digest {
	buf := make([]byte, 0, 256)
	for _, s := range []string{b.Device, b.Interface, b.NetworkID, b.ConnectionID, b.GatewayID, b.Request} {
		buf = appendText(buf, s)
	}
	buf = binary.BigEndian.AppendUint16(buf, uint16(b.VLAN))
	buf = binary.BigEndian.AppendUint64(buf, uint64(b.Revision))
	return digestOf(buf)
}
