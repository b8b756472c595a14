package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

func TestAConnectionToASwitchThatNobodyKnowsIsPendingUntilItComes(t *testing.T) {
	s := startSwitch(t, ovsdbd.Options{})
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	waitReason(t, p, c, "PENDING", "ps1")
	fill(s)
	p.WaitStatus(c, "ACTIVE")
	waitFor(t, s, wantA())
}

func TestASwitchThatIsAwayLeavesTheLastWordAndSaysSinceWhen(t *testing.T) {
	s, p, conns := connected(t)
	s.Stop()
	product.Eventually(t, "the reason tells that it is stale", func() error {
		c := p.Connection(conns[0])
		if c["status"] != "ACTIVE" || !strings.Contains(fmt.Sprint(c["status_reason"]), "stale since 20") {
			return fmt.Errorf("%v: %v", c["status"], c["status_reason"])
		}
		return nil
	})
	s.Run()
	product.Eventually(t, "it is fresh again", func() error {
		if c := p.Connection(conns[0]); c["status"] != "ACTIVE" || c["status_reason"] != "" {
			return fmt.Errorf("%v: %v", c["status"], c["status_reason"])
		}
		return nil
	})
}

func TestADeviceNameInTwoDatabasesIsAnErrorAndTakesNothingAway(t *testing.T) {
	s, p, conns := connected(t)
	other := startSwitch(t, ovsdbd.Options{})
	p.Stop()
	p.AddDatabase("other:" + other.Endpoint())
	p.Run()
	p.WaitStatus(conns[0], "ACTIVE")
	addSwitch(other, "ps1", "10.77.0.3", "eth1")
	waitReason(t, p, conns[0], "ERROR", "other", "tor")
	waitFor(t, s, withB(wantA()))
	if got := read(t, other); len(got.LogicalSwitches)+len(got.Bindings) > 0 {
		t.Errorf("something was written to the other database: %+v", got)
	}
	other.Transact("hardware_vtep", `{"op":"update","table":"Physical_Switch","where":[],"row":{"name":"ps9"}}`)
	p.WaitStatus(conns[0], "ACTIVE")
}

func TestANetworkThatTheInventoryDropsLosesItsRowsAndKeepsItsConnection(t *testing.T) {
	s, p, conns := connected(t)
	var kept []string
	for line := range strings.Lines(inventoryFile) {
		if !strings.Contains(line, "net-b") {
			kept = append(kept, line)
		}
	}
	p.WriteInventory(strings.Join(kept, ""))
	waitReason(t, p, conns[1], "ERROR", netB)
	waitFor(t, s, wantA())
	p.WriteInventory(inventoryFile)
	p.WaitStatus(conns[1], "ACTIVE")
	waitFor(t, s, withB(wantA()))
}

