package packets

import (
	"context"
	"os/exec"
	"strings"
)

// ns is the full name of a namespace.
func (l *Lab) ns(name string) string { return l.prefix + name }

// namespace makes a network namespace. It has no IPv6: a switch would learn the
// addresses of its own cables from their neighbour discovery.
func (l *Lab) namespace(ctx context.Context, name string) error {
	if err := run(ctx, "ip", "netns", "add", l.ns(name)); err != nil {
		return err
	}
	l.mu.Lock()
	l.namespaces = append(l.namespaces, l.ns(name))
	l.mu.Unlock()
	return steps(
		func() error { return l.ip(ctx, name, "link set lo up") },
		func() error {
			return check(l.inside(ctx, name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"))
		},
	)
}

// inside is a command that runs in a namespace.
func (l *Lab) inside(ctx context.Context, name, command string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns(name), command}, args...)...)
}

// ip carries out commands of ip(8) in a namespace, in one process.
func (l *Lab) ip(ctx context.Context, name string, commands ...string) error {
	cmd := exec.CommandContext(ctx, "ip", "-n", l.ns(name), "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	return check(cmd)
}

// cable joins two interfaces, each in its namespace.
func (l *Lab) cable(ctx context.Context, a, devA, b, devB, mtu string) error {
	return steps(
		func() error {
			return run(ctx, "ip", "link", "add", "name", devA, "netns", l.ns(a), "mtu", mtu,
				"type", "veth", "peer", "name", devB, "netns", l.ns(b), "mtu", mtu)
		},
		func() error { return l.ip(ctx, a, "link set "+devA+" up") },
		func() error { return l.ip(ctx, b, "link set "+devB+" up") },
		func() error { return l.noOffload(ctx, a, devA) },
		func() error { return l.noOffload(ctx, b, devB) },
	)
}

// noOffload makes the kernel finish the checksums of what it sends: Open vSwitch
// in user space reads frames as they are and drops those with an unfinished one.
func (l *Lab) noOffload(ctx context.Context, name, dev string) error {
	return check(l.inside(ctx, name, "ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"))
}

// underlay makes the network that joins the VTEPs.
func (l *Lab) underlay(ctx context.Context) error {
	return steps(
		func() error { return l.namespace(ctx, "ul") },
		func() error {
			return l.ip(ctx, "ul", "link add br0 mtu "+underlayMTU+" type bridge mcast_snooping 0", "link set br0 up")
		},
	)
}

// node makes a namespace with eth0 in the underlay, without an address.
func (l *Lab) node(ctx context.Context, name string) error {
	return steps(
		func() error { return l.namespace(ctx, name) },
		func() error { return l.cable(ctx, name, "eth0", "ul", "u-"+name, underlayMTU) },
		func() error { return l.ip(ctx, "ul", "link set u-"+name+" master br0") },
	)
}

// host makes a namespace with eth0, whose other end is dev in the node's.
func (l *Lab) host(ctx context.Context, h Host, node, dev string) error {
	return steps(
		func() error { return l.namespace(ctx, h.Name) },
		func() error { return l.cable(ctx, h.Name, "eth0", node, dev, "1500") },
		func() error {
			return l.ip(ctx, h.Name, "link set eth0 address "+h.MAC, "addr add "+h.IP+"/24 dev eth0")
		},
	)
}

// steps carries out functions one after another until one fails.
func steps(fs ...func() error) error {
	for _, f := range fs {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}
