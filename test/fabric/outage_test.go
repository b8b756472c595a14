package fabric

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// With no server left, agents go on healing; one that starts anew restores what
// it finds missing, and removes nothing, since nobody told it since its start.
func TestWithAllServersDownAWipedSwitchIsRestoredAndNothingIsRemoved(t *testing.T) {
	l := newLab(t, 200)
	l.Start()
	l.connect()
	l.waitRows(200)
	for _, s := range l.Servers {
		s.Kill()
	}
	l.wipe("one")
	l.waitRows(200)

	// The same with agents that have nothing but their own memory.
	for _, a := range l.Agents {
		a.Kill()
	}
	l.wipe("one")
	// What the agents did not leave there is, for all that they know, what users
	// have added since.
	l.switches["two"].Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","fa:16:3e:01:00:01"]]},
		{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"fa:16:3e:01:ff:ff","logical_switch":["uuid","`+l.logicalSwitch("two")+`"],
			"locator":["uuid","`+l.locator("two", "10.77.0.11")+`"],"ipaddr":""}}`)
	for _, a := range l.Agents {
		a.Launch()
	}
	product.Eventually(t, "switch one is restored", func() error {
		if n := l.rows("one"); n != 200 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
	product.Eventually(t, "switch two has its row again and the other one still", func() error {
		if n := l.rows("two"); n != 201 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})

	for _, s := range l.Servers {
		s.Launch()
	}
	l.waitRows(200) // the servers know better
}

// wipe takes from a switch all that it has; it comes back as a new one.
func (l *lab) wipe(name string) {
	l.t.Helper()
	l.switches[name].Wipe()
	l.fill(name)
}

// cell returns a column of the first row of a table in which another has a value.
func (l *lab) cell(name, table, where, value, column string) string {
	l.t.Helper()
	for line := range strings.Lines(l.switches[name].Dump("hardware_vtep", table, where, column)) {
		if fields := strings.Fields(line); strings.Contains(line, value) && len(fields) == 2 {
			return strings.Trim(strings.ReplaceAll(strings.ReplaceAll(line, value, ""), `"`, ""), " \n")
		}
	}
	l.t.Fatalf("%s has no row of %s with %s %s", name, table, where, value)
	return ""
}

func (l *lab) logicalSwitch(name string) string {
	l.t.Helper()
	return l.cell(name, "Logical_Switch", "name", netA, "_uuid")
}

func (l *lab) locator(name, vtep string) string {
	l.t.Helper()
	return l.cell(name, "Physical_Locator", "dst_ip", vtep, "_uuid")
}

// Databases come and go by SIGHUP; a file that cannot be used changes nothing.
func TestDatabasesAreAddedAndRemovedWithoutARestart(t *testing.T) {
	one, two := ovsdbd.Start(t, ovsdbd.Options{}), ovsdbd.Start(t, ovsdbd.Options{})
	l := &lab{t: t, switches: map[string]*ovsdbd.Server{"one": one, "two": two}}
	l.fill("one")
	l.fill("two")
	l.Cloud = product.NewCloud(t, inventory(20), product.CloudOptions{Servers: 2})
	l.WriteAgents("agents:\n- {name: agent-1, databases: ['*']}\n")
	file := t.TempDir() + "/l2gateway_agent.ini"
	write := func(hosts string) { product.WriteFile(t, file, "[ovsdb]\novsdb_hosts = "+hosts+"\n") }
	write("one:" + one.TCP)
	a := l.NewAgent("agent-1", append(l.PKI.Issue("agent-1").FabricArgs(), "--config-file="+file)...)
	l.Agents = []*product.Agent{a}
	l.Start()
	api := &l.Servers[1].API
	gw := api.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := api.Connect(gw, netA, "100")
	api.WaitStatus(c, "DEGRADED") // ps2 is not known

	write("'one:" + one.TCP + "', two")
	a.Signal(syscall.SIGHUP)
	a.WaitLog("level=ERROR", "what was in force stays so", "two")
	write("one:" + one.TCP + ",two:" + two.TCP)
	a.Signal(syscall.SIGHUP)
	api.WaitStatus(c, "ACTIVE")
	l.waitRows(20)

	write("two:" + two.TCP)
	a.Signal(syscall.SIGHUP)
	a.WaitLog("the configuration was read again", "databases=two")
	api.WaitDevice("ps1", "is served by nobody", func(d product.Object) error {
		if d["status"] == "ACTIVE" {
			return fmt.Errorf("%v", d["status"])
		}
		return nil
	})
	l.waitRows(20) // what is not served is left as it is
}
