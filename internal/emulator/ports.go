package emulator

import (
	"fmt"
	"net"
	"slices"

	"l2gw/ovsdb"
)

// AddPort plugs a port into a switch; it stays through Wipe.
func (e *Emulator) AddPort(device, port string) error {
	return e.change(device, func(v *view, sw row, s *Switch) ([]ovsdb.Op, error) {
		if v.port(sw, port) != nil {
			return nil, fmt.Errorf("switch %q has a port %q already", device, port)
		}
		s.Ports = append(s.Ports, port)
		return []ovsdb.Op{
			ovsdb.Insert("Physical_Port", "port", ovsdb.Cell{Column: "name", Value: port}),
			ovsdb.Mutate("Physical_Switch", ovsdb.ByUUID(sw.uuid()),
				ovsdb.Mutation{Column: "ports", Mutator: "insert", Value: ovsdb.NewSet(ovsdb.NamedUUID("port"))}),
		}, nil
	})
}

// RemovePort takes a port out of a switch, and with it its bindings.
func (e *Emulator) RemovePort(device, port string) error {
	return e.change(device, func(v *view, sw row, s *Switch) ([]ovsdb.Op, error) {
		p := v.port(sw, port)
		if p == nil {
			return nil, fmt.Errorf("switch %q has no port %q", device, port)
		}
		s.Ports = slices.DeleteFunc(s.Ports, func(x string) bool { return x == port })
		return []ovsdb.Op{ovsdb.Mutate("Physical_Switch", ovsdb.ByUUID(sw.uuid()),
			ovsdb.Mutation{Column: "ports", Mutator: "delete", Value: ovsdb.NewSet(p.uuid())})}, nil
	})
}

// Learn is a frame from the MAC on a port of the device that is bound to the
// named logical switch: the switch reports it in Ucast_Macs_Local, behind its
// own tunnel IP. A MAC that another switch of the database had has moved.
func (e *Emulator) Learn(device, logicalSwitch, mac string) error {
	if a, err := net.ParseMAC(mac); err != nil || len(a) != 6 {
		return fmt.Errorf("%q is no MAC address such as 02:00:00:00:b1:01", mac)
	}
	return e.change(device, func(v *view, sw row, _ *Switch) ([]ovsdb.Op, error) {
		ls := find(v.logical, "name", logicalSwitch)
		if ls == nil || !slices.Contains(v.boundOn(sw), ls.uuid()) {
			return nil, fmt.Errorf("no port of switch %q is bound to a logical switch %q", device, logicalSwitch)
		}
		w := &writing{v: v}
		locator := ovsdb.Cell{Column: "locator", Value: w.locator(tunnelIP(sw))}
		if r := v.learned(ls.uuid(), mac); r != nil {
			if locator.Value == r["locator"] {
				return nil, nil
			}
			return append(w.ops, ovsdb.Update("Ucast_Macs_Local", ovsdb.ByUUID(r.uuid()), locator)), nil
		}
		return append(w.ops, ovsdb.Insert("Ucast_Macs_Local", "",
			ovsdb.Cell{Column: "MAC", Value: mac}, ovsdb.Cell{Column: "logical_switch", Value: ls.uuid()}, locator)), nil
	})
}

// Forget is a learned MAC that aged out; one that was not learned is no error.
func (e *Emulator) Forget(device, logicalSwitch, mac string) error {
	return e.change(device, func(v *view, _ row, _ *Switch) ([]ovsdb.Op, error) {
		ls := find(v.logical, "name", logicalSwitch)
		if ls == nil {
			return nil, nil
		}
		if r := v.learned(ls.uuid(), mac); r != nil {
			return []ovsdb.Op{ovsdb.Delete("Ucast_Macs_Local", ovsdb.ByUUID(r.uuid()))}, nil
		}
		return nil, nil
	})
}

// change lets f change one switch, in the database and in e.switches; the
// latter stays as it was if the former fails.
func (e *Emulator) change(device string, f func(*view, row, *Switch) ([]ovsdb.Op, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	i := slices.IndexFunc(e.switches, func(s Switch) bool { return s.Name == device })
	if i < 0 {
		return fmt.Errorf("there is no switch %q", device)
	}
	var after Switch
	err := update(e.server, func(v *view) ([]ovsdb.Op, error) {
		after = e.switches[i]
		after.Ports = slices.Clone(after.Ports)
		sw := find(v.switches, "name", device)
		if sw == nil {
			return nil, fmt.Errorf("the row of switch %q was deleted", device)
		}
		return f(v, sw, &after)
	})
	if err == nil {
		e.switches[i] = after
	}
	return err
}

// port returns the row of a port of a switch, or nil.
func (v *view) port(sw row, name string) row {
	ports := sw.set("ports")
	for _, p := range v.ports {
		if p.str("name") == name && ports.Has(p.uuid()) {
			return p
		}
	}
	return nil
}

// learned returns the row of a learned MAC, or nil.
func (v *view) learned(ls ovsdb.UUID, mac string) row {
	for _, r := range v.ucast {
		if r.ref("logical_switch") == ls && r.str("MAC") == mac {
			return r
		}
	}
	return nil
}
