package front

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"l2gw/test/process"
	"l2gw/test/product"
)

// beside is what an HAProxy with the configuration of the documentation stands before.
type beside struct {
	neutron string       // HOST:PORT
	servers [2]string    // HOST:PORT
	pki     *product.PKI // of HAProxy's certificate and the servers'; nil: the servers speak no TLS
	change  [][2]string  // further changes of the configuration, from and to
	down    int          // how many of the servers it must not believe
}

// haproxy is a running one.
type haproxy struct {
	t       testing.TB
	addr    string // HOST:PORT
	url     string
	control string // path of the socket where it tells its statistics
	log     *lockedBuffer
}

// configuration is the one of the documentation with these addresses and files in
// place of its own.
func (b beside) configuration(t testing.TB, listen, control string) string {
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
	changes := [][2]string{
		{"bind :9696", "bind " + listen},
		{"10.0.0.11:9697", b.servers[0]},
		{"10.0.0.12:9697", b.servers[1]},
		{"10.0.0.21:9696", b.neutron},
		// The statistics say how often a connection was tried again.
		{"    maxconn 4000\n", "    maxconn 4000\n    stats socket " + control + " level admin\n"},
	}
	if b.pki != nil {
		changes = append(changes, [][2]string{
			{"/etc/haproxy/network.pem", network(t, b.pki)},
			{"/etc/haproxy/l2gw-ca.pem", filepath.Join(b.pki.Dir, "cacert.pem")},
		}...)
	} else { // as the documentation says
		changes = append(changes, [][2]string{
			{" ssl crt /etc/haproxy/network.pem alpn http/1.1", ""},
			{"    default-server ssl verify required ca-file /etc/haproxy/l2gw-ca.pem alpn http/1.1\n", ""},
			{" verifyhost l2gw1", ""},
			{" verifyhost l2gw2", ""},
		}...)
	}
	for _, change := range append(changes, b.change...) {
		if strings.Count(conf, change[0]) != 1 {
			t.Fatalf("%q is not once in the configuration", change[0])
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	return conf
}

// network is the file with HAProxy's certificate and key.
func network(t testing.TB, pki *product.PKI) string {
	t.Helper()
	name := filepath.Join(pki.Dir, "network.pem")
	if _, err := os.Stat(name); err == nil {
		return name
	}
	files := pki.Issue("network.example", "127.0.0.1")
	var both []byte
	for _, name := range []string{files.Certificate, files.Key} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	product.WriteFile(t, name, string(both))
	return name
}

// run runs Debian's HAProxy until the end of the test.
func (b beside) run(t testing.TB) *haproxy {
	t.Helper()
	const program = "/usr/sbin/haproxy"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s is needed: run `make deps`", program)
	}
	dir := t.TempDir()
	h := &haproxy{t: t, addr: "127.0.0.1:" + product.FreePort(t), control: filepath.Join(dir, "stats"), log: &lockedBuffer{}}
	h.url = "http://" + h.addr
	if b.pki != nil {
		h.url = "https://" + h.addr
	}
	file := filepath.Join(dir, "haproxy.cfg")
	product.WriteFile(t, file, b.configuration(t, h.addr, h.control))
	cmd := exec.Command(program, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = h.log, h.log
	running, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Kill()
		if t.Failed() {
			out := h.log.String()
			t.Logf("log of haproxy (its end):\n%s", out[max(0, len(out)-6000):])
		}
	})
	product.Eventually(t, "haproxy answers", func() error {
		resp, err := http.Get(h.url + "/v2.0/l2-gateways")
		if err != nil {
			return fmt.Errorf("%w: %s", err, h.log.String())
		}
		resp.Body.Close()
		if _, _, up := h.figures(); resp.StatusCode != http.StatusOK || up != 2-b.down {
			return fmt.Errorf("%s, %d servers: %s", resp.Status, up, h.log.String())
		}
		return nil
	})
	return h
}

// figures are how many connections to our servers were tried again, how many
// requests were sent to another server, and how many servers are up.
func (h *haproxy) figures() (again, elsewhere, up int) {
	h.t.Helper()
	c, err := net.Dial("unix", h.control)
	if err != nil {
		h.t.Fatal(err)
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

// dial connects to it, over TLS if it speaks that.
func (h *haproxy) dial() (net.Conn, error) {
	if strings.HasPrefix(h.url, "https:") {
		return tls.Dial("tcp", h.addr, http.DefaultTransport.(*http.Transport).TLSClientConfig)
	}
	return net.Dial("tcp", h.addr)
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
