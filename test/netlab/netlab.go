package netlab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"l2gw/test/process"
)

const prefix = "l2gwlab-"

// Hub is an address of the hub that all hosts reach, each over its own link to it.
var Hub = netip.MustParseAddr("10.98.0.1")

// inside is set in the process that runs in the hub.
const inside = "L2GW_NETLAB_HUB"

// Enter moves a test into a hub of its own: it runs the test once more, in a
// process in the hub, and returns false when that has ended, with its verdict.
// In that process it returns true.
func Enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	removeLeftovers()
	hub := fmt.Sprintf("%s%d-%d-hub", prefix, os.Getpid(), hubs.Add(1))
	if err := ip("netns", "add", hub); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ip("netns", "del", hub) }()
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", Hub.String() + "/32", "dev", "lo"}} {
		if err := ip(append([]string{"-n", hub}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"netns", "exec", hub, self, "-test.run=^" + t.Name() + "$", "-test.v", "-test.count=1"}
	if deadline, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(deadline).String())
	}
	out := &lines{t: t}
	cmd := exec.Command("ip", args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), inside+"="+hub)
	in, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	<-in.Exited()
	if out.flush(); !in.Success() {
		t.Fatal("in a hub it failed")
	}
	return false
}

// hubs counts those of this process.
var hubs atomic.Int64

// lines hands what the test in the hub prints to this test's log.
type lines struct {
	t    *testing.T
	part []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.part = append(l.part, b...)
	if i := bytes.LastIndexByte(l.part, '\n'); i >= 0 {
		l.t.Logf("%s", l.part[:i])
		l.part = l.part[i+1:]
	}
	return len(b), nil
}

func (l *lines) flush() {
	if len(l.part) > 0 {
		l.t.Logf("%s", l.part)
	}
}

// removeLeftovers removes the namespaces of processes whose process is gone.
func removeLeftovers() {
	names, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, path := range names {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && syscall.Kill(n, 0) == syscall.ESRCH {
			_ = ip("netns", "del", name)
		}
	}
}

// Lab is a hub and its hosts. Its methods end the test when they fail.
type Lab struct {
	t     testing.TB
	id    string
	hosts int
	links int
}

// New makes a laboratory in the hub in which the test runs; see [Enter].
func New(t testing.TB) *Lab {
	t.Helper()
	hub := os.Getenv(inside)
	if hub == "" {
		t.Fatal("netlab.Enter must have moved the test into a hub")
	}
	return &Lab{t: t, id: strings.TrimSuffix(hub, "-hub")}
}

// Host is a network namespace.
type Host struct {
	Name string
	// Addr is the host's address on its link to the hub, Hub the hub's on it.
	Addr, Hub netip.Addr
	Uplink    *Link // from the host to the hub

	lab       *Lab
	namespace string
}

// Host makes a host with a link to the hub.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	l.hosts++
	h := &Host{Name: name, lab: l, namespace: fmt.Sprintf("%s-%d", l.id, l.hosts)}
	l.must("netns", "add", h.namespace)
	l.t.Cleanup(func() { _ = ip("netns", "del", h.namespace) })
	l.must("-n", h.namespace, "link", "set", "lo", "up")
	h.Uplink = l.link(h, nil)
	h.Addr, h.Hub = h.Uplink.ends[0].addr, h.Uplink.ends[1].addr
	l.must("-n", h.namespace, "route", "add", Hub.String(), "via", h.Hub.String())
	return h
}

// Command is a program and its arguments, to be run on the host.
func (h *Host) Command(program string, args ...string) []string {
	return append([]string{"ip", "netns", "exec", h.namespace, program}, args...)
}

// Link joins two hosts, or a host and the hub.
type Link struct {
	Name string
	ends [2]end
	lab  *Lab
}

type end struct {
	namespace string // "" is the hub
	device    string
	addr      netip.Addr
	mac       string
}

// Link makes a link between two hosts, and returns it with the address of b on it.
func (l *Lab) Link(a, b *Host) (*Link, netip.Addr) {
	l.t.Helper()
	link := l.link(a, b)
	return link, link.ends[1].addr
}

func (l *Lab) link(a, b *Host) *Link {
	l.t.Helper()
	n := l.links
	l.links++
	link := &Link{lab: l, Name: a.Name + "–hub"}
	if b != nil {
		link.Name = a.Name + "–" + b.Name
	}
	for i := range link.ends {
		e := &link.ends[i]
		e.device = fmt.Sprintf("lab%d%c", n, 'a'+i)
		e.addr = netip.AddrFrom4([4]byte{10, 99, byte(n), byte(i + 1)})
		e.mac = fmt.Sprintf("02:1a:b0:00:%02x:%02x", n, i+1)
		if i == 0 {
			e.namespace = a.namespace
		} else if b != nil {
			e.namespace = b.namespace
		}
	}
	x, y := link.ends[0], link.ends[1]
	l.must("link", "add", x.device, "address", x.mac, "type", "veth", "peer", "name", y.device, "address", y.mac)
	for i, e := range link.ends {
		if e.namespace != "" {
			l.must("link", "set", e.device, "netns", e.namespace)
		}
		l.must(e.in("addr", "add", e.addr.String()+"/30", "dev", e.device)...)
		l.must(e.in("link", "set", e.device, "up")...)
		link.neighbour(i, link.ends[1-i].mac)
	}
	if b == nil {
		l.t.Cleanup(func() { _ = ip("link", "del", y.device) })
	}
	return link
}

// in are the arguments of ip for the end's namespace.
func (e end) in(args ...string) []string {
	if e.namespace == "" {
		return args
	}
	return append([]string{"-n", e.namespace}, args...)
}

// neighbour says to one end which MAC the other has.
func (l *Link) neighbour(at int, mac string) {
	l.lab.t.Helper()
	e := l.ends[at]
	l.lab.must(e.in("neigh", "replace", l.ends[1-at].addr.String(), "lladdr", mac, "nud", "permanent", "dev", e.device)...)
}

// nobody is a MAC at which nobody listens.
const nobody = "02:1a:b0:ff:ff:ff"

// Cut loses from now on what is sent in both directions.
func (l *Link) Cut() { l.CutFrom(0); l.CutFrom(1) }

// CutFrom loses from now on what one end sends: 0 is the first host, 1 the
// second or the hub.
func (l *Link) CutFrom(sender int) {
	l.lab.t.Helper()
	l.neighbour(sender, nobody)
}

// Slow lets through so many bytes a second in each direction; what does not fit
// waits for up to a second, and is lost then.
func (l *Link) Slow(bytesPerSecond int) {
	l.lab.t.Helper()
	for _, e := range l.ends {
		args := []string{
			"qdisc", "replace", "dev", e.device, "root", "tbf", "rate", strconv.Itoa(8*bytesPerSecond) + "bit",
			"burst", "4k", "latency", "1s",
		}
		l.lab.do("tc", e.in(args...)...)
	}
}

// Heal makes the link as it was.
func (l *Link) Heal() {
	l.lab.t.Helper()
	for i, e := range l.ends {
		l.neighbour(i, l.ends[1-i].mac)
		_ = command("tc", e.in("qdisc", "del", "dev", e.device, "root")...).Run() // fails if it is not slow
	}
}

func (l *Lab) must(args ...string) { l.t.Helper(); l.do("ip", args...) }

func (l *Lab) do(program string, args ...string) {
	l.t.Helper()
	if out, err := command(program, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
}

func command(program string, args ...string) *exec.Cmd { return exec.Command(program, args...) }

func ip(args ...string) error {
	if out, err := command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
