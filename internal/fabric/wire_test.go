package fabric

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/internal/certs"
	pb "l2gw/internal/fabric/fabricpb"
)

const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// site is a server for agents on loopback, and the certificates around it.
type site struct {
	address string
	server  *http.Server
}

// serve starts a server; c nil is plaintext.
func serve(t testing.TB, o HandlerOptions, c *tls.Config) *site {
	t.Helper()
	if o.Authenticate == nil {
		o.Authenticate = (*Agents)(nil).Authenticate
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	path, h := NewHandler(o)
	mux := http.NewServeMux()
	mux.Handle(path, h)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{address: l.Addr().String(), server: NewServer(mux, c, quiet)}
	var running sync.WaitGroup
	running.Go(func() {
		if c != nil {
			_ = s.server.ServeTLS(l, "", "")
		} else {
			_ = s.server.Serve(l)
		}
	})
	t.Cleanup(func() { s.server.Close(); running.Wait() })
	return s
}

// dial opens a stream, and closes it when the test ends.
func dial(t testing.TB, o DialerOptions) AgentStream {
	t.Helper()
	s, err := NewDialer(o)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// echo answers each Beat, and tells of every stream that has ended.
func echo(ended chan<- error) func(context.Context, ServerStream, Peer) error {
	return func(ctx context.Context, s ServerStream, _ Peer) error {
		for {
			m, err := s.Recv(ctx)
			if beat, ok := m.(Beat); ok && err == nil {
				err = s.Send(ctx, Renewal{Beat: beat.Sequence})
			}
			if err != nil {
				if ended != nil {
					ended <- err
				}
				return err
			}
		}
	}
}

func waitFor[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}

func recv(t testing.TB, s AgentStream) ToAgent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := s.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// authority is one with certificates of these names.
func authority(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := certs.Init(dir, certs.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := certs.Issue(dir, name, certs.Options{SANs: []string{"127.0.0.1"}}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func roots(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func pair(t testing.TB, dir, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+"-cert.pem"), filepath.Join(dir, name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serverTLS(t testing.TB, dir string, tokens bool) *tls.Config {
	return ServerTLS(&tls.Config{
		Certificates: []tls.Certificate{pair(t, dir, "server")}, ClientCAs: roots(t, dir),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}, tokens)
}

func clientTLS(t testing.TB, dir, name string) *tls.Config {
	c := &tls.Config{RootCAs: roots(t, dir)}
	if name != "" {
		c.Certificates = []tls.Certificate{pair(t, dir, name)}
	}
	return c
}

func TestMessagesGoBothWaysOverTLSAndPlaintext(t *testing.T) {
	dir := authority(t, "server", "rack7")
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		agent          string
	}{
		{"plaintext", nil, nil, ""},
		{"TLS", serverTLS(t, dir, false), clientTLS(t, dir, "rack7"), "rack7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			peers := make(chan Peer, 1)
			s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, p Peer) error {
				peers <- p
				return echo(nil)(ctx, s, p)
			}}, c.server)
			a := dial(t, DialerOptions{Server: s.address, TLS: c.client})
			if p := waitFor(t, "the peer", peers); p.Agent != c.agent || p.Databases != nil || !strings.HasPrefix(p.Address, "127.0.0.1:") {
				t.Errorf("the peer is %+v", p)
			}
			for i := uint64(1); i <= 100; i++ {
				if err := a.Send(t.Context(), Beat{Sequence: i}); err != nil {
					t.Fatal(err)
				}
				if got := recv(t, a); got != (Renewal{Beat: i}) {
					t.Fatalf("the answer to %d is %+v", i, got)
				}
			}
		})
	}
}

// stalls counts what Send takes until it has to wait.
func stalls(t testing.TB, sent *atomic.Int64) {
	t.Helper()
	last, since := int64(-1), time.Now()
	for deadline := time.Now().Add(patience); ; {
		if n := sent.Load(); n != last {
			last, since = n, time.Now()
		} else if n > 0 && time.Since(since) > 300*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("Send never waits")
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond) // between two looks at a counter
	}
}

func TestASlowReceiverMakesSendWaitUntilItsContextEnds(t *testing.T) {
	text := strings.Repeat("x", 100_000)
	var down, up atomic.Int64
	result := make(chan error, 2)
	fill := func(ctx context.Context, n *atomic.Int64, send func(context.Context) error) error {
		for {
			if err := send(ctx); err != nil {
				return err
			}
			n.Add(1)
		}
	}
	stop := make(chan struct{})
	s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { <-stop; cancel() }()
		result <- fill(short, &down, func(ctx context.Context) error { return s.Send(ctx, Refused{Reason: text}) })
		<-ctx.Done()
		return nil
	}}, nil)
	a := dial(t, DialerOptions{Server: s.address})
	short, cancel := context.WithCancel(t.Context())
	go func() { <-stop; cancel() }()
	go func() {
		result <- fill(short, &up, func(ctx context.Context) error { return a.Send(ctx, Done{Error: text}) })
	}()
	stalls(t, &down)
	stalls(t, &up)
	// What is under way: windows of 1 MiB and what the kernel buffers.
	for what, n := range map[string]int64{"down": down.Load(), "up": up.Load()} {
		if n*100_000 > 32<<20 {
			t.Errorf("%s: %d messages of 100 kB were taken without a reader", what, n)
		}
	}
	close(stop)
	for range 2 {
		if err := waitFor(t, "a Send whose context has ended", result); !errors.Is(err, context.Canceled) {
			t.Errorf("Send = %v", err)
		}
	}
	// The stream is as good as before.
	if m := recv(t, a); m != (Refused{Reason: text}) {
		t.Errorf("the next message is a %T", m)
	}
}

