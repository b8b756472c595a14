package engine

import (
	"fmt"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// connected is a product with net-a and net-b connected to the switches of s.
func connected(t *testing.T) (*ovsdbd.Server, *product.Product, [2]string) {
	t.Helper()
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	_, a := connectA(t, p)
	_, b := connectB(t, p)
	waitFor(t, s, withB(wantA()))
	return s, p, [2]string{a, b}
}

func TestASwitchThatLosesItsDatabaseIsRestored(t *testing.T) {
	s, p, conns := connected(t)
	s.Wipe()
	fill(s)
	waitFor(t, s, withB(wantA()))
	for _, c := range conns {
		p.WaitStatus(c, "ACTIVE")
	}
}

// The wipe happens while nobody looks: the product is dead, and starts again.
func TestASwitchThatWasWipedWhileTheProductWasDeadIsRestored(t *testing.T) {
	s, p, conns := connected(t)
	p.Kill()
	s.Wipe()
	fill(s)
	p.Run()
	waitFor(t, s, withB(wantA()))
	for _, c := range conns {
		p.WaitStatus(c, "ACTIVE")
	}
}

// The switch itself says who it is only some time after it came back empty.
func TestASwitchThatComesBackWithoutItsPortsKeepsTheConnections(t *testing.T) {
	s, p, conns := connected(t)
	s.Wipe()
	product.Eventually(t, "the status tells", func() error {
		if c := p.Connection(conns[0]); c["status"] == "ACTIVE" || c["status_reason"] == "" {
			return fmt.Errorf("%v: %v", c["status"], c["status_reason"])
		}
		return nil
	})
	fill(s)
	waitFor(t, s, withB(wantA()))
	p.WaitStatus(conns[0], "ACTIVE")
}

func TestRowsChangedByHandAreMended(t *testing.T) {
	s, _, _ := connected(t)
	for what, ops := range map[string]string{
		"a unicast row is deleted":     `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","fa:16:3e:00:00:01"]]}`,
		"all unicast rows are deleted": `{"op":"delete","table":"Ucast_Macs_Remote","where":[]}`,
		"the flood sets are deleted":   `{"op":"delete","table":"Mcast_Macs_Remote","where":[]}`,
		"a MAC's address is changed":   `{"op":"update","table":"Ucast_Macs_Remote","where":[["MAC","==","fa:16:3e:00:00:01"]],"row":{"ipaddr":"1.2.3.4"}}`,
		"a binding is taken away":      `{"op":"update","table":"Physical_Port","where":[["name","==","eth1"]],"row":{"vlan_bindings":["map",[]]}}`,
		"a network's name is changed":  `{"op":"update","table":"Logical_Switch","where":[["name","==","` + netA + `"]],"row":{"description":"x","replication_mode":"service_node"}}`,
		"a stale host is added": `
			{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.77"}},
			{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:00:00:00:77","logical_switch":["uuid","LS-A"],"locator":["named-uuid","l"],"ipaddr":""}}`,
		"a host is duplicated": `
			{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.77"}},
			{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"fa:16:3e:00:00:01","logical_switch":["uuid","LS-A"],"locator":["named-uuid","l"],"ipaddr":""}}`,
		"our network is bound elsewhere": `
			{"op":"mutate","table":"Physical_Port","where":[["name","==","eth2"]],"mutations":[["vlan_bindings","insert",["map",[[55,["uuid","LS-A"]]]]]]}`,
		"the logical switch is deleted": `
			{"op":"update","table":"Physical_Port","where":[],"row":{"vlan_bindings":["map",[]]}},
			{"op":"delete","table":"Ucast_Macs_Remote","where":[]},
			{"op":"delete","table":"Mcast_Macs_Remote","where":[]},
			{"op":"delete","table":"Logical_Switch","where":[]}`,
	} {
		t.Run(what, func(t *testing.T) {
			s.Transact("hardware_vtep", strings.ReplaceAll(ops, "LS-A", logicalSwitch(t, s, netA)))
			waitFor(t, s, withB(wantA()))
		})
	}
}

func logicalSwitch(t testing.TB, s *ovsdbd.Server, name string) string {
	t.Helper()
	for uuid, r := range dump(t, s)["Logical_Switch"].rows {
		if r["name"] == name {
			return uuid
		}
	}
	t.Fatalf("there is no logical switch %s", name)
	return ""
}

// manyHosts is an inventory with n hosts on net-a, behind three compute nodes.
func manyHosts(n int) string {
	var b strings.Builder
	b.WriteString(strings.Split(inventoryFile, "ports:")[0] + "ports:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {network: net-a, host: compute-%d, mac: \"fa:16:3e:01:%02x:%02x\", ips: [10.5.%d.%d]}\n",
			i%3+1, i>>8, i&255, 100+i>>8, i&255)
	}
	return b.String()
}

