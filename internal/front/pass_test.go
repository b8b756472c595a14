package front

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"l2gw/internal/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api stands for our API.
var apiSays = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Answered-By", "l2gw")
	fmt.Fprintf(w, `{"ours": %q}`, r.URL.Path)
})

// stand puts a front before an upstream, and serves it with tight timeouts.
func stand(t *testing.T, upstream http.Handler, change ...func(*Options)) string {
	t.Helper()
	behind := httptest.NewServer(upstream)
	t.Cleanup(behind.Close)
	u, _ := url.Parse(behind.URL)
	o := Options{API: apiSays, Upstream: u, PassOn: true, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	h, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	server.Start()
	t.Cleanup(func() {
		server.Close()
		idle(h)
	})
	return server.URL
}

func idle(h http.Handler) {
	for _, t := range []http.RoundTripper{h.(*front).reads, h.(*front).writes} {
		t.(*http.Transport).CloseIdleConnections()
	}
}

// raw sends bytes and returns the answer.
func raw(t *testing.T, server, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

// neutronError is the type in an error's body.
func neutronError(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		NeutronError struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.NeutronError.Message == "" {
		t.Errorf("no NeutronError: %q", body)
	}
	return e.NeutronError.Type
}

func TestTargetsAndPathsPassUnchangedOrNotAtAll(t *testing.T) {
	var seen atomic.Value
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r.RequestURI) }))
	for target, want := range map[string]int{
		"/v2.0/networks":                       200,
		"/v2.0/networks/a%2Fb%20c?x=%zz;y&a=1": 200,
		"//v2.0///networks//":                  200,
		"/v2.0/%6eetworks/":                    200,
		"/v2.0/networks?url=http://x/../y":     200,
		"/v2.0/networks/%252e%252e":            200,
		"http://elsewhere/v2.0/networks":       400,
		"https://elsewhere/v2.0/l2-gateways":   400,
		"/v2.0/../v2.0/networks":               404,
		"/v2.0/%2E%2e/networks":                404,
		"/v2.0/networks/.%2e/ports":            404,
	} {
		seen.Store("")
		resp, body := raw(t, server, "GET "+target+" HTTP/1.1\r\nHost: cloud.example\r\n\r\n")
		if resp.StatusCode != want {
			t.Errorf("%s: %s %s, want %d", target, resp.Status, body, want)
		}
		switch passed := seen.Load().(string); {
		case want == 200 && passed != target:
			t.Errorf("%s arrived as %s", target, passed)
		case want != 200 && passed != "":
			t.Errorf("%s was passed on as %s", target, passed)
		case want != 200:
			neutronError(t, body)
		}
	}
	for _, line := range []string{"CONNECT elsewhere:443 HTTP/1.1", "GET * HTTP/1.1"} {
		seen.Store("")
		if resp, body := raw(t, server, line+"\r\nHost: elsewhere:443\r\n\r\n"); resp.StatusCode != http.StatusBadRequest || seen.Load() != "" {
			t.Errorf("%s: %s %s, passed on as %q", line, resp.Status, body, seen.Load())
		}
	}
	seen.Store("")
	if resp, _ := raw(t, server, "GET /v2.0//l2-gateways HTTP/1.1\r\nHost: x\r\n\r\n"); resp.Header.Get("X-Answered-By") != "l2gw" || seen.Load() != "" {
		t.Error("what is ours was passed on")
	}
}