func TestCloseEndsBothEndsAndASendThatWaits(t *testing.T) {
	text := strings.Repeat("x", 100_000)
	for _, closer := range []string{"agent", "server"} {
		t.Run(closer, func(t *testing.T) {
			ends := make(chan ServerStream, 1)
			result := make(chan error, 4)
			var n atomic.Int64
			s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
				ends <- s
				var both sync.WaitGroup
				both.Go(func() { _, err := s.Recv(ctx); result <- err })
				both.Go(func() {
					for {
						if err := s.Send(ctx, Refused{Reason: text}); err != nil {
							result <- err
							return
						}
						n.Add(1)
					}
				})
				both.Wait()
				return nil
			}}, nil)
			a := dial(t, DialerOptions{Server: s.address})
			server := waitFor(t, "the server's end", ends)
			stalls(t, &n)
			want := 2
			if closer == "agent" {
				a.Close()
				a.Close()
			} else {
				server.Close()
				server.Close()
				want = 3
				go func() {
					for { // what had come before is still there to be read
						if _, err := a.Recv(t.Context()); err != nil {
							result <- err
							return
						}
					}
				}()
			}
			for range want {
				if err := waitFor(t, "an end", result); !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
					t.Errorf("it ended with %v", err)
				}
			}
			if err := a.Send(t.Context(), Beat{}); closer == "agent" && !errors.Is(err, ErrClosed) {
				t.Errorf("Send on a closed stream = %v", err)
			}
			if _, err := a.Recv(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("Recv on a closed stream = %v", err)
			}
		})
	}
}

func TestAServerThatGoesEndsItsStreams(t *testing.T) {
	for _, how := range []string{"Close", "Shutdown"} {
		t.Run(how, func(t *testing.T) {
			ended := make(chan error, 1)
			s := serve(t, HandlerOptions{Serve: echo(ended)}, nil)
			a := dial(t, DialerOptions{Server: s.address})
			if err := a.Send(t.Context(), Beat{Sequence: 1}); err != nil {
				t.Fatal(err)
			}
			recv(t, a)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if how == "Close" {
				s.server.Close()
			} else if err := s.server.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
			if _, err := a.Recv(ctx); !errors.Is(err, ErrClosed) {
				t.Errorf("the agent's Recv = %v", err)
			}
			if err := waitFor(t, "the server's end", ended); !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("the server's Recv = %v", err)
			}
		})
	}
}

