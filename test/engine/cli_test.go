package engine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"l2gw/test/product"
)

// commands run the built binary as an operator would, under one of its names.
type commands struct {
	t      testing.TB
	binary string
	env    []string
}

func commandLine(t testing.TB, p *product.Product) *commands {
	return commandLineOf(t, p.URL)
}

// commandLineOf are commands to the server with this URL.
func commandLineOf(t testing.TB, url string) *commands {
	return &commands{t, product.Binary(t), append(os.Environ(), "OS_ENDPOINT="+url, "OS_AUTH_TYPE=none")}
}

// as are the same commands through a symbolic link with this name.
func (c *commands) as(name string) *commands {
	c.t.Helper()
	link := filepath.Join(c.t.TempDir(), name)
	if err := os.Symlink(c.binary, link); err != nil {
		c.t.Fatal(err)
	}
	return &commands{c.t, link, c.env}
}

// try returns what a command prints and its exit code.
func (c *commands) try(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	cmd := exec.Command(c.binary, args...)
	cmd.Env = c.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), cmd.ProcessState.ExitCode()
}

// run returns what a command that succeeds prints.
func (c *commands) run(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.try(args...)
	if code != 0 {
		c.t.Fatalf("%s %s: exit code %d: %s", filepath.Base(c.binary), strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// refused demands that a command fails, says this and prints nothing.
func (c *commands) refused(says string, args ...string) {
	c.t.Helper()
	stdout, stderr, code := c.try(args...)
	if code == 0 || stdout != "" || !strings.Contains(stderr, says) {
		c.t.Errorf("%s: exit code %d, %q, want %q\n%s", strings.Join(args, " "), code, stderr, says, stdout)
	}
}

// prints demands that what a command prints matches a regular expression.
func (c *commands) prints(want string, args ...string) {
	c.t.Helper()
	if got := c.run(args...); !regexp.MustCompile(`^(?:` + want + `)$`).MatchString(got) {
		c.t.Errorf("%s: %q, want %s", strings.Join(args, " "), got, want)
	}
}

func TestAnOperatorDoesItAllOnTheCommandLine(t *testing.T) {
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	waitKnown(t, p)
	before := read(t, s)
	c := commandLine(t, p)

	c.run("create", "rack1", "--device", `name=ps1,interface_names="eth1|100#101;eth2|100"`)
	c.run("create", "rack2", "--device", "name=ps1,interface_names=eth2", "--device", "name=ps2,interface_names=eth1;eth2")
	c.prints("rack1\nrack2", "list", "-f", "value", "-c", "Name", "--sort-column", "Name")
	c.prints(`.*'segmentation_id': \['100', '101'\], 'name': 'eth1'.*`, "show", "rack1", "-f", "value", "-c", "Devices")
	c.run("update", "rack2", "--remove-device", "ps1", "--device", "name=ps2,interface_names=eth1", "--name", "rack-2")

	c.refused("Segmentation id must be specified", "connection", "create", "rack-2", "net-a")
	c.refused("Unable to find l2_gateway with name or id 'rack2'", "connection", "create", "rack2", "net-b")
	a := c.run("connection", "create", "rack1", "net-a", "--wait", "-f", "value", "-c", "ID")
	b := c.run("connection", "create", "rack-2", "net-b", "--default-segmentation-id", "200", "--wait", "-f", "value", "-c", "ID")
	want := withB(wantA())
	want.Bindings["ps1/eth1/101"], want.Bindings["ps1/eth2/100"] = netA, netA
	waitFor(t, s, want)
	c.prints(netA+" \n"+netB+" 200", "connection", "list", "-f", "value", "-c", "Network ID", "-c", "Segmentation ID")
	c.prints("ACTIVE", "connection", "show", a, "-f", "value", "-c", "Status")
	c.refused("Duplicate segmentation ID", "connection", "create", "rack-2", "net-a", "--default-segmentation-id", "200")

	c.prints("ps1 tor ACTIVE\nps2 tor ACTIVE", "device", "list", "-f", "value", "-c", "Name", "-c", "Database", "-c", "Status")
	c.prints(`.*'name': 'eth1', .*'segmentation_id': 200.*`, "device", "show", "ps2", "-f", "value", "-c", "Ports")
	c.prints(`fa:16:3e:00:00:03 programmed 10\.77\.0\.12\nfa:16:3e:00:00:04 programmed 10\.77\.0\.13`,
		"device", "macs", "ps2", "-f", "value", "-c", "MAC Address", "-c", "Origin", "-c", "VTEP")
	c.prints(`All is ACTIVE \(devices: 2, gateways: 2, connections: 2\)\.`, "status")
	c.prints("tor: in sync", "validate")
	c.prints(`(?s).*fa:16:3e:00:00:04.*`, "dump", "tcp:"+s.TCP, "Ucast_Macs_Remote")

	c.refused("still has active mappings", "delete", "rack1")
	c.run("connection", "delete", a, b, "--wait")
	waitFor(t, s, before)
	c.run("delete", "rack1", "rack-2")
	c.prints("", "list", "-f", "value")
}

func TestTheOldNamesOfTheCommandDoTheSame(t *testing.T) {
	s := twoSwitches(t)
	before := read(t, s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	c := commandLine(t, p)
	neutron, openstack := c.as("neutron-l2gw"), c.as("openstack")

	neutron.run("l2-gateway-create", "gw", "--device", `name=ps1,interface_names="eth1"`)
	openstack.run("l2gw", "create", "gw", "--device", "name=ps2,interface_names=eth1")
	// Both are called gw: the answer lists the ids to choose from.
	_, stderr, code := openstack.try("l2gw", "connection", "create", "gw", "net-a", "--default-segmentation-id", "100")
	ids := strings.Fields(openstack.run("l2gw", "list", "-f", "value", "-c", "ID"))
	if code != 1 || len(ids) != 2 || !strings.Contains(stderr, "Multiple l2_gateway matches found for name 'gw'") ||
		!strings.Contains(stderr, ids[0]) || !strings.Contains(stderr, ids[1]) {
		t.Errorf("exit code %d for an ambiguous name, ids %v: %s", code, ids, stderr)
	}
	neutron.refused("Multiple l2_gateway matches found", "l2-gateway-delete", "gw")

	c.run("delete", ids[1])
	neutron.run("l2-gateway-connection-create", "gw", "net-a", "--default-segmentation-id", "100", "--wait")
	waitFor(t, s, wantA())
	connection := openstack.run("l2gw", "connection", "list", "-f", "value", "-c", "ID")
	neutron.prints(connection+"\nACTIVE", "l2-gateway-connection-show", connection, "-f", "value", "-c", "ID", "-c", "Status")
	openstack.run("l2gw", "connection", "delete", connection, "--wait")
	waitFor(t, s, before)
	neutron.run("l2-gateway-delete", "gw")
	neutron.prints("", "l2-gateway-list", "-f", "value")
}
