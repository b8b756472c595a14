package client

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/test/process"
	"l2gw/test/product"
)

// outcome is what a command left.
type outcome struct {
	Code   int    `json:"code"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// order is a command to run.
type order struct {
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	Dir  string            `json:"dir,omitempty"`
	// Script is a Python program to run in the place of the client.
	Script string `json:"script,omitempty"`
}

// realClient is Debian's client, loaded once.
type realClient struct {
	t testing.TB
	*process.Conversation
}

// newRealClient starts the process in which all commands of the real client run.
func newRealClient(t testing.TB) *realClient {
	t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/networking_l2gw/l2gatewayclient/osc/l2gw.py"); err != nil {
		t.Fatalf("Debian's python3-networking-l2gw is not there (%v): run `make deps`", err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/real_client.py")
	cmd.Env = append(cleanEnv(), "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
	return &realClient{t, process.Converse(t, cmd)}
}

func (c *realClient) run(o order) (result outcome) {
	c.t.Helper()
	if err := c.Ask(o, &result); err != nil {
		c.t.Fatal(err)
	}
	return result
}

// ourClient is l2gw under the names of others.
type ourClient struct {
	t    testing.TB
	dir  string // of the links
	home string
}

func newOurClient(t testing.TB) *ourClient {
	t.Helper()
	c := &ourClient{t, t.TempDir(), t.TempDir()}
	for _, name := range []string{"openstack", "neutron-l2gw", "l2gw"} {
		if err := os.Symlink(product.Binary(t), filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *ourClient) run(name string, o order) outcome {
	c.t.Helper()
	return run(c.t, filepath.Join(c.dir, name), o, c.home)
}

// run runs a program.
func run(t testing.TB, program string, o order, home string) outcome {
	t.Helper()
	cmd := exec.Command(program, o.Args...)
	cmd.Env = append(cleanEnv(), "LC_ALL=C.UTF-8", "HOME="+home, "GORACE=atexit_sleep_ms=0")
	for key, value := range o.Env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Dir = o.Dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// cleanEnv is the environment without what clients look at.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "OS_") && !strings.HasPrefix(e, "CLIFF_") && !strings.HasPrefix(e, "HOME=") {
			env = append(env, e)
		}
	}
	return env
}
