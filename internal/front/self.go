package front

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// notOurselves fails with ErrLoop if Neutron's endpoint is the address where we
// listen or the one under which clients know us. A loop that goes through others, such as
// a load balancer, shows when a request comes back (see looped).
func (f *front) notOurselves(ctx context.Context) error {
	if f.base != nil && sameHost(f.base, f.Upstream) {
		return fmt.Errorf("%w: %s is the public URL", ErrLoop, f.Upstream)
	}
	listen, ok := f.Listen.(*net.TCPAddr)
	if !ok || portOf(f.Upstream) != fmt.Sprint(listen.Port) {
		return nil
	}
	// A name that cannot be resolved now is not refused: Neutron may come up later.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	theirs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", f.Upstream.Hostname())
	for _, addr := range theirs {
		if addr = addr.Unmap(); addr.IsUnspecified() || local(addr, listen.AddrPort().Addr().Unmap()) {
			return fmt.Errorf("%w: %s is where this server listens (%s)", ErrLoop, f.Upstream, listen)
		}
	}
	return nil
}

// local says whether a connection to addr reaches who listens at ours.
func local(addr, ours netip.Addr) bool {
	if !ours.IsUnspecified() {
		return addr == ours
	}
	if addr.IsLoopback() {
		return true
	}
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == addr {
			return true
		}
	}
	return false
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b) && a.Path == b.Path
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
