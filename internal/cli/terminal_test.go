package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/internal/cli"

	"golang.org/x/sys/unix"
)

// screen is a terminal: what is typed, and what is seen.
type screen struct {
	keys *os.File // the end at which somebody sits
	tty  *os.File // the end of the program

	mu   sync.Mutex
	seen bytes.Buffer
	news chan struct{}
}

func newScreen(t *testing.T, columns uint16) *screen {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(keys.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	s := &screen{keys: keys, tty: tty, news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 4096); ; {
			n, err := keys.Read(b)
			s.mu.Lock()
			s.seen.Write(b[:n])
			s.mu.Unlock()
			select {
			case s.news <- struct{}{}:
			default:
			}
			if err != nil {
				return // the program's end is closed
			}
		}
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-done
		_ = keys.Close()
	})
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.seen.String(), "\r\n", "\n")
}

// await waits until the screen shows a text.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	s.awaitTimes(t, text, 1)
}

func (s *screen) awaitTimes(t *testing.T, text string, times int) {
	t.Helper()
	for late := time.After(30 * time.Second); strings.Count(s.text(), text) < times; {
		select {
		case <-s.news:
		case <-late:
			t.Fatalf("the screen does not show %q: %q", text, s.text())
		}
	}
}

func (s *screen) env(vars map[string]string) cli.Environment {
	return cli.Environment{In: s.tty, Out: s.tty, Err: s.tty, Getenv: func(name string) string { return vars[name] }}
}

func TestAPasswordIsAskedForAtATerminal(t *testing.T) {
	url, _ := cloud(t)
	vars := map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "u", "OS_PROJECT_NAME": "p"}
	start := func(s *screen) chan int {
		done := make(chan int, 1)
		go func() {
			done <- cli.Run(context.Background(), cli.NewCommand(s.env(vars)), []string{"list", "-f", "json"})
		}()
		s.await(t, "Password: ")
		return done
	}
	t.Run("and not shown", func(t *testing.T) {
		s := newScreen(t, 80)
		done := start(s)
		before, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
		if err != nil || before.Lflag&unix.ECHO != 0 {
			t.Errorf("the terminal echoes: %v %v", before, err)
		}
		_, _ = io.WriteString(s.keys, "wrong\x15hush-hushé\x7fx\x08\n")
		if code := <-done; code != 0 {
			t.Errorf("%d %q", code, s.text())
		}
		s.await(t, "[]\n")
		if strings.Contains(s.text(), "hush") || strings.Contains(s.text(), "wrong") {
			t.Errorf("the password is shown: %q", s.text())
		}
		if after, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS); err != nil || after.Lflag&unix.ECHO == 0 {
			t.Errorf("the terminal does not echo any more: %v %v", after, err)
		}
	})
	t.Run("unless it is interrupted", func(t *testing.T) {
		s := newScreen(t, 80)
		done := start(s)
		_, _ = io.WriteString(s.keys, "hush\x03")
		if code := <-done; code != 1 {
			t.Errorf("%d %q", code, s.text())
		}
		s.await(t, "interrupted\n")
	})
	t.Run("and not by completions", func(t *testing.T) {
		s := newScreen(t, 80)
		if code := cli.Run(t.Context(), cli.NewCommand(s.env(vars)), []string{"__complete", "show", ""}); code != 0 {
			t.Errorf("%d", code)
		}
		s.await(t, ":4\n")
		if strings.Contains(s.text(), "Password") {
			t.Errorf("%q", s.text())
		}
	})
}

// slow has one gateway, which is ACTIVE when it was looked at often enough.
func slow(t *testing.T) string {
	t.Helper()
	var looks atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2.0/extensions/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		status, reason := "BUILD", "the controller has not seen it yet"
		switch n := looks.Add(1); {
		case n > 5:
			status, reason = "ACTIVE", ""
		case n > 2:
			status, reason = "PENDING", "no switch named ps1 has been seen, and it may take a while until one is"
		}
		one := fmt.Sprintf(`{"id": "g1", "name": "slow", "devices": [], "status": %q, "status_reason": %q}`, status, reason)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(w, `{"l2_gateway": %s}`, one)
			return
		}
		_, _ = fmt.Fprintf(w, `{"l2_gateways": [%s]}`, one)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestWhoWaitsSeesOneLineAtATerminalAndLinesElsewhere(t *testing.T) {
	args := []string{"create", "slow", "--device", "name=ps1,interface_names=eth1", "--wait", "-f", "value", "-c", "status"}
	s := newScreen(t, 50)
	if code := cli.Run(t.Context(), cli.NewCommand(s.env(map[string]string{"OS_ENDPOINT": slow(t)})), args); code != 0 {
		t.Fatalf("%d %q", code, s.text())
	}
	s.await(t, "g1: ACTIVE\nACTIVE\n")
	shown, _, _ := strings.Cut(s.text(), "\n")
	parts := strings.Split(shown, "\r\x1b[K")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "0s  g1: BUILD (the controller has not seen it yet)"[:49] {
		t.Errorf("%q", parts)
	}
	for _, part := range parts {
		if len(part) > 49 {
			t.Errorf("%q does not fit into the line", part)
		}
	}

	code, out, errs := run(t, map[string]string{"OS_ENDPOINT": slow(t)}, args...)
	want := "g1: BUILD (the controller has not seen it yet)\n" +
		"g1: PENDING (no switch named ps1 has been seen, and it may take a while until one is)\ng1: ACTIVE\n"
	if code != 0 || out != "ACTIVE\n" || errs != want {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"l2_gateways": [{"id": "8a3e1c52-0b8e-4b0e-9a36-0d3f5f0f2d11", "tenant_id": "p", "name": "a name of many words 東京 that goes on and on and on",
			"devices": [{"device_name": "tor1", "id": "d", "interfaces": [{"name": "eth1", "segmentation_id": ["100"]}]}]}]}`)
	}))
	t.Cleanup(server.Close)
	vars := map[string]string{"OS_ENDPOINT": server.URL}
	for _, columns := range []int{60, 80, 132, 300} {
		for _, fit := range []bool{false, true} {
			s := newScreen(t, uint16(columns)) //nolint:gosec // as above
			args := []string{"list"}
			if fit {
				args = append(args, "--fit-width")
			}
			if code := cli.Run(t.Context(), cli.NewCommand(s.env(vars)), args); code != 0 {
				t.Fatalf("%d %q", code, s.text())
			}
			s.awaitTimes(t, "-+\n", 3)
			lines := strings.Split(strings.TrimSpace(s.text()), "\n")
			longest := len(slices.MaxFunc(lines, func(a, b string) int { return len([]rune(a)) - len([]rune(b)) }))
			if first := len(lines[0]); fit && first > columns || !fit && (first < 180 || longest < first) {
				t.Errorf("%d columns, fit-width=%t: lines of %d characters", columns, fit, first)
			}
		}
	}
}
