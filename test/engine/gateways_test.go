package engine

import (
	"fmt"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// twoDatabases are two switches in a database each, net-a connected to both.
func twoDatabases(t *testing.T) (one, two *ovsdbd.Server, p *product.Product, c string) {
	t.Helper()
	one, two = startSwitch(t, ovsdbd.Options{}), startSwitch(t, ovsdbd.Options{})
	addSwitch(one, "ps1", "10.77.0.1", "eth1")
	addSwitch(two, "ps2", "10.77.0.2", "eth1")
	watch(t, one)
	watch(t, two)
	p = product.Start(t, inventoryFile, "one:"+one.Endpoint(), "two:"+two.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	c = p.Connect(gw, netA, "100")
	p.WaitStatus(c, "ACTIVE")
	return one, two, p, c
}

// learn is what a switch does when it hears a host on a port: it writes the MAC
// with its own tunnel IP. If it had it already, it does nothing.
func learn(t testing.TB, s *ovsdbd.Server, tunnelIP, mac string) {
	t.Helper()
	locator := `["named-uuid","l"]`
	ops := `{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"` + tunnelIP + `"}},`
	for uuid, r := range dump(t, s)["Physical_Locator"].rows {
		if r["dst_ip"] == tunnelIP {
			locator, ops = `["uuid","`+uuid+`"]`, ""
		}
	}
	s.Transact("hardware_vtep", ops+`{"op":"insert","table":"Ucast_Macs_Local","row":{"MAC":"`+mac+`","logical_switch":["uuid","`+
		logicalSwitch(t, s, netA)+`"],"locator":`+locator+`,"ipaddr":""}}`)
}

func unlearn(s *ovsdbd.Server, mac string) {
	s.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Local","where":[["MAC","==","`+mac+`"]]}`)
}

// waitUnicast waits until net-a's MAC is behind the VTEP, or nowhere if "".
func waitUnicast(t testing.TB, s *ovsdbd.Server, mac, vtep string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("%s is behind %q", mac, vtep), func() error {
		if got := strings.Join(read(t, s).Unicast[netA+" "+mac], ","); got != vtep {
			return fmt.Errorf("it is behind %q", got)
		}
		return nil
	})
}

func TestTwoGatewaysOfANetworkKnowOneAnotherAndTheirHosts(t *testing.T) {
	one, two, _, _ := twoDatabases(t)
	a, b := wantA(), wantA()
	a.Flood[netA+" unknown-dst"] = []string{"10.77.0.11", "10.77.0.12", "10.77.0.2"}
	a.Locators = a.Flood[netA+" unknown-dst"]
	b.Flood[netA+" unknown-dst"] = []string{"10.77.0.1", "10.77.0.11", "10.77.0.12"}
	b.Locators = b.Flood[netA+" unknown-dst"]
	b.Bindings = map[string]string{"ps2/eth1/100": netA}
	waitFor(t, one, a)
	waitFor(t, two, b)

	const host = "02:00:00:00:b1:01"
	learn(t, one, "10.77.0.1", host)
	waitUnicast(t, two, host, "10.77.0.1")
	waitUnicast(t, one, host, "") // its own host is not remote

	// The host moves to the other switch: the newest word wins, in place.
	learn(t, two, "10.77.0.2", host)
	waitUnicast(t, one, host, "10.77.0.2")
	waitUnicast(t, two, host, "")
}

func TestALearnedMACThatTheInventoryKnowsElsewhereIsNotBelieved(t *testing.T) {
	one, two, p, c := twoDatabases(t)
	const vm = "fa:16:3e:00:00:01" // behind compute-1
	learn(t, one, "10.77.0.1", vm)
	waitReason(t, p, c, "DEGRADED", vm)
	waitUnicast(t, two, vm, "10.77.0.11 10.5.0.11")
	waitUnicast(t, one, vm, "10.77.0.11 10.5.0.11")
	unlearn(one, vm)
	p.WaitStatus(c, "ACTIVE")
}

// RFC 7432 §15.1: more than 5 moves in 180 s.
func TestAMACThatFlapsIsFrozenAndReported(t *testing.T) {
	one, two, p, c := twoDatabases(t)
	const host = "02:00:00:00:b1:02"
	learn(t, one, "10.77.0.1", host)
	waitUnicast(t, two, host, "10.77.0.1")
	for range 5 {
		learn(t, two, "10.77.0.2", host)
		unlearn(one, host)
		waitUnicast(t, one, host, "10.77.0.2")
		learn(t, one, "10.77.0.1", host)
		unlearn(two, host)
		product.Eventually(t, "the move back is heard, or the MAC frozen", func() error {
			if got := read(t, two).Unicast[netA+" "+host]; strings.Join(got, ",") == "10.77.0.1" {
				return nil
			}
			if p.Connection(c)["status"] == "DEGRADED" {
				return nil
			}
			return fmt.Errorf("neither")
		})
		if p.Connection(c)["status"] == "DEGRADED" {
			break
		}
	}
	waitReason(t, p, c, "DEGRADED", host)
}
