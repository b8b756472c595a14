package gate

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// For half a second after it has refused something, net/http lets the client read that.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// serve runs a server behind a gate. What asks for /wait is told on entered, and
// answered when wait is closed.
func serve(t *testing.T, limit int) (address string, entered, wait chan struct{}) {
	t.Helper()
	return serveOver(t, limit, nil)
}

// serveOver is serve over TLS, if there is a configuration for it.
func serveOver(t *testing.T, limit int, secure *tls.Config) (address string, entered, wait chan struct{}) {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, limit, slog.New(slog.DiscardHandler))
	entered, wait = make(chan struct{}, limit), make(chan struct{})
	server := &http.Server{
		ConnState: l.ConnState, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 4 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				entered <- struct{}{}
				<-wait
			}
			_, _ = fmt.Fprintf(w, "ok, TLS %v", r.TLS != nil && r.TLS.HandshakeComplete)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if secure != nil {
			_ = server.Serve(TLS(l, secure, slog.New(slog.DiscardHandler)))
			return
		}
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return inner.Addr().String(), entered, wait
}

// dial connects from an address of this host.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// ask sends a request and returns the answer's status.
func ask(t *testing.T, c net.Conn, path string) int {
	t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	return answer(t, c)
}

func answer(t *testing.T, c net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// closed waits until the other end has closed.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is open: %q, %v", b, err)
	}
}

func TestWhoSaysNothingMakesRoomForWhoSpeaks(t *testing.T) {
	address, _, _ := serve(t, 20)
	var silent []net.Conn
	for i := range 200 {
		c := dial(t, "127.0.0.1", address)
		if i%2 == 1 { // says something, but not all
			if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: ")); err != nil {
				continue // it had to go already
			}
		}
		silent = append(silent, c)
		if i%20 == 0 {
			for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
				if status := ask(t, dial(t, from, address), "/"); status != 200 {
					t.Fatalf("a client from %s was answered %d", from, status)
				}
			}
		}
	}
	for _, c := range silent[:100] {
		closed(t, c)
	}
}

func TestRequestsThatAreBeingAnsweredKeepTheirRoom(t *testing.T) {
	address, entered, wait := serve(t, 4)
	var working []net.Conn
	for i := range 4 {
		c := dial(t, fmt.Sprintf("127.0.0.%d", 2+i/2), address)
		if _, err := c.Write([]byte("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		working = append(working, c)
	}
	for range working {
		<-entered
	}
	resp, err := http.ReadResponse(bufio.NewReader(dial(t, "127.0.0.2", address)), nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("the fifth was not refused: %v, %v", resp, err)
	}
	defer resp.Body.Close()
	var body map[string]map[string]string
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body["NeutronError"]["type"] != "ServiceUnavailable" {
		t.Errorf("%v, %v", body, err)
	}
	close(wait)
	for _, c := range working {
		if status := answer(t, c); status != 200 {
			t.Errorf("one of the four was answered %d", status)
		}
	}
}

func TestAClientWithFewConnectionsIsLetInAlthoughAnotherKeepsAllAtWork(t *testing.T) {
	l := Listen(nil, 100, slog.New(slog.DiscardHandler))
	many, few := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	add := func(client netip.Prefix) (*conn, *conn, bool) {
		c := &conn{listener: l, client: client}
		victim, ok := l.admit(c)
		c.busy = true
		return c, victim, ok
	}
	first, _, _ := add(many)
	for range 99 {
		add(many)
	}
	if _, victim, ok := add(many); ok || victim != nil {
		t.Error("the client with all of them has one more")
	}
	for i := range 60 {
		c, victim, ok := add(few)
		if i == 0 && (!ok || victim != first) {
			t.Errorf("the first of another client: %v, victim %p, want %p", ok, victim, first)
		}
		if victim != nil && victim.client == few {
			t.Errorf("the client with few lost one")
		}
		if !ok {
			if n := len(l.clients[few]); n < 30 || n > 40 { // a third
				t.Errorf("refused at %d", n)
			}
			break
		}
		_ = c
	}
	if l.open != 100 {
		t.Errorf("%d are open", l.open)
	}
}

// refusals are what net/http answers before any handler sees the request.
var refusals = map[string]struct {
	status int
	typ    string
}{
	"GET / HTTP/1.1\r\n\r\n":                                                                      {400, "HTTPBadRequest"},
	"nonsense\r\n\r\n":                                                                            {400, "HTTPBadRequest"},
	"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n":                                             {400, "HTTPBadRequest"},
	"GET / HTTP/3.0\r\nHost: x\r\n\r\n":                                                           {400, "HTTPBadRequest"},
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":                               {400, "HTTPBadRequest"},
	"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 10_000) + "\r\n\r\n":                            {431, "HTTPRequestHeaderFieldsTooLarge"},
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n":                                   {400, "HTTPBadRequest"},
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999\r\nContent-Length: 1\r\n\r\n": {400, "HTTPBadRequest"},
}

func TestWhatNetHTTPRefusesIsToldInTheFormOfTheAPI(t *testing.T) {
	address, _, _ := serve(t, 10)
	for request, want := range refusals {
		refused(t, dial(t, "127.0.0.1", address), request, want.status, want.typ)
	}
}

// refused sends what must be refused.
func refused(t *testing.T, c net.Conn, request string, status int, typ string) (message string) {
	t.Helper()
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("%.60q: %v", request, err)
		return ""
	}
	defer resp.Body.Close()
	var body map[string]map[string]string
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != status ||
		body["NeutronError"]["type"] != typ || body["NeutronError"]["message"] == "" {
		t.Errorf("%.60q: %d %v %v", request, resp.StatusCode, body, err)
	}
	if id := resp.Header.Get("X-Openstack-Request-Id"); len(id) != len("req-")+36 {
		t.Errorf("%.60q: request id %q", request, id)
	}
	return body["NeutronError"]["message"]
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, total := range map[string]time.Duration{"each piece has its time": 0, "and so has everything": 7 * time.Second} {
			near, far := net.Pipe()
			c := &conn{Conn: near, listener: Listen(nil, 1, slog.New(slog.DiscardHandler))}
			want := pieceTime
			if total > 0 {
				want = total
				_ = c.SetWriteDeadline(time.Now().Add(total))
			}
			began := time.Now()
			if _, err := c.Write(make([]byte, 10*piece)); err == nil {
				t.Errorf("%s: written", name)
			}
			if took := time.Since(began); took != want {
				t.Errorf("%s: given up after %s, want %s", name, took, want)
			}
			far.Close()
			c.Close()
		}
	})
}

func TestASlowReaderThatKeepsReadingGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := &conn{Conn: near, listener: Listen(nil, 1, slog.New(slog.DiscardHandler))}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, piece)
			for {
				time.Sleep(pieceTime / 2) // the bubble's time
				if _, err := io.ReadFull(far, b); err != nil {
					return
				}
			}
		}()
		if n, err := c.Write(make([]byte, 20*piece)); n != 20*piece || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		c.Close()
		<-done
	})
}
