package neutron

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"text/template"
	"time"

	"l2gw/test/ports"
	"l2gw/test/process"
)

//go:embed server.py
var program []byte

//go:embed neutron.conf
var config string

// patience is how long a server may take until it answers: five seconds on a
// quiet machine.
const patience = 3 * time.Minute

// Server is a running neutron-server. Its methods may be called from one
// goroutine at a time.
type Server struct {
	// Immutable after the start.
	URL  string // http://127.0.0.1:PORT, without a slash at the end
	Addr string // 127.0.0.1:PORT
	Dir  string // its folder: configuration, database, log

	args    []string
	process *process.Process
}

// Options are what a server can have of its own.
type Options struct {
	// Config is a further configuration file, whose options win:
	// "[DEFAULT]\nauth_strategy = keystone\n[keystone_authtoken]\n…".
	Config string
}

var (
	mu     sync.Mutex
	shared *Server
)

// Shared returns this process's server, which asks nobody for a token.
func Shared(t testing.TB) *Server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if shared == nil {
		dir, err := os.MkdirTemp("", "l2gw-neutron-")
		if err != nil {
			t.Fatal(err)
		}
		s, err := start(dir, Options{})
		if err != nil {
			os.RemoveAll(dir)
			t.Fatal(err)
		}
		shared = s
	}
	return shared
}

// Main is a testing.M whose Run ends the shared server.
type Main struct{ M interface{ Run() int } }

// Run runs the tests, then ends the server and removes its folder.
func (m Main) Run() int {
	code := m.M.Run()
	mu.Lock()
	defer mu.Unlock()
	if shared != nil {
		shared.Kill()
		os.RemoveAll(shared.Dir)
		shared = nil
	}
	return code
}

// Start runs a server of the test's own, which ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("log of neutron-server (its end):\n%s", s.logEnd())
		}
	})
	return s
}

func start(dir string, o Options) (*Server, error) {
	const python = "/usr/bin/python3" // the one that sees Debian's packages
	for _, need := range []string{python, "/usr/bin/neutron-server", "/etc/neutron/api-paste.ini"} {
		if _, err := os.Stat(need); err != nil {
			return nil, fmt.Errorf("%s is needed: run `make deps` (%w)", need, err)
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(port), Dir: dir}
	s.URL = "http://" + s.Addr
	if err := os.MkdirAll(filepath.Join(dir, "state", "lock"), 0o700); err != nil {
		return nil, err
	}
	database := "sqlite:///" + filepath.Join(dir, "neutron.db")
	script, conf, further := filepath.Join(dir, "server.py"), filepath.Join(dir, "neutron.conf"), filepath.Join(dir, "further.conf")
	file, err := os.Create(conf)
	if err != nil {
		return nil, err
	}
	err = template.Must(template.New("neutron.conf").Parse(config)).Execute(file, map[string]any{"Port": port, "Dir": dir, "Database": database})
	if err := errors.Join(err, file.Close(), os.WriteFile(script, program, 0o600), os.WriteFile(further, []byte(o.Config), 0o600)); err != nil {
		return nil, err
	}
	s.args = []string{python, script, database, "--config-file", conf, "--config-file", further}
	if err := s.run(); err != nil {
		return nil, err
	}
	return s, nil
}

// Run starts the server again after [Server.Kill], on what it had stored, and
// waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.Dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + s.Dir}
	if s.process, err = process.Start(cmd); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		s.Kill()
		return fmt.Errorf("neutron-server does not answer: %w\n%s", err, s.logEnd())
	}
	return nil
}

// ready waits for an answer, whatever it is: with Keystone it is 401.
func (s *Server) ready() error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for deadline := time.Now().Add(patience); ; {
		resp, err := client.Get(s.URL + "/v2.0/extensions")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 500 {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-s.process.Exited():
			return fmt.Errorf("it ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and its workers with SIGKILL, and waits until they are
// gone. What was written stays.
func (s *Server) Kill() { s.process.Kill() }

func (s *Server) logFile() string { return filepath.Join(s.Dir, "log") }

func (s *Server) logEnd() []byte {
	out, _ := os.ReadFile(s.logFile())
	return out[max(0, len(out)-8000):]
}

// freePort finds a port that nobody listens on, below those that the kernel gives
// to connections: it must be free still when the server starts.
func freePort() (int, error) {
	port, err := ports.Free("127.0.0.1")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
