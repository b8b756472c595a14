package fabric

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) {
	code := product.Main{M: sqlserver.Main{M: m}}.Run()
	removeFirst()
	os.Exit(code)
}

const netA = "aaaaaaaa-0000-4000-8000-000000000001"

// inventory has net-a with n hosts, behind three compute nodes.
func inventory(n int) string {
	var b strings.Builder
	b.WriteString(`
networks:
  - {id: ` + netA + `, name: net-a, vni: 5001, mtu: 1450}
hosts:
  - {name: compute-1, vtep: 10.77.0.11}
  - {name: compute-2, vtep: 10.77.0.12}
  - {name: compute-3, vtep: 10.77.0.13}
ports:
`)
	for i := range n {
		fmt.Fprintf(&b, "  - {network: net-a, host: compute-%d, mac: \"fa:16:3e:01:%02x:%02x\", ips: [10.5.%d.%d]}\n", i%3+1, i>>8, i&255, i>>8, i&255)
	}
	return b.String()
}

// lab is a cloud with two switches, one and two, with ps1 and ps2. Both agents
// have both, over TLS.
type lab struct {
	*product.Cloud
	t        testing.TB
	switches map[string]*ovsdbd.Server
}

// newLab describes a cloud; nothing but the switches is started.
func newLab(t testing.TB, hosts int, serverArgs ...string) *lab {
	t.Helper()
	l := &lab{t: t, switches: map[string]*ovsdbd.Server{}}
	pki := product.NewPKI(t)
	var names []string
	for _, name := range []string{"one", "two"} {
		port := product.FreePort(t)
		s := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"pssl:" + port + ":127.0.0.1"}, Args: pki.Issue(name).SwitchArgs()})
		l.switches[name] = s
		l.fill(name)
		names = append(names, name+":ssl:127.0.0.1:"+port)
	}
	args := append(pki.Issue("l2gw").SwitchArgs(), "--ovsdb-identity=one=cn:one", "--ovsdb-identity=two=cn:two", "--ovsdb-hosts="+strings.Join(names, ","))
	l.Cloud = product.NewCloud(t, inventory(hosts), product.CloudOptions{Servers: 2, Agents: 2, ServerArgs: serverArgs, AgentArgs: args})
	return l
}

// fill gives a switch's empty database its Physical_Switch, as the switch does itself.
func (l *lab) fill(name string) {
	ps, ip := "ps1", "10.77.0.1"
	if name == "two" {
		ps, ip = "ps2", "10.77.0.2"
	}
	l.switches[name].Transact("hardware_vtep", fmt.Sprintf(`
		{"op":"insert","table":"Physical_Port","uuid-name":"p1","row":{"name":"eth1"}},
		{"op":"insert","table":"Physical_Port","uuid-name":"p2","row":{"name":"eth2"}},
		{"op":"insert","table":"Physical_Switch","uuid-name":"ps","row":{"name":%q,"tunnel_ips":%q,"ports":["set",[["named-uuid","p1"],["named-uuid","p2"]]]}},
		{"op":"insert","table":"Global","row":{"switches":["named-uuid","ps"]}}`, ps, ip))
}

// connect binds net-a on eth1 of both switches, VLAN 100, and waits until that is ACTIVE.
func (l *lab) connect() (connection string) {
	l.t.Helper()
	api := &l.Servers[0].API
	gw := api.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	connection = api.Connect(gw, netA, "100")
	api.WaitStatus(connection, "ACTIVE")
	return connection
}

// rows is how many unicast rows a switch has.
func (l *lab) rows(name string) int {
	return strings.Count(l.switches[name].Dump("hardware_vtep", "Ucast_Macs_Remote", "MAC"), "fa:16:3e:01")
}

// waitRows waits until both switches have n unicast rows.
func (l *lab) waitRows(n int) {
	l.t.Helper()
	for name := range l.switches {
		product.Eventually(l.t, fmt.Sprintf("switch %s has %d rows", name, n), func() error {
			if got := l.rows(name); got != n {
				return fmt.Errorf("it has %d", got)
			}
			return nil
		})
	}
}

func TestAConnectionReachesBothSwitchesOnceFromWhicheverServerItWasMade(t *testing.T) {
	l := newLab(t, 50)
	l.Start()
	c := l.connect()
	l.waitRows(50)
	for _, s := range l.Servers {
		s.WaitStatus(c, "ACTIVE")
	}
	_, others := l.Leader()
	others[0].Disconnect(c) // by one that stands by
	l.waitRows(0)
}
