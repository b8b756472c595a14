package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"l2gw"
	"l2gw/internal/store"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// modelStore says the rules of intent with plain maps, in its own words.
type modelStore struct {
	gateways    map[string]modelGateway
	connections map[string]modelConnection
}

type modelGateway struct {
	name  string
	ports map[string][]l2gw.VLAN // by "device/interface"; nil: the connection's VLAN
}

type modelConnection struct {
	gateway, network string
	vlan             int // -1: none
}

// bound returns which network has which place; ok is false if two want one.
func (m *modelStore) bound() (places map[string]string, ok bool) {
	places, ok = map[string]string{}, true
	for _, c := range m.connections {
		for port, vlans := range m.gateways[c.gateway].ports {
			if vlans == nil {
				vlans = []l2gw.VLAN{l2gw.VLAN(c.vlan)}
			}
			for _, v := range vlans {
				place := fmt.Sprintf("%s %d", port, v)
				if _, taken := places[place]; taken {
					ok = false
				}
				places[place] = c.network
			}
		}
	}
	return places, ok
}

func (m *modelStore) connect(c modelConnection, id string) l2gw.Code {
	g, exists := m.gateways[c.gateway]
	if !exists && c.vlan >= 0 {
		return l2gw.NotFound
	}
	needs := !exists
	for _, vlans := range g.ports {
		needs = needs || vlans == nil
	}
	if needs != (c.vlan >= 0) {
		return l2gw.Invalid
	}
	for _, o := range m.connections {
		if o.gateway == c.gateway && o.network == c.network {
			return l2gw.Conflict
		}
	}
	m.connections[id] = c
	if _, ok := m.bound(); !ok {
		delete(m.connections, id)
		return l2gw.Conflict
	}
	return ""
}

// replace gives a gateway other ports for the devices named, and takes one away.
func (m *modelStore) replace(id, name string, ports map[string][]l2gw.VLAN, remove string) l2gw.Code {
	old, exists := m.gateways[id]
	if !exists {
		return l2gw.NotFound
	}
	device := func(port string) string { return port[:3] }
	g := modelGateway{name, map[string][]l2gw.VLAN{}}
	had := map[string]bool{} // device to: with VLANs of its own
	for port, vlans := range old.ports {
		had[device(port)] = vlans != nil
		g.ports[port] = vlans
	}
	for port := range ports {
		if device(port) == remove {
			return l2gw.Invalid
		}
	}
	if _, ok := had[remove]; remove != "" && !ok {
		return l2gw.NotFound
	}
	for port, vlans := range ports {
		if own, ok := had[device(port)]; ok && own != (vlans != nil) {
			return l2gw.Conflict
		}
	}
	for port := range g.ports {
		named := func(p string) bool { return device(p) == device(port) }
		if device(port) == remove || slices.ContainsFunc(slices.Collect(maps.Keys(ports)), named) {
			delete(g.ports, port)
		}
	}
	maps.Copy(g.ports, ports)
	if len(g.ports) == 0 {
		return l2gw.Invalid
	}
	for _, c := range m.connections {
		for _, vlans := range g.ports {
			if c.gateway == id && c.vlan < 0 && vlans == nil {
				return l2gw.Conflict
			}
		}
	}
	m.gateways[id] = g
	if _, ok := m.bound(); !ok {
		m.gateways[id] = old
		return l2gw.Conflict
	}
	return ""
}

func portsOf(devices []l2gw.Device) map[string][]l2gw.VLAN {
	ports := map[string][]l2gw.VLAN{}
	for _, d := range devices {
		for _, i := range d.Interfaces {
			ports[d.Name+"/"+i.Name] = i.VLANs
		}
	}
	return ports
}

