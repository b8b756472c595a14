package front

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"l2gw/test/neutron"
	"l2gw/test/product"
)

func TestTwoServersBehindHAProxyAreOne(t *testing.T) {
	n := neutron.Shared(t)
	c := product.NewCloud(t, inventory, product.CloudOptions{TLS: true})
	for _, name := range []string{"l2gw1", "l2gw2"} {
		c.Servers = append(c.Servers, c.NewServe(name, "--neutron", n.URL, "--drain", "4s", "--trusted-proxies", "127.0.0.1"))
	}
	c.Start()
	a, b := c.Servers[0], c.Servers[1]
	proxy := beside{
		neutron: n.Addr, servers: [2]string{strings.TrimPrefix(a.URL, "https://"), strings.TrimPrefix(b.URL, "https://")}, pki: c.PKI,
	}.run(t)
	url := proxy.url

	t.Run("each path goes where it belongs", func(t *testing.T) {
		for path, want := range map[string]string{
			"/v2.0/extensions": `"l2-gateway"`, "/v2.0/extensions?x=1": `"provider"`, "/v2.0/extensions/l2-gateway": "L2 Gateway", "/v2.0/extensions/agent": "agent management",
			"/v2.0/networks": `"networks"`, "/v2.0/l2_gateways": `"l2_gateways"`, "/v2.0/l2-gateway-connections": `"l2_gateway_connections"`, "/v2.0/openapi.json": "openapi",
			"/v2.0/l2-gateway-quotas/p": `"l2_gateway"`, "/v2.0/quotas/p": `"subnet"`, "//v2.0//l2-gateways": "could not be found", "/v2.0/%6c2-gateways": `"l2_gateways"`,
			"/v2.0/%2e%2e/metrics": "could not be found", "/v2.0/networks/..%2f..%2fmetrics": "could not be found", "/metrics": "", "/readyz": "",
		} {
			status, _, body := ask(t, http.DefaultClient, http.MethodGet, url+path, "")
			if !strings.Contains(body, want) || want == "" && status != 404 {
				t.Errorf("%s: %d %.300s, want %q", path, status, body, want)
			}
		}
	})

	// Of a write under which a server died, HAProxy tells a client of HTTP/2 that it
	// was refused (REFUSED_STREAM): clients send such ones again by themselves.
	t.Run("clients speak HTTP/1.1", func(t *testing.T) {
		conf := http.DefaultTransport.(*http.Transport).TLSClientConfig.Clone()
		conf.NextProtos = []string{"h2", "http/1.1"}
		conn, err := tls.Dial("tcp", proxy.addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("they speak %q", got)
		}
	})

	t.Run("links lead to where the client came from, whatever it says of that", func(t *testing.T) {
		for _, name := range []string{"one", "two"} {
			a.CreateGateway(name, product.Device{Name: "d", Interfaces: []product.Interface{{Name: name}}})
		}
		for name, value := range map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example;proto=http", "X-Forwarded-Prefix": "/evil"} {
			req, _ := http.NewRequest(http.MethodGet, url+"/v2.0/l2-gateways?limit=1", nil)
			req.Header.Set(name, value)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			links := list(t, string(body), "l2_gateways_links", "href")
			if len(links) == 0 || strings.Contains(string(body), "evil") {
				t.Errorf("%s: %s", name, body)
			}
			for _, link := range links {
				if !strings.HasPrefix(link, url+"/v2.0/l2-gateways?") {
					t.Errorf("%s: %s", name, link)
				}
			}
		}
	})

	t.Run("what is written through one is read through the other at once", func(t *testing.T) {
		for i := range 100 {
			writer, reader := a, b
			if i%2 == 1 {
				writer, reader = b, a
			}
			id := writer.CreateGateway(fmt.Sprintf("round-%d", i), product.Device{Name: "d", Interfaces: []product.Interface{{Name: fmt.Sprint("r", i)}}})
			if status, _, body := ask(t, http.DefaultClient, http.MethodGet, reader.URL+"/v2.0/l2-gateways/"+id, ""); status != 200 {
				t.Fatalf("round %d: %d %s", i, status, body)
			}
			if status, _, body := ask(t, http.DefaultClient, http.MethodDelete, reader.URL+"/v2.0/l2-gateways/"+id, ""); status != 204 {
				t.Fatalf("round %d: %d %s", i, status, body)
			}
			if status, _, _ := ask(t, http.DefaultClient, http.MethodGet, writer.URL+"/v2.0/l2-gateways/"+id, ""); status != 404 {
				t.Fatalf("round %d: it is still there: %d", i, status)
			}
		}
	})

	for _, end := range []struct {
		name string
		stop func(*product.Serve)
		lost int // how many writes may be left without an answer that says what became of them
	}{
		{"killed", func(s *product.Serve) { s.Kill() }, 0},
		{"told to stop", func(s *product.Serve) { s.Stop() }, 0},
	} {
		t.Run("a server is "+end.name+" under load", func(t *testing.T) {
			l := load(proxy)
			again, elsewhere, _ := proxy.figures()
			for _, s := range c.Servers {
				l.more(t, 60) // both are up
				end.stop(s)
				l.more(t, 60)
				s.Launch()
				product.Eventually(t, "haproxy has taken it back", func() error {
					if _, _, up := proxy.figures(); up != 2 {
						return fmt.Errorf("%d of 2 are up", up)
					}
					return nil
				})
				l.more(t, 100)
			}
			l.end()
			again2, elsewhere2, _ := proxy.figures()
			t.Logf("%d requests, %d writes without a certain outcome; %d connections tried again, %d requests sent elsewhere", l.done.Load(), len(l.uncertain), again2-again, elsewhere2-elsewhere)
			if n := len(l.failures); n > 0 {
				t.Errorf("%d answers must not be, such as %q", n, l.failures[:min(n, 5)])
			}
			if len(l.uncertain) > end.lost {
				t.Errorf("%d writes are left without a certain outcome: %v", len(l.uncertain), l.uncertain)
			}
			_, _, body := ask(t, http.DefaultClient, http.MethodGet, url+"/v2.0/l2-gateways?fields=name", "")
			count := map[string]int{}
			for _, name := range list(t, body, "l2_gateways", "name") {
				count[name]++
			}
			for name, want := range l.expected {
				if got := count[name]; want == once && got != 1 || want == gone && got != 0 || got > 1 {
					t.Errorf("%s is there %d times, and is to be there %s", name, got, want)
				}
			}
		})
	}
}
