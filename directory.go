package l2gw

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"sort"

	"github.com/google/uuid"

	"l2gw/internal/cow"
)

// Directory is what an inventory lets clients look up: all networks and ports.
//
// It is immutable and shared. 100,000 ports cost 4.4 MB: where a port is, it looks
// up among the hosts of its network, whose memory it shares, and what most ports
// do not have, such as a name, is kept for those alone that have it.
type Directory struct {
	networks  []DirectoryNetwork // by name and id
	byID      map[string]int
	ports     []portEntry // by id
	hostNames map[netip.Addr]string

	// The ports of the i-th network are those at the places ofNetworks[starts[i]:starts[i+1]],
	// in order.
	ofNetworks []int32
	starts     []int32
}

// DirectoryNetwork is a network with what makes its ports.
type DirectoryNetwork struct {
	Network
	// Hosts are the network's hosts, each of which is a port.
	Hosts cow.Map[MAC, Host]
	// Ports are what is known of some of them beyond that; nil: nothing.
	Ports map[MAC]*PortDetails
}

// PortDetails are what clients see of a port and what no switch needs.
type PortDetails struct {
	ID          string // a UUID; "": it is derived from network and MAC
	Name        string
	Description string
	ProjectID   string // "": the network's
	Status      Status // "": ACTIVE
	DeviceID    string // what the port belongs to, such as a server's id
	DeviceOwner string // of what kind that is: "compute:nova"
}

type portEntry struct {
	id      uuid.UUID
	mac     MAC
	network int32 // index in networks
	details *PortDetails
}

var noDetails PortDetails

// NewDirectory takes over networks, and hostNames, the names of hosts by their VTEP.
func NewDirectory(networks []DirectoryNetwork, hostNames map[netip.Addr]string) *Directory {
	slices.SortFunc(networks, func(a, b DirectoryNetwork) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	d := &Directory{networks: networks, byID: make(map[string]int, len(networks)), hostNames: hostNames}
	total := 0
	for i := range networks {
		d.byID[networks[i].ID] = i
		total += networks[i].Hosts.Len()
	}
	d.ports = make([]portEntry, 0, total)
	for i := range networks {
		n := &networks[i]
		for mac := range n.Hosts.Keys() {
			p := portEntry{mac: mac, network: int32(i), details: n.Ports[mac]} //nolint:gosec // nobody has 2^31 networks
			if p.details == nil || p.details.ID == "" {
				p.id = portIDFromMAC(n.ID, mac)
			} else {
				p.id, _ = uuid.Parse(p.details.ID)
			}
			d.ports = append(d.ports, p)
		}
		n.Ports = nil // they are in the entries
	}
	slices.SortFunc(d.ports, func(a, b portEntry) int { return bytes.Compare(a.id[:], b.id[:]) })
	d.groupPorts()
	return d
}

// groupPorts makes the index by network.
func (d *Directory) groupPorts() {
	d.ofNetworks = make([]int32, len(d.ports))
	d.starts = make([]int32, len(d.networks)+1)
	next := make([]int32, len(d.networks))
	for i := range d.networks {
		next[i] = d.starts[i]
		d.starts[i+1] = d.starts[i] + int32(d.networks[i].Hosts.Len()) //nolint:gosec // nobody has 2^31 ports
	}
	for place := range d.ports {
		n := d.ports[place].network
		d.ofNetworks[next[n]] = int32(place) //nolint:gosec // as above
		next[n]++
	}
}

// Network is the i-th network in the order of names and ids. The caller must not change it.
func (d *Directory) Network(i int) *Network { return &d.networks[i].Network }

// NetworkCount is how many networks there are.
func (d *Directory) NetworkCount() int { return len(d.networks) }

// FindNetwork returns the place of the network with this id, and whether there is one.
func (d *Directory) FindNetwork(id string) (int, bool) {
	i, ok := d.byID[id]
	return i, ok
}

// PortCount is how many ports there are.
func (d *Directory) PortCount() int { return len(d.ports) }

// Port is the i-th port in the order of ids.
func (d *Directory) Port(i int) Port { return Port{d, i} }

// FindPort returns the place of the port with this id, and whether there is one.
func (d *Directory) FindPort(id string) (int, bool) {
	want, err := uuid.Parse(id)
	if err != nil || len(id) != 36 {
		return 0, false
	}
	return sort.Find(len(d.ports), func(i int) int { return bytes.Compare(want[:], d.ports[i].id[:]) })
}

// PortsOf are the places of the ports of the network with this id, in order.
func (d *Directory) PortsOf(networkID string) []int {
	var places []int
	if i, ok := d.byID[networkID]; ok {
		for _, place := range d.portsOf(i) {
			places = append(places, int(place))
		}
	}
	return places
}

func (d *Directory) portsOf(network int) []int32 {
	return d.ofNetworks[d.starts[network]:d.starts[network+1]]
}

// PortsWithIP are the places, in order, of the ports that have an address that is
// wanted. It goes through the hosts as they lie in memory, which is several times as
// fast as looking up the host of each port.
func (d *Directory) PortsWithIP(isWanted func(netip.Addr) bool) []int {
	places := []int{}
	found := map[MAC]bool{} // in one network
	for i := range d.networks {
		for h := range d.networks[i].Hosts.Values() {
			if slices.ContainsFunc(h.IPs, isWanted) {
				found[h.MAC] = true
			}
		}
		if len(found) == 0 {
			continue
		}
		for _, place := range d.portsOf(i) {
			if found[d.ports[place].mac] {
				places = append(places, int(place))
			}
		}
		clear(found)
	}
	slices.Sort(places)
	return places
}

// Port is a port of a Directory.
type Port struct {
	in *Directory
	at int
}

func (p Port) entry() *portEntry { return &p.in.ports[p.at] }

// ID is the port's UUID.
func (p Port) ID() string { return p.entry().id.String() }

// Compare is the order of two ports of one Directory by their ids.
func (p Port) Compare(o Port) int { return cmp.Compare(p.at, o.at) }

// MAC is the port's address.
func (p Port) MAC() MAC { return p.entry().mac }

// Network is the network that the port is in.
func (p Port) Network() *Network { return &p.in.networks[p.entry().network].Network }

// IPs are the port's addresses as far as known.
func (p Port) IPs() []netip.Addr { return p.host().IPs }

// HostName is the name of the host that the port is on, or "" if it has none.
func (p Port) HostName() string { return p.in.hostNames[p.host().VTEP] }

func (p Port) host() Host {
	h, _ := p.in.networks[p.entry().network].Hosts.Get(p.entry().mac)
	return h
}

// Details are what else is known of the port.
func (p Port) Details() *PortDetails { return cmp.Or(p.entry().details, &noDetails) }

// ProjectID is the project that the port belongs to, or "" if nobody knows.
func (p Port) ProjectID() string { return cmp.Or(p.Details().ProjectID, p.Network().ProjectID) }

// Status is what the inventory says of the port; no switch is asked.
func (p Port) Status() Status { return cmp.Or(p.Details().Status, StatusActive) }