func TestHeadersOfIdentityAndOfTheConnectionAreNotPassedOn(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r) }))
	raw(t, server, "POST /v2.0/networks HTTP/1.1\r\nHost: cloud.example:9696\r\nConnection: X-Secret-Hop, Upgrade\r\nUpgrade: websocket\r\nX-Secret-Hop: 1\r\nKeep-Alive: 5\r\n"+
		"X-Roles: admin\r\nX_Roles: admin\r\nX-Project-Id: p\r\nX-Project_Id: p\r\nx-user-ID: u\r\nX-Identity-Status: Confirmed\r\nX-Service-Roles: service\r\nX-Is-Admin-Project: True\r\n"+
		"X-Tenant: t\r\nX-Domain-Name: d\r\nOpenStack-System-Scope: all\r\nForwarded: for=9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Prefix: /x\r\nX-Forwarded-Host: evil\r\n"+
		"X-Auth-Token: tok\r\nX-Service-Token: svc\r\nX-Custom: kept\r\nVia: 1.1 haproxy\r\nX-Openstack-Request-Id: req-00000000-0000-0000-0000-00000000000a\r\nContent-Length: 2\r\n\r\n{}")
	r := seen.Load()
	got := r.Header.Clone()
	via := got.Values("Via")
	got.Del("Via")
	want := http.Header{
		"X-Auth-Token": {"tok"}, "X-Service-Token": {"svc"}, "X-Custom": {"kept"}, "X-Openstack-Request-Id": {"req-00000000-0000-0000-0000-00000000000a"},
		"Content-Length": {"2"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"cloud.example:9696"}, "X-Forwarded-Proto": {"http"}, "Connection": {"close"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("headers\n%v, want\n%v", got, want)
	}
	if len(via) != 2 || via[0] != "1.1 haproxy" || !strings.HasPrefix(via[1], "1.1 l2gw-") {
		t.Errorf("Via: %q", via)
	}
	if r.Host != "cloud.example:9696" {
		t.Errorf("Host: %s", r.Host)
	}
	// Without an id of the client's, Neutron logs ours as the global one.
	resp, err := http.Get(server + "/v2.0/ports")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if id := seen.Load().Header.Get("X-Openstack-Request-Id"); !api.ValidRequestID(id) || resp.Header.Get("X-L2gw-Request-Id") != id {
		t.Errorf("our id %q at Neutron, %q at the client", id, resp.Header.Get("X-L2gw-Request-Id"))
	}
}

// Behind a load balancer that ends TLS, Neutron's links must lead to it.
func TestWhatATrustedLoadBalancerSaysOfTheClientReachesNeutron(t *testing.T) {
	for trusted, want := range map[string][4]string{
		"127.0.0.0/8":     {"203.0.113.9", "https", "cloud.example", "cloud.example"},
		"198.51.100.0/24": {"127.0.0.1", "http", "inner", "inner"},
	} {
		var seen atomic.Pointer[http.Request]
		server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r) }), func(o *Options) {
			o.TrustedProxies = api.Proxies{netip.MustParsePrefix(trusted)}
		})
		raw(t, server, "GET /v2.0/networks HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: cloud.example\r\n\r\n")
		r := seen.Load()
		got := [4]string{r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), r.Host}
		if got != want {
			t.Errorf("trusting %s: %q, want %q", trusted, got, want)
		}
	}
}

func TestTheConfiguredBaseIsWhatNeutronBelieves(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r) }), func(o *Options) {
		o.BaseURL = "https://cloud.example/network/"
		o.Upstream.Path = "/behind/v2.0/"
	})
	raw(t, server, "GET /v2.0/a%2fb HTTP/1.1\r\nHost: whatever\r\n\r\n")
	r := seen.Load()
	if r.Host != "cloud.example" || r.Header.Get("X-Forwarded-Host") != "cloud.example" || r.Header.Get("X-Forwarded-Proto") != "https" || r.Header.Get("X-Forwarded-Prefix") != "/network" {
		t.Errorf("Host %q, headers %v", r.Host, r.Header)
	}
	if r.RequestURI != "/behind/v2.0/a%2fb" {
		t.Errorf("below the endpoint's path: %s", r.RequestURI)
	}
}

func TestAnswersPassUnchanged(t *testing.T) {
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Odd"] = []string{"a", "b"}
		w.Header().Set("X-Openstack-Request-Id", "req-theirs")
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("Content-Encoding", "gzip")
		status := 0
		fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			fmt.Fprintf(w, "%s %d", r.Method, status)
		}
	}))
	client := &http.Transport{DisableCompression: true}
	defer client.CloseIdleConnections()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE"} {
		for _, status := range []int{200, 201, 204, 300, 301, 304, 400, 401, 404, 409, 500, 501, 503} {
			req, _ := http.NewRequest(method, fmt.Sprintf("%s/v2.0/networks?status=%d", server, status), strings.NewReader("{}"))
			resp, err := client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := fmt.Sprintf("%s %d", method, status)
			if method == "HEAD" || status == 204 || status == 304 {
				want = ""
			}
			if resp.StatusCode != status || string(body) != want || resp.Header.Get("X-Method") != method || len(resp.Header["X-Odd"]) != 2 || resp.Header.Get("Content-Encoding") != "gzip" ||
				resp.Header.Get("X-Openstack-Request-Id") != "req-theirs" || resp.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %s %q %v", want, resp.Status, body, resp.Header)
			}
		}
	}
}

