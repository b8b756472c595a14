package heat

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"l2gw/test/keystone"
	"l2gw/test/process"
	"l2gw/test/product"
)

// patience is how long Heat may take for anything: a second or three on a quiet
// machine, some ten for its start.
const patience = 2 * time.Minute

// startHeat starts Heat's API and engine, which end with the test, and returns the
// API's URL, with /v1.
func startHeat(t testing.TB, ks *keystone.Server) string {
	t.Helper()
	const python = "/usr/bin/python3" // the one that sees Debian's packages
	if _, err := os.Stat("/usr/lib/python3/dist-packages/heat/cmd/all.py"); err != nil {
		t.Fatalf("python3-heat is needed: run `make deps` (%v)", err)
	}
	dir, port := t.TempDir(), product.FreePort(t)
	at := "http://127.0.0.1:" + port
	configure(t, dir, map[string]string{
		"Dir": dir, "Port": port, "URL": at, "Keystone": ks.URL(),
		"Database": "sqlite:///" + filepath.Join(dir, "heat.db"), "Key": "of-32-bytes-and-of-no-importance",
	})
	more, me := filepath.Join(dir, "keystone.conf"), ks.User(t, "heat", "service", "admin")
	// The engine acts with the trust of who made the stack, which is a scope by itself.
	trustee := me
	trustee.Project = ""
	product.WriteFile(t, more, ks.AuthToken(me, "")+strings.Replace(ks.AuthToken(trustee, ""), "[keystone_authtoken]", "[trustee]", 1))

	log := filepath.Join(dir, "log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	program, err := filepath.Abs("testdata/server.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, program, "sqlite:///"+filepath.Join(dir, "heat.db"),
		"--config-file", filepath.Join(dir, "heat.conf"), "--config-file", more)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + dir, "PYTHONWARNINGS=ignore"}
	heat, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		heat.Kill()
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("log of Heat (its end):\n%s", b[max(0, len(b)-16_000):])
		}
	})
	eventually(t, "Heat answers", func() error {
		if !heat.Running() {
			t.Fatal("Heat ended")
		}
		// What the API asks the engine waits until that is up as well.
		resp, err := http.Get(at + "/v1")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode >= 500 {
			return errors.New(resp.Status)
		}
		return nil
	})
	return at + "/v1"
}

// configure writes Heat's files into a folder.
func configure(t testing.TB, dir string, values map[string]string) {
	t.Helper()
	for _, name := range []string{"heat.conf", "api-paste.ini"} {
		text, err := template.ParseFiles(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := text.Execute(&b, values); err != nil {
			t.Fatal(err)
		}
		product.WriteFile(t, filepath.Join(dir, name), b.String())
	}
}

// eventually waits until check returns nil; after patience it ends the test.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("waited %v until %s: %w", patience, what, err))
		}
	}
}
