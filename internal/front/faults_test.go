package front

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until the log has these words: its line is written after the answer.
func (l *logged) await(t testing.TB, words string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(l.String(), words); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log: %s", words, l.String())
		}
	}
}

func (l *logged) option(o *Options) {
	o.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// conversation is a connection on which a test speaks HTTP by hand.
type conversation struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func converse(t testing.TB, server string) *conversation {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &conversation{t, c, bufio.NewReader(c)}
}

func (c *conversation) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads an answer to a request by that method.
func (c *conversation) hear(method string) (status int, header http.Header, body string, err error) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

// What both answer has as much time as what is passed on: more than the server
// gives to a request.
func TestASlowNeutronIsWaitedForWhereBothAnswer(t *testing.T) {
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		time.Sleep(900 * time.Millisecond) // more than the server's timeouts
		io.WriteString(w, `{"quota": {"network": 1}, "extensions": [{"alias": "agent"}]}`)
	}), func(o *Options) {
		o.API = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"quota": {}, "extensions": []}`) })
	})
	for target, want := range map[string]string{"GET /v2.0/extensions": "agent", "GET /v2.0/quotas/p": `"network":1`, "PUT /v2.0/quotas/p": `"network":1`} {
		method, path, _ := strings.Cut(target, " ")
		body := io.Reader(http.NoBody)
		if method == http.MethodPut {
			body = strings.NewReader(`{"quota": {"network": 1}}`)
		}
		if status, _, got := do(t, must(http.NewRequest(method, server+path, body))); status != 200 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", target, status, got)
		}
	}
}

// A client must not take half an answer for the whole, and the log must say whose
// fault it was.
func TestAnAnswerThatBreaksOffIsBrokenForTheClient(t *testing.T) {
	log := &logged{}
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2.0/counted" {
			w.Header().Set("Content-Length", "1000")
		}
		io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), log.option)
	for _, path := range []string{"/v2.0/counted", "/v2.0/chunked"} {
		c := converse(t, server)
		c.say("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		if status, _, body, err := c.hear("GET"); status != 200 || body != "half" || err == nil {
			t.Errorf("%s: %d %q %v, want half an answer and an error", path, status, body, err)
		}
		log.await(t, "broke off")
		log.await(t, "path="+path)
	}
	// Where it is one of two parts, there is no answer at all yet.
	if status, _, body := do(t, must(http.NewRequest(http.MethodGet, server+"/v2.0/extensions", nil))); status != 503 || neutronError(t, body) != "NeutronUnavailable" {
		t.Errorf("extensions: %d %s", status, body)
	}
}

// A Neutron that hangs takes no more of a body than the buffers between us hold.
func TestANeutronThatStopsReadingIsNotWaitedForForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			held <- c
		}
	}()
	server := stand(t, http.NotFoundHandler(), func(o *Options) {
		o.Upstream.Host, o.Patience, o.Idle = l.Addr().String(), 200*time.Millisecond, time.Minute
	})
	resp, err := http.Post(server+"/v2.0/networks", "application/json", io.LimitReader(zeros{}, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusGatewayTimeout || neutronError(t, string(body)) != "NeutronUnavailable" {
		t.Errorf("%s %s", resp.Status, body)
	}
	(<-held).Close()
}

// A client that waits for leave to send its body gets Neutron's, once, and sends
// nothing if Neutron refuses before.
func TestLeaveToSendABodyIsNeutrons(t *testing.T) {
	var leave atomic.Bool
	read := make(chan string, 1)
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !leave.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b, _ := io.ReadAll(r.Body)
		read <- string(b)
	}))
	const head = "POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
	c := converse(t, server)
	c.say(head)
	if status, _, _, _ := c.hear("POST"); status != http.StatusUnauthorized {
		t.Errorf("refused: %d", status)
	}
	if b, err := c.in.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on with %q, %v, and nobody knows whether a body comes", b, err)
	}
	leave.Store(true)
	c = converse(t, server)
	for range 200 { // Neutron's word and the wish to read the body race
		c.say(head)
		if status, _, _, _ := c.hear("POST"); status != http.StatusContinue {
			t.Fatalf("%d, want 100", status)
		}
		c.say("body")
		if status, _, _, err := c.hear("POST"); status != http.StatusOK || err != nil {
			t.Fatalf("%d, want 200", status)
		}
		if got := <-read; got != "body" {
			t.Fatalf("Neutron read %q", got)
		}
	}
}

// Each of these is one request to us and to Neutron, or none to either.
func TestWhereARequestEndsIsTheSameForBoth(t *testing.T) {
	var seen atomic.Value
	var asked atomic.Int32
	server := stand(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked.Add(1)
		seen.Store(fmt.Sprintf("%s %s %q", r.Method, r.URL.Path, b))
	}))
	const inner = "GET /v2.0/secret HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		head, rest string
		passed     string // "": none
	}{
		{"Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n", `POST /v2.0/networks ""`},
		{"Transfer-Encoding: chunked\r\nContent-Length: 5", "3\r\nabc\r\n0\r\n\r\n", `POST /v2.0/networks "abc"`},
		{"Content-Length: 3\r\nContent-Length: 3", "abc", `POST /v2.0/networks "abc"`},
		{"Content-Length: 3\r\nContent-Length: 42", "abc", ""},
		{"Content-Length: +3", "abc", ""},
		{"Content-Length: 3, 3", "abc", ""},
		{"Content-Length : 3", "abc", ""},
		{"Transfer-Encoding : chunked", "0\r\n\r\n", ""},
		{"Transfer-Encoding: chunked, identity", "0\r\n\r\n", ""},
		{"Transfer-Encoding: xchunked", "0\r\n\r\n", ""},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", ""},
		{"Transfer_Encoding: chunked\r\nContent-Length: 3", "abc", `POST /v2.0/networks "abc"`},
		{"Content_Length: 99\r\nContent-Length: 3", "abc", `POST /v2.0/networks "abc"`},
		{"Transfer-Encoding: chunked", "3;a=\"b\"\r\nabc\r\n0\r\n\r\n", `POST /v2.0/networks "abc"`},
		{"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 3", "abc", `POST /v2.0/networks "abc"`},
	} {
		seen.Store("")
		asked.Store(0)
		conn := converse(t, server)
		conn.say("POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n%s", c.head, c.rest)
		status, _, _, _ := conn.hear("POST")
		if got := seen.Load().(string); got != c.passed || (status == 200) != (c.passed != "") {
			t.Errorf("%q: %d, passed on as %s, want %s", c.head, status, got, c.passed)
		}
		if n := asked.Load(); n > 1 {
			t.Errorf("%q: %d requests", c.head, n)
		}
	}
	// Two in one go are answered in their order, each for itself.
	conn := converse(t, server)
	conn.say("POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s%s", len(inner), inner, strings.Replace(inner, "secret", "l2-gateways", 1))
	if _, _, _, err := conn.hear("POST"); err != nil || seen.Load().(string) != fmt.Sprintf("POST /v2.0/networks %q", inner) {
		t.Errorf("the first: %v, passed on as %s", err, seen.Load())
	}
	if _, header, body, _ := conn.hear("GET"); header.Get("X-Answered-By") != "l2gw" {
		t.Errorf("the second: %v %s", header, body)
	}
}

// Whatever Neutron says when it is asked for its half is what the client hears, and
// ours is not touched.
func TestNeutronsRefusalIsTheAnswerWhereBothAnswer(t *testing.T) {
	var ours atomic.Int32
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := 0
		fmt.Sscan(r.Header.Get("X-Status"), &status)
		w.Header().Set("Retry-After", "77")
		w.Header().Set("WWW-Authenticate", `Keystone uri="http://k"`)
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Connection", "X-Hop")
		w.WriteHeader(status)
		io.WriteString(w, "theirs")
	}), func(o *Options) {
		o.API = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			ours.Add(1)
			io.WriteString(w, `{"quota": {}}`)
		})
	})
	for _, status := range []int{300, 301, 400, 401, 403, 409, 429, 500, 503} {
		for _, target := range []string{"GET /v2.0/extensions", "GET /v2.0/", "GET /v2.0/quotas", "GET /v2.0/quotas/p", "GET /v2.0/quotas/p/details", "PUT /v2.0/quotas/p", "DELETE /v2.0/quotas/p"} {
			ours.Store(0)
			method, path, _ := strings.Cut(target, " ")
			req := must(http.NewRequest(method, server+path, strings.NewReader(`{"quota": {"network": 1}}`)))
			req.Header.Set("X-Status", fmt.Sprint(status))
			client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			h := resp.Header
			if resp.StatusCode != status || string(body) != "theirs" || h.Get("Retry-After") != "77" || h.Get("WWW-Authenticate") == "" || method == http.MethodGet && h.Get("X-Hop") != "" ||
				h.Get("X-Openstack-Request-Id") == "" || ours.Load() != 0 {
				t.Errorf("%s when Neutron says %d: %s %s %v; ours was asked %d times", target, status, resp.Status, body, h, ours.Load())
			}
		}
	}
}

func TestQuotasThatAreTooLargeReachNobody(t *testing.T) {
	var asked atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	server := stand(t, count, func(o *Options) { o.API = count })
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat(" ", maxBody+1)), io.LimitReader(zeros{}, maxBody+1)} { // counted, and in chunks
		status, _, text := do(t, must(http.NewRequest(http.MethodPut, server+"/v2.0/quotas/p", body)))
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(text, "the limit is 65536 bytes") || asked.Load() != 0 {
			t.Errorf("%d %s; asked %d times", status, text, asked.Load())
		}
	}
}

func TestAnAnswerOfNeutronsThatMakesNoSenseIs502(t *testing.T) {
	var says atomic.Value
	server := stand(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, says.Load().(string)) }))
	for _, body := range []string{"", "<html>", "[]", "{}", `{"extensions": {}, "resources": 1, "quotas": "x", "quota": []}`} {
		says.Store(body)
		for _, path := range []string{"/v2.0/extensions", "/v2.0/", "/v2.0/quotas", "/v2.0/quotas/p"} {
			if status, _, got := do(t, must(http.NewRequest(http.MethodGet, server+path, nil))); status != 502 || neutronError(t, got) != "NeutronUnavailable" {
				t.Errorf("%s when Neutron says %q: %d %s", path, body, status, got)
			}
		}
	}
}

func TestTheLogKeepsLittleOfWhatAClientMakesUp(t *testing.T) {
	log := &logged{}
	server := stand(t, http.NotFoundHandler(), log.option)
	long := strings.Repeat("x", 20_000)
	do(t, must(http.NewRequest("M"+long[:500], server+"/v2.0/"+long, nil)))
	log.await(t, "path=/v2.0/xxx")
	if got := log.String(); len(got) > 2000 {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}
