package packets

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Ping makes from ping to, both without any memory of the other: every attempt
// begins with an ARP request, and to has to find from as well. It repeats that
// until an answer comes or ctx ends, since the first packets to a new tunnel
// endpoint are lost while Open vSwitch looks for it in the underlay.
func (l *Lab) Ping(ctx context.Context, from, to Host) error {
	for {
		err := l.PingOnce(ctx, from, to)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// PingOnce is one attempt of Ping; it takes up to a second or two.
func (l *Lab) PingOnce(ctx context.Context, from, to Host) error {
	for _, h := range []Host{from, to} {
		if err := l.ip(ctx, h.Name, "neigh flush all"); err != nil {
			return err
		}
	}
	if err := check(l.inside(ctx, from.Name, "ping", "-n", "-q", "-c", "2", "-i", "0.3", "-W", "1", to.IP)); err != nil {
		return fmt.Errorf("%s does not reach %s: %w", from.Name, to.Name, err)
	}
	return nil
}

// probes is how many broadcasts Copies sends, and probe the address that the nth asks for.
const probes = 5

func probe(n int) string { return fmt.Sprintf("10.250.0.%d", n+1) }

// Copies counts how many copies of each of five broadcasts from one host arrive
// at others. It repeats the last until it arrived at all hosts of the same
// network at least once, so that no earlier one can still be under way; the last
// is therefore not counted.
func (l *Lab) Copies(ctx context.Context, from Host, at ...Host) (map[Host][probes - 1]int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listeners := make([]*listener, len(at))
	for i, h := range at {
		ls, err := l.listen(ctx, h, from.MAC)
		if err != nil {
			return nil, err
		}
		defer ls.stop()
		listeners[i] = ls
	}
	send := func(n int) error {
		// arping ends with an error since nobody has the address.
		cmd := l.inside(ctx, from.Name, "arping", "-q", "-c", "1", "-w", "1", "-I", "eth0", probe(n))
		if err := cmd.Start(); err != nil {
			return err
		}
		_ = cmd.Wait()
		return ctx.Err()
	}
	var sent []func() error
	for n := range probes - 1 {
		sent = append(sent, func() error { return send(n) })
	}
	if err := parallel(sent...); err != nil {
		return nil, err
	}
	for {
		if err := send(probes - 1); err != nil {
			return nil, err
		}
		missing := ""
		for i, h := range at {
			if h.VNI == from.VNI && listeners[i].count(probes-1) == 0 {
				missing = h.Name
			}
		}
		if missing == "" {
			break
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no broadcast of %s arrives at %s: %w", from.Name, missing, ctx.Err())
		}
	}
	copies := map[Host][probes - 1]int{}
	for i, h := range at {
		var c [probes - 1]int
		for n := range c {
			c[n] = listeners[i].count(n)
		}
		copies[h] = c
	}
	return copies, nil
}

// listener is a tcpdump at a host.
type listener struct {
	cmd  *exec.Cmd
	out  lockedBuffer
	said lockedBuffer
}

// listen starts to write down the ARP requests that arrive at h from a MAC, and
// returns when it really does.
func (l *Lab) listen(ctx context.Context, h Host, mac string) (*listener, error) {
	ls := &listener{cmd: l.inside(ctx, h.Name, "tcpdump", "-l", "-n", "-t", "--immediate-mode", "-i", "eth0", "arp and ether src "+mac)}
	ls.cmd.Stdout, ls.cmd.Stderr = &ls.out, &ls.said
	if err := ls.cmd.Start(); err != nil {
		return nil, err
	}
	if err := until(ctx, func() error {
		if !strings.Contains(ls.said.String(), "listening on") {
			return fmt.Errorf("tcpdump at %s: %s", h.Name, ls.said.String())
		}
		return nil
	}); err != nil {
		ls.stop()
		return nil, err
	}
	return ls, nil
}

func (ls *listener) count(n int) int {
	return strings.Count(ls.out.String(), "who-has "+probe(n)+" ")
}

func (ls *listener) stop() {
	_ = ls.cmd.Process.Kill()
	_ = ls.cmd.Wait()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Patience is how long a new binding may take until it carries packets: the
// emulator looks at its database once in a second and is slow; 4 s are usual.
const Patience = 60 * time.Second
