package front

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// However a path or a body is written, what HAProxy sends to us is below our paths,
// what it sends to Neutron is not, and no request is hidden in another.
func TestHAProxyAndTheServersAgreeAboutPathsAndBodies(t *testing.T) {
	says := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %q", name, b)
		}
	}
	one, two, neutron := newStranger(t, "l2gw1", nil, says("ours")), newStranger(t, "l2gw2", nil, says("ours")), newStranger(t, "neutron", nil, says("neutron"))
	proxy := beside{neutron: neutron.addr(), servers: [2]string{one.addr(), two.addr()}}.run(t)
	for _, s := range []*stranger{one, two, neutron} {
		s.heard()
	}
	ours := func(decoded string) bool {
		clean := path.Clean("/" + decoded)
		return strings.HasPrefix(clean, "/v2.0/l2-gateway") || strings.HasPrefix(clean, "/v2.0/l2_gateway") || strings.HasPrefix(clean, "/v2.0/extensions/l2-gateway") ||
			slices.Contains([]string{"/v2.0/openapi.json", "/v2.0/extensions", "/v2.0/extensions.json"}, clean)
	}
	check := func(what string) (came []string) {
		t.Helper()
		for _, s := range []*stranger{one, two, neutron} {
			for _, line := range s.heard() {
				came = append(came, line)
				_, target, _ := strings.Cut(line, " ")
				u, err := url.ParseRequestURI(target)
				if err != nil || ours(u.Path) != (s != neutron) || slices.ContainsFunc(strings.Split(u.Path, "/"), func(part string) bool { return part == "." || part == ".." }) {
					t.Errorf("%q: %s was sent to %s", what, line, s.name)
				}
			}
		}
		return came
	}

	for target, want := range map[string]string{
		"/v2.0/l2-gateways": "ours", "/v2.0/l2_gateway_connections": "ours", "//v2.0///l2-gateways": "ours", "/v2.0/%6c2-gateways": "ours", "/v2.0%2fl2-gateways": "ours",
		"/v2.0/%2F%2fl2-gateways": "ours", "/v2.0/extensions": "ours", "/v2.0/extensions/": "ours", "/v2.0/extensions.json": "ours", "/v2.0/extensions/l2-gateway": "ours",
		"/v2.0/openapi.json": "ours", "/v2.0/l2-gateways?x=/v2.0/networks": "ours", "/v2.0/l2-gateways;x": "ours", "/v2.0/l2-gateways%3fx": "ours", "/v2.0/l2-gateways%00": "ours",
		"/v2.0/networks": "neutron", "/v2.0/extensions/agent": "neutron", "/v2.0/quotas/l2-gateways": "neutron", "/v2.0/%256c2-gateways": "neutron", "/V2.0/l2-gateways": "neutron",
		"/v2.0/networks?x=/v2.0/l2-gateways": "neutron", "/v2.0/networks%3f/l2-gateways": "neutron", "/v2.0;/l2-gateways": "neutron", "/v2.0\\l2-gateways": "neutron", "/v2.0/networks/...": "neutron",
		"/metrics": "neutron", "/readyz": "neutron", "//metrics": "neutron", "/": "neutron", "*": "neutron",
		"/v2.0/../metrics": "", "/v2.0/l2-gateways/../../metrics": "", "/v2.0/l2-gateways/%2e%2e/%2e%2e/metrics": "", "/v2.0/l2-gateways/..%2f..%2fmetrics": "", "/v2.0/l2-gateways/%2E./x": "",
		"/v2.0/l2-gateways%00/..%2f..%2fmetrics": "", "/v2.0/./l2-gateways": "", "/v2.0/l2-gateways/.": "", "/v2.0/networks/../l2-gateways": "", "/..": "", "/v2.0/%2e%2e%2fmetrics": "",
		"/v2.0/l2-gateways#/v2.0/networks": "", "/v2.0/l2-gateways\x01": "", "/v2.0/l2-gateways x": "", "v2.0/l2-gateways": "",
	} {
		c := speak(t, proxy.addr)
		c.say("GET %s HTTP/1.1\r\nHost: network.example\r\nConnection: close\r\n\r\n", target)
		status, body := c.hear(http.MethodGet)
		if got := strings.Fields(body + " -")[0]; want != "" && (status != 200 || got != want) || want == "" && status > 0 && status < 400 {
			t.Errorf("%s: %d %s, want %q", target, status, body, want)
		}
		if came := check(target); want != "" && len(came) > 1 || want == "" && len(came) > 0 {
			t.Errorf("%s was sent on as %q", target, came)
		}
	}

	const inner = "GET /v2.0/networks/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for head, rest := range map[string]string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked":                                            "0\r\n\r\n" + inner,
		"Transfer-Encoding: chunked\r\nContent-Length: 5":                                            "0\r\n\r\n" + inner,
		"Transfer-Encoding: xchunked\r\nContent-Length: 5":                                           "0\r\n\r\n" + inner,
		"Transfer-Encoding : chunked":                                                                "0\r\n\r\n" + inner,
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity":                                  "0\r\n\r\n" + inner,
		"Transfer_Encoding: chunked\r\nContent-Length: 5":                                            "0\r\n\r\n" + inner,
		"Content-Length: 5\r\nContent-Length: 50":                                                    "0\r\n\r\n" + inner,
		"Content-Length: 5, 50":                                                                      "0\r\n\r\n" + inner,
		"Content-Length: +5":                                                                         "0\r\n\r\n" + inner,
		fmt.Sprintf("Content-Length: %d", len(inner)):                                                inner,
		fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue", len(inner)):                        inner,
		fmt.Sprintf("Content-Length: %d\r\nUpgrade: h2c\r\nConnection: Upgrade", len(inner)):         inner,
		fmt.Sprintf("Content-Length: %d\r\nConnection: Content-Length", len(inner)):                  inner,
		fmt.Sprintf("X: y\r\n Content-Length: 1\r\nContent-Length: %d", len(inner)):                  inner,
		fmt.Sprintf("Transfer-Encoding: chunked\r\nTrailer: X-Roles\r\nX-Pad: %s", "p"):              fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Roles: admin\r\n\r\n", len(inner), inner),
		fmt.Sprintf("Transfer-Encoding: chunked\r\nX-Extension: %s", "a chunk's, with a line break"): "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
	} {
		for _, target := range []string{"/v2.0/l2-gateways", "/v2.0/networks"} {
			c := speak(t, proxy.addr)
			c.say("POST %s HTTP/1.1\r\nHost: network.example\r\n%s\r\n\r\n%s", target, head, rest)
			c.hear(http.MethodPost)
			c.hangUp()
			for _, line := range check(head) {
				hidden := strings.Contains(line, "hidden")
				// After a body that ends where it says, what follows is a request of its own.
				if own := strings.HasPrefix(rest, "0\r\n\r\n"); hidden && !own {
					t.Errorf("%q: what is in the body was sent on as %s", head, line)
				}
			}
		}
	}
}
