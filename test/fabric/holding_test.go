package fabric

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// l2gw runs the client against a server.
func (l *lab) l2gw(s *product.Serve, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(product.Binary(l.t), append(args, "--endpoint="+s.URL)...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("l2gw %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// waitHeld waits until the status of ps1 says that removals are held, and why.
func (l *lab) waitHeld(says string) {
	l.t.Helper()
	for _, s := range l.Servers {
		s.WaitDevice("ps1", "says that removals are held: "+says, func(d product.Object) error {
			held, _ := d["held"].([]any)
			if text := fmt.Sprint(held); len(held) == 0 || !strings.Contains(text, says) {
				return fmt.Errorf("it holds %v; %v: %v", held, d["status"], d["status_reason"])
			}
			return nil
		})
	}
}

// steady checks for a while that both switches keep n rows.
func (l *lab) steady(n int, during time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); {
		for name := range l.switches {
			if got := l.rows(name); got < n {
				l.t.Fatalf("switch %s has %d rows, want %d", name, got, n)
			}
		}
	}
}

// A server that has never seen an inventory knows nothing, and unknown removes nothing.
func TestServersThatStartWithoutAnInventoryRemoveNothing(t *testing.T) {
	l := newLab(t, 50)
	l.Start()
	c := l.connect()
	l.waitRows(50)
	for _, s := range l.Servers {
		s.Stop()
		if err := os.Remove(filepath.Join(s.State, "inventory.last-good.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	for contents, says := range map[string]string{"": "no such file", "networks: [": "inventory"} {
		if contents == "" {
			os.Remove(l.Inventory)
		} else {
			l.WriteInventory(contents)
		}
		for _, s := range l.Servers {
			s.Launch()
			s.WaitLog("inventory not readable", says)
		}
		l.Leader()
		l.linked()
		l.steady(50, time.Second)
		l.stopServers()
	}
	l.WriteInventory(inventory(50))
	for _, s := range l.Servers {
		s.Launch()
	}
	l.Servers[1].WaitStatus(c, "ACTIVE")
	// A user's word counts, however much it removes.
	l.Servers[1].Disconnect(c)
	l.waitRows(0)
}

// linked waits until all agents have streams with all servers.
func (l *lab) linked() {
	l.t.Helper()
	for _, a := range l.Agents {
		product.Eventually(l.t, a.Name+" has streams with all servers", func() error { return linked(a, l) })
	}
}

func TestAnInventoryThatLosesMostOfItsHostsIsHeldUntilAnOperatorReleasesThat(t *testing.T) {
	l := newLab(t, 100)
	l.Start()
	c := l.connect()
	l.waitRows(100)
	l.WriteInventory(inventory(10) + `  - {network: net-a, host: compute-1, mac: "fa:16:3e:01:77:77", ips: [10.5.7.7]}` + "\n")
	l.waitRows(101) // what is new goes on
	l.waitHeld("90 of 10")
	if status := l.l2gw(l.Servers[0], "status"); !strings.Contains(status, "held") {
		t.Errorf("the status is %s", status)
	}
	for _, database := range []string{"ps1", "ps2"} {
		leader, _ := l.Leader()
		l.l2gw(leader, "device", "release", database)
	}
	l.waitRows(11)
	l.Servers[0].WaitStatus(c, "ACTIVE")
}

func TestASecondReadingOfTheInventorySomeTimeLaterReleasesWhatIsHeld(t *testing.T) {
	l := newLab(t, 100, "--confirm-after=3s")
	l.Start()
	l.connect()
	l.waitRows(100)
	l.WriteInventory(inventory(10))
	l.waitHeld("90 of 10")
	l.steady(100, 4*time.Second)
	l.WriteInventory(inventory(10) + "# the same again\n")
	l.waitRows(10)
}

// A server's database that was restored from a backup knows less than users were
// promised. What it does not know is not removed before somebody has looked.
func TestARestoredDatabaseRemovesNothingUntilAnOperatorReleasesThat(t *testing.T) {
	l := newLab(t, 50)
	db := sqlserver.PostgreSQL(t)
	u, err := url.Parse(l.Database)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	replace := func(to, from string) {
		t.Helper()
		for _, statement := range []string{"DROP DATABASE IF EXISTS " + to, "CREATE DATABASE " + to + " TEMPLATE " + from} {
			if _, err := db.Admin().Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	backup := name + "_backup"
	t.Cleanup(func() {
		if _, err := db.Admin().Exec("DROP DATABASE IF EXISTS " + backup); err != nil {
			t.Error(err)
		}
	})
	l.Start()
	first := l.connectVLAN("before", "100")
	l.waitRows(50)
	l.stopServers()
	replace(backup, name)
	l.startServers()
	l.connectVLAN("after", "200")
	product.Eventually(t, "the second binding is there", func() error { return l.bound("one", 2) })
	l.stopServers()
	replace(name, backup)
	l.startServers()

	l.waitHeld("")
	l.linked()
	if err := l.bound("one", 2); err != nil {
		t.Error(err)
	}
	l.steady(50, time.Second)
	for _, device := range []string{"ps1", "ps2"} {
		leader, _ := l.Leader()
		l.l2gw(leader, "device", "release", device)
	}
	product.Eventually(t, "the second binding is gone", func() error { return l.bound("one", 1) })
	l.Servers[0].WaitStatus(first, "ACTIVE")
	l.waitRows(50)
}

func (l *lab) stopServers() {
	for _, s := range l.Servers {
		s.Stop()
	}
}

func (l *lab) startServers() {
	for _, s := range l.Servers {
		s.Launch()
	}
}

// connectVLAN binds net-a on eth1 of both switches in this VLAN.
func (l *lab) connectVLAN(name, vlan string) (connection string) {
	l.t.Helper()
	api := &l.Servers[0].API
	gw := api.CreateGateway(name, product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	connection = api.Connect(gw, netA, vlan)
	api.WaitStatus(connection, "ACTIVE")
	return connection
}

// bound says whether a switch has n bindings.
func (l *lab) bound(name string, n int) error {
	dump := l.switches[name].Dump("hardware_vtep", "Physical_Port", "vlan_bindings")
	if got := strings.Count(dump, "="); got != n {
		return fmt.Errorf("%d bindings, want %d:\n%s", got, n, dump)
	}
	return nil
}
