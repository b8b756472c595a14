package disk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"l2gw/test/product"
)

const inventory = "networks:\n- {id: 8e03978e-40d5-43dd-bc93-6894a57f9324, name: n, vni: 5001}\nhosts: []\nports: []\n"

// world is a server whose database is on a disk of its own.
type world struct {
	testing.TB
	*product.Serve
	dir string
}

// start starts a server on a disk of 2 MB.
func start(t *testing.T) *world {
	t.Helper()
	w := prepare(t)
	w.mounting("mount -t tmpfs -o size=2m tmpfs " + w.dir)
	w.Launch()
	w.ready(true)
	return w
}

func prepare(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	c := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: "sqlite:///" + dir + "/l2gw.db"})
	return &world{t, c.Servers[0], dir}
}

// mounting has the server start in a mount namespace after a command in it. The
// server is exec'ed, so that the process is the server.
func (w *world) mounting(command string) {
	w.Helper()
	w.Program = filepath.Join(w.TempDir(), "l2gw")
	script := fmt.Sprintf("#!/bin/sh\nexec unshare --mount sh -c '%s && exec %s \"$@\"' sh \"$@\"\n", command, product.Binary(w))
	if err := os.WriteFile(w.Program, []byte(script), 0o700); err != nil { //nolint:gosec // it is to be run
		w.Fatal(err)
	}
}

// do runs a command where the server sees the disk.
func (w *world) do(command ...string) {
	w.Helper()
	in := append([]string{"--mount", "--target", strconv.Itoa(w.Pid())}, command...)
	if out, err := exec.Command("nsenter", in...).CombinedOutput(); err != nil {
		w.Fatalf("%v: %v: %s", command, err, out)
	}
}

// check is one of /readyz.
type check struct {
	Name     string
	OK       bool
	Required bool
	Reason   string
}

func (w *world) checks() (all map[string]check, ready bool) {
	w.Helper()
	resp, err := http.Get(w.URL + "/readyz")
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	var report struct {
		Ready  bool
		Checks []check
	}
	if err := json.Unmarshal(b, &report); err != nil {
		w.Fatalf("%v in %s", err, b)
	}
	all = map[string]check{}
	for _, c := range report.Checks {
		all[c.Name] = c
	}
	return all, report.Ready
}

func (w *world) ready(want bool) {
	w.Helper()
	product.Eventually(w, fmt.Sprint("ready is ", want), func() error {
		if all, ready := w.checks(); ready != want {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
}

// create asks for a gateway and returns the status.
func (w *world) create(name string) (int, product.Object) {
	w.Helper()
	return w.Do("POST", "/v2.0/l2-gateways", product.Object{"l2_gateway": product.Object{
		"name": name, "devices": []product.Object{{"device_name": "ps1", "interfaces": []product.Object{{"name": "eth1"}}}},
	}})
}

func (w *world) creates(name string) {
	w.Helper()
	product.Eventually(w, "gateway "+name+" is created", func() error {
		if status, out := w.create(name); status != http.StatusCreated {
			return fmt.Errorf("%d %v", status, out)
		}
		return nil
	})
}

// refused says whether a write is a 503, without what the database said, which is in the log.
func (w *world) refused(reason string) error {
	w.Helper()
	status, out := w.create("refused")
	text := fmt.Sprint(out)
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "ServiceUnavailable") || strings.Contains(text, reason) {
		return fmt.Errorf("a write is answered %d %v", status, out)
	}
	if log := w.Serve.Log(); !strings.Contains(log, reason) {
		return fmt.Errorf("the log does not say %q", reason)
	}
	return nil
}

// reads demands that these gateways are listed.
func (w *world) reads(names string) {
	w.Helper()
	status, out := w.Do("GET", "/v2.0/l2-gateways?fields=name", nil)
	list, _ := out["l2_gateways"].([]any)
	var got []string
	for _, g := range list {
		got = append(got, fmt.Sprint(g.(product.Object)["name"]))
	}
	if status != http.StatusOK || strings.Join(got, " ") != names {
		w.Errorf("a list is answered %d %v, want %s", status, out, names)
	}
}

// quiet demands that the log has few lines beside those of requests, and no failure of ours.
func (w *world) quiet() {
	w.Helper()
	lines := map[string]int{}
	for line := range strings.Lines(w.Serve.Log()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "status=500") || strings.Contains(line, "panic") {
			w.Errorf("the log says %s", line)
		}
		if _, text, ok := strings.Cut(line, "level=WARN msg="); ok && !strings.HasPrefix(text, `"request cannot be served now"`) {
			lines[text[:min(len(text), 40)]]++
		}
	}
	for text, n := range lines {
		if n > 10 {
			w.Errorf("the log says %d times %s", n, text)
		}
	}
}

func TestAFullDiskRefusesWritesAndServesReads(t *testing.T) {
	w := start(t)
	w.creates("a")
	w.do("sh", "-c", "cat /dev/zero > "+w.dir+"/ballast 2>/dev/null; true")
	product.Eventually(t, "the disk is full for the database", func() error {
		// A write that is small enough, such as the lease's, is done as long as the
		// database's log has room, and may give room to others.
		if status, out := w.create("x"); status == http.StatusCreated {
			return fmt.Errorf("%v", out)
		}
		if all, ready := w.checks(); !ready || !strings.Contains(all["store takes writes"].Reason, "full") {
			return fmt.Errorf("/readyz says %v, %+v", ready, all)
		}
		return w.refused("full")
	})
	if status, _ := w.Do("GET", "/v2.0/l2-gateways", nil); status != http.StatusOK {
		t.Errorf("a list is answered %d", status)
	}
	w.do("rm", w.dir+"/ballast")
	w.creates("b")
	if all, ready := w.checks(); !ready || !all["store takes writes"].OK {
		t.Errorf("/readyz says %v, %+v", ready, all)
	}
	w.quiet()
}

func TestAServerDoesNotStartOnAReadOnlyDiskAndSaysSo(t *testing.T) {
	for name, end := range map[string]func(*world){
		"after it was stopped": func(w *world) { w.Stop() },
		"after it was killed":  func(w *world) { w.Kill() }, // the database's log is still there
	} {
		t.Run(name, func(t *testing.T) {
			w := prepare(t)
			w.Launch()
			w.creates("a")
			end(w)
			w.mounting("mount --bind " + w.dir + " " + w.dir + " && mount -o remount,bind,ro " + w.dir)
			if said := w.Fails(); !strings.Contains(said, "read-only file system") || !strings.Contains(said, w.dir+"/l2gw.db") {
				t.Errorf("it says %s", said)
			}
			w.Program = ""
			w.Launch()
			w.creates("b")
			w.reads("a b")
		})
	}
}

func TestAFileThatGoesIsToldAndServedAgainWhenItIsBack(t *testing.T) {
	w := start(t)
	w.creates("a")
	w.do("mv", w.dir+"/l2gw.db", w.dir+"/away.db")
	if err := w.refused("removed or replaced"); err != nil {
		t.Error(err)
	}
	w.ready(false)
	if all, _ := w.checks(); !strings.Contains(all["store"].Reason, "removed or replaced") {
		t.Errorf("/readyz says %+v", all)
	}
	w.do("mv", w.dir+"/away.db", w.dir+"/l2gw.db")
	w.creates("b")
	w.reads("a b")
	w.ready(true)
	w.quiet()
}
