package api

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// Proxies are the addresses of load balancers whose word about their clients is
// believed (X-Forwarded-For, -Proto and -Host), and nobody else's.
type Proxies []netip.Prefix

// Client is the address of who asks: the one that the connection comes from or, if
// that is a trusted proxy, the one nearest to it in X-Forwarded-For that is none.
// False if the connection has no address.
func (p Proxies) Client(r *http.Request) (netip.Addr, bool) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for p.trust(client) && len(hops) > 0 {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break // whoever wrote this is not who is trusted
		}
		client, hops = hop.Unmap().WithZone(""), hops[:len(hops)-1]
	}
	return client, true
}

func (p Proxies) trust(client netip.Addr) bool {
	for _, network := range p {
		if network.Contains(client) {
			return true
		}
	}
	return false
}

// forwardedHost is what may stand in X-Forwarded-Host: a host and a port.
var forwardedHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9a-fA-F:.]+\](:[0-9]+)?$`)

// Base is how the client reached us: by TLS or not, and under which name.
func (p Proxies) Base(r *http.Request) (scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !p.trust(at.Addr().Unmap()) {
		return scheme, host
	}
	if proto := strings.ToLower(r.Header.Get("X-Forwarded-Proto")); proto == "http" || proto == "https" {
		scheme = proto
	}
	if name := r.Header.Get("X-Forwarded-Host"); forwardedHost.MatchString(name) {
		host = name
	}
	return scheme, host
}
