package front

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/test/neutron"
	"l2gw/test/product"
)

// ask sends a request and returns status, headers and the body as it came.
func ask(t testing.TB, client *http.Client, method, url, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// list reads the values of one attribute in a list of objects.
func list(t testing.TB, body, key, attribute string) []string {
	t.Helper()
	var all map[string][]map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var out []string
	for _, o := range all[key] {
		out = append(out, fmt.Sprint(o[attribute]))
	}
	return out
}

func TestTheProxyIsNeutronWithGateways(t *testing.T) {
	n := neutron.Shared(t)
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, ServerArgs: []string{"--proxy", "--neutron", n.URL}})
	s := c.Servers[0]
	s.Launch()
	get := func(path string) (int, string) {
		status, _, body := ask(t, http.DefaultClient, http.MethodGet, s.URL+path, "")
		return status, body
	}

	t.Run("networks and errors are Neutron's", func(t *testing.T) {
		status, header, body := ask(t, http.DefaultClient, http.MethodPost, s.URL+"/v2.0/networks", `{"network": {"name": "through-us"}}`)
		if status != 201 || header.Get("X-L2gw-Request-Id") == "" || !strings.HasPrefix(header.Get("X-Openstack-Request-Id"), "req-") {
			t.Fatalf("%d %v %s", status, header, body)
		}
		for _, path := range []string{
			"/v2.0/networks?name=through-us", "/v2.0/networks/no-such-id", "/v2.0/ports", "/v2.0/ports.json?limit=1", "/v2.0/no-such-thing", "//v2.0//networks?name=through-us",
			"/v2.0/agents", "/v2.0/networks?limit=abc", "/v3/x", "/v2.0/extensions/agent", "/v2.0/extensions/no-such", "/v2.0/quotas/tenant", "/v2.0/networks%2fx",
		} {
			_, _, want := ask(t, http.DefaultClient, http.MethodGet, n.URL+path, "")
			want = strings.ReplaceAll(want, n.URL, s.URL) // links lead to where the client came from
			if _, got := get(path); got != want {
				t.Errorf("%s: %s\nNeutron alone: %s", path, got, want)
			}
		}
		if status, body := get("/v2.0/networks?limit=1"); status != 200 || !strings.Contains(body, s.URL+"/v2.0/networks?limit=1") {
			t.Errorf("links lead elsewhere: %s", body)
		}
		big := `{"network": {"name": "` + strings.Repeat("n", 4<<20) + `"}}`
		want, _, said := ask(t, http.DefaultClient, http.MethodPost, n.URL+"/v2.0/networks", big)
		if got, _, body := ask(t, http.DefaultClient, http.MethodPost, s.URL+"/v2.0/networks", big); got != want || body != said {
			t.Errorf("4 MB: %d, Neutron alone %d", got, want)
		}
	})

	t.Run("odd requests are answered as by Neutron alone", func(t *testing.T) {
		_, _, made := ask(t, http.DefaultClient, http.MethodPost, n.URL+"/v2.0/networks", `{"network": {"name": "odd"}}`)
		var network struct{ Network struct{ ID string } }
		if err := json.Unmarshal([]byte(made), &network); err != nil {
			t.Fatal(err)
		}
		const body = `{"network": {"name": "odd"}}`
		own := "/v2.0/networks/" + network.Network.ID
		for _, c := range []struct {
			method, path, header, body string
			want                       []int // statuses, 100 before others
		}{
			{"PUT", own, "If-Match: revision_number=77\r\nContent-Length: 28", body, []int{412}},
			{"HEAD", own, "", "", []int{405}},
			{"PATCH", own, "Content-Length: 28", body, []int{405}},
			{"OPTIONS", "/v2.0/networks", "", "", []int{200}},
			{"GET", own, "Range: bytes=0-1", "", []int{200}},
			{"GET", own, "Upgrade: websocket\r\nConnection: Upgrade", "", []int{200}},
			{"GET", own, "Accept-Encoding: gzip", "", []int{200}},
			{"POST", "/v2.0/networks", "Transfer-Encoding: chunked", "1c\r\n" + body + "\r\n0\r\n\r\n", []int{400}}, // Neutron does not take them
			{"POST", "/v2.0/networks", "Content-Length: 28\r\nExpect: 100-continue", body, []int{100, 201}},
			{"POST", "/v2.0/networks", "Content-Length: 0", "", []int{400}},
			{"GET", own, "", "GET " + own + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{200, 200}},
		} {
			for who, addr := range map[string]string{"Neutron": n.Addr, "the proxy": strings.TrimPrefix(s.URL, "http://")} {
				conn := speak(t, addr)
				header := c.header
				if header != "" {
					header += "\r\n"
				}
				conn.say("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n%s", c.method, c.path, header, c.body)
				for _, want := range c.want {
					if status, said := conn.hear(c.method); status != want {
						t.Errorf("%s %s %q: %s says %d %s, want %d", c.method, c.path, c.header, who, status, said, want)
					}
				}
				conn.hangUp()
			}
		}
	})

	t.Run("extensions and collections are of both", func(t *testing.T) {
		_, body := get("/v2.0/extensions")
		count := map[string]int{}
		for _, alias := range list(t, body, "extensions", "alias") {
			count[alias]++
		}
		for _, alias := range []string{"l2-gateway", "l2-gateway-connection", "agent", "quotas", "provider"} {
			if count[alias] != 1 {
				t.Errorf("extension %s is listed %d times", alias, count[alias])
			}
		}
		if _, body := get("/v2.0/extensions?alias=l2-gateway&fields=name"); body != `{"extensions":[{"name":"L2 Gateway"}]}` {
			t.Errorf("filter and fields: %s", body)
		}
		if status, body := get("/v2.0/extensions/l2-gateway"); status != 200 || !strings.Contains(body, "layer 2") {
			t.Errorf("%d %s", status, body)
		}
		_, body = get("/v2.0/")
		all := strings.Join(list(t, body, "resources", "collection"), " ")
		for _, name := range []string{"networks", "subnets", "l2_gateways"} {
			if strings.Count(" "+all+" ", " "+name+" ") != 1 {
				t.Errorf("collections: %s", all)
			}
		}
	})

	t.Run("quotas are of both", func(t *testing.T) {
		limits := func(body string) map[string]any {
			var v struct{ Quota map[string]any }
			_ = json.Unmarshal([]byte(body), &v)
			return v.Quota
		}
		put := func(body string) (int, map[string]any, string) {
			status, _, b := ask(t, http.DefaultClient, http.MethodPut, s.URL+"/v2.0/quotas/p1", body)
			return status, limits(b), b
		}
		status, got, body := put(`{"quota": {"network": 7, "l2_gateway": 3}}`)
		if status != 200 || got["network"] != 7.0 || got["l2_gateway"] != 3.0 || got["l2_gateway_connection"] != -1.0 {
			t.Fatalf("%d %s", status, body)
		}
		if status, _, body := put(`{"quota": {"network": "x", "l2_gateway": 4}}`); status != 400 {
			t.Errorf("Neutron's part is wrong: %d %s", status, body)
		}
		if status, _, body := put(`{"quota": {"network": 8, "l2_gateway": -2}}`); status != 400 {
			t.Errorf("our part is wrong: %d %s", status, body)
		}
		if _, body := get("/v2.0/quotas/p1"); limits(body)["network"] != 7.0 || limits(body)["l2_gateway"] != 3.0 {
			t.Errorf("something was written all the same: %s", body)
		}
		if status, got, body := put(`{"quota": {"l2_gateway_connection": 5}}`); status != 200 || got["l2_gateway_connection"] != 5.0 || got["network"] != 7.0 {
			t.Errorf("ours alone: %d %s", status, body)
		}
		if _, body := get("/v2.0/quotas/p1/details"); !strings.Contains(body, `"l2_gateway":{`) || !strings.Contains(body, `"network":{`) {
			t.Errorf("details: %s", body)
		}
		if _, body := get("/v2.0/quotas?project_id=p1"); len(list(t, body, "quotas", "network")) != 1 || list(t, body, "quotas", "l2_gateway")[0] != "3" {
			t.Errorf("list: %s", body)
		}
		for i, want := range []int{204, 404} {
			if status, _, body := ask(t, http.DefaultClient, http.MethodDelete, s.URL+"/v2.0/quotas/p1", ""); status != want {
				t.Errorf("delete %d: %d %s", i, status, body)
			}
		}
	})

	t.Run("the openstack client works through it", func(t *testing.T) {
		openstack := func(args ...string) string {
			t.Helper()
			args = append([]string{"--os-auth-type", "none", "--os-endpoint", s.URL}, args...)
			var errs bytes.Buffer
			cmd := exec.Command("/usr/bin/openstack", args...)
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("openstack %v: %v\n%s", args, err, errs.String())
			}
			return strings.TrimSpace(string(out))
		}
		id := openstack("network", "create", "by-client", "-f", "value", "-c", "id")
		if _, body := get("/v2.0/networks/" + id); !strings.Contains(body, `"by-client"`) {
			t.Errorf("%s: %s", id, body)
		}
	})

	t.Run("a loop is refused at the start", func(t *testing.T) {
		self := c.NewServe("loop")
		loop := c.NewServe("loop2", "--proxy", "--neutron", self.URL, "--listen", strings.TrimPrefix(self.URL, "http://"))
		if said := loop.Fails(); !strings.Contains(said, "would be ourselves") {
			t.Errorf("it says: %s", said)
		}
	})
}

