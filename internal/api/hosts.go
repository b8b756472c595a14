package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"l2gw"
)

// Where nobody is asked who they are, what keeps strangers out is that they cannot
// reach the address. A browser on this host can, and does what any page tells it.
// It refuses pages the answers of other sites, and [http.CrossOriginProtection]
// refuses what they send; but whoever owns a name can have it resolve to 127.0.0.1
// once the page is loaded, and to the browser we are that page's own site then (DNS
// rebinding). The one thing that such a page cannot change is the name in Host.

// NoAuthAt is [NoAuth] for a server that browsers reach under further names than
// localhost and addresses. Case does not matter.
func NoAuthAt(names ...string) func(*http.Request) (Caller, error) {
	known := make([]string, len(names))
	for i, n := range names {
		known[i] = plainHost(n)
	}
	return func(r *http.Request) (Caller, error) {
		if host := plainHost(r.Host); browses(r) && !ownHost(host) && !slices.Contains(known, host) {
			return Caller{}, otherHost(host)
		}
		return everybody(r), nil
	}
}

// otherHost refuses a browser.
func otherHost(host string) error {
	return &l2gw.Error{
		Code: l2gw.Forbidden, Type: "HTTPForbidden",
		Message: fmt.Sprintf("Access was denied to this resource: a browser sent the request to the host '%s', which is not known to be this server. "+
			"Without authentication a browser may use an address, localhost or the host of the server's public URL (public_url).", loggable(host)),
	}
}

// browses reports whether a browser seems to have made the request. To a name over
// plain HTTP browsers send no Sec-Fetch-Site, and with a GET for the page's own site
// no Origin; so what they all send, and other clients do not, counts as well. A page
// can change some of these headers, and leave out no more than Referer.
func browses(r *http.Request) bool {
	for _, name := range []string{"Sec-Fetch-Site", "Origin", "Referer", "Accept-Language"} {
		if _, sent := r.Header[name]; sent {
			return true
		}
	}
	return strings.HasPrefix(r.UserAgent(), "Mozilla/")
}

// plainHost is a host without its port, brackets and final dot, in lower case.
func plainHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ownHost reports whether nobody can have the host resolve to where they like: an
// address, and the names that always mean this host (RFC 6761, section 6.3).
func ownHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
