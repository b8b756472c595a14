package packets

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"l2gw/test/ports"
	"l2gw/test/process"
)

const (
	schemas = "/usr/share/openvswitch"
	ovsVTEP = "/usr/share/openvswitch/scripts/ovs-vtep"
)

// patience is how long anything that takes a second may take.
const patience = 30 * time.Second

// Gateway is a hardware_vtep switch: an OVSDB server, Open vSwitch in user space
// and the emulator that makes its bridge a VTEP.
type Gateway struct {
	Device string // name of its Physical_Switch
	VTEP   string // its tunnel IP
	TCP    string // host:port on which its OVSDB server listens

	dir string
}

// wire is a port of a gateway and the host behind it; VLAN 0 is untagged.
type wire struct {
	port string
	vlan int
	host Host
}

// gateway makes a switch that has nothing but its ports.
func (l *Lab) gateway(ctx context.Context, name, vtep, device string, wires []wire) (*Gateway, error) {
	g := &Gateway{Device: device, VTEP: vtep, TCP: freeAddr(), dir: filepath.Join(l.dir, name)}
	db := filepath.Join(g.dir, "db.sock")
	err := steps(
		func() error { return os.Mkdir(g.dir, 0o700) },
		func() error { return l.node(ctx, name) },
		func() error {
			return g.run(ctx, "ovsdb-tool", "create", filepath.Join(g.dir, "conf.db"), schemas+"/vswitch.ovsschema")
		},
		func() error {
			return g.run(ctx, "ovsdb-tool", "create", filepath.Join(g.dir, "vtep.db"), schemas+"/vtep.ovsschema")
		},
		// The database server stays in the namespace of the test, which reaches it
		// by TCP; a unix socket reaches into every namespace.
		func() error {
			host, port, err := net.SplitHostPort(g.TCP)
			if err != nil {
				return err
			}
			return l.daemon(g, exec.Command("ovsdb-server", filepath.Join(g.dir, "conf.db"), filepath.Join(g.dir, "vtep.db"),
				"--remote=punix:"+db, "--remote=ptcp:"+port+":"+host, "--log-file="+filepath.Join(g.dir, "ovsdb-server.log"), "-vconsole:off", "-vsyslog:off"))
		},
		func() error { return listens(ctx, "unix", db) },
		func() error { return listens(ctx, "tcp", g.TCP) },
		func() error { return g.run(ctx, "ovs-vsctl", "--no-wait", "init") },
		func() error {
			return l.daemon(g, l.inside(context.Background(), name, "ovs-vswitchd", "unix:"+db, "--disable-system",
				"--log-file="+filepath.Join(g.dir, "ovs-vswitchd.log"), "-vconsole:off", "-vsyslog:off"))
		},
		// Tunnels of user space are routed through a bridge that has the underlay's
		// interface for a port; the tunnel IP is the bridge's.
		func() error {
			return g.run(ctx, "ovs-vsctl",
				"add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone",
				"--", "add-port", "br-phy", "eth0", "--", "set", "interface", "br-phy", "mtu_request="+underlayMTU,
				"--", "add-br", device, "--", "set", "bridge", device, "datapath_type=netdev",
				"--", "add-br", "acc", "--", "set", "bridge", "acc", "datapath_type=netdev", "fail_mode=standalone")
		},
		func() error { return l.ip(ctx, name, "link set br-phy up", "addr add "+vtep+"/24 dev br-phy") },
		func() error { return l.noOffload(ctx, name, "br-phy") },
		func() error {
			return g.run(ctx, "vtep-ctl", "--timeout=30", "add-ps", device,
				"--", "set", "Physical_Switch", device, "tunnel_ips="+vtep, "management_ips="+vtep)
		},
	)
	if err != nil {
		return nil, err
	}
	for _, w := range wires {
		if err := l.wire(ctx, g, name, w); err != nil {
			return nil, err
		}
	}
	return g, l.daemon(g, l.inside(context.Background(), name, ovsVTEP, "--log-file="+filepath.Join(g.dir, "ovs-vtep.log"), "-vconsole:off", "-vsyslog:off", device))
}

