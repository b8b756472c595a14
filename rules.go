package l2gw

import (
	"fmt"
	"slices"
)

// String names the place as people write it: "ps1/eth1 VLAN 100".
func (k BindingKey) String() string {
	if k.VLAN == 0 {
		return k.Device + "/" + k.Interface + " untagged"
	}
	return fmt.Sprintf("%s/%s VLAN %d", k.Device, k.Interface, k.VLAN)
}

// Clone returns a gateway that shares nothing with g.
func (g *Gateway) Clone() *Gateway {
	c := *g
	c.Devices = slices.Clone(g.Devices)
	for i := range c.Devices {
		d := &c.Devices[i]
		d.Interfaces = slices.Clone(d.Interfaces)
		for j := range d.Interfaces {
			d.Interfaces[j].VLANs = slices.Clone(d.Interfaces[j].VLANs)
		}
	}
	return &c
}

// Device returns the device of this name, or nil.
func (g *Gateway) Device(name string) *Device {
	for i := range g.Devices {
		if g.Devices[i].Name == name {
			return &g.Devices[i]
		}
	}
	return nil
}

// CheckConnection reports whether a connection with this VLAN (nil: none) can
// be made on g. The VLAN goes to those interfaces that have none of their own:
// without it they would have nothing to bind ([SegmentationIDMissing]), and where
// there are none it would have no place ([SegmentationIDTwice]).
func CheckConnection(g *Gateway, vlan *VLAN) error {
	if vlan != nil && *vlan > MaxVLAN {
		return SegmentationIDOutOfRange()
	}
	needed := slices.ContainsFunc(g.Devices, func(d Device) bool { return !d.ownVLANs() })
	switch {
	case needed && vlan == nil:
		return SegmentationIDMissing()
	case !needed && vlan != nil:
		return SegmentationIDTwice()
	}
	return nil
}

// Expand returns the bindings of a connection of g, in the order of g's devices,
// interfaces and VLANs. Interfaces that have VLANs bind these, the others the
// connection's. Revision is left zero.
func Expand(g *Gateway, c *Connection) []Binding {
	var bindings []Binding
	bind := func(device, iface string, v VLAN) {
		bindings = append(bindings, Binding{
			BindingKey:   BindingKey{Device: device, Interface: iface, VLAN: v},
			NetworkID:    c.NetworkID,
			ConnectionID: c.ID,
			GatewayID:    g.ID,
		})
	}
	for _, d := range g.Devices {
		for _, i := range d.Interfaces {
			for _, v := range i.VLANs {
				bind(d.Name, i.Name, v)
			}
			if len(i.VLANs) == 0 && c.VLAN != nil {
				bind(d.Name, i.Name, *c.VLAN)
			}
		}
	}
	return bindings
}

// place is where the connections of a gateway bind: a VLAN of the gateway's own, or
// the one that each connection brings.
type place struct {
	device, port string
	vlan         VLAN
	own          bool
}

func (g *Gateway) eachPlace(yield func(place)) {
	for _, d := range g.Devices {
		for _, i := range d.Interfaces {
			for _, v := range i.VLANs {
				yield(place{d.Name, i.Name, v, true})
			}
			if len(i.VLANs) == 0 {
				yield(place{d.Name, i.Name, 0, false})
			}
		}
	}
}

// Difference is the number of places that one of two gateways has and the other has
// not: so many bindings of each connection a change of one into the other adds and
// removes.
func (g *Gateway) Difference(other *Gateway) (n int) {
	ours := make(map[place]bool, g.Places())
	g.eachPlace(func(p place) { ours[p] = true })
	both := 0
	other.eachPlace(func(p place) {
		if ours[p] {
			both++
		} else {
			n++
		}
	})
	return n + len(ours) - both
}

// GatewayUpdate is what a user wants changed of a gateway; what is nil or empty stays.
type GatewayUpdate struct {
	Name        *string
	Description *string
	// Devices replace the interfaces of the device of the same name, or are added.
	Devices []Device
	// RemoveDevices are names of devices to take away, before Devices are looked at.
	RemoveDevices []string
}

// Apply changes g, or returns an [*Error] and leaves g as it was: Invalid for a
// wrong value or a device named both to remain and to go, NotFound for a device
// to remove that is not there, Conflict if a device would gain or lose VLANs of
// its own (that would change the meaning of every connection's VLAN).
func (g *Gateway) Apply(u GatewayUpdate) error {
	n := g.Clone()
	if u.Name != nil {
		n.Name = *u.Name
	}
	if u.Description != nil {
		n.Description = *u.Description
	}
	if len(u.RemoveDevices) > MaxDevices {
		return BadAttribute("remove_devices", "%d names are more than a gateway may have devices: the limit is %d.", len(u.RemoveDevices), MaxDevices)
	}
	for _, d := range u.Devices {
		if slices.Contains(u.RemoveDevices, d.Name) {
			return BadAttribute("remove_devices", "device '%s' is also in devices.", d.Name)
		}
	}
	if u.Devices != nil {
		if err := validateDevices(u.Devices); err != nil {
			return err
		}
	}
	for i, name := range u.RemoveDevices {
		if slices.Contains(u.RemoveDevices[:i], name) {
			return BadAttribute("remove_devices", "device '%s' is given twice.", name)
		}
		if n.Device(name) == nil {
			return DeviceNotFound(name)
		}
		n.Devices = slices.DeleteFunc(n.Devices, func(d Device) bool { return d.Name == name })
	}
	for _, d := range u.Devices {
		old := n.Device(d.Name)
		if old == nil {
			d.ID = ""
			n.Devices = append(n.Devices, d)
			continue
		}
		switch {
		case old.ownVLANs() && !d.ownVLANs():
			return SegmentationIDExists()
		case !old.ownVLANs() && d.ownVLANs():
			return SegmentationIDNotExists()
		}
		old.Interfaces = d.Interfaces
	}
	if len(n.Devices) == 0 {
		return BadAttribute("remove_devices", "a gateway must keep at least one device.")
	}
	if err := n.Validate(); err != nil {
		return err
	}
	*g = *n.Clone() // u's slices stay the caller's
	return nil
}

// CheckLive reports whether g, as changed, still says what each of its live
// connections binds: an interface without VLANs needs the connection's
// ([SegmentationIDRequired]). Whether another gateway has the place is for the
// store to find.
func (g *Gateway) CheckLive(connections []Connection) error {
	for _, c := range connections {
		if c.VLAN == nil && CheckConnection(g, nil) != nil {
			return SegmentationIDRequired()
		}
	}
	return nil
}
