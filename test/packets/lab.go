package packets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"l2gw/test/process"
)

// The networks that the compute nodes carry.
const (
	VNIRed  = 5001
	VNIBlue = 5002
)

// underlayMTU leaves room for VXLAN's 50 bytes around frames of 1500.
const underlayMTU = "1600"

// Host is a virtual machine or a bare metal server: a namespace with one interface.
type Host struct {
	Name string
	IP   string
	MAC  string
	VNI  int
}

// The hosts of every laboratory.
var (
	VM1 = Host{"vm1", "10.5.0.11", "02:00:00:00:a1:01", VNIRed}   // on cn1
	VM2 = Host{"vm2", "10.6.0.12", "02:00:00:00:a2:02", VNIBlue}  // on cn2
	VM3 = Host{"vm3", "10.5.0.13", "02:00:00:00:a3:03", VNIRed}   // on cn2
	BM1 = Host{"bm1", "10.5.0.101", "02:00:00:00:b1:01", VNIRed}  // gw: sw1, p1, VLAN 100
	BM2 = Host{"bm2", "10.6.0.102", "02:00:00:00:b2:02", VNIBlue} // gw: sw1, p2, untagged
	BM3 = Host{"bm3", "10.5.0.103", "02:00:00:00:b3:03", VNIRed}  // gw2: sw2, q1, VLAN 100
)

// Tunnel endpoints.
const (
	GW1VTEP = "10.77.0.1"
	GW2VTEP = "10.77.0.2"
	CN1VTEP = "10.77.0.11"
	CN2VTEP = "10.77.0.12"
)

// Inventory is the overlay side of every laboratory as an inventory file.
const Inventory = `networks:
  - {name: red, vni: 5001, mtu: 1500}
  - {name: blue, vni: 5002, mtu: 1500}
hosts:
  - {name: cn1, vtep: 10.77.0.11}
  - {name: cn2, vtep: 10.77.0.12}
ports:
  - {network: red, host: cn1, mac: "02:00:00:00:a1:01", ips: [10.5.0.11]}
  - {network: blue, host: cn2, mac: "02:00:00:00:a2:02", ips: [10.6.0.12]}
  - {network: red, host: cn2, mac: "02:00:00:00:a3:03", ips: [10.5.0.13]}
`

// Lab is a running laboratory.
type Lab struct {
	GW1 *Gateway // device sw1 with the interfaces p1 and p2
	GW2 *Gateway // device sw2 with the interface q1

	prefix string
	dir    string // the files of all daemons; short, for unix sockets

	mu         sync.Mutex
	namespaces []string
	daemons    []*process.Process
}

// Start builds a laboratory for a test and removes it at the test's end. When
// the test fails, it logs what the switches hold.
func Start(t testing.TB) *Lab {
	t.Helper()
	l, err := Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the switches at the end:\n%s", l.Describe())
		}
		if err := l.Down(); err != nil {
			t.Errorf("the laboratory was not removed: %v", err)
		}
	})
	return l
}

// labs makes the prefixes of one process's laboratories different.
var labs atomic.Int64

// Up builds a laboratory, which takes a few seconds. When it fails, it leaves nothing.
func Up(ctx context.Context) (_ *Lab, err error) {
	if err := Requirements(); err != nil {
		return nil, err
	}
	if err := sweep(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("l2gw-%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	l := &Lab{prefix: fmt.Sprintf("l2gw-%d-%d-", os.Getpid(), labs.Add(1)), dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Down())
		}
	}()
	if err := l.underlay(ctx); err != nil {
		return nil, err
	}
	return l, parallel(
		func() (err error) {
			l.GW1, err = l.gateway(ctx, "gw", GW1VTEP, "sw1", []wire{{"p1", 100, BM1}, {"p2", 0, BM2}})
			return err
		},
		func() (err error) {
			l.GW2, err = l.gateway(ctx, "gw2", GW2VTEP, "sw2", []wire{{"q1", 100, BM3}})
			return err
		},
		func() error { return l.computeNodes(ctx) },
	)
}

// Down ends all daemons and removes all namespaces and files.
func (l *Lab) Down() error {
	l.mu.Lock()
	daemons, namespaces := l.daemons, l.namespaces
	l.daemons, l.namespaces = nil, nil
	l.mu.Unlock()
	for _, d := range slices.Backward(daemons) {
		d.StopWithin(patience)
	}
	var errs []error
	for _, ns := range namespaces {
		errs = append(errs, run(context.Background(), "ip", "netns", "del", ns))
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// Requirements says what this machine lacks for a laboratory, or nil.
func Requirements() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	var missing []string
	for _, tool := range []string{"ip", "bridge", "ethtool", "ping", "arping", "tcpdump", "sysctl", "ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "vtep-ctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	for _, file := range []string{ovsVTEP, "/dev/net/tun"} {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("packets: not found: %s: run `make deps`", strings.Join(missing, ", "))
	}
	return nil
}

// labName matches the names of all laboratories' namespaces and folders.
var labName = regexp.MustCompile(`^l2gw-(\d+)-\d+(-[a-z0-9]+)?$`)

// sweep removes the namespaces and folders of processes that were killed. Their
// daemons died with them.
func sweep(ctx context.Context) error {
	return errors.Join(
		left("/run/netns", func(name string) error { return run(ctx, "ip", "netns", "del", name) }),
		left(os.TempDir(), func(name string) error { return os.RemoveAll(filepath.Join(os.TempDir(), name)) }),
	)
}

// left removes what in a folder bears the name of a process that is no more.
func left(dir string, remove func(name string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		m := labName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := remove(e.Name()); err != nil {
			// Another process may sweep at the same time.
			if _, serr := os.Lstat(filepath.Join(dir, e.Name())); serr == nil {
				return err
			}
		}
	}
	return nil
}

// run carries out a command; its error has what the command said.
func run(ctx context.Context, name string, args ...string) error {
	return check(exec.CommandContext(ctx, name, args...))
}

func check(cmd *exec.Cmd) error {
	var said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &said
	}
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// parallel carries out all functions at once and joins their errors.
func parallel(fs ...func() error) error {
	var (
		wg   sync.WaitGroup
		errs = make([]error, len(fs))
	)
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
