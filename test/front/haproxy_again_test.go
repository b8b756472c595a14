package front

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw/test/product"
)

// stranger stands for whoever is behind HAProxy: it says what came.
type stranger struct {
	name string
	*httptest.Server

	mu   sync.Mutex
	came []string
}

// newStranger runs one that shows a certificate; with none it speaks no TLS.
func newStranger(t testing.TB, name string, shows *product.Files, h http.HandlerFunc) *stranger {
	t.Helper()
	s := &stranger{name: name}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" && r.URL.Path != "/" {
			s.mu.Lock()
			s.came = append(s.came, r.Method+" "+r.RequestURI)
			s.mu.Unlock()
		}
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	if shows == nil {
		s.Start()
	} else {
		pair, err := tls.LoadX509KeyPair(shows.Certificate, shows.Key)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *stranger) addr() string { return s.Listener.Addr().String() }

// heard is what came since it was asked last.
func (s *stranger) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.came
	s.came = nil
	return came
}

// dying reads each write, and ends the connection without an answer when the write
// comes for the first time.
type dying struct {
	mu   sync.Mutex
	seen map[string]int // by key
}

func (d *dying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		return
	}
	key := r.Header.Get("Idempotency-Key")
	d.mu.Lock()
	d.seen[key]++
	n := d.seen[key]
	d.mu.Unlock()
	if n == 1 || key == "" {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "%d bytes over HTTP/%d, times %d", len(b), r.ProtoMajor, n)
}

// What fits into HAProxy's buffer is sent again, in one piece or in two, and what
// does not is answered 502: as the documentation says it of each size.
func TestHAProxySendsAWriteAgainThatItHoldsAsAWhole(t *testing.T) {
	pki := product.NewPKI(t)
	pki.Trust()
	first, second := pki.Issue("l2gw1"), pki.Issue("l2gw2")
	const k, m = 1 << 10, 1 << 20
	for _, v := range []struct {
		name   string
		change [][2]string
		up     int // to how many bytes it is sent again
		over   int // with how many it is not; 0: with none that the API takes
	}{
		{"as it is by itself", [][2]string{{"tune.bufsize 65536", "tune.bufsize 16384"}}, 14 * k, 17 * k},
		{"as documented", nil, 60 * k, 66 * k},
		{"with room for all that the API takes", [][2]string{{"tune.bufsize 65536", "tune.bufsize 1114112"}}, m, 0},
	} {
		t.Run(v.name, func(t *testing.T) {
			d := &dying{seen: map[string]int{}}
			one, two, neutron := newStranger(t, "l2gw1", &first, d.ServeHTTP), newStranger(t, "l2gw2", &second, d.ServeHTTP), newStranger(t, "neutron", nil, d.ServeHTTP)
			proxy := beside{neutron: neutron.addr(), servers: [2]string{one.addr(), two.addr()}, pki: pki, change: v.change}.run(t)
			one.heard() // what it was asked while HAProxy came up
			two.heard()
			ask := func(method, path string, size int, piecewise bool) (int, string) {
				t.Helper()
				c, err := proxy.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(60 * time.Second))
				if piecewise {
					c = inTwo{c}
				}
				return askOver(t, c, method, path, size)
			}
			type write struct {
				method, path string
				size, status int
			}
			writes := []write{
				{"POST", "/v2.0/l2-gateways", 2, 200},
				{"POST", "/v2.0/l2-gateway-connections", v.up / 2, 200},
				{"PUT", "/v2.0/l2-gateways/x", v.up, 200},
				{"PUT", "/v2.0/l2-gateways.json", v.up, 200},
				{"POST", "/v2.0/%6C2_gateways", v.up / 2, 200},
				{"POST", "//v2.0//l2-gateways", v.up / 2, 200},
				{"DELETE", "/v2.0/l2-gateways/x", 0, 200},
				// These have no key by which a server knows them again.
				{"PUT", "/v2.0/l2-gateway-quotas/p", 2, 502},
				{"POST", "/v2.0/l2-gateway-devices/d", 2, 502},
				{"POST", "/v2.0/networks", 2, 502},
				{"DELETE", "/v2.0/quotas/l2-gateways", 0, 502},
			}
			if v.over > 0 {
				writes = append(writes, write{"POST", "/v2.0/l2-gateways", v.over, 502})
			}
			for _, c := range writes {
				want, attempts := "", 1
				if c.status == 200 {
					want, attempts = fmt.Sprintf("%d bytes over HTTP/1, times 2", c.size), 2
				}
				for _, piecewise := range []bool{false, true} {
					status, body := ask(c.method, c.path, c.size, piecewise)
					if status != c.status || status == 200 && body != want || status == 502 && !strings.HasPrefix(body, `{"NeutronError": {"type": "HTTPBadGateway", "message": "The server ended`) {
						t.Errorf("%s %s with %d bytes, in two pieces %t: %d %s, want %d %s", c.method, c.path, c.size, piecewise, status, body, c.status, want)
					}
					if came := slices.Concat(one.heard(), two.heard(), neutron.heard()); len(came) != attempts {
						t.Errorf("%s %s with %d bytes: %d attempts, want %d: %q", c.method, c.path, c.size, len(came), attempts, came)
					}
				}
			}
		})
	}
}

