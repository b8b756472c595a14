package front

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/test/product"
)

// gatewayBody is a gateway with a name, and with a remark that the API passes over:
// a body may be as long as that of a large gateway.
const gatewayBody = `{"l2_gateway": {"name": "%s", "devices": [{"device_name": "d", "interfaces": [{"name": "%[1]s"}], "remark": "%s"}]}}`

// What is known of a gateway that was written.
const (
	once  = "once"
	gone  = "no more"
	maybe = "once at most"
)

// clients write and read, each by connections that are kept.
type clients struct {
	proxy *haproxy
	stop  chan struct{}
	group sync.WaitGroup
	done  atomic.Int64

	mu        sync.Mutex
	failures  []string          // that must not be
	uncertain []string          // writes that were answered by 502, or not at all
	expected  map[string]string // by name
}

func load(h *haproxy) *clients {
	l := &clients{proxy: h, stop: make(chan struct{}), expected: map[string]string{}}
	for i := range 6 {
		l.group.Go(func() { l.run(i) })
	}
	return l
}

// inTwo is a connection that sends the header of a request before its body, as
// Python's http.client does.
type inTwo struct{ net.Conn }

func (c inTwo) Write(p []byte) (int, error) {
	head := bytes.Index(p, []byte("\r\n\r\n")) + 4
	if head < 4 || head == len(p) {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:head])
	if err != nil {
		return n, err
	}
	time.Sleep(5 * time.Millisecond) // so that they arrive one after the other, as from afar
	m, err := c.Conn.Write(p[head:])
	return n + m, err
}

// more waits until that many requests more were answered.
func (l *clients) more(t *testing.T, n int64) {
	t.Helper()
	target := l.done.Load() + n
	product.Eventually(t, "clients get on", func() error {
		if got := l.done.Load(); got < target {
			return fmt.Errorf("%d of %d", got, target)
		}
		return nil
	})
}

func (l *clients) end() {
	close(l.stop)
	l.group.Wait()
}

// send returns the status: 0 if there was no answer.
func (l *clients) send(c *http.Client, method, path, body string) (int, []byte) {
	req, _ := http.NewRequest(method, l.proxy.url+path, strings.NewReader(body))
	if body == "" {
		req, _ = http.NewRequest(method, l.proxy.url+path, nil)
	}
	// Go's client would send a write again over a new connection; this one does not.
	req.GetBody = nil
	defer l.done.Add(1)
	resp, err := c.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, b
}

func (l *clients) run(client int) {
	way := &http.Transport{TLSClientConfig: http.DefaultTransport.(*http.Transport).TLSClientConfig.Clone()}
	if client%2 == 1 {
		dial := func(context.Context, string, string) (net.Conn, error) {
			c, err := l.proxy.dial()
			return inTwo{c}, err
		}
		way.DialContext, way.DialTLSContext = dial, dial
	}
	c := &http.Client{Transport: way, Timeout: 60 * time.Second}
	defer c.CloseIdleConnections()
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		name := fmt.Sprintf("c%d-%d-%d", client, i, rand.IntN(1e9))
		status, body := l.send(c, http.MethodPost, "/v2.0/l2-gateways", fmt.Sprintf(gatewayBody, name, strings.Repeat("r", i%5*10_000)))
		if !l.certain("POST "+name, status, 201, body) {
			l.expect(name, maybe)
			continue
		}
		l.expect(name, once)
		var made struct {
			Gateway struct{ ID string } `json:"l2_gateway"`
		}
		_ = json.Unmarshal(body, &made)
		path := "/v2.0/l2-gateways/" + made.Gateway.ID
		for _, p := range []string{path, "/v2.0/l2-gateways?name=" + name} {
			if status, body := l.send(c, http.MethodGet, p, ""); status != 200 || !bytes.Contains(body, []byte(name)) {
				l.fail("GET %s: %d %s", p, status, body)
			}
		}
		if status, body := l.send(c, http.MethodPut, path, `{"l2_gateway": {"name": "`+name+`-x"}}`); l.certain("PUT "+name, status, 200, body) {
			l.expect(name, gone)
			name += "-x"
			l.expect(name, once)
		} else {
			l.expect(name, maybe)
			l.expect(name+"-x", maybe)
			continue
		}
		if i%2 == 0 {
			if status, body := l.send(c, http.MethodDelete, path, ""); l.certain("DELETE "+name, status, 204, body) {
				l.expect(name, gone)
			} else {
				l.expect(name, maybe)
			}
		}
	}
}

// certain says whether a write was acknowledged. That no answer came, or HAProxy's
// 502, leaves open what became of it; every other answer is wrong.
func (l *clients) certain(what string, status, want int, body []byte) bool {
	switch status {
	case want:
		return true
	case 0, http.StatusBadGateway:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.uncertain = append(l.uncertain, fmt.Sprintf("%s: %d", what, status))
	default:
		l.fail("%s: %d %s", what, status, body)
	}
	return false
}

func (l *clients) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf(format, args...))
}

func (l *clients) expect(name, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected[name] = what
}