func TestABrokenInventoryChangesNothingAlsoAfterARestart(t *testing.T) {
	s, p, _ := connected(t)
	p.WriteInventory(strings.Replace(inventoryFile, "vni: 5002", "vni: many", 1))
	told := p.Inventory + `:4: vni is the text "many"`
	product.Eventually(t, "the API names file, line and value", func() error {
		_, out := p.Do("GET", "/v2.0/l2-gateway-inventory", nil)
		state := out["l2_gateway_inventory"].(product.Object)
		if state["known"] != true || state["networks"] != 2.0 || !strings.Contains(fmt.Sprint(state["error"]), told) {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
	out := commandLine(t, p).run("status", "-f", "value", "-c", "Kind", "-c", "Status", "-c", "Status Reason")
	if !strings.HasPrefix(out, "inventory ERROR the last good one stays in force: "+told) {
		t.Errorf("l2gw status does not tell: %s", out)
	}
	p.Kill()
	s.Wipe()
	fill(s)
	p.Run()
	waitFor(t, s, withB(wantA()))

	p.WriteInventory(inventoryFile)
	product.Eventually(t, "all is well again", func() error {
		if out := commandLine(t, p).run("status"); !strings.HasPrefix(out, "All is ACTIVE") {
			return errors.New(out)
		}
		return nil
	})
}

// takeLock is another program that gets the switch's lock, by "lock" or by
// "steal", and holds it until the returned function is called.
func takeLock(t *testing.T, s *ovsdbd.Server, method string) (release func()) {
	t.Helper()
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(`{"id":1,"method":"` + method + `","params":["l2gw"]}`)); err != nil {
		t.Fatal(err)
	}
	var reply struct{ Result struct{ Locked bool } }
	if err := json.NewDecoder(conn).Decode(&reply); err != nil || !reply.Result.Locked {
		t.Fatalf("no lock: %+v %v", reply, err)
	}
	return func() { conn.Close() }
}

func TestNobodyWritesWhileAnotherHoldsTheLock(t *testing.T) {
	s := twoSwitches(t)
	release := takeLock(t, s, "lock")
	defer release()
	// A server that begins to lead cannot know whether the lock is with an agent of ours
	// that it does not hear of; what it does about an operator's hand is told in test/fabric.
	p := product.StartStandalone(t, "two agents may take the lock from a third, which nobody knows of yet", inventoryFile, "--ovsdb-hosts=tor:"+s.TCP)
	waitKnown(t, p)
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	product.Eventually(t, "the device tells why nothing is written", func() error {
		_, out := p.Do("GET", "/v2.0/l2-gateway-devices/ps1", nil)
		if !strings.Contains(fmt.Sprint(out), "holds the lock") {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
	if got := p.Connection(c); got["status"] != "BUILD" {
		t.Errorf("the connection is %v", got["status"])
	}
	if got := read(t, s); len(got.LogicalSwitches) > 0 {
		t.Errorf("something was written: %+v", got)
	}
	release()
	p.WaitStatus(c, "ACTIVE")
	waitFor(t, s, wantA())
}

// pickySchema is the hardware_vtep schema of a switch that takes no IP address
// longer than 9 characters: it stands for any row that a switch refuses.
func pickySchema(t testing.TB) []byte {
	t.Helper()
	return editSchema(t, func(tables map[string]any) {
		columns := tables["Ucast_Macs_Remote"].(map[string]any)["columns"].(map[string]any)
		columns["ipaddr"] = map[string]any{"type": map[string]any{"key": map[string]any{"type": "string", "maxLength": 9}}}
	})
}

func TestARowThatTheSwitchRefusesFailsAlone(t *testing.T) {
	s := startSwitch(t, ovsdbd.Options{Schema: pickySchema(t)})
	fill(s)
	inv := strings.NewReplacer("10.5.0.12", "10.155.0.12", "10.5.0.11", "10.5.0.1").Replace(inventoryFile) +
		"  - {network: net-a, host: compute-1, mac: \"fa:16:3e:00:00:09\", ips: [10.5.0.9]}\n"
	p := product.Start(t, inv, "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	waitReason(t, p, c, "DEGRADED", "refuses")
	want := wantA()
	want.Unicast = map[string][]string{
		netA + " fa:16:3e:00:00:01": {"10.77.0.11 10.5.0.1"},
		netA + " fa:16:3e:00:00:09": {"10.77.0.11 10.5.0.9"},
	}
	waitFor(t, s, want)
	// What was wrong with it is put right: the row is written without anybody's doing.
	p.WriteInventory(strings.ReplaceAll(inv, "10.155.0.12", "10.5.0.2"))
	p.WaitStatus(c, "ACTIVE")
}

// Rules that a switch checks at the commit name no row: those at fault are found
// by trying. This one wants each IP address once.
func TestRowsThatTheCommitRefusesAreFoundAndTheOthersWritten(t *testing.T) {
	const hosts = 600
	for _, twins := range []int{1, 60} {
		t.Run(fmt.Sprint(twins), func(t *testing.T) {
			s := startSwitch(t, ovsdbd.Options{Schema: editSchema(t, func(tables map[string]any) {
				tables["Ucast_Macs_Remote"].(map[string]any)["indexes"] = []any{[]any{"ipaddr"}}
			})})
			fill(s)
			inv := manyHosts(hosts)
			for i := range twins { // all of them have the address of host 0
				inv += fmt.Sprintf("  - {network: net-a, host: compute-1, mac: \"fa:16:3e:02:00:%02x\", ips: [10.5.100.0]}\n", i)
			}
			p := product.Start(t, inv, "tor:"+s.Endpoint())
			gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
			c := p.Connect(gw, netA, "100")
			waitReason(t, p, c, "DEGRADED", "refuses")
			product.Eventually(t, "all rows but the twins are there", func() error {
				if got := len(read(t, s).Unicast); got != hosts {
					return fmt.Errorf("%d rows", got)
				}
				return nil
			})
		})
	}
}

// A full table shows only at the commit, which names no row.
func TestASwitchWhoseTableIsFullTakesWhatFitsAndSaysSo(t *testing.T) {
	s := startSwitch(t, ovsdbd.Options{Schema: editSchema(t, func(tables map[string]any) {
		tables["Ucast_Macs_Remote"].(map[string]any)["maxRows"] = 300
	})})
	fill(s)
	p := product.Start(t, manyHosts(500), "tor:"+s.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	waitReason(t, p, c, "DEGRADED", "300 of 500")
	waitRows(t, s, 300)
	p.WriteInventory(manyHosts(250))
	p.WaitStatus(c, "ACTIVE")
	waitRows(t, s, 250)
}

// command is `l2gw device …` at the server that leads.
func command(t testing.TB, p *product.Product, args ...string) {
	t.Helper()
	leader := p.Leader()
	if out, err := exec.Command(product.Binary(t), append([]string{"device", "--endpoint", leader.URL}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("l2gw device %v: %v\n%s", args, err, out)
	}
}

func TestValidateNamesEachDifferenceAndItsExitCodeTells(t *testing.T) {
	s, p, _ := connected(t)
	validate := func() (string, int) {
		t.Helper()
		cmd := exec.Command(product.Binary(t), "validate", "--endpoint", p.URL)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		got := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		return out.String(), got
	}
	if out, code := validate(); code != 0 {
		t.Fatalf("exit code %d, want 0:\n%s", code, out)
	}
	// With the lock in other hands, or told to observe, nothing is mended, so that there is something to see.
	if product.Split() {
		command(t, p, "observe", "ps1")
	} else {
		release := takeLock(t, s, "steal")
		defer release()
	}
	s.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","fa:16:3e:00:00:01"]]},
		{"op":"mutate","table":"Physical_Port","where":[["name","==","eth1"]],"mutations":[["vlan_bindings","delete",["set",[200]]]]}`)
	product.Eventually(t, "each difference is named", func() error {
		out, code := validate()
		if code != 1 || !strings.Contains(out, "fa:16:3e:00:00:01") || !strings.Contains(out, "ps2/eth1 VLAN 200") {
			return fmt.Errorf("exit code %d:\n%s", code, out)
		}
		return nil
	})
	s.Stop()
	product.Eventually(t, "the loss of the switch is known", func() error {
		_, dev := p.Do("GET", "/v2.0/l2-gateway-devices/ps1", nil)
		if strings.Contains(fmt.Sprint(dev), "connected:true") {
			return errStill
		}
		return nil
	})
	if out, code := validate(); code != 2 {
		t.Errorf("exit code %d, want 2:\n%s", code, out)
	}
}
