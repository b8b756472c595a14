// Command demo shows L2GW with real packets: it builds a small network with two
// switches of Open vSwitch, lets bare metal ping a virtual machine, first without
// and then with L2GW, and removes everything again. It needs root and exits with
// 0 if all packets arrived.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"l2gw/test/packets"
	"l2gw/test/process"
)

func main() {
	binary := flag.String("l2gw", "bin/l2gw", "the l2gw binary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo failed:", err)
		stop()
		os.Exit(1)
	}
}

func demo(ctx context.Context, binary string) (err error) {
	begin := time.Now()
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	say(`This builds a small network on this machine, out of network namespaces and Open vSwitch:

    vm1 10.5.0.11 ── compute node ══ VXLAN 5001 ══ switch sw1 ── port p1, VLAN 100 ── bm1 10.5.0.101
    vm3 10.5.0.13 ── compute node ══ VXLAN 5001 ══ switch sw2 ── port q1, VLAN 100 ── bm3 10.5.0.103

vm1 and vm3 are virtual machines on the overlay network "red"; bm1 and bm3 are bare metal. All four have addresses of
one subnet, yet nobody has told the switches that the network and the VLANs belong together.`)
	lab, err := packets.Up(ctx)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, lab.Down())
		if err == nil {
			say("All is removed again. It took %.0f seconds.", time.Since(begin).Seconds())
		}
	}()

	say("So bare metal does not reach the virtual machine:")
	fmt.Println("    bm1$ ping 10.5.0.11")
	if lab.PingOnce(ctx, packets.BM1, packets.VM1) == nil {
		return errors.New("bm1 reaches vm1 although no switch was told anything")
	}
	fmt.Println("    no answer")

	say("Now L2GW starts. It is given the switches' OVSDB addresses, and an inventory file: which virtual machine is on which host.")
	product, err := start(ctx, binary, lab)
	if err != nil {
		return err
	}
	defer product.stop()

	say("Two gateways are declared, which are ports of switches, and the network is connected to both:")
	for _, args := range [][]string{
		{"create", "rack1", "--device", `name=sw1,interface_names=p1|100`, "-c", "ID", "-c", "Name"},
		{"create", "rack2", "--device", `name=sw2,interface_names=q1|100`, "-c", "ID", "-c", "Name"},
		{"connection", "create", "rack1", "red", "--wait"},
		{"connection", "create", "rack2", "red", "--wait"},
	} {
		if err := product.command(ctx, args...); err != nil {
			return err
		}
	}

	say("L2GW writes what sw1 needs: a logical switch, hosts behind each tunnel endpoint, and whom to flood.")
	if err := product.shows(ctx, lab.GW1, packets.VM1.MAC); err != nil {
		return err
	}
	say("Bare metal speaks first, which is the hard part: its ARP request has to be flooded to the compute nodes.")
	for _, pair := range [][2]packets.Host{
		{packets.BM1, packets.VM1},
		{packets.VM1, packets.BM1},
		{packets.BM3, packets.VM3},
		{packets.VM3, packets.BM3},
		{packets.BM1, packets.BM3},
	} {
		fmt.Printf("    %s$ ping %s\n", pair[0].Name, pair[1].IP)
		wait, cancel := context.WithTimeout(ctx, packets.Patience)
		sent := time.Now()
		err := lab.Ping(wait, pair[0], pair[1])
		cancel()
		if err != nil {
			return errors.Join(err, errors.New(lab.Describe()))
		}
		fmt.Printf("    %s answers (after %.1f s)\n", pair[1].Name, time.Since(sent).Seconds())
	}
	say("The last one went from switch to switch: for each other, gateways are just further tunnel endpoints. What sw1 now knows:")
	if err := product.shows(ctx, lab.GW1, packets.BM3.MAC); err != nil {
		return err
	}
	say("And whether each switch holds all that it should:")
	return product.command(ctx, "validate")
}

func say(format string, args ...any) { fmt.Printf("\n"+format+"\n\n", args...) }

// product is a running `l2gw standalone`.
type product struct {
	binary, url, dir string
	log              bytes.Buffer
	run              *process.Process
}

func start(ctx context.Context, binary string, lab *packets.Lab) (*product, error) {
	dir, err := os.MkdirTemp("", "l2gw-demo")
	if err != nil {
		return nil, err
	}
	p := &product{binary: binary, dir: dir}
	inventory := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(inventory, []byte(packets.Inventory), 0o600); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := l.Addr().String()
	l.Close()
	p.url = "http://" + listen
	cmd := exec.Command(binary, "standalone", "--listen", listen, "--data", filepath.Join(dir, "data"), "--inventory", inventory,
		"--ovsdb-hosts", "gw1:"+lab.GW1.TCP+",gw2:"+lab.GW2.TCP)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if p.run, err = process.Start(cmd); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	fmt.Printf("    $ l2gw standalone --listen %s --data data --inventory inventory.yaml --ovsdb-hosts gw1:%s,gw2:%s\n", listen, lab.GW1.TCP, lab.GW2.TCP)
	if err := p.until(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}); err != nil {
		p.stop()
		return nil, fmt.Errorf("l2gw does not answer: %w\n%s", err, &p.log)
	}
	return p, nil
}

func (p *product) stop() {
	p.run.StopWithin(10 * time.Second)
	os.RemoveAll(p.dir)
}

// command shows a command and carries it out.
func (p *product) command(ctx context.Context, args ...string) error {
	fmt.Print("    $ l2gw")
	for _, arg := range args {
		if strings.Contains(arg, "|") {
			arg = "'" + arg + "'"
		}
		fmt.Print(" ", arg)
	}
	fmt.Println()
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Env = append(os.Environ(), "OS_ENDPOINT="+p.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("l2gw %s: %w: %s", strings.Join(args, " "), err, out)
	}
	fmt.Println(indent(string(out)))
	return nil
}

// shows waits until a switch holds a MAC and shows its remote rows.
func (p *product) shows(ctx context.Context, g *packets.Gateway, mac string) error {
	if err := p.until(ctx, func() error {
		rows, err := g.Dump(ctx, "Ucast_Macs_Remote", "MAC")
		if err == nil && !strings.Contains(rows, mac) {
			err = fmt.Errorf("%s has no row for %s:\n%s", g.Device, mac, rows)
		}
		return err
	}); err != nil {
		return err
	}
	return p.command(ctx, "dump", "tcp:"+g.TCP, "Logical_Switch", "Mcast_Macs_Remote", "Ucast_Macs_Remote")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// until repeats f until it succeeds, l2gw ends, or patience does.
func (p *product) until(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, packets.Patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-p.run.Exited():
			return fmt.Errorf("l2gw ended: %s", &p.log)
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