// testModel runs random histories against a store and the model, and follows
// the bindings by the change log as a controller does.
func testModel(t *testing.T, fresh func(testing.TB) *store.Store) {
	s := fresh(t)
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		clear := func() {
			connections, err := s.Connections(ctx, store.Query{})
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range connections {
				if err := s.DeleteConnection(ctx, c.ID); err != nil {
					rt.Fatal(err)
				}
			}
			gateways, err := s.Gateways(ctx, store.Query{})
			if err != nil {
				rt.Fatal(err)
			}
			for _, g := range gateways {
				if err := s.DeleteGateway(ctx, g.ID); err != nil {
					rt.Fatal(err)
				}
			}
		}
		clear()
		model := &modelStore{map[string]modelGateway{}, map[string]modelConnection{}}
		followedRevision, err := s.Revision(ctx)
		if err != nil {
			rt.Fatal(err)
		}
		followed := map[l2gw.BindingKey]l2gw.Binding{}
		unknown := "00000000-0000-0000-0000-000000000000"
		gatewayIDs, connectionIDs := []string{unknown}, []string{unknown}

		devices := rapid.Custom(func(t *rapid.T) []l2gw.Device {
			var list []l2gw.Device
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ps1", "ps2", "ps3"}), 1, 2, rapid.ID).Draw(t, "devices") {
				own := rapid.Bool().Draw(t, "own VLANs")
				d := l2gw.Device{Name: name}
				for _, iface := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"eth1", "eth2", "eth3"}), 1, 3, rapid.ID).Draw(t, "interfaces") {
					i := l2gw.Interface{Name: iface}
					if own {
						i.VLANs = rapid.SliceOfNDistinct(rapid.SampledFrom([]l2gw.VLAN{0, 1, 2, 3}), 1, 2, rapid.ID).Draw(t, "vlans")
					}
					d.Interfaces = append(d.Interfaces, i)
				}
				list = append(list, d)
			}
			return list
		})
		want := func(err error, code l2gw.Code) {
			if got := l2gw.ErrorCode(err); got != code {
				rt.Fatalf("the store says %q (%v), the model %q", got, err, code)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create gateways": func(t *rapid.T) {
				var in []l2gw.Gateway
				for range rapid.IntRange(1, 2).Draw(t, "number") {
					in = append(in, l2gw.Gateway{Name: rapid.StringN(0, 5, -1).Filter(noNUL).Draw(t, "name"), Devices: devices.Draw(t, "devices")})
				}
				created, err := s.CreateGateways(ctx, in)
				want(err, "")
				for i, g := range created {
					model.gateways[g.ID] = modelGateway{in[i].Name, portsOf(in[i].Devices)}
					gatewayIDs = append(gatewayIDs, g.ID)
				}
			},
			"update gateway": func(t *rapid.T) {
				id := rapid.SampledFrom(gatewayIDs).Draw(t, "gateway")
				u := l2gw.GatewayUpdate{Name: new(rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "name"))}
				if rapid.Bool().Draw(t, "change devices") {
					u.Devices = devices.Draw(t, "devices")
				}
				remove := rapid.SampledFrom([]string{"", "", "ps1", "ps3"}).Draw(t, "remove")
				if remove != "" {
					u.RemoveDevices = []string{remove}
				}
				code := model.replace(id, *u.Name, portsOf(u.Devices), remove)
				_, err := s.UpdateGateway(ctx, id, update(u))
				want(err, code)
			},
			"delete gateway": func(t *rapid.T) {
				id := rapid.SampledFrom(gatewayIDs).Draw(t, "gateway")
				code := l2gw.NotFound
				if _, exists := model.gateways[id]; exists {
					code = ""
					for _, c := range model.connections {
						if c.gateway == id {
							code = l2gw.Conflict
						}
					}
				}
				want(s.DeleteGateway(ctx, id), code)
				if code == "" {
					delete(model.gateways, id)
				}
			},
			"connect": func(t *rapid.T) {
				c := modelConnection{
					gateway: rapid.SampledFrom(gatewayIDs).Draw(t, "gateway"),
					network: rapid.SampledFrom([]string{"net-a", "net-b", "net-c"}).Draw(t, "network"),
					vlan:    rapid.IntRange(-1, 3).Draw(t, "vlan"),
				}
				in := l2gw.Connection{GatewayID: c.gateway, NetworkID: c.network}
				if c.vlan >= 0 {
					in.VLAN = new(l2gw.VLAN(c.vlan))
				}
				created, err := s.CreateConnection(ctx, in)
				id := created.ID
				if err != nil {
					id = "refused"
				}
				want(err, model.connect(c, id))
				if err == nil {
					connectionIDs = append(connectionIDs, id)
				}
			},
			"disconnect": func(t *rapid.T) {
				id := rapid.SampledFrom(connectionIDs).Draw(t, "connection")
				code := l2gw.NotFound
				if _, exists := model.connections[id]; exists {
					code = ""
				}
				want(s.DeleteConnection(ctx, id), code)
				delete(model.connections, id)
			},
			"list": func(*rapid.T) {
				gateways, err := s.Gateways(ctx, store.Query{})
				if err != nil {
					rt.Fatal(err)
				}
				shown := map[string]modelGateway{}
				for _, g := range gateways {
					shown[g.ID] = modelGateway{g.Name, portsOf(g.Devices)}
				}
				if diff := cmp.Diff(model.gateways, shown, cmp.AllowUnexported(modelGateway{}), cmpopts.EquateEmpty()); diff != "" {
					rt.Fatalf("gateways (-model +store)\n%s", diff)
				}
				connections, err := s.Connections(ctx, store.Query{})
				if err != nil {
					rt.Fatal(err)
				}
				if len(connections) != len(model.connections) {
					rt.Fatalf("%d connections, want %d", len(connections), len(model.connections))
				}
			},
			"": func(*rapid.T) {
				places, _ := model.bound()
				revision, list, err := s.Bindings(ctx)
				if err != nil {
					rt.Fatal(err)
				}
				held := map[l2gw.BindingKey]l2gw.Binding{}
				got := map[string]string{}
				for _, b := range list {
					held[b.BindingKey] = b
					got[fmt.Sprintf("%s/%s %d", b.Device, b.Interface, b.VLAN)] = b.NetworkID
				}
				if diff := cmp.Diff(places, got); diff != "" {
					rt.Fatalf("bindings (-model +store)\n%s", diff)
				}
				to, changes, complete, err := s.Changes(ctx, followedRevision)
				if err != nil || !complete || to != revision {
					rt.Fatalf("Changes(%d) = %d, complete %v, %v; the revision is %d", followedRevision, to, complete, err, revision)
				}
				for _, c := range changes {
					if c.Set {
						followed[c.BindingKey] = c.Binding
					} else if _, had := followed[c.BindingKey]; !had {
						rt.Fatalf("%s is said to be gone and was not there", c.BindingKey)
					} else {
						delete(followed, c.BindingKey)
					}
				}
				followedRevision = to
				if diff := cmp.Diff(held, followed); diff != "" {
					rt.Fatalf("the changes do not lead to the bindings (-bindings +followed)\n%s", diff)
				}
			},
		})
	})
}

func noNUL(s string) bool { return !strings.ContainsRune(s, 0) }