// Each piece is on the other side before the next is sent, and the whole takes
// longer than the server gives to a request.
func TestBodiesStreamForLongerThanARequestMayTake(t *testing.T) {
	const pieces = 20
	heard, say := make(chan string, pieces), make(chan string, pieces)
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				if err != io.EOF {
					t.Errorf("the body ended with %v", err)
				}
				break
			}
			heard <- line
		}
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		for line := range say {
			io.WriteString(w, line)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%q %q", r.Trailer["X-Check"], r.Trailer["X-Roles"]))
	}))
	c, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	pause := func() { time.Sleep(40 * time.Millisecond) } // slowness is what is tested; nothing is waited for
	io.WriteString(c, "POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check, X-Roles\r\n\r\n")
	for range pieces {
		io.WriteString(c, "5\r\nping\n\r\n")
		select {
		case <-heard:
		case <-time.After(30 * time.Second):
			close(say)
			t.Fatal("a piece of the body is held back")
		}
		pause()
	}
	io.WriteString(c, "0\r\nX-Check: done\r\nX-Roles: admin\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		close(say)
		t.Fatal(err)
	}
	for range pieces {
		say <- "pong\n"
		piece := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != "pong\n" {
			t.Fatalf("a piece of the answer: %q %v", piece, err)
		}
		pause()
	}
	close(say)
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
		t.Errorf("the rest: %q %v", rest, err)
	}
	if want := `["done"] []`; resp.StatusCode != http.StatusAccepted || resp.Trailer.Get("X-Sum") != want {
		t.Errorf("%s, trailer %q, want %q", resp.Status, resp.Trailer.Get("X-Sum"), want)
	}
}

func TestASlowNeutronIsWaitedForLongerThanARequestMayTake(t *testing.T) {
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(900 * time.Millisecond) // more than the server's timeouts
		if r.Context().Err() != nil {
			t.Error("the front left")
		}
		io.WriteString(w, "slow")
	}))
	for _, method := range []string{"GET", "POST"} {
		req, _ := http.NewRequest(method, server+"/v2.0/networks", nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "slow" {
			t.Errorf("%s: %q %v", method, body, err)
		}
		resp.Body.Close()
	}
}

func TestLargeBodiesAreNotKeptInMemory(t *testing.T) {
	const size = 64 << 20
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			t.Errorf("%d bytes arrived: %v", n, err)
		}
		_, _ = io.CopyN(w, zeros{}, size)
	}), func(o *Options) { o.Patience = 30 * time.Second })
	resp, err := http.Post(server+"/v2.0/networks", "application/octet-stream", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
		t.Errorf("%d bytes came back: %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestANeutronThatIsDownIs503AndNothingIsSentTwice(t *testing.T) {
	down := func(o *Options) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Upstream.Host = l.Addr().String()
		l.Close()
	}
	server := stand(t, http.NotFoundHandler(), down)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		for _, path := range []string{"/v2.0/networks", "/v2.0/quotas/p1", "/v2.0/extensions"} {
			req, _ := http.NewRequest(method, server+path, strings.NewReader("{}"))
			status, header, body := do(t, req)
			if status != 503 || header.Get("Retry-After") == "" || neutronError(t, body) != "NeutronUnavailable" || !api.ValidRequestID(header.Get("X-Openstack-Request-Id")) {
				t.Errorf("%s %s: %d %s %v", method, path, status, body, header)
			}
		}
	}
	if status, header, _ := do(t, must(http.NewRequest(http.MethodGet, server+"/v2.0/l2-gateways", nil))); status != 200 || header.Get("X-Answered-By") != "l2gw" {
		t.Error("what is ours fails with Neutron")
	}

	// One that ends the connection after it has read the request.
	var asked atomic.Int32
	server = stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	for method, want := range map[string]int{"POST": 502, "PUT": 502, "DELETE": 502, "GET": 503} {
		asked.Store(0)
		status, _, body := do(t, must(http.NewRequest(method, server+"/v2.0/networks", strings.NewReader("{}"))))
		if status != want || neutronError(t, body) != "NeutronUnavailable" || asked.Load() != 1 {
			t.Errorf("%s: %d %s after %d attempts, want %d after one", method, status, body, asked.Load(), want)
		}
	}

	// One that is late.
	release := make(chan struct{})
	server = stand(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }), func(o *Options) { o.Patience = 50 * time.Millisecond })
	for method, want := range map[string]int{"POST": 504, "GET": 503} {
		if status, _, body := do(t, must(http.NewRequest(method, server+"/v2.0/networks", strings.NewReader("{}")))); status != want {
			t.Errorf("%s: %d %s, want %d", method, status, body, want)
		}
	}
	close(release)
}

