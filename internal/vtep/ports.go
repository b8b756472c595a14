package vtep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"l2gw"
	"l2gw/ovsdb"
)

// ports is where everything is on the switches of a database: devices and
// their ports by name, and the VLANs bound to each logical switch.
type ports struct {
	devices map[string][]device
	bound   map[ovsdb.UUID][]boundVLAN // by logical switch
}

type device struct {
	row   PhysicalSwitch
	ports map[string][]PhysicalPort
}

// boundVLAN is one entry of Physical_Port.vlan_bindings.
type boundVLAN struct {
	port PhysicalPort
	at   l2gw.BindingKey // Device is "" if no switch has the port
}

func surveyPorts(snap *ovsdb.Snapshot) *ports {
	p := &ports{devices: make(map[string][]device), bound: make(map[ovsdb.UUID][]boundVLAN)}
	table := snap.Table(tablePhysicalPort)
	deviceOf := make(map[ovsdb.UUID]string)
	for r := range snap.Table(tablePhysicalSwitch).All() {
		d := device{row: PhysicalSwitch{r}, ports: make(map[string][]PhysicalPort)}
		for v := range d.row.Ports().All() {
			u := asUUID(v)
			deviceOf[u] = d.row.Name()
			if port := table.Get(u); port != nil {
				name := PhysicalPort{port}.Name()
				d.ports[name] = append(d.ports[name], PhysicalPort{port})
			}
		}
		p.devices[d.row.Name()] = append(p.devices[d.row.Name()], d)
	}
	for r := range table.All() {
		port := PhysicalPort{r}
		for vlan, ls := range port.VLANBindings().All() {
			id, _ := vlan.(int64)
			u := asUUID(ls)
			p.bound[u] = append(p.bound[u], boundVLAN{port, l2gw.BindingKey{
				Device: deviceOf[r.UUID()], Interface: port.Name(), VLAN: l2gw.VLAN(id),
			}})
		}
	}
	for _, b := range p.bound {
		slices.SortFunc(b, func(x, y boundVLAN) int {
			xu, yu := x.port.UUID(), y.port.UUID()
			return cmp.Or(compareKeys(x.at, y.at), slices.Compare(xu[:], yu[:]))
		})
	}
	return p
}

// find returns the port of a binding, or why there is none.
func (p *ports) find(k l2gw.BindingKey) (PhysicalPort, device, Verdict) {
	devices := p.devices[k.Device]
	switch {
	case len(devices) == 0:
		return PhysicalPort{}, device{}, Verdict{l2gw.StatusPending, fmt.Sprintf("switch %s is not in this database", k.Device)}
	case len(devices) > 1:
		return PhysicalPort{}, device{}, Verdict{l2gw.StatusError, fmt.Sprintf("%d switches of this database are named %s", len(devices), k.Device)}
	}
	d := devices[0]
	switch found := d.ports[k.Interface]; len(found) {
	case 0:
		return PhysicalPort{}, d, Verdict{l2gw.StatusDown, fmt.Sprintf("port %s is not on switch %s", k.Interface, k.Device)}
	case 1:
		return found[0], d, Verdict{}
	default:
		return PhysicalPort{}, d, Verdict{l2gw.StatusError, fmt.Sprintf("switch %s has %d ports named %s", k.Device, len(found), k.Interface)}
	}
}

// fault is what keeps a port that is there from working, "" if nothing does.
// Faults that are answered otherwise do not count: a full MAC table and the
// replication that a switch cannot do concern networks, and those degrade.
func (d device) fault(port PhysicalPort) string {
	var faults []string
	for _, f := range d.row.Faults() {
		if f != faultMACTable && f != faultSourceReplication {
			faults = append(faults, f)
		}
	}
	var reasons []string
	if len(faults) > 0 {
		reasons = append(reasons, fmt.Sprintf("switch %s reports %s", d.row.Name(), strings.Join(faults, ", ")))
	}
	if faults := port.Faults(); len(faults) > 0 {
		reasons = append(reasons, fmt.Sprintf("port %s/%s reports %s", d.row.Name(), port.Name(), strings.Join(faults, ", ")))
	}
	return strings.Join(reasons, "; ")
}

// place is what people call the place of a binding.
func place(k l2gw.BindingKey) string {
	if k.VLAN == 0 {
		return fmt.Sprintf("%s/%s untagged", k.Device, k.Interface)
	}
	return fmt.Sprintf("%s/%s VLAN %d", k.Device, k.Interface, k.VLAN)
}

func compareKeys(a, b l2gw.BindingKey) int {
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VLAN, b.VLAN))
}