func TestWhatServeSaysReachesTheAgent(t *testing.T) {
	s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		if err := s.Send(ctx, Welcome{Server: "s1"}); err != nil {
			return err
		}
		return &RefusedError{Reason: "rack7 is the name of another"}
	}}, nil)
	a := dial(t, DialerOptions{Server: s.address})
	if m, ok := recv(t, a).(Welcome); !ok || m.Server != "s1" {
		t.Errorf("the first message is %+v", m)
	}
	_, err := a.Recv(t.Context())
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Reason != "rack7 is the name of another" {
		t.Errorf("Recv = %v", err)
	}
}

func TestWhoIsRefusedAgainAndAgainHasOneLineInTheLog(t *testing.T) {
	var mu sync.Mutex
	var log strings.Builder
	s := serve(t, HandlerOptions{Serve: func(context.Context, ServerStream, Peer) error {
		return &RefusedError{Reason: "rack7 is the name of another"}
	}, Logger: slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil))}, nil)
	for range 3 {
		_, err := dial(t, DialerOptions{Server: s.address}).Recv(t.Context())
		if _, ok := errors.AsType[*RefusedError](err); !ok {
			t.Errorf("Recv = %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "an agent is refused"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestAPeerWithoutSenseLosesItsStream(t *testing.T) {
	ended := make(chan error, 1)
	s := serve(t, HandlerOptions{Serve: echo(ended)}, nil)
	a := dial(t, DialerOptions{Server: s.address}).(*wire[ToServer, ToAgent, pb.FromAgent, pb.FromServer])
	a.outbox <- &pb.FromAgent{} // a kind that is unknown is passed over
	a.outbox <- &pb.FromAgent{Message: &pb.FromAgent_Learned{Learned: &pb.Learned{Gone: []*pb.LearnedKeys{{Macs: []byte{1}}}}}}
	if err := waitFor(t, "the end", ended); !errors.Is(err, ErrMalformed) || !errors.Is(err, ErrClosed) {
		t.Errorf("the server's Recv = %v", err)
	}
	if _, err := a.Recv(t.Context()); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "no multiple of 6") {
		t.Errorf("the agent's Recv = %v", err)
	}
}

func TestATextThatIsNotUTF8EndsNoStream(t *testing.T) {
	got := make(chan ToServer, 1)
	s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		m, err := s.Recv(ctx)
		got <- m
		return err
	}}, nil)
	a := dial(t, DialerOptions{Server: s.address})
	if err := a.Send(t.Context(), Done{ID: 1, Error: "\xff"}); err != nil {
		t.Fatal(err)
	}
	if m, ok := waitFor(t, "the message", got).(Done); !ok || m.Error != "\uFFFD" {
		t.Errorf("the message is %+v", m)
	}
}

func TestTwoHundredStreamsAtOnce(t *testing.T) {
	dir := authority(t, "server", "rack7")
	s := serve(t, HandlerOptions{Serve: echo(nil)}, serverTLS(t, dir, false))
	o := DialerOptions{Server: s.address, TLS: clientTLS(t, dir, "rack7")}
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var a AgentStream
			var err error
			for a == nil { // 10 s may be short for a machine that is busy
				if a, err = NewDialer(o)(ctx); ctx.Err() != nil {
					t.Error(err)
					return
				}
			}
			defer a.Close()
			var senders sync.WaitGroup
			for i := range uint64(10) {
				senders.Go(func() {
					if err := a.Send(ctx, Beat{Sequence: i}); err != nil {
						t.Error(err)
					}
				})
			}
			seen := map[uint64]bool{}
			for range 10 {
				m, err := a.Recv(ctx)
				if err != nil {
					t.Error(err)
					break
				}
				seen[m.(Renewal).Beat] = true
			}
			senders.Wait()
			if len(seen) != 10 {
				t.Errorf("%d of 10 answers came", len(seen))
			}
		})
	}
	all.Wait()
}

func TestAServerThatDoesNotAnswerIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]*tls.Config{"plaintext": nil, "TLS": {}} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := NewDialer(DialerOptions{Server: l.Addr().String(), TLS: c, Logger: quiet})(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