func unicastRows(t testing.TB, s *ovsdbd.Server) int {
	t.Helper()
	return strings.Count(s.Dump("hardware_vtep", "Ucast_Macs_Remote", "MAC"), "fa:16:3e:01")
}

func waitRows(t testing.TB, s *ovsdbd.Server, n int) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("the switch has %d unicast rows", n), func() error {
		if got := unicastRows(t, s); got != n {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
}

func TestASwitchKilledInTheMiddleOfLargeTransactionsEndsUpComplete(t *testing.T) {
	const hosts = 5_000
	s := twoSwitches(t)
	p := product.Start(t, manyHosts(hosts), "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	for range 3 {
		// As soon as some rows have arrived, and not all.
		before := unicastRows(t, s)
		product.Eventually(t, "more rows arrive", func() error {
			if n := unicastRows(t, s); n <= before && n < hosts {
				return fmt.Errorf("%d rows", n)
			}
			return nil
		})
		s.Kill()
		s.Run()
	}
	waitRows(t, s, hosts)
	p.WaitStatus(c, "ACTIVE")
}

func TestAThousandRowsAreRestoredOnceTheSwitchIsBack(t *testing.T) {
	const hosts = 1_000
	s := twoSwitches(t)
	p := product.Start(t, manyHosts(hosts), "tor:"+s.Endpoint())
	connectA(t, p)
	waitRows(t, s, hosts)
	s.Wipe()
	fill(s)
	waitRows(t, s, hosts)
}

func TestTheProductKilledAtAnyMomentLosesNoAcknowledgedIntent(t *testing.T) {
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	p.Connect(gw, netA, "100") // acknowledged
	p.Kill()
	p.Run()
	waitFor(t, s, wantA())
	gwB := p.CreateGateway("gw-b", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1", VLANs: []int{200}}}})
	b := p.Connect(gwB, netB, "")
	p.Kill()
	p.Run()
	waitFor(t, s, withB(wantA()))
	p.Disconnect(b)
	p.Kill()
	p.Run()
	waitFor(t, s, wantA())
}

func TestTheInventoryMayChangeWhileAllIsDown(t *testing.T) {
	s, p, _ := connected(t)
	p.Kill()
	s.Stop()
	p.WriteInventory(strings.NewReplacer(
		`host: compute-1, mac: "fa:16:3e:00:00:01"`, `host: compute-3, mac: "fa:16:3e:00:00:01"`, // moved
		`  - {network: net-a, host: compute-2, mac: "fa:16:3e:00:00:02", ips: [10.5.0.12]}`+"\n", "", // gone
	).Replace(inventoryFile) + `  - {network: net-a, host: compute-3, mac: "fa:16:3e:00:00:05", ips: [10.5.0.15]}` + "\n")
	s.Run()
	p.Run()
	want := withB(wantA())
	want.Unicast[netA+" fa:16:3e:00:00:01"] = []string{"10.77.0.13 10.5.0.11"}
	want.Unicast[netA+" fa:16:3e:00:00:05"] = []string{"10.77.0.13 10.5.0.15"}
	delete(want.Unicast, netA+" fa:16:3e:00:00:02")
	want.Flood[netA+" unknown-dst"] = []string{"10.77.0.13"}
	want.Locators = []string{"10.77.0.12", "10.77.0.13"}
	waitFor(t, s, want)
}

func TestAPortThatVanishesKeepsItsConnectionAndGetsItsRowsBack(t *testing.T) {
	s, p, conns := connected(t)
	s.Transact("hardware_vtep", `{"op":"update","table":"Physical_Switch","where":[["name","==","ps1"]],"row":{"ports":["set",[]]}}`)
	waitReason(t, p, conns[0], "DOWN", "eth1")
	s.Transact("hardware_vtep", `
		{"op":"insert","table":"Physical_Port","uuid-name":"p","row":{"name":"eth1"}},
		{"op":"mutate","table":"Physical_Switch","where":[["name","==","ps1"]],"mutations":[["ports","insert",["set",[["named-uuid","p"]]]]]}`)
	p.WaitStatus(conns[0], "ACTIVE")
	want := withB(wantA())
	waitFor(t, s, want)
}

func TestAPortFaultIsToldInTheStatus(t *testing.T) {
	s, p, conns := connected(t)
	fault := func(v string) {
		s.Transact("hardware_vtep", `{"op":"update","table":"Physical_Port","where":[["name","==","eth1"]],"row":{"port_fault_status":`+v+`}}`)
	}
	fault(`"no_such_transceiver"`)
	waitReason(t, p, conns[0], "DOWN", "no_such_transceiver")
	fault(`["set",[]]`)
	p.WaitStatus(conns[0], "ACTIVE")
}
