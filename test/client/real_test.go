package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
	t       testing.TB
	in      io.WriteCloser
	answers *bufio.Reader
	errs    bytes.Buffer
}

// newRealClient starts the process in which all commands of the real client run.
func newRealClient(t testing.TB) *realClient {
	t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/networking_l2gw/l2gatewayclient/osc/l2gw.py"); err != nil {
		t.Fatalf("Debian's python3-networking-l2gw is not there (%v): run `make deps`", err)
	}
	c := &realClient{t: t}
	cmd := exec.Command("/usr/bin/python3", "testdata/real_client.py")
	cmd.Env = append(cleanEnv(), "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
	cmd.Stderr = &c.errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.answers = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make deps`", err)
	}
	t.Cleanup(func() {
		_ = c.in.Close()
		_ = cmd.Wait()
	})
	return c
}

func (c *realClient) run(o order) (result outcome) {
	c.t.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		c.t.Fatalf("the real client's process is gone: %v\n%s", err, &c.errs)
	}
	answer, err := c.answers.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(answer, &result)
	}
	if err != nil {
		c.t.Fatalf("the real client's process: %v\n%s", err, &c.errs)
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