// wire joins a port of the switch and a host through the access network, a
// bridge with an access port for the host. On the wire its frames are tagged, or
// not, as the switch will see them.
func (l *Lab) wire(ctx context.Context, g *Gateway, name string, w wire) error {
	far, access := w.port+"x", "h-"+w.host.Name
	tag, mode := w.vlan, fmt.Sprintf("trunks=%d", w.vlan)
	if w.vlan == 0 {
		// Inside the access network untagged hosts are on a VLAN of their own.
		tag, mode = 4000, "tag=4000"
	}
	return steps(
		func() error { return l.cable(ctx, name, w.port, name, far, "1500") },
		func() error { return l.host(ctx, w.host, name, access) },
		func() error {
			return g.run(ctx, "ovs-vsctl", "add-port", "acc", far, "--", "set", "port", far, mode,
				"--", "add-port", "acc", access, "--", "set", "port", access, fmt.Sprintf("tag=%d", tag),
				"--", "add-port", g.Device, w.port)
		},
	)
}

// run carries out one of Open vSwitch's tools for this gateway.
func (g *Gateway) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = g.env()
	return check(cmd)
}

func (g *Gateway) env() []string {
	return append(os.Environ(), "OVS_RUNDIR="+g.dir, "OVS_DBDIR="+g.dir, "OVS_LOGDIR="+g.dir, "OVS_SYSCONFDIR="+g.dir)
}

// Dump is what `ovsdb-client dump` prints of the hardware_vtep database; tables
// and columns may be named.
func (g *Gateway) Dump(ctx context.Context, tableAndColumns ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "ovsdb-client", append([]string{"dump", "unix:" + filepath.Join(g.dir, "db.sock"), "hardware_vtep"}, tableAndColumns...)...)
	cmd.Stdout = &out
	err := check(cmd)
	return out.String(), err
}

// Transact carries out operations on the hardware_vtep database, given as JSON
// objects joined by commas.
func (g *Gateway) Transact(ctx context.Context, ops string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "ovsdb-client", "transact", "unix:"+filepath.Join(g.dir, "db.sock"), `["hardware_vtep",`+ops+`]`)
	cmd.Stdout = &out
	if err := check(cmd); err != nil {
		return err
	}
	if strings.Contains(out.String(), `"error"`) {
		return fmt.Errorf("transact %s: %s", ops, &out)
	}
	return nil
}

// Describe tells what the switches hold, for a person who looks for a fault.
func (l *Lab) Describe() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b strings.Builder
	for _, g := range []*Gateway{l.GW1, l.GW2} {
		for _, table := range []string{"Physical_Port", "Logical_Switch", "Ucast_Macs_Remote", "Mcast_Macs_Remote", "Physical_Locator_Set", "Physical_Locator", "Ucast_Macs_Local"} {
			text, err := g.Dump(ctx, table)
			if err != nil {
				text = err.Error()
			}
			fmt.Fprintf(&b, "%s: %s\n", g.Device, text)
		}
		for _, file := range []string{"ovs-vtep.log", "ovs-vswitchd.log"} {
			text, err := os.ReadFile(filepath.Join(g.dir, file))
			if err == nil {
				fmt.Fprintf(&b, "%s: end of %s:\n%s\n", g.Device, file, text[max(0, len(text)-2000):])
			}
		}
	}
	return b.String()
}

// daemon starts a program that runs until the laboratory ends.
func (l *Lab) daemon(g *Gateway, cmd *exec.Cmd) error {
	cmd.Env = g.env()
	cmd.Dir = g.dir
	d, err := process.Start(cmd)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.daemons = append(l.daemons, d)
	l.mu.Unlock()
	return nil
}

// listens waits until somebody listens.
func listens(ctx context.Context, network, addr string) error {
	return until(ctx, func() error {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// until repeats f until it succeeds, or for as long as patience lasts.
func until(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddr finds a port of 127.0.0.1 that nobody listens on.
func freeAddr() string {
	port, err := ports.Free("127.0.0.1")
	if err != nil {
		port = "0" // whoever is to listen there will say why not
	}
	return net.JoinHostPort("127.0.0.1", port)
}
