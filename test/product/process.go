package product

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"l2gw/test/netlab"
	"l2gw/test/ports"
	"l2gw/test/process"
)

// Patience is how long a test waits for something that should take no time: a
// generous bound, so that a busy machine fails no test.
const Patience = time.Minute

var build struct {
	once sync.Once
	dir  string // "": the program is another's
	path string
	err  error
}

// Main wraps the tests of a package that runs the program (Binary, SwitchFiles), or
// another wrapper of them: os.Exit(product.Main{M: m}.Run()).
type Main struct{ M interface{ Run() int } }

// Run runs the tests, then removes what they built.
func (m Main) Run() int {
	code := m.M.Run()
	removeBinary()
	return code
}

// removeBinary removes what Binary and SwitchFiles made.
func removeBinary() {
	if switches.dir != "" {
		os.RemoveAll(switches.dir)
	}
	if build.dir != "" {
		os.RemoveAll(build.dir)
	}
}

// Binary is the path of the program that tests run: that of L2GW_TEST_BINARY, which
// the Makefile builds once for all suites, or else one that is built once per test
// process, with the race detector if that is wanted by L2GW_TEST_RACE=1.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if given := os.Getenv("L2GW_TEST_BINARY"); given != "" {
			// Looked at, so that go test does not take an old result for that of a new program.
			if _, err := os.Stat(given); err != nil {
				build.err = fmt.Errorf("L2GW_TEST_BINARY: %w", err)
			}
			build.path = given
			return
		}
		dir, err := os.MkdirTemp("", "l2gw-bin")
		if err != nil {
			build.err = err
			return
		}
		build.dir, build.path = dir, filepath.Join(dir, "l2gw")
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

// polls are the lines of a log about the questions of Eventually.
var polls = regexp.MustCompile(`(?m)^.* msg=request method=GET .*\n`)

// Process is a process of the product. Its methods end the test when they fail.
type Process struct {
	Name string

	// Program is the binary; Binary's if "". It counts at the next start.
	Program string

	t     testing.TB
	host  *netlab.Host // nil: this one
	args  []string
	ready string // URL that answers 200 once it is up
	run   *process.Process
	log   string
}

// newProcess describes a process, which is killed at the end of the test.
func newProcess(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, args: args, log: filepath.Join(t.TempDir(), name+".log")}
	t.Cleanup(func() {
		p.keepsSecrets()
		p.Kill()
		if t.Failed() {
			if b, err := os.ReadFile(p.log); err == nil {
				b = polls.ReplaceAll(b, nil)
				t.Logf("log of %s (its end):\n%s", name, b[max(0, len(b)-16_000):])
			}
		}
	})
	return p
}

// Launch starts the process, again if it ended, and waits until it answers.
func (p *Process) Launch() {
	p.t.Helper()
	p.start()
	p.answers(p.Name+" answers", p.ready)
}

// Spawn starts the process if it does not run, and does not wait for it.
func (p *Process) Spawn() {
	p.t.Helper()
	if !p.Running() {
		p.start()
	}
}

// Running reports whether the process was started and has not ended.
func (p *Process) Running() bool { return p.run.Running() }

func (p *Process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	program := p.Program
	if program == "" {
		program = Binary(p.t)
	}
	command := append([]string{program}, p.args...)
	if p.host != nil {
		command = p.host.Command(program, p.args...)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if p.run, err = process.Start(cmd); err != nil {
		p.t.Fatal(err)
	}
}

// answers waits until a URL is answered with 200; a process that ended ends the test.
func (p *Process) answers(what, url string) {
	p.t.Helper()
	Eventually(p.t, what, func() error {
		if !p.Running() {
			b, _ := os.ReadFile(p.log)
			p.t.Fatalf("%s ended: %s", p.Name, b[max(0, len(b)-4000):])
		}
		resp, err := http.Get(url)
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

// Fails starts a process that must end by itself with an error, and returns what it said.
func (p *Process) Fails() string {
	p.t.Helper()
	p.start()
	select {
	case <-p.run.Exited():
	case <-time.After(Patience):
		p.t.Fatalf("%s still runs after %v", p.Name, Patience)
	}
	if p.run.Success() {
		p.t.Fatalf("%s ended without an error: %s", p.Name, p.Log())
	}
	return p.Log()
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() { p.run.Kill() }

// Stop ends the process with SIGTERM and waits until it is gone.
func (p *Process) Stop() { p.run.Stop() }

// Signal sends a signal, such as SIGHUP.
func (p *Process) Signal(sig syscall.Signal) { p.run.Signal(sig) }

// Pause stops the process where it stands, until Continue.
func (p *Process) Pause() { p.run.Pause() }

// Continue lets a paused process go on as if no time had passed.
func (p *Process) Continue() { p.run.Continue() }

// Pid is the process id.
func (p *Process) Pid() int { return p.run.Pid() }

// Log is all that the process has logged, in all its runs.
func (p *Process) Log() string {
	p.t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// WaitLog waits for a line of the log that has all of these, and returns it.
func (p *Process) WaitLog(says ...string) (line string) {
	p.t.Helper()
	Eventually(p.t, fmt.Sprintf("the log of %s has a line with %q", p.Name, says), func() error {
		for line = range strings.Lines(p.Log()) {
			all := true
			for _, s := range says {
				all = all && strings.Contains(line, s)
			}
			if all {
				return nil
			}
		}
		return errors.New("there is none")
	})
	return line
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

// freeAddr finds an address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", FreePort(t))
}

// FreePort is a port of 127.0.0.1 that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	port, err := ports.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}
