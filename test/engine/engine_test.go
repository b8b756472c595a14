package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) { os.Exit(product.Main{M: sqlserver.Main{M: m}}.Run()) }

const (
	netA = "aaaaaaaa-0000-4000-8000-000000000001"
	netB = "bbbbbbbb-0000-4000-8000-000000000002"
)

// inventoryFile has two networks and three compute nodes: net-a on 1 and 2, net-b on 2 and 3.
const inventoryFile = `
networks:
  - {id: ` + netA + `, name: net-a, vni: 5001, mtu: 1450}
  - {id: ` + netB + `, name: net-b, vni: 5002, mtu: 1450}
hosts:
  - {name: compute-1, vtep: 10.77.0.11}
  - {name: compute-2, vtep: 10.77.0.12}
  - {name: compute-3, vtep: 10.77.0.13}
ports:
  - {network: net-a, host: compute-1, mac: "fa:16:3e:00:00:01", ips: [10.5.0.11]}
  - {network: net-a, host: compute-2, mac: "fa:16:3e:00:00:02", ips: [10.5.0.12]}
  - {network: net-b, host: compute-2, mac: "fa:16:3e:00:00:03", ips: [10.6.0.13]}
  - {network: net-b, host: compute-3, mac: "fa:16:3e:00:00:04", ips: [10.6.0.14]}
`

// addSwitch gives a database a Physical_Switch with ports, as a switch does itself.
func addSwitch(s *ovsdbd.Server, name, tunnelIP string, ports ...string) {
	var ops, refs []string
	for i, p := range ports {
		ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"Physical_Port","uuid-name":"p%d","row":{"name":%q}}`, i, p))
		refs = append(refs, fmt.Sprintf(`["named-uuid","p%d"]`, i))
	}
	ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"Physical_Switch","uuid-name":"ps","row":{"name":%q,"tunnel_ips":%q,"ports":["set",[%s]]}}`,
		name, tunnelIP, strings.Join(refs, ",")))
	// Global has exactly one row; ovsdb-server does not make it by itself.
	if !strings.Contains(s.Transact("hardware_vtep", `{"op":"select","table":"Global","where":[],"columns":["_uuid"]}`), `"uuid"`) {
		ops = append(ops, `{"op":"insert","table":"Global","row":{}}`)
	}
	ops = append(ops, `{"op":"mutate","table":"Global","where":[],"mutations":[["switches","insert",["set",[["named-uuid","ps"]]]]]}`)
	s.Transact("hardware_vtep", strings.Join(ops, ","))
}

// startSwitch starts a database, which is reached over TLS where the product is split.
func startSwitch(t testing.TB, o ovsdbd.Options) *ovsdbd.Server {
	t.Helper()
	if product.Split() {
		_, each := product.SwitchFiles(t)
		o.TLS = each.SwitchArgs()
	}
	return ovsdbd.Start(t, o)
}

// twoSwitches is a database with ps1 and ps2, both with a port eth1.
func twoSwitches(t testing.TB) *ovsdbd.Server {
	s := startSwitch(t, ovsdbd.Options{})
	fill(s)
	return s
}

func fill(s *ovsdbd.Server) {
	addSwitch(s, "ps1", "10.77.0.1", "eth1", "eth2")
	addSwitch(s, "ps2", "10.77.0.2", "eth1", "eth2")
}

// wantA is what the database of twoSwitches must hold for net-a on ps1/eth1 VLAN 100.
func wantA() contents {
	return contents{
		LogicalSwitches: map[string]string{netA: "5001/source_node/net-a"},
		Bindings:        map[string]string{"ps1/eth1/100": netA},
		Unicast: map[string][]string{
			netA + " fa:16:3e:00:00:01": {"10.77.0.11 10.5.0.11"},
			netA + " fa:16:3e:00:00:02": {"10.77.0.12 10.5.0.12"},
		},
		Flood:    map[string][]string{netA + " unknown-dst": {"10.77.0.11", "10.77.0.12"}},
		Locators: []string{"10.77.0.11", "10.77.0.12"},
	}
}

