package front

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"l2gw/test/neutron"
	"l2gw/test/product"
)

// configuration is the one of the documentation with these addresses in place of its own.
func configuration(t *testing.T, listen, neutron string, servers ...string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/deploy/haproxy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```haproxy\n")
	conf, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the documentation has no configuration")
	}
	for _, change := range [][2]string{
		{":9696 ssl crt /etc/haproxy/network.pem", listen}, {"10.0.0.11:9697", servers[0]}, {"10.0.0.12:9697", servers[1]}, {"10.0.0.21:9696", neutron},
	} {
		if strings.Count(conf, change[0]) != 1 {
			t.Fatalf("%q is not once in the configuration", change[0])
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	// The statistics say how often a connection was tried again.
	return strings.Replace(conf, "    maxconn 4000\n", "    maxconn 4000\n    stats socket "+filepath.Join(t.TempDir(), "stats")+" level admin\n", 1)
}

// haproxy runs Debian's HAProxy until the end of the test and returns its address
// and a question to its statistics.
func haproxy(t *testing.T, neutron string, servers ...string) (url string, figures func() (again, elsewhere, up int)) {
	t.Helper()
	const program = "/usr/sbin/haproxy"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s is needed: run `make deps`", program)
	}
	listen := "127.0.0.1:" + strconv.Itoa(freePort(t))
	conf := configuration(t, listen, neutron, servers...)
	file, log := filepath.Join(t.TempDir(), "haproxy.cfg"), &lockedBuffer{}
	product.WriteFile(t, file, conf)
	cmd := exec.Command(program, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() { // from a thread that lives as long as it (see Pdeathsig)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			out := log.String()
			t.Logf("log of haproxy (its end):\n%s", out[max(0, len(out)-6000):])
		}
	})
	url = "http://" + listen
	product.Eventually(t, "haproxy answers", func() error {
		resp, err := http.Get(url + "/v2.0/l2-gateways")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", resp.Status, log.String())
		}
		return nil
	})
	_, socket, _ := strings.Cut(conf, "stats socket ")
	socket, _, _ = strings.Cut(socket, " ")
	return url, func() (again, elsewhere, up int) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "show stat\n")
		b, _ := io.ReadAll(c)
		lines := strings.Split(string(b), "\n")
		names := strings.Split(strings.TrimPrefix(lines[0], "# "), ",")
		for _, line := range lines[1:] {
			row := map[string]string{}
			for i, v := range strings.Split(line, ",") {
				if i < len(names) { // the last ones are texts, with commas of their own
					row[names[i]] = v
				}
			}
			if row["pxname"] == "l2gw" && strings.HasPrefix(row["svname"], "l2gw") && row["status"] == "UP" {
				up++
			}
			if row["pxname"] == "l2gw" && row["svname"] == "BACKEND" {
				again, _ = strconv.Atoi(row["wretr"])
				elsewhere, _ = strconv.Atoi(row["wredis"])
			}
		}
		return again, elsewhere, up
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := strconv.Atoi(product.FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

const gatewayBody = `{"l2_gateway": {"name": "%s", "devices": [{"device_name": "d", "interfaces": [{"name": "%[1]s"}]}]}}`

func TestTwoServersBehindHAProxyAreOne(t *testing.T) {
	n := neutron.Shared(t)
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 2, ServerArgs: []string{"--neutron", n.URL, "--drain", "4s"}})
	c.Start()
	a, b := c.Servers[0], c.Servers[1]
	url, figures := haproxy(t, n.Addr, strings.TrimPrefix(a.URL, "http://"), strings.TrimPrefix(b.URL, "http://"))

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
			l := load(url)
			again, elsewhere, _ := figures()
			for _, s := range c.Servers {
				l.more(t, 60) // both are up
				end.stop(s)
				l.more(t, 60)
				s.Launch()
				product.Eventually(t, "haproxy has taken it back", func() error {
					if _, _, up := figures(); up != 2 {
						return fmt.Errorf("%d of 2 are up", up)
					}
					return nil
				})
				l.more(t, 100)
			}
			l.end()
			again2, elsewhere2, _ := figures()
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

// What is known of a gateway that was written.
const (
	once  = "once"
	gone  = "no more"
	maybe = "once at most"
)

// clients write and read, each by connections that are kept.
type clients struct {
	url   string
	stop  chan struct{}
	group sync.WaitGroup
	done  atomic.Int64

	mu        sync.Mutex
	failures  []string          // that must not be
	uncertain []string          // writes that were answered by 502, or not at all
	expected  map[string]string // by name
}

func load(url string) *clients {
	l := &clients{url: url, stop: make(chan struct{}), expected: map[string]string{}}
	for i := range 6 {
		l.group.Go(func() { l.run(i) })
	}
	return l
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
	req, _ := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if body == "" {
		req, _ = http.NewRequest(method, l.url+path, nil)
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
	c := &http.Client{Transport: &http.Transport{}, Timeout: 60 * time.Second}
	defer c.CloseIdleConnections()
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		name := fmt.Sprintf("c%d-%d-%d", client, i, rand.IntN(1e9))
		status, body := l.send(c, http.MethodPost, "/v2.0/l2-gateways", fmt.Sprintf(gatewayBody, name))
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
