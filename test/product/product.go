// Package product runs the built binary for tests, as an operator would: a
// process with a data folder, an inventory file and an API.
package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for something that should take no time: a
// generous bound, so that a busy machine fails no test.
const Patience = 30 * time.Second

var build struct {
	once sync.Once
	path string
	err  error
}

// RemoveBinary removes what Binary built; a TestMain calls it at the end.
func RemoveBinary() {
	if build.path != "" {
		os.RemoveAll(filepath.Dir(build.path))
	}
}

// Binary builds bin/l2gw once per test process, with the race detector if that
// is wanted by L2GW_TEST_RACE=1, and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		dir, err := os.MkdirTemp("", "l2gw-bin")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "l2gw")
		args := []string{"build", "-o", build.path}
		if os.Getenv("L2GW_TEST_RACE") == "1" {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "l2gw/cmd/l2gw")...).CombinedOutput()
		if err != nil {
			build.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// Product is a running `l2gw standalone`. Its methods end the test when they fail.
type Product struct {
	URL       string
	Data      string // the data folder
	Inventory string // the inventory file

	t      testing.TB
	args   []string
	listen string
	cmd    *exec.Cmd
	exited chan struct{}
	log    string
}

// Start writes the inventory and runs the product with these databases
// ("name:host:port"), or with an emulated switch if there are none.
func Start(t testing.TB, inventory string, databases ...string) *Product {
	t.Helper()
	if len(databases) == 0 {
		return StartWith(t, inventory)
	}
	return StartWith(t, inventory, "--ovsdb-hosts", strings.Join(databases, ","))
}

// StartWith writes the inventory and runs the product with these further options.
func StartWith(t testing.TB, inventory string, args ...string) *Product {
	t.Helper()
	dir := t.TempDir()
	p := &Product{
		Data: filepath.Join(dir, "data"), Inventory: filepath.Join(dir, "inventory.yaml"),
		log: filepath.Join(dir, "log"), t: t, listen: freeAddr(t),
	}
	p.URL = "http://" + p.listen
	p.args = []string{"standalone", "--listen", p.listen, "--data", p.Data, "--inventory", p.Inventory}
	p.args = append(p.args, args...)
	p.WriteInventory(inventory)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			if b, err := os.ReadFile(p.log); err == nil {
				t.Logf("log of the product (its end):\n%s", b[max(0, len(b)-16_000):])
			}
		}
	})
	p.Run()
	return p
}

// Run starts the process, again if it ended, and waits until the API answers
// and knows the inventory.
func (p *Product) Run() {
	p.t.Helper()
	p.Launch()
	p.answers("the API knows the inventory", "/v2.0/networks?fields=id")
}

// Launch starts the process, again if it ended, and waits until the API
// answers, whatever it knows.
func (p *Product) Launch() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(Binary(p.t), p.args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(p.cmd, p.exited)
	p.answers("the API answers", "/healthz")
}

// answers waits until a path is answered with 200; a process that ended ends the test.
func (p *Product) answers(what, path string) {
	p.t.Helper()
	p.Eventually(what, func() error {
		select {
		case <-p.exited:
			b, _ := os.ReadFile(p.log)
			p.t.Fatalf("the product ended: %s", b)
		default:
		}
		resp, err := http.Get(p.URL + path)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Product) Kill() { p.end(syscall.SIGKILL) }

// Stop ends the process with SIGTERM and waits until it is gone.
func (p *Product) Stop() { p.end(syscall.SIGTERM) }

// Pid is the process id.
func (p *Product) Pid() int { return p.cmd.Process.Pid }

func (p *Product) end(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	<-p.exited
}

// AddDatabase adds "name:host:port" to those of the next Run.
func (p *Product) AddDatabase(database string) { p.args[len(p.args)-1] += "," + database }

// Log is all that the process has logged, in all its runs.
func (p *Product) Log() string {
	p.t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// WriteInventory replaces the inventory file at one stroke.
func (p *Product) WriteInventory(contents string) {
	p.t.Helper()
	tmp := p.Inventory + ".new"
	if err := os.WriteFile(tmp, []byte(contents), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(tmp, p.Inventory); err != nil {
		p.t.Fatal(err)
	}
}

// Object is a JSON object.
type Object = map[string]any

// Do sends a request and returns status and body; body may be nil.
func (p *Product) Do(method, path string, body any) (int, Object) {
	p.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, p.URL+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out := Object{}
	if b, _ := io.ReadAll(resp.Body); len(b) > 0 {
		if err := json.Unmarshal(b, &out); err != nil {
			p.t.Fatalf("%s %s: %v in %q", method, path, err, b)
		}
	}
	return resp.StatusCode, out
}

// must is Do with the status that is expected.
func (p *Product) must(status int, method, path string, body any) Object {
	p.t.Helper()
	got, out := p.Do(method, path, body)
	if got != status {
		p.t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return out
}

// Device is a device of a gateway: its interfaces and the VLANs of each (or none).
type Device struct {
	Name       string
	Interfaces []Interface
}

// Interface is a port and its VLANs.
type Interface struct {
	Name  string
	VLANs []int
}

// CreateGateway returns the new gateway's id.
func (p *Product) CreateGateway(name string, devices ...Device) string {
	p.t.Helper()
	var list []Object
	for _, d := range devices {
		var ifs []Object
		for _, i := range d.Interfaces {
			o := Object{"name": i.Name}
			if len(i.VLANs) > 0 {
				o["segmentation_id"] = i.VLANs
			}
			ifs = append(ifs, o)
		}
		list = append(list, Object{"device_name": d.Name, "interfaces": ifs})
	}
	out := p.must(http.StatusCreated, "POST", "/v2.0/l2-gateways", Object{"l2_gateway": Object{"name": name, "devices": list}})
	return out["l2_gateway"].(Object)["id"].(string)
}

// Connect returns the new connection's id; vlan is "" if the gateway has its own.
func (p *Product) Connect(gateway, network, vlan string) string {
	p.t.Helper()
	c := Object{"l2_gateway_id": gateway, "network_id": network}
	if vlan != "" {
		c["segmentation_id"] = vlan
	}
	out := p.must(http.StatusCreated, "POST", "/v2.0/l2-gateway-connections", Object{"l2_gateway_connection": c})
	return out["l2_gateway_connection"].(Object)["id"].(string)
}

// Disconnect deletes a connection.
func (p *Product) Disconnect(id string) {
	p.t.Helper()
	p.must(http.StatusNoContent, "DELETE", "/v2.0/l2-gateway-connections/"+id, nil)
}

// Connection shows a connection.
func (p *Product) Connection(id string) Object {
	p.t.Helper()
	return p.must(http.StatusOK, "GET", "/v2.0/l2-gateway-connections/"+id, nil)["l2_gateway_connection"].(Object)
}

// WaitStatus waits until the connection has the status and returns its reason.
func (p *Product) WaitStatus(connection, status string) (reason string) {
	p.t.Helper()
	p.Eventually("connection "+connection+" is "+status, func() error {
		c := p.Connection(connection)
		if c["status"] != status {
			return fmt.Errorf("it is %v: %v", c["status"], c["status_reason"])
		}
		reason, _ = c["status_reason"].(string)
		return nil
	})
	return reason
}

// Eventually waits until check returns nil; after Patience it ends the test.
func (p *Product) Eventually(what string, check func() error) {
	p.t.Helper()
	Eventually(p.t, what, check)
}

// Eventually waits until check returns nil; after Patience it ends the test
// with what was waited for and the last error.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v until %s: %v", Patience, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