// withB adds net-b on ps2/eth1 VLAN 200.
func withB(c contents) contents {
	c.LogicalSwitches[netB] = "5002/source_node/net-b"
	c.Bindings["ps2/eth1/200"] = netB
	c.Unicast[netB+" fa:16:3e:00:00:03"] = []string{"10.77.0.12 10.6.0.13"}
	c.Unicast[netB+" fa:16:3e:00:00:04"] = []string{"10.77.0.13 10.6.0.14"}
	c.Flood[netB+" unknown-dst"] = []string{"10.77.0.12", "10.77.0.13"}
	c.Locators = []string{"10.77.0.11", "10.77.0.12", "10.77.0.13"}
	return c
}

// waitFor waits until the database holds exactly this.
func waitFor(t testing.TB, s *ovsdbd.Server, want contents) {
	t.Helper()
	product.Eventually(t, "the switch holds what it should", func() error {
		if diff := cmp.Diff(want, read(t, s)); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
}

// waitReason waits until the connection has the status for a reason that says all of this.
func waitReason(t testing.TB, p *product.Product, connection, status string, says ...string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("the connection is %s and tells of %q", status, says), func() error {
		c := p.Connection(connection)
		reason := fmt.Sprint(c["status_reason"])
		if c["status"] != status || slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(reason, s) }) {
			return fmt.Errorf("it is %v: %s", c["status"], reason)
		}
		return nil
	})
}

// atLength is product.Eventually for what takes seconds also where nothing else runs.
func atLength(t testing.TB, what string, check func() error) {
	t.Helper()
	const patience = 5 * product.Patience
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v until %s: %v", patience, what, err)
		}
	}
}

// connectA binds net-a on ps1/eth1 VLAN 100 and waits until that is ACTIVE.
func connectA(t testing.TB, p *product.Product) (gateway, connection string) {
	t.Helper()
	gateway = p.CreateGateway("gw-a", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	connection = p.Connect(gateway, netA, "100")
	p.WaitStatus(connection, "ACTIVE")
	return gateway, connection
}

func connectB(t testing.TB, p *product.Product) (gateway, connection string) {
	t.Helper()
	gateway = p.CreateGateway("gw-b", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1", VLANs: []int{200}}}})
	connection = p.Connect(gateway, netB, "")
	p.WaitStatus(connection, "ACTIVE")
	return gateway, connection
}

func TestAConnectionIsExactlyItsRowsAndADeletedOneLeavesNothingOfOurs(t *testing.T) {
	s := twoSwitches(t)
	// Rows that somebody else wrote: a logical switch, its binding, its hosts.
	s.Transact("hardware_vtep", `
		{"op":"insert","table":"Logical_Switch","uuid-name":"ls","row":{"name":"theirs","tunnel_key":7000}},
		{"op":"mutate","table":"Physical_Port","where":[["name","==","eth1"]],"mutations":[["vlan_bindings","insert",["map",[[7,["named-uuid","ls"]]]]]]},
		{"op":"insert","table":"Physical_Locator","uuid-name":"l","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.99"}},
		{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:00:00:00:07","logical_switch":["named-uuid","ls"],"locator":["named-uuid","l"],"ipaddr":"10.7.0.7"}}`)
	before := read(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	_, a := connectA(t, p)
	_, b := connectB(t, p)

	want := withB(wantA())
	want.LogicalSwitches["theirs"] = "7000//"
	want.Bindings["ps1/eth1/7"], want.Bindings["ps2/eth1/7"] = "theirs", "theirs"
	want.Unicast["theirs 02:00:00:00:00:07"] = []string{"10.77.0.99 10.7.0.7"}
	want.Locators = append(want.Locators, "10.77.0.99")
	waitFor(t, s, want)

	p.Disconnect(a)
	p.Disconnect(b)
	waitFor(t, s, before)
}