// A server that has had enough of an idle connection closes it just when the next
// request comes: reads are repeated by the transport, writes have their own.
func TestWritesDoNotShareConnections(t *testing.T) {
	var reused atomic.Int32
	seen := make(chan string, 100)
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.RemoteAddr }))
	from := map[string]bool{}
	for range 10 {
		do(t, must(http.NewRequest(http.MethodPost, server+"/v2.0/networks", strings.NewReader("{}"))))
		addr := <-seen
		if from[addr] {
			reused.Add(1)
		}
		from[addr] = true
	}
	if n := reused.Load(); n != 0 {
		t.Errorf("%d of 10 writes came over a connection that was used before", n)
	}
}

func TestAClientThatLeavesEndsTheRequestAtNeutron(t *testing.T) {
	began, left := make(chan struct{}), make(chan struct{})
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(left)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server+"/v2.0/networks", nil)
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	select {
	case <-left:
	case <-time.After(30 * time.Second):
		t.Error("Neutron works on for nobody")
	}
}

func TestAProxyThatReachesItselfSays508(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "http", Host: l.Addr().String()}
	h, err := New(t.Context(), Options{API: apiSays, Upstream: u, PassOn: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	server.Start()
	defer func() { server.Close(); idle(h) }()
	for _, path := range []string{"/v2.0/networks", "/v2.0/extensions", "/v2.0/quotas/p"} {
		if status, _, body := do(t, must(http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+path, nil))); status != 508 || neutronError(t, body) != "HTTPLoopDetected" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestAnEndpointThatIsOurselvesIsRefusedAtTheStart(t *testing.T) {
	here := func(s string) net.Addr { a, _ := net.ResolveTCPAddr("tcp", s); return a }
	for _, c := range []struct {
		upstream, base string
		listen         net.Addr
		refused        bool
	}{
		{"http://127.0.0.1:9696", "", here("127.0.0.1:9696"), true},
		{"http://localhost:9696/v2.0", "", here("127.0.0.1:9696"), true},
		{"http://localhost:9696", "", here("0.0.0.0:9696"), true},
		{"http://127.0.0.1:9696", "", here("[::]:9696"), true},
		{"http://0.0.0.0:9696", "", here("127.0.0.1:9696"), true},
		{"http://127.0.0.1:9697", "", here("127.0.0.1:9696"), false},
		{"http://127.0.0.2:9696", "", here("127.0.0.1:9696"), false},
		{"https://Cloud.example", "https://cloud.example:443/", nil, true},
		{"http://10.0.0.1:9696", "https://cloud.example", here("0.0.0.0:9696"), false},
		{"http://no.such.host.invalid:9696", "", here("0.0.0.0:9696"), false},
	} {
		u, _ := url.Parse(c.upstream)
		_, err := New(t.Context(), Options{API: apiSays, Upstream: u, BaseURL: c.base, Listen: c.listen})
		if errors.Is(err, ErrLoop) != c.refused || err != nil && !c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:9696", "ftp://x", "http://"} {
		u, _ := url.Parse(bad)
		if _, err := New(t.Context(), Options{API: apiSays, Upstream: u}); err == nil || errors.Is(err, ErrLoop) {
			t.Errorf("%q is taken for Neutron's endpoint: %v", bad, err)
		}
	}
}

func TestTheLogNamesBothRequestIDsAndNoToken(t *testing.T) {
	log := &logged{}
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Openstack-Request-Id", "req-11111111-1111-1111-1111-111111111111")
	}), log.option)
	req := must(http.NewRequest(http.MethodGet, server+"/v2.0/networks?token=query", nil))
	req.Header.Set("X-Auth-Token", "very-secret")
	req.Header.Set("X-Openstack-Request-Id", "req-22222222-2222-2222-2222-222222222222")
	_, header, _ := do(t, req)
	http.DefaultClient.CloseIdleConnections()
	for _, want := range []string{"request_id=" + header.Get("X-L2gw-Request-Id"), "neutron_request_id=req-1111", "global_request_id=req-2222", "status=200", "path=/v2.0/networks ", "ms="} {
		log.await(t, want)
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "query") {
		t.Errorf("a secret in %s", log.String())
	}
}

func do(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
