package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"l2gw/test/product"
)

// intent is what users have declared, as far as the product acknowledged it.
type intent struct {
	Gateways    map[string][]product.Device // by name
	Connections map[chaosConnection]string  // the VLAN, or ""
}

type chaosConnection struct{ Gateway, Network string }

func (i intent) clone() intent {
	return intent{maps.Clone(i.Gateways), maps.Clone(i.Connections)}
}

// chaosBinding is a place and the network that is wanted there.
type chaosBinding struct{ Device, Interface, VLAN, Network string }

func (b chaosBinding) place() string { return b.Device + "/" + b.Interface + "/" + b.VLAN }

// bindings spells out the connections.
func (i intent) bindings() (all []chaosBinding) {
	for c, vlan := range i.Connections {
		for _, d := range i.Gateways[c.Gateway] {
			for _, f := range d.Interfaces {
				for _, v := range f.VLANs {
					all = append(all, chaosBinding{d.Name, f.Name, fmt.Sprint(v), c.Network})
				}
				if len(f.VLANs) == 0 {
					all = append(all, chaosBinding{d.Name, f.Name, vlan, c.Network})
				}
			}
		}
	}
	return all
}

// chaosInventory is what the inventory file says.
type chaosInventory struct {
	networks map[string]chaosNetwork // by id
	vteps    map[string]string       // of the compute nodes, by name
	ports    map[string]chaosPort    // by MAC
}

type chaosNetwork struct {
	name string
	vni  int
	gone bool // not in the file
}

type chaosPort struct{ network, host, ip string }

// yaml is the file's text.
func (v *chaosInventory) yaml() string {
	var b strings.Builder
	list := func(key string, entries []string) {
		if len(entries) == 0 {
			fmt.Fprintf(&b, "%s: []\n", key)
			return
		}
		fmt.Fprintf(&b, "%s:\n  - %s\n", key, strings.Join(entries, "\n  - "))
	}
	var networks, hosts, ports []string
	for _, id := range slices.Sorted(maps.Keys(v.networks)) {
		if n := v.networks[id]; !n.gone {
			networks = append(networks, fmt.Sprintf("{id: %s, name: %s, vni: %d, mtu: 1450}", id, n.name, n.vni))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.vteps)) {
		hosts = append(hosts, fmt.Sprintf("{name: %s, vtep: %s}", name, v.vteps[name]))
	}
	for _, mac := range slices.Sorted(maps.Keys(v.ports)) {
		if p := v.ports[mac]; !v.networks[p.network].gone {
			ports = append(ports, fmt.Sprintf("{network: %s, host: %s, mac: %q, ips: [%s]}", p.network, p.host, mac, p.ip))
		}
	}
	list("networks", networks)
	list("hosts", hosts)
	list("ports", ports)
	return b.String()
}

// chaosDatabase is what a switch database has besides what the product writes.
type chaosDatabase struct {
	tunnel  map[string]string // device → tunnel IP
	ports   []string          // of each device
	foreign map[string]string // place → foreign logical switch
}

const theirs = "theirs"

// claim is a MAC that a switch learned, as its database has it.
type claim struct{ network, mac, vtep string }

// chaosWorld is all that decides what must be where.
type chaosWorld struct {
	intent    intent
	inventory chaosInventory
	databases []*chaosDatabase
}

func (w *chaosWorld) home(device string) int {
	return slices.IndexFunc(w.databases, func(d *chaosDatabase) bool { return d.tunnel[device] != "" })
}

// bound are the networks that have a binding on a device of database i.
func (w *chaosWorld) bound(i int) map[string]bool {
	bound := map[string]bool{}
	for _, b := range w.intent.bindings() {
		if w.home(b.Device) == i && !w.inventory.networks[b.Network].gone {
			bound[b.Network] = true
		}
	}
	return bound
}

// want is what database i must hold, worked out from scratch, slowly and without
// any cleverness. claims are what the switches of each database have learned.
func (w *chaosWorld) want(i int, claims [][]claim) contents {
	db := w.databases[i]
	c := contents{
		LogicalSwitches: map[string]string{theirs: "7000//"},
		Bindings:        maps.Clone(db.foreign),
		Unicast:         map[string][]string{theirs + " 02:00:00:00:00:07": {"10.77.0.99 10.7.0.7"}},
		Flood:           map[string][]string{theirs + " unknown-dst": {"10.77.0.99"}},
	}
	for _, b := range w.intent.bindings() {
		if w.home(b.Device) == i && !w.inventory.networks[b.Network].gone && slices.Contains(db.ports, b.Interface) && db.foreign[b.place()] == "" {
			c.Bindings[b.place()] = b.Network
		}
	}
	for id := range w.bound(i) {
		n := w.inventory.networks[id]
		c.LogicalSwitches[id] = fmt.Sprintf("%d/source_node/%s", n.vni, n.name)
		var flood []string
		for mac, p := range w.inventory.ports {
			if p.network == id {
				c.Unicast[id+" "+mac] = []string{w.inventory.vteps[p.host] + " " + p.ip}
				flood = append(flood, w.inventory.vteps[p.host])
			}
		}
		for j, other := range w.databases {
			if j == i {
				continue
			}
			for _, b := range w.intent.bindings() {
				if b.Network == id && w.home(b.Device) == j {
					flood = append(flood, other.tunnel[b.Device])
				}
			}
			for _, l := range claims[j] {
				if l.network == id && w.bound(j)[id] && w.inventory.ports[l.mac].network != id && other.owns(l.vtep) {
					c.Unicast[id+" "+l.mac] = []string{l.vtep}
				}
			}
		}
		slices.Sort(flood)
		if len(flood) > 0 {
			c.Flood[id+" unknown-dst"] = slices.Compact(flood)
		}
	}
	for _, vteps := range c.Flood {
		c.Locators = append(c.Locators, vteps...)
	}
	for _, l := range claims[i] {
		c.Locators = append(c.Locators, l.vtep)
	}
	slices.Sort(c.Locators)
	c.Locators = slices.Compact(c.Locators)
	return c
}

func (d *chaosDatabase) owns(vtep string) bool {
	return slices.Contains(slices.Collect(maps.Values(d.tunnel)), vtep)
}

// status is what a binding must say of itself; "" if a conflict of learned MACs
// makes it ACTIVE or DEGRADED.
func (w *chaosWorld) status(b chaosBinding, claims [][]claim) string {
	i := w.home(b.Device)
	switch {
	case w.inventory.networks[b.Network].gone:
		return "ERROR"
	case i < 0:
		return "PENDING"
	case !slices.Contains(w.databases[i].ports, b.Interface):
		return "DOWN"
	case w.databases[i].foreign[b.place()] != "":
		return "ERROR"
	}
	for _, l := range slices.Concat(claims...) {
		if l.network == b.Network && w.inventory.ports[l.mac].network == b.Network {
			return ""
		}
	}
	return "ACTIVE"
}

// faultless reports whether all that is wanted can be held.
func (w *chaosWorld) faultless() bool {
	return !slices.ContainsFunc(w.intent.bindings(), func(b chaosBinding) bool {
		s := w.status(b, nil)
		return s == "DOWN" || s == "ERROR" && !w.inventory.networks[b.Network].gone
	})
}

func compareBindings(a, b chaosBinding) int {
	return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.Network, b.Network))
}
