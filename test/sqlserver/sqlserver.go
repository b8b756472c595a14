package sqlserver

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"l2gw/internal/certs"
	"l2gw/test/ports"
	"l2gw/test/process"
	"l2gw/test/secrets"
)

// Password is what the user l2gw logs in with. It has what URLs must escape.
const Password = `p@ss/w:rd#?%+'"\`

// Server is one database server. Its methods may be called from one goroutine at a time.
type Server struct {
	// Immutable after the start.
	Addr   string // host:port
	Socket string // path of the unix socket
	CA     string // file of the authority that signed the server's certificate

	certificate certs.Issued
	cluster     string    // host:port for other nodes
	nodes       []*Server // of the cluster, this one included; none: it is alone

	kind    kind
	dir     string
	account *syscall.Credential // nil: the test's own

	process *process.Process
	log     *os.File
	admin   *sql.DB
}

// kind is what differs between the two.
type kind struct {
	name    string
	account string   // of the operating system
	missing []string // programs that it needs
	create  func(*Server) error
	command func(*Server) []string
	socket  func(*Server) string
	admin   func(*Server) (*sql.DB, error)
	grant   []string // makes the user l2gw
	make    string   // makes a database named %s
	drop    string
	url     func(s *Server, database string) string
	up      func(*Server) error // nil: it is when it answers
}

var (
	mu       sync.Mutex
	running  = map[string]*Server{}
	database atomic.Int64
)

// PostgreSQL returns this process's PostgreSQL server.
func PostgreSQL(t testing.TB) *Server { t.Helper(); return shared(t, postgresql, "127.0.0.1") }

// PostgreSQLAt returns this process's PostgreSQL server that listens on an
// address of the host, and lets everybody log in who has the password.
func PostgreSQLAt(t testing.TB, host string) *Server { t.Helper(); return shared(t, postgresql, host) }

// MariaDB returns this process's MariaDB server.
func MariaDB(t testing.TB) *Server { t.Helper(); return shared(t, mariadb, "127.0.0.1") }

// Galera returns this process's node of a Galera cluster, which is MariaDB too.
// It cannot be run again after [Server.Kill].
func Galera(t testing.TB) *Server { t.Helper(); return shared(t, galera, "127.0.0.1") }

func shared(t testing.TB, k kind, host string) *Server {
	secrets.Keep(Password)
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if s := running[k.name+host]; s != nil {
		return s
	}
	s, err := start(k, host)
	if err != nil {
		t.Fatalf("%s: %v", k.name, err)
	}
	running[k.name+host] = s
	return s
}

// Cluster returns this process's Galera cluster of two nodes. The first outvotes
// the second: it goes on when the second is killed, which [Server.Run] lets join
// again.
func Cluster(t testing.TB) []*Server {
	t.Helper()
	first := shared(t, galeraFirst, "127.0.0.1")
	if first.nodes == nil {
		first.nodes = []*Server{first}
		joiner := shared(t, galeraNext(first), "127.0.0.1")
		first.nodes = append(first.nodes, joiner)
	}
	return first.nodes
}

// Main is a testing.M whose Run stops the servers at the end.
type Main struct{ M interface{ Run() int } }

// Run runs the tests, then stops all servers and removes their folders.
func (m Main) Run() int {
	code := m.M.Run()
	mu.Lock()
	defer mu.Unlock()
	for name, s := range running {
		s.remove()
		delete(running, name)
	}
	return code
}

const folders = "l2gw-sql-"

// patience is how long a server may take until it answers: some seconds on a quiet
// machine, most of them for a node that joins its cluster.
const patience = 3 * time.Minute

func start(k kind, host string) (s *Server, err error) {
	for _, program := range k.missing {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is needed: run `make deps` (%w)", program, err)
		}
	}
	removeLeftovers()
	s = &Server{kind: k, Addr: freeAddr(host), cluster: freeAddr(host)}
	if s.dir, err = os.MkdirTemp("", folders); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return s, err
	}
	// Held as long as this process lives: who can take it may remove the folder.
	if err := syscall.Flock(int(s.log.Fd()), syscall.LOCK_EX); err != nil {
		return s, err
	}
	if os.Geteuid() == 0 {
		if s.account, err = credential(k.account); err != nil {
			return s, err
		}
		if err := os.Chown(s.dir, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return s, err
		}
	}
	s.Socket = k.socket(s)
	if err := s.certify(); err != nil {
		return s, err
	}
	if err := k.create(s); err != nil {
		return s, err
	}
	if err := s.run(); err != nil {
		return s, err
	}
	for _, statement := range k.grant {
		if _, err := s.admin.Exec(statement); err != nil {
			return s, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return s, nil
}

// certify makes an authority and the server's certificate.
func (s *Server) certify() error {
	dir := filepath.Join(s.dir, "tls")
	authority, err := certs.Init(dir, certs.Options{})
	if err != nil {
		return err
	}
	s.CA = authority.CAFile
	if s.certificate, err = certs.Issue(dir, "sqlserver", certs.Options{SANs: []string{"localhost", s.host()}}); err != nil {
		return err
	}
	if s.account == nil {
		return nil
	}
	for _, path := range []string{dir, s.CA, s.certificate.CertFile, s.certificate.KeyFile} {
		if err := os.Chown(path, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// Certificate makes a certificate for a client, of the server's authority. Only
// with one may the user l2gw_cert, whose password is [Password], log in.
func (s *Server) Certificate(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	made, err := certs.Issue(filepath.Dir(s.CA), name, certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return made.CertFile, made.KeyFile
}

// Database makes an empty database and returns its URL. It is dropped at the end
// of the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("l2gw_%d", database.Add(1))
	if _, err := s.admin.ExecContext(t.Context(), fmt.Sprintf(s.kind.make, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := s.admin.Exec(fmt.Sprintf(s.kind.drop, name)); err != nil {
			t.Error(err)
		}
	})
	return s.kind.url(s, name)
}

// Admin is a connection of the administrator.
func (s *Server) Admin() *sql.DB { return s.admin }

// Kill ends the server as a crash of the machine would (SIGKILL to all of its
// processes) and waits until it is gone. PostgreSQL's children would outlive
// their parent for a moment, and carry out one request more.
func (s *Server) Kill() {
	if !s.process.Running() {
		return
	}
	children := s.children() // in sessions of their own
	s.process.Signal(syscall.SIGKILL)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	s.process.Kill()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		children = slices.DeleteFunc(children, func(pid int) bool { return !alive(pid) })
		if len(children) == 0 {
			return
		}
	}
}

// alive reports whether a process is there and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// Hang stops the server where it stands: it accepts connections, as the kernel
// does that for it, and answers nothing until [Server.Resume].
func (s *Server) Hang(t testing.TB) {
	t.Helper()
	// The parent first, so that it makes no more children.
	s.process.Pause()
	for _, pid := range s.children() {
		process.Pause(pid)
	}
}

// Resume lets the server go on after [Server.Hang].
func (s *Server) Resume() {
	for _, pid := range append(s.children(), s.process.Pid()) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// children are the server's processes besides the first: PostgreSQL has one for
// each connection.
func (s *Server) children() (pids []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.process.Pid()))
	for field := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Run starts the server after [Server.Kill] and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatalf("%s: %v", s.kind.name, err)
	}
}

// run starts the server on its data folder. A server that was killed may leave
// children that hold the folder for a moment; then it is tried again.
func (s *Server) run() error {
	deadline := time.Now().Add(patience)
	for {
		if err := s.spawn(); err != nil {
			return err
		}
		err := s.ready(deadline)
		if err == nil {
			return nil
		}
		s.Kill()
		if time.Now().After(deadline) {
			out, _ := os.ReadFile(s.log.Name())
			return fmt.Errorf("it does not answer: %w\n%s", err, out[max(0, len(out)-4000):])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// spawn starts the process.
func (s *Server) spawn() error {
	args := s.kind.command(s)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = s.log, s.log, s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + s.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	var err error
	s.process, err = process.Start(cmd)
	return err
}

func (s *Server) ready(deadline time.Time) error {
	if s.admin == nil {
		var err error
		if s.admin, err = s.kind.admin(s); err != nil {
			return err
		}
		s.admin.SetMaxIdleConns(1)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := s.admin.PingContext(ctx)
		cancel()
		if err == nil && s.kind.up != nil {
			err = s.kind.up(s)
		}
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-s.process.Exited():
			return fmt.Errorf("it ended: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) remove() {
	if s.admin != nil {
		_ = s.admin.Close()
	}
	s.Kill()
	// Children of PostgreSQL see a moment later that they are orphans.
	for range 100 {
		if os.RemoveAll(s.dir) == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if s.log != nil {
		s.log.Close()
	}
}

// removeLeftovers removes the folders of tests that died.
func removeLeftovers() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), folders+"*"))
	for _, dir := range old {
		f, err := os.Open(filepath.Join(dir, "log"))
		if err != nil {
			continue // another test makes it just now
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}

// do runs a program to its end as the server's user.
func (s *Server) do(args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + s.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, &out)
	}
	return nil
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("run `make deps`: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// freeAddr finds a port of an address of the host that nobody listens on.
func freeAddr(host string) string {
	port, err := ports.Free(host)
	if err != nil {
		panic(err)
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) host() string {
	host, _, _ := net.SplitHostPort(s.Addr)
	return host
}

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}
