package front

import (
	"net/http"
	"strings"

	"l2gw/internal/api"
)

// stripped says whether a request's header is not passed on to Neutron: it claims
// who the caller is (what keystonemiddleware's auth_token sets for the
// application behind it, and its older names), or by which way it came, or it
// would become such a one in WSGI, which writes "_" for "-".
func stripped(name string) bool {
	if strings.Contains(name, "_") {
		return true
	}
	name = strings.ToLower(name)
	switch name {
	case "x-auth-token", "x-service-token":
		return false
	case "forwarded", "x-real-ip", "x-role", "x-is-admin-project", "x-system-scope", "openstack-system-scope":
		return true
	}
	for _, prefix := range []string{"x-roles", "x-user", "x-tenant", "x-project", "x-domain", "x-identity", "x-service", "x-forwarded"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// hop are the headers that concern one connection alone (RFC 9110 §7.6.1).
var hop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// dropHop takes away what concerns one connection alone, by its name or because
// the header Connection says so.
func dropHop(h http.Header) {
	for _, line := range h.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hop {
		h.Del(name)
	}
}

// address makes out a request to Neutron that came to us as in, with its headers.
func (f *front) address(in, out *http.Request, id string) {
	out.URL.Scheme, out.URL.Host, out.URL.User = f.Upstream.Scheme, f.Upstream.Host, nil
	if f.Upstream.Path != "" {
		out.URL.Path, out.URL.RawPath = f.Upstream.Path+in.URL.Path, f.Upstream.EscapedPath()+in.URL.EscapedPath()
	}
	for name := range out.Header {
		if stripped(name) {
			delete(out.Header, name)
		}
	}
	proto, host := f.TrustedProxies.Base(in)
	if f.base != nil {
		proto, host = f.base.Scheme, f.base.Host
		if f.base.Path != "" {
			out.Header.Set("X-Forwarded-Prefix", f.base.Path)
		}
	}
	out.Host = host
	if client, ok := f.TrustedProxies.Client(in); ok {
		out.Header.Set("X-Forwarded-For", client.String())
	}
	out.Header.Set("X-Forwarded-Host", host)
	out.Header.Set("X-Forwarded-Proto", proto)
	if !api.ValidRequestID(out.Header.Get("X-Openstack-Request-Id")) {
		out.Header.Set("X-Openstack-Request-Id", id)
	}
	out.Header.Add("Via", "1.1 "+f.name)
}

// looped says whether a request comes from a front already.
func looped(h http.Header) bool {
	for _, line := range h.Values("Via") {
		for one := range strings.SplitSeq(line, ",") {
			if fields := strings.Fields(one); len(fields) > 1 && strings.HasPrefix(fields[1], pseudonym) {
				return true
			}
		}
	}
	return false
}
