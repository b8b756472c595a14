package engine

import (
	"fmt"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// setTunnelIPs is a switch that says it has these tunnel IPs now.
func setTunnelIPs(s *ovsdbd.Server, ips ...string) {
	s.Transact("hardware_vtep", `{"op":"update","table":"Physical_Switch","where":[],"row":{"tunnel_ips":["set",["`+strings.Join(ips, `","`)+`"]]}}`)
}

// waitFlood waits until the flood set of net-a is these VTEPs.
func waitFlood(t testing.TB, s *ovsdbd.Server, vteps ...string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("the flood set is %v", vteps), func() error {
		if got := read(t, s).Flood[netA+" unknown-dst"]; strings.Join(got, " ") != strings.Join(vteps, " ") {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// waitDevice waits until the device has the status and its reason says this.
func waitDevice(t testing.TB, p *product.Product, name, status, says string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("device %s is %s and says %q", name, status, says), func() error {
		_, out := p.Do("GET", "/v2.0/l2-gateway-devices/"+name, nil)
		d, _ := out["l2_gateway_device"].(product.Object)
		if d["status"] != status || !strings.Contains(fmt.Sprint(d["status_reason"]), says) {
			return fmt.Errorf("it is %v: %v", d["status"], d["status_reason"])
		}
		return nil
	})
}

// compute-3 has no port on net-a: nobody but the impostor would send net-a's
// broadcasts there.
func TestASwitchThatClaimsAComputeNodesTunnelIPIsRefused(t *testing.T) {
	one, two, p, c := twoDatabases(t)
	waitFlood(t, one, "10.77.0.11", "10.77.0.12", "10.77.0.2")
	const compute3, host = "10.77.0.13", "02:00:00:00:b1:01"
	learn(t, two, "10.77.0.2", host)
	waitUnicast(t, one, host, "10.77.0.2")

	setTunnelIPs(two, compute3)
	const why = "tunnel IP 10.77.0.13 of switch ps2 is refused: it is that of a compute node"
	waitFlood(t, one, "10.77.0.11", "10.77.0.12") // neither where it was nor where it says that it is
	waitDevice(t, p, "ps2", "ERROR", why)
	waitDevice(t, p, "ps1", "ACTIVE", "")
	waitReason(t, p, c, "DEGRADED", why, "1 of 2")
	waitLog(t, p, "a tunnel IP is refused", "database=two", "tunnel_ip="+compute3)
	// Its word on where hosts are is not taken either. A host of ps1 that is
	// learned later shows that it was heard.
	unlearn(two, host)
	learn(t, two, compute3, "02:00:00:00:b1:02")
	learn(t, one, "10.77.0.1", "02:00:00:00:b1:03")
	waitUnicast(t, two, "02:00:00:00:b1:03", "10.77.0.1")
	product.Eventually(t, "the switch's own view shows that it learned the MAC", func() error {
		if _, out := p.Do("GET", "/v2.0/l2-gateway-devices/ps2/macs", nil); !strings.Contains(fmt.Sprint(out), "02:00:00:00:b1:02") {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
	waitUnicast(t, one, "02:00:00:00:b1:02", "")
	waitUnicast(t, one, host, "")

	setTunnelIPs(two, "10.77.0.2")
	p.WaitStatus(c, "ACTIVE")
	waitFlood(t, one, "10.77.0.11", "10.77.0.12", "10.77.0.2")
	waitDevice(t, p, "ps2", "ACTIVE", "")
}

func TestASwitchWithOneGoodTunnelIPIsReachedThere(t *testing.T) {
	one, two, p, c := twoDatabases(t)
	setTunnelIPs(two, "10.77.0.2", "10.77.0.13")
	waitReason(t, p, c, "DEGRADED", "10.77.0.13 of switch ps2 is refused")
	waitFlood(t, one, "10.77.0.11", "10.77.0.12", "10.77.0.2")
}

func TestASwitchThatClaimsAnothersTunnelIPDoesNotGetIt(t *testing.T) {
	one, two, third := startSwitch(t, ovsdbd.Options{}), startSwitch(t, ovsdbd.Options{}), startSwitch(t, ovsdbd.Options{})
	addSwitch(one, "ps1", "10.77.0.1", "eth1")
	addSwitch(two, "ps2", "10.77.0.2", "eth1")
	p := product.Start(t, inventoryFile, "one:"+one.Endpoint(), "two:"+two.Endpoint(), "three:"+third.Endpoint())
	both := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(both, netA, "100")
	p.WaitStatus(c, "ACTIVE")
	const host = "02:00:00:00:b1:01"
	learn(t, one, "10.77.0.1", host)
	waitUnicast(t, two, host, "10.77.0.1")

	addSwitch(third, "ps3", "10.77.0.1", "eth1")
	waitDevice(t, p, "ps3", "ERROR", "switch ps1 in database one has it")
	waitDevice(t, p, "ps1", "ACTIVE", "")
	gw := p.CreateGateway("gw3", product.Device{Name: "ps3", Interfaces: []product.Interface{{Name: "eth1"}}})
	c3 := p.Connect(gw, netA, "100")
	waitReason(t, p, c3, "ERROR", "tunnel IP 10.77.0.1 of switch ps3 is refused: switch ps1 in database one has it")
	p.WaitStatus(c, "ACTIVE")
	// Also while the first one is away, the address is its own.
	one.Stop()
	waitDevice(t, p, "ps1", "DOWN", "")
	waitDevice(t, p, "ps3", "ERROR", "switch ps1 in database one has it")
	waitUnicast(t, two, host, "10.77.0.1")
	one.Run()
	// When the first one has another address, the second may have it.
	setTunnelIPs(one, "10.77.0.9")
	p.WaitStatus(c3, "ACTIVE")
	waitFlood(t, two, "10.77.0.1", "10.77.0.11", "10.77.0.12", "10.77.0.9")
}

func TestAComputeNodeThatComesLaterTakesItsAddressFromASwitch(t *testing.T) {
	_, two, p, c := twoDatabases(t)
	waitFlood(t, two, "10.77.0.1", "10.77.0.11", "10.77.0.12")
	p.WriteInventory(strings.Replace(inventoryFile, "10.77.0.13", "10.77.0.1", 1))
	waitReason(t, p, c, "DEGRADED", "tunnel IP 10.77.0.1 of switch ps1 is refused")
	waitFlood(t, two, "10.77.0.11", "10.77.0.12")
	p.WriteInventory(inventoryFile)
	p.WaitStatus(c, "ACTIVE")
	waitFlood(t, two, "10.77.0.1", "10.77.0.11", "10.77.0.12")
}
