package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/controller"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// scaleServer is the environment variable by which this program is a server: a
// settings in JSON.
const scaleServer = "L2GW_SCALE_SERVER"

type settings struct {
	Cloud   cloud
	Store   string
	Profile string // file for a CPU profile, or ""
}

func TestMain(m *testing.M) {
	if conf := os.Getenv(scaleServer); conf != "" {
		if err := serve(conf); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// figures are what a server tells of itself.
type figures struct {
	Heap     uint64 // bytes in use after a collection
	Sent     int64  // bytes, on all streams since the start
	Received int64
	Active   int // bindings
}

// serve is a server until its standard input ends: it says there where it
// listens, and answers each line: "stats" with figures, "active" with how many
// bindings are, "mac N" after host N has come.
func serve(conf string) error {
	var o settings
	if err := json.Unmarshal([]byte(conf), &o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	debug.SetGCPercent(controller.GCPercent)
	st, err := store.Open(ctx, o.Store)
	if err != nil {
		return err
	}
	defer st.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	more := make(chan int)
	c := controller.New(controller.Options{
		Store: st, Inventory: generated{o.Cloud, more}, Server: "server-1", Logger: log,
		Lease: controller.LeaseOptions{Holder: "server-1"},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	path, h := fabric.NewHandler(fabric.HandlerOptions{Serve: c.Serve, Authenticate: (*fabric.Agents)(nil).Authenticate, Logger: log})
	mux := http.NewServeMux()
	mux.Handle(path, h)
	counted := &counter{Listener: l}
	server := fabric.NewServer(mux, nil, log)
	go func() { _ = server.Serve(counted) }()
	defer server.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	fmt.Println(l.Addr())
	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch word, arg, _ := strings.Cut(lines.Text(), " "); word {
		case "mac":
			var i int
			if _, err := fmt.Sscan(arg, &i); err != nil {
				return err
			}
			more <- i
			fmt.Println("{}")
		case "active":
			fmt.Printf("{\"Active\":%d}\n", c.Figures().Bindings[l2gw.StatusActive])
		case "stats":
			runtime.GC()
			if o.Profile != "" {
				if err := writeHeap(o.Profile + ".heap"); err != nil {
					return err
				}
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			out, err := json.Marshal(figures{Heap: m.HeapAlloc, Sent: counted.sent.Load(), Received: counted.received.Load()})
			if err != nil {
				return err
			}
			fmt.Println(string(out))
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func writeHeap(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.WriteHeapProfile(f)
}

// counter counts the bytes of all connections.
type counter struct {
	net.Listener
	sent, received atomic.Int64
}

func (c *counter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, c}, nil
}

type countedConn struct {
	net.Conn
	c *counter
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.c.received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.c.sent.Add(int64(n))
	return n, err
}

// server is a server's process, as the benchmark sees it.
type server struct {
	b       testing.TB
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	address string
}

// start starts a server; it is stopped when the benchmark ends.
func start(b testing.TB, o settings) *server {
	b.Helper()
	conf, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	s := &server{b: b, cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), scaleServer+"="+string(conf))
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.stop)
	s.out = bufio.NewScanner(out)
	s.address = s.line()
	return s
}

// stop ends the server. It may be called again.
func (s *server) stop() {
	_ = s.in.Close()
	kill := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait()
}

func (s *server) line() string {
	s.b.Helper()
	if !s.out.Scan() {
		s.b.Fatal("the server has ended")
	}
	return s.out.Text()
}

func (s *server) ask(question string) (f figures) {
	s.b.Helper()
	if _, err := fmt.Fprintln(s.in, question); err != nil {
		s.b.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.line()), &f); err != nil {
		s.b.Fatal(err)
	}
	return f
}

// memory is the server's resident memory now and at most, in MB.
func (s *server) memory() (now, peak float64) {
	s.b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); err == nil {
			now = kB / 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kB); err == nil {
			peak = kB / 1024
		}
	}
	return now, peak
}
