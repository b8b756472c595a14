package scale

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"l2gw"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// A cloud is how much there is. Each network is bound on the
// databases of one gateway, but for network 0: it is bound on wide databases.
type cloud struct {
	Agents, PerAgent int
	Networks, Hosts  int // Hosts: of each network
	Nodes            int // compute nodes; each has hosts of all networks
	Gateway          int // databases of a gateway
	Wide             int
}

func (c cloud) databases() int       { return c.Agents * c.PerAgent }
func (c cloud) gateways() int        { return c.databases() / c.Gateway }
func (c cloud) device(d int) string  { return fmt.Sprintf("switch-%d", d) }
func (c cloud) network(n int) string { return fmt.Sprintf("cccccccc-0000-4000-8000-%012d", n) }

func (c cloud) tunnel(d int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 99, byte(d >> 8), byte(d)})
}

func (c cloud) node(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 98, byte(n >> 8), byte(n)}) }

// isWide tells whether network 0 is bound on a database.
func (c cloud) isWide(d int) bool {
	step := c.databases() / c.Wide
	return d%step == 0 && d/step < c.Wide
}

// bound are the networks that are bound on a database.
func (c cloud) bound(d int) (networks []int) {
	if c.isWide(d) {
		networks = append(networks, 0)
	}
	for n := d / c.Gateway; n < c.Networks; n += c.gateways() {
		if n > 0 {
			networks = append(networks, n)
		}
	}
	return networks
}

// vteps is how many VTEPs a network has.
func (c cloud) vteps(network int) int {
	if network == 0 {
		return c.Nodes + c.Wide
	}
	return c.Nodes + c.Gateway
}

func (c cloud) host(network, i int) l2gw.Host {
	return l2gw.Host{
		MAC:  l2gw.MAC{0xfa, 0x16, byte(network >> 8), byte(network), byte(i >> 8), byte(i)},
		VTEP: c.node(i % c.Nodes),
		IPs:  []netip.Addr{netip.AddrFrom4([4]byte{10, byte(network >> 8), byte(network), byte(i)})},
	}
}

// fill makes the gateways and connections in the store.
func (c cloud) fill(ctx context.Context, st *store.Store) error {
	ids := make([]string, c.gateways())
	for g := range ids {
		gw := l2gw.Gateway{ProjectID: "p", Name: fmt.Sprint("gateway-", g)}
		for d := g * c.Gateway; d < (g+1)*c.Gateway; d++ {
			gw.Devices = append(gw.Devices, l2gw.Device{Name: c.device(d), Interfaces: []l2gw.Interface{{Name: "eth1"}}})
		}
		gw, err := st.CreateGateway(ctx, gw)
		if err != nil {
			return err
		}
		ids[g] = gw.ID
	}
	wide := l2gw.Gateway{ProjectID: "p", Name: "wide"}
	for d := range c.databases() {
		if c.isWide(d) {
			wide.Devices = append(wide.Devices, l2gw.Device{Name: c.device(d), Interfaces: []l2gw.Interface{{Name: "eth2"}}})
		}
	}
	wide, err := st.CreateGateway(ctx, wide)
	if err != nil {
		return err
	}
	connections := []l2gw.Connection{{ProjectID: "p", GatewayID: wide.ID, NetworkID: c.network(0), VLAN: new(l2gw.VLAN(1))}}
	for n := 1; n < c.Networks; n++ {
		connections = append(connections, l2gw.Connection{
			ProjectID: "p", GatewayID: ids[n%c.gateways()], NetworkID: c.network(n), VLAN: new(l2gw.VLAN(n/c.gateways() + 1)),
		})
	}
	const bulk = 512
	for len(connections) > 0 {
		n := min(bulk, len(connections))
		if _, err := st.CreateConnections(ctx, connections[:n]); err != nil {
			return err
		}
		connections = connections[n:]
	}
	return nil
}

// generated is the inventory of a cloud. Each word on more adds a host to network 0.
type generated struct {
	cloud
	more <-chan int
}

// Run implements inventory.Source.
func (g generated) Run(ctx context.Context, sink inventory.Sink) error {
	u := inventory.Update{Began: time.Now(), Complete: true}
	for n := range g.Networks {
		seg := &l2gw.Segment{NetworkID: g.network(n), Name: fmt.Sprint("net-", n), VNI: l2gw.VNI(10_000 + n), MTU: 1450}
		for i := range g.Nodes {
			seg.VTEPs = append(seg.VTEPs, g.node(i))
		}
		txn := seg.Hosts.Txn()
		for i := range g.Hosts {
			h := g.host(n, i)
			txn.Set(h.MAC, h)
		}
		seg.Hosts = txn.Commit()
		u.Changed = append(u.Changed, inventory.Change{Segment: seg})
	}
	first := u.Changed[0].Segment
	sink.Inventory(u)
	u.Changed = nil
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case i := <-g.more:
			seg, h := *first, g.host(0, i)
			seg.Hosts = seg.Hosts.Set(h.MAC, h)
			first = &seg
			sink.Inventory(inventory.Update{Began: time.Now(), Changed: []inventory.Change{{
				Segment: first, Delta: &inventory.Delta{Set: []l2gw.Host{h}},
			}}})
		}
	}
}
