package ovsdbd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"l2gw/test/ports"
	"l2gw/test/process"
)

// VTEPSchema is where Debian's openvswitch-common has the hardware_vtep schema.
const VTEPSchema = "/usr/share/openvswitch/vtep.ovsschema"

// Options of a server; the zero value is a hardware_vtep database on a unix
// socket and a TCP port of 127.0.0.1.
type Options struct {
	SchemaFile string   // VTEPSchema if ""
	Schema     []byte   // used instead of a file if not nil
	Remotes    []string // further --remote=… values
	Args       []string // further arguments
	TLS        []string // the three certificate options: it can be dialled over TLS as well
}

// Server is an ovsdb-server process and its database file. Its methods end the
// test when they fail; they belong to the test's goroutine.
type Server struct {
	Dir    string
	Socket string // path of the unix socket
	TCP    string // host:port
	SSL    string // host:port for TLS, or ""

	t    testing.TB
	opts Options
	run  *process.Process
}

// Start creates an empty database and serves it.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	if _, err := exec.LookPath("ovsdb-server"); err != nil {
		t.Fatalf("ovsdb-server is needed: run `make deps` (%v)", err)
	}
	// Not t.TempDir: a unix socket's path has at most 108 bytes.
	dir, err := os.MkdirTemp("", "ovsdbd")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Dir: dir, Socket: filepath.Join(dir, "db.sock"), TCP: freeAddr(t), t: t, opts: opts}
	if opts.TLS != nil {
		s.SSL = freeAddr(t)
	}
	t.Cleanup(func() {
		s.Kill()
		os.RemoveAll(dir)
	})
	s.CreateDatabase()
	s.Run()
	return s
}

// CreateDatabase writes an empty database file, over the old one if there is
// one. The server must not be running.
func (s *Server) CreateDatabase() {
	s.t.Helper()
	schema := s.opts.SchemaFile
	if schema == "" {
		schema = VTEPSchema
	}
	if s.opts.Schema != nil {
		schema = filepath.Join(s.Dir, "schema")
		if err := os.WriteFile(schema, s.opts.Schema, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	os.Remove(s.file())
	run(s.t, "ovsdb-tool", "create", s.file(), schema)
}

// Run starts the server on the database file and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	os.Remove(s.Socket)
	args := []string{
		s.file(), "--remote=punix:" + s.Socket, "--remote=ptcp:" + portFirst(s.TCP),
		"--unixctl=" + filepath.Join(s.Dir, "ctl"), "--log-file=" + filepath.Join(s.Dir, "log"), "-vconsole:off", "-vsyslog:off",
	}
	if s.SSL != "" {
		args = append(append(args, "--remote=pssl:"+portFirst(s.SSL)), s.opts.TLS...)
	}
	for _, r := range s.opts.Remotes {
		args = append(args, "--remote="+r)
	}
	cmd := exec.Command("ovsdb-server", append(args, s.opts.Args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+s.Dir, "OVS_DBDIR="+s.Dir, "OVS_LOGDIR="+s.Dir)
	var err error
	if s.run, err = process.Start(cmd); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for _, try := range [][2]string{{"unix", s.Socket}, {"tcp", s.TCP}} {
			c, err := net.Dial(try[0], try[1])
			if err != nil {
				goto wait
			}
			c.Close()
		}
		return
	wait:
		if !s.run.Running() {
			s.t.Fatalf("ovsdb-server ended: %s", &stderr)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("ovsdb-server does not answer: %s", &stderr)
		}
	}
}

// Endpoint is what stands behind the name in --ovsdb-hosts: with TLS if the server has it.
func (s *Server) Endpoint() string {
	if s.SSL != "" {
		return "ssl:" + s.SSL
	}
	return s.TCP
}

// Kill ends the server as a power cut would (SIGKILL) and waits until it is gone.
func (s *Server) Kill() { s.run.Kill() }

// Stop ends the server in good order and waits until it is gone.
func (s *Server) Stop() { s.run.Stop() }

// Pause stops the server where it stands, as a switch that hangs, until Continue.
func (s *Server) Pause() { s.run.Pause() }

// Continue lets a paused server go on.
func (s *Server) Continue() { s.run.Continue() }

// Wipe is a switch that lost its database: the server ends, the database is
// made anew, and the server starts again.
func (s *Server) Wipe() {
	s.t.Helper()
	s.Kill()
	s.CreateDatabase()
	s.Run()
}

// Pid is the server's process id.
func (s *Server) Pid() int { return s.run.Pid() }

// LogMessages lets the server write each message of each connection to its log, until it ends.
func (s *Server) LogMessages() {
	s.t.Helper()
	run(s.t, "ovs-appctl", "-t", filepath.Join(s.Dir, "ctl"), "vlog/set", "jsonrpc:file:dbg")
}

// Log is what the server has logged.
func (s *Server) Log() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// Transact carries out operations of the named database, given as JSON objects
// joined by commas, and returns the server's answer. It ends the test if any
// operation fails.
func (s *Server) Transact(db, ops string) string {
	s.t.Helper()
	out := run(s.t, "ovsdb-client", "transact", "unix:"+s.Socket, fmt.Sprintf("[%q,%s]", db, ops))
	if strings.Contains(out, `"error"`) {
		s.t.Fatalf("transact %s: %s", ops, out)
	}
	return out
}

// Dump returns what `ovsdb-client dump` prints: all tables, or the given one and its columns.
func (s *Server) Dump(db string, tableAndColumns ...string) string {
	s.t.Helper()
	return run(s.t, "ovsdb-client", append([]string{"dump", "unix:" + s.Socket, db}, tableAndColumns...)...)
}

func (s *Server) file() string { return filepath.Join(s.Dir, "db") }

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, &stderr)
	}
	return out.String()
}

// freeAddr finds a port of 127.0.0.1 that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	port, err := ports.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// portFirst turns host:port into ovsdb-server's port:host.
func portFirst(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return port + ":" + host
}

// Lacks reports whether the server's own schema (Options.Schema) lacks a column of that name.
func (s *Server) Lacks(column string) bool {
	return s.opts.Schema != nil && !bytes.Contains(s.opts.Schema, []byte(`"`+column+`"`))
}

// Sessions is how many clients are connected.
func (s *Server) Sessions() int {
	s.t.Helper()
	for field := range strings.FieldsSeq(run(s.t, "ovs-appctl", "-t", filepath.Join(s.Dir, "ctl"), "memory/show")) {
		if n, ok := strings.CutPrefix(field, "sessions:"); ok {
			count, err := strconv.Atoi(n)
			if err != nil {
				s.t.Fatal(err)
			}
			return count
		}
	}
	return 0 // what is zero is left out
}