// askOver sends a request over a connection and returns status and body.
func askOver(t testing.TB, c net.Conn, method, path string, size int) (int, string) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: network.example\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, path, size, strings.Repeat("b", size)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s with %d bytes: %v", method, path, size, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestHAProxyAnswersItselfWhereNobodyElseDoes(t *testing.T) {
	fine := func(http.ResponseWriter, *http.Request) {}
	one, two, neutron := newStranger(t, "l2gw1", nil, fine), newStranger(t, "l2gw2", nil, fine), newStranger(t, "neutron", nil, fine)
	proxy := beside{neutron: neutron.addr(), servers: [2]string{one.addr(), two.addr()}, change: [][2]string{{"wait-for-body time 60s", "wait-for-body time 100ms"}}}.run(t)
	for _, s := range []*stranger{one, two, neutron} {
		s.Close()
	}
	for request, want := range map[string]int{
		"GET /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\n\r\n":                        503,
		"POST /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx": 503,
		"GET /v2.0/networks HTTP/1.1\r\nHost: x\r\n\r\n":                           503,
		"GET /v2.0/../networks HTTP/1.1\r\nHost: x\r\n\r\n":                        404,
		"POST /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx": 408,
	} {
		c, err := proxy.dial()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(60 * time.Second))
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.60q: %v", request, err)
		}
		var body struct {
			NeutronError struct{ Type, Message string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != want || body.NeutronError.Message == "" || (want == 503) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%.60q: %s %v %v %v", request, resp.Status, resp.Header, body, err)
		}
		resp.Body.Close()
		c.Close()
	}
}

// A certificate of the same authority is not enough: agents have one, too.
func TestHAProxyBelievesNoServerWithTheNameOfAnother(t *testing.T) {
	pki := product.NewPKI(t)
	pki.Trust()
	first, second := pki.Issue("l2gw1"), pki.Issue("agent-7")
	fine := func(http.ResponseWriter, *http.Request) {}
	one, agent, neutron := newStranger(t, "l2gw1", &first, fine), newStranger(t, "agent-7", &second, fine), newStranger(t, "neutron", nil, fine)
	proxy := beside{neutron: neutron.addr(), servers: [2]string{one.addr(), agent.addr()}, pki: pki, down: 1}.run(t)
	for range 10 {
		c, err := proxy.dial()
		if err != nil {
			t.Fatal(err)
		}
		if status, body := askOver(t, c, http.MethodPost, "/v2.0/l2-gateways", 2); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		c.Close()
	}
	if came := agent.heard(); len(came) > 0 {
		t.Errorf("it was told %q", came)
	}
}
