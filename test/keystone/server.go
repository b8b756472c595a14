package keystone

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"l2gw/test/ports"
	"l2gw/test/process"
)

//go:embed run.py
var program []byte

// patience is how long Keystone may take to start.
const patience = 2 * time.Minute

// Server is a Keystone. Any goroutine may call its methods.
type Server struct {
	// Immutable after the start.
	dir, addr string
	admin     Credentials
	service   Credentials
	client    *http.Client

	mu       sync.Mutex
	process  *process.Process
	token    string // the administrator's
	projects map[string]string
	roles    map[string]string
	users    map[string]Credentials
	network  string // id of the service "network"
	secrets  map[string]bool
}

var shared struct {
	sync.Mutex
	server *Server
}

// Main is a testing.M whose Run stops the shared Keystone at the end.
type Main struct{ M interface{ Run() int } }

// Run runs the tests.
func (m Main) Run() int {
	code := m.M.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
	return code
}

// Shared returns this process's Keystone. Nobody stops it.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s, err := start()
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	return shared.server
}

// New starts a Keystone of the test's own, which ends with it.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

const configuration = `[DEFAULT]
log_file = %[1]s/keystone.log
max_token_size = 512
[database]
connection = sqlite:///%[1]s/keystone.db
sqlite_synchronous = false
[fernet_tokens]
key_repository = %[1]s/fernet-keys
[fernet_receipts]
key_repository = %[1]s/fernet-keys
[credential]
key_repository = %[1]s/credential-keys
[identity]
# The least that it takes: each login counts.
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
`

// start starts a Keystone with its administrator and the product's service user.
func start() (s *Server, err error) {
	if _, err := os.Stat("/usr/lib/python3/dist-packages/keystone"); err != nil {
		return nil, fmt.Errorf("python3-keystone is needed: run `make deps` (%w)", err)
	}
	s = &Server{
		client:   &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		projects: map[string]string{}, roles: map[string]string{}, users: map[string]Credentials{}, secrets: map[string]bool{},
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "l2gw-keystone-"); err != nil {
		return s, err
	}
	for name, content := range map[string][]byte{"run.py": program, "keystone.conf": fmt.Appendf(nil, configuration, s.dir)} {
		if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
			return s, err
		}
	}
	port, err := ports.Free("127.0.0.1") // also while it is stopped
	if err != nil {
		return s, err
	}
	s.addr = net.JoinHostPort("127.0.0.1", port)
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return s, err
	}
	s.admin = Credentials{User: "admin", Password: s.keep("admin-" + rand.Text()), Project: "admin"}
	if err := s.run(listener); err != nil {
		return s, err
	}
	return s, s.first()
}

// run starts the process, which takes the listener over.
func (s *Server) run(listener net.Listener) error {
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	told, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer told.Close()
	output, err := os.OpenFile(s.file("output"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command("/usr/bin/python3", s.file("run.py"), s.dir, s.URL())
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir, "LANG=C.UTF-8", "PYTHONWARNINGS=ignore", "OS_BOOTSTRAP_PASSWORD=" + s.admin.Password}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, output, output
	cmd.ExtraFiles = []*os.File{socket, tell}
	s.process, err = process.Start(cmd)
	tell.Close()
	if err != nil {
		return err
	}
	if err := told.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.ReadFull(told, make([]byte, 1)); err != nil {
		said, _ := os.ReadFile(s.file("output"))
		logged, _ := os.ReadFile(s.file("keystone.log"))
		return fmt.Errorf("Keystone does not start: %w\n%s\n%s", err, said, logged[max(0, len(logged)-4000):]) //nolint:staticcheck // a name
	}
	return nil
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// URL is the identity endpoint, with /v3.
func (s *Server) URL() string { return "http://" + s.addr + "/v3" }

// Stop kills Keystone; its port refuses connections then.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *Server) stop() {
	s.process.Kill()
	s.client.CloseIdleConnections()
}

// Start starts it again at the same address with all that it knew, and returns
// when it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process.Running() {
		return
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(listener); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) remove() {
	s.Stop()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Log is what Keystone has logged and printed.
func (s *Server) Log(t testing.TB) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, name := range []string{"keystone.log", "output"} {
		b, err := os.ReadFile(s.file(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.Bytes()
}
