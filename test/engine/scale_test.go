package engine

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"l2gw/test/product"
)

// manyNetworks is an inventory of n networks with a host each.
func manyNetworks(n int) string {
	var networks, ports strings.Builder
	for i := range n {
		fmt.Fprintf(&networks, "  - {id: %s, name: net-%d, vni: %d}\n", networkID(i), i, 10_000+i)
		fmt.Fprintf(&ports, "  - {network: net-%d, host: compute-1, mac: \"fa:16:3e:09:%02x:%02x\", ips: []}\n", i, i>>8, i&255)
	}
	return "networks:\n" + networks.String() + "hosts: [{name: compute-1, vtep: 10.77.0.11}]\nports:\n" + ports.String()
}

func networkID(i int) string { return fmt.Sprintf("cccccccc-0000-4000-8000-%012d", i) }

// trunk is a port to which thousands of networks are connected, each with a VLAN.
type trunk struct {
	*product.Product
	networks int
}

func connectTrunk(t testing.TB, p *product.Product, networks int) trunk {
	t.Helper()
	const bulk = 500
	gw := p.CreateGateway("trunk", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	for at := 0; at < networks; at += bulk {
		var all []product.Object
		for i := at; i < min(at+bulk, networks); i++ {
			all = append(all, product.Object{"l2_gateway_id": gw, "network_id": networkID(i), "segmentation_id": fmt.Sprint(i + 1)})
		}
		status, out := p.Do("POST", "/v2.0/l2-gateway-connections", product.Object{"l2_gateway_connections": all})
		if status != http.StatusCreated {
			t.Fatalf("%d %v", status, out)
		}
	}
	return trunk{p, networks}
}

// active says whether all connections are.
func (t trunk) active() error {
	_, out := t.Do("GET", "/v2.0/l2-gateway-connections?fields=status", nil)
	list, _ := out["l2_gateway_connections"].([]any)
	active := 0
	for _, c := range list {
		if c.(product.Object)["status"] == "ACTIVE" {
			active++
		}
	}
	if active != t.networks {
		return fmt.Errorf("%d of %d", active, len(list))
	}
	return nil
}

// A VLAN trunk has room for 4,094 networks; none of them waits for the others.
func TestThousandsOfNetworksOnOnePortAreWrittenAndFoundRightAfterARestart(t *testing.T) {
	const networks = 3_000
	s := twoSwitches(t)
	p := connectTrunk(t, product.Start(t, manyNetworks(networks), "tor:"+s.Endpoint()), networks)
	atLength(t, "all are ACTIVE", p.active)
	p.Kill()
	p.Run()
	atLength(t, "all are ACTIVE again", p.active)
	got := read(t, s)
	if len(got.LogicalSwitches) != networks || len(got.Bindings) != networks || len(got.Unicast) != networks || len(got.Flood) != networks {
		t.Errorf("%d logical switches, %d bindings, %d unicast rows, %d flood sets, want %d of each",
			len(got.LogicalSwitches), len(got.Bindings), len(got.Unicast), len(got.Flood), networks)
	}
}

// From the start of the process until 3,000 networks on one port are told to be ACTIVE.
func BenchmarkRestartWithThreeThousandNetworksOnOnePort(b *testing.B) {
	const networks = 3_000
	s := twoSwitches(b)
	p := connectTrunk(b, product.Start(b, manyNetworks(networks), "tor:"+s.Endpoint()), networks)
	atLength(b, "all are ACTIVE", p.active)
	var took time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		p.Kill()
		b.StartTimer()
		start := time.Now()
		p.Run()
		atLength(b, "all are ACTIVE again", p.active)
		took += time.Since(start)
	}
	target(b, "restart-s", took.Seconds()/float64(b.N), 5.0)
}