// Whatever becomes of Neutron, each answer says what became of the request, what is
// ours goes on, and all is well as soon as Neutron is back.
func TestANeutronThatDiesUnderLoadIsToldAsSuch(t *testing.T) {
	n := neutron.Start(t, neutron.Options{})
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, ServerArgs: []string{"--proxy", "--neutron", n.URL}})
	s := c.Servers[0]
	s.Launch()
	var group sync.WaitGroup
	stop := make(chan struct{})
	var answers [3]atomic.Int64
	for i, kind := range []struct {
		method, path, body string
		may                []int
	}{
		{"GET", "/v2.0/networks", "", []int{200, 503}},
		{"POST", "/v2.0/networks", `{"network": {"name": "n"}}`, []int{201, 502, 503}},
		{"GET", "/v2.0/l2-gateways", "", []int{200}},
	} {
		group.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond) // Neutron needs the processor to come back
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				req, _ := http.NewRequest(kind.method, s.URL+kind.path, strings.NewReader(kind.body))
				resp, err := http.DefaultTransport.RoundTrip(req)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				switch {
				case err != nil && kind.path == "/v2.0/networks": // it broke off in Neutron's hands
				case err != nil:
					t.Errorf("%s %s: %v", kind.method, kind.path, err)
				case !slices.Contains(kind.may, resp.StatusCode) || !json.Valid(body) || resp.StatusCode >= 500 && !bytes.Contains(body, []byte("NeutronUnavailable")):
					t.Errorf("%s %s: %d %.300s", kind.method, kind.path, resp.StatusCode, body)
				default:
					answers[i].Add(1)
				}
			}
		})
	}
	more := func() {
		t.Helper()
		for i := range answers {
			target := answers[i].Load() + 10
			product.Eventually(t, "clients get on", func() error {
				if got := answers[i].Load(); got < target {
					return fmt.Errorf("%d of %d", got, target)
				}
				return nil
			})
		}
	}
	more()
	n.Kill()
	more()
	n.Run(t)
	for _, path := range []string{"/v2.0/networks", "/v2.0/extensions", "/v2.0/quotas/p"} {
		if status, _, body := ask(t, http.DefaultClient, http.MethodGet, s.URL+path, ""); status != 200 {
			t.Errorf("%s: %d %s after it came back", path, status, body)
		}
	}
	more()
	close(stop)
	group.Wait()
}

func BenchmarkGetOfANetworkList(b *testing.B) {
	n := neutron.Shared(b)
	c := product.NewCloud(b, inventory, product.CloudOptions{Servers: 1, ServerArgs: []string{"--proxy", "--neutron", n.URL}})
	c.Servers[0].Launch()
	for name, url := range map[string]string{"direct": n.URL, "proxied": c.Servers[0].URL} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if status, _, body := ask(b, http.DefaultClient, http.MethodGet, url+"/v2.0/networks?limit=1", ""); status != 200 {
					b.Fatal(status, body)
				}
			}
		})
	}
}
