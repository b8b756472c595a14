package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"l2gw/internal/cli"
)

// weak is an API that fails as it is told, and counts.
type weak struct {
	*httptest.Server
	mu     sync.Mutex
	keyed  bool     // it knows keys
	fails  []string // of the next requests that change something: break, hang, STATUS or STATUS/SECONDS
	reads  []string // of the next requests that read gateways
	writes []string // the keys of requests that changed something
}

func newWeak(t *testing.T, keyed bool) *weak {
	t.Helper()
	api := &weak{keyed: keyed}
	api.Server = httptest.NewServer(api)
	t.Cleanup(api.Close)
	return api
}

// fail lets the next requests that change something fail.
func (api *weak) fail(how ...string) {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.fails = how
}

// failReads lets the next requests that read fail.
func (api *weak) failReads(how ...string) {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.reads = how
}

// sent are the keys of requests that changed something since it was asked last.
func (api *weak) sent() []string {
	api.mu.Lock()
	defer api.mu.Unlock()
	keys := api.writes
	api.writes = nil
	return keys
}

func (api *weak) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api.mu.Lock()
	defer api.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/v2.0/extensions/") {
		if !api.keyed {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	fails := &api.reads
	if r.Method != http.MethodGet {
		api.writes = append(api.writes, r.Header.Get("Idempotency-Key"))
		fails = &api.fails
	}
	if len(*fails) > 0 {
		how := (*fails)[0]
		*fails = (*fails)[1:]
		switch how {
		case "break":
			panic(http.ErrAbortHandler)
		case "hang":
			api.mu.Unlock()
			_, _ = io.Copy(io.Discard, r.Body) // net/http looks for the client's end after it only
			<-r.Context().Done()
			api.mu.Lock()
			return
		}
		status, seconds, ok := strings.Cut(how, "/")
		if ok {
			w.Header().Set("Retry-After", seconds)
		}
		var code int
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"NeutronError": {"type": "T", "message": "not now", "detail": ""}}`)
		return
	}
	switch r.Method {
	case http.MethodPost:
		w.WriteHeader(http.StatusCreated)
		fallthrough
	case http.MethodPut:
		_, _ = io.WriteString(w, `{"l2_gateway": {"id": "1"}, "l2_gateway_connection": {"id": "2"}}`)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _ = io.WriteString(w, `{"l2_gateways": [{"id": "1"}], "l2_gateway_connections": [{"id": "2"}], "networks": [{"id": "3"}], "l2_gateway_devices": []}`)
	}
}

var changes = []string{
	"create x --device name=ps1,interface_names=eth1", "update 1 --name y", "delete 1", "connection create 1 3", "connection delete 2",
}

// deviceChanges may be carried out twice without harm, and need no key.
var deviceChanges = []string{"device pause ps1", "device observe ps1", "device resume ps1", "device resync ps1"}

func TestACommandToASwitchWhoseAnswerIsLostIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{true, false} {
		for _, command := range deviceChanges {
			api := newWeak(t, keyed)
			api.fail("break", "503/0", "504")
			code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, strings.Fields(command)...)
			if keys := api.sent(); code != 0 || strings.Join(keys, "") != "" || len(keys) != 4 {
				t.Errorf("%s: %d %q, requests with the keys %q", command, code, errs, keys)
			}
			api.fail("break")
			code, _, errs = run(t, map[string]string{"OS_ENDPOINT": api.URL}, append(strings.Fields(command), "--retry", "0")...)
			if len(api.sent()) != 1 || code != 1 || !strings.Contains(errs, "ps1: the API at "+api.URL+" cannot be reached: EOF; whether it did what it was told is not known\n") {
				t.Errorf("%s --retry 0: %d %q", command, code, errs)
			}
		}
	}
}

// What is held for a person to look at may have become more since the first attempt.
func TestRemovalsAreNotLetGoTwice(t *testing.T) {
	for how, says := range map[string]string{
		"break": "EOF; whether it did what it was told is not known\n", "503/0": "ps1: not now\n",
		"504": "not now\nWhether it did what it was told is not known.\n",
	} {
		api := newWeak(t, true)
		api.fail(how)
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "device", "release", "ps1")
		if keys := api.sent(); code != 1 || len(keys) != 1 || keys[0] != "" || !strings.HasSuffix(errs, says) {
			t.Errorf("%s: %d %q, requests with the keys %q", how, code, errs, keys)
		}
	}
}

func TestAChangeWhoseAnswerIsLostIsSentAgainWithItsKey(t *testing.T) {
	t.Parallel()
	for _, fails := range [][]string{{"break"}, {"break", "503/0", "break"}, {"502"}, {"503/1"}, {"504", "503"}} {
		for i, command := range changes {
			if i > 0 && fails[0] == "503/1" {
				continue // a second is long
			}
			api := newWeak(t, true)
			api.fail(fails...)
			code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, strings.Fields(command)...)
			if code != 0 || strings.Contains(errs, "again") {
				t.Errorf("%s, %q: %d %q", command, fails, code, errs)
			}
			keys := api.sent()
			if len(keys) != len(fails)+1 || len(keys[0]) != 36 || len(slices.Compact(slices.Clone(keys))) != 1 {
				t.Errorf("%s, %q: the requests had the keys %q", command, fails, keys)
			}
		}
	}
}

// The predecessor ignores keys.
func TestAServerThatKnowsNoKeysIsSentAChangeOnce(t *testing.T) {
	for _, command := range changes {
		api := newWeak(t, false)
		api.fail("break")
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, strings.Fields(command)...)
		if keys := api.sent(); code != 1 || len(keys) != 1 || keys[0] != "" || !strings.Contains(errs, "cannot be reached: EOF; whether it did what it was told is not known\n") {
			t.Errorf("%s: %d %q, requests with the keys %q", command, code, errs, keys)
		}
		api.fail("503/1")
		code, _, errs = run(t, map[string]string{"OS_ENDPOINT": api.URL}, strings.Fields(command)...)
		if keys := api.sent(); code != 1 || len(keys) != 1 || !strings.Contains(errs, "not now") {
			t.Errorf("%s: %d %q, requests with the keys %q", command, code, errs, keys)
		}
	}
}

func TestWhatAChangeReadsBeforeIsReadAgain(t *testing.T) {
	api := newWeak(t, false)
	api.failReads("break", "503/0")
	// The first request of all may go to the wrong place.
	if code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "delete", "1"); code != 1 || !strings.Contains(errs, "cannot be reached: EOF") || len(api.sent()) != 0 {
		t.Errorf("%d %q", code, errs)
	}
	if code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "delete", "1"); code != 0 || len(api.sent()) != 1 {
		t.Errorf("%d %q", code, errs)
	}
	// Who only looks is told at once how it is.
	api.failReads("503/0")
	if code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "list"); code != 1 || errs != "not now\n" {
		t.Errorf("%d %q", code, errs)
	}
}

func TestAChangeIsGivenUpInTime(t *testing.T) {
	api := newWeak(t, true)
	for _, c := range []struct {
		retry string
		fails []string
		sent  int
		says  string
	}{
		{"0", []string{"break"}, 1, "cannot be reached: EOF; whether it did what it was told is not known\n"},
		{"0", []string{"503/1"}, 1, "not now\n"},
		{"10s", []string{"503/11"}, 1, "not now\n"}, // at once
		{"1s", []string{"break", "503/2"}, 2, "not now\nWhether it did what it was told is not known.\n"},
		{"1s", []string{"502", "503/2"}, 2, "not now\nWhether it did what it was told is not known.\n"},
		{"0", []string{"504"}, 1, "not now\nWhether it did what it was told is not known.\n"},
		{"10s", []string{"409"}, 1, "not now\n"},
		{"10s", []string{"500"}, 1, "not now\n"},
	} {
		api.fail(c.fails...)
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "create", "x", "--device", "name=ps1,interface_names=eth1", "--retry", c.retry)
		if sent := len(api.sent()); code != 1 || sent != c.sent || !strings.HasSuffix(errs, c.says) {
			t.Errorf("%+v: %d %q after %d requests", c, code, errs, sent)
		}
	}
	if code, _, errs := run(t, nil, "create", "x", "--retry", "-1s"); code != 2 || !strings.Contains(errs, "\nl2gw create: error: --retry \"-1s\": it must be at least 0s\n") {
		t.Errorf("%d %q", code, errs)
	}
}

// A server that takes a request and never answers may be one of several behind a load
// balancer: the next attempt goes to another.
func TestWhatGetsNoAnswerInTimeIsSentAgainIfThatIsSafe(t *testing.T) {
	t.Parallel()
	for _, command := range append(slices.Clone(changes), deviceChanges...) {
		api := newWeak(t, true)
		api.fail("hang")
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, append(strings.Fields(command), "--timeout", "1s")...)
		if keys := api.sent(); code != 0 || len(keys) != 2 || keys[0] != keys[1] {
			t.Errorf("%s: %d %q, requests with the keys %q", command, code, errs, keys)
		}
	}
	for _, c := range []struct {
		command string
		keyed   bool
	}{{"create x --device name=ps1,interface_names=eth1", false}, {"device release ps1", true}, {"delete 1 --retry 0", true}} {
		api := newWeak(t, c.keyed)
		api.fail("hang")
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, append(strings.Fields(c.command), "--timeout", "1s")...)
		if keys := api.sent(); code != 1 || len(keys) != 1 || !strings.Contains(errs, "cannot be reached: no answer within 1s; whether it did what it was told is not known\n") {
			t.Errorf("%s: %d %q, requests with the keys %q", c.command, code, errs, keys)
		}
	}
	api := newWeak(t, false)
	api.failReads("503/0", "hang") // the first answer shows that this is the API
	if code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "delete", "1", "--timeout", "1s"); code != 0 || len(api.sent()) != 1 {
		t.Errorf("%d %q", code, errs)
	}
}

// It ends with the code that shells have for it, and says what is not known.
func TestWhoInterruptsIsToldWhereItWas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ command, says string }{
		{"create x --device name=ps1,interface_names=eth1", "interrupted; whether it did what it was told is not known\n"},
		{"delete 1 2 3", "Failed to delete L2 Gateway with name or ID '1': interrupted; whether it did what it was told is not known\ninterrupted; whether it did what it was told is not known\n"},
		{"device pause a b", "a: interrupted; whether it did what it was told is not known\n"},
	} {
		api := newWeak(t, true)
		ctx, interrupt := context.WithCancel(t.Context())
		api.fail("hang")
		go func() {
			for len(api.sent()) == 0 && ctx.Err() == nil {
				runtime.Gosched()
			}
			interrupt()
		}()
		var out, errs bytes.Buffer
		root := cli.NewCommand(cli.Environment{Out: &out, Err: &errs, Getenv: func(name string) string { return map[string]string{"OS_ENDPOINT": api.URL}[name] }})
		if code := cli.Run(ctx, root, strings.Fields(c.command)); code != 130 || errs.String() != c.says {
			t.Errorf("%s: %d %q", c.command, code, &errs)
		}
		interrupt()
	}
}

// All of a command together wait for the API no longer than they are told.
func TestDeletingSeveralDoesNotWaitForEach(t *testing.T) {
	api := newWeak(t, true)
	api.fail("break", "break", "break", "break", "break", "break", "break", "break", "break", "break", "break", "break")
	code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "delete", "a", "b", "c", "--retry", "150ms")
	if sent := len(api.sent()); code != 1 || strings.Count(errs, "Failed to delete L2 Gateway") != 3 || sent > 5 {
		t.Errorf("%d %q after %d requests", code, errs, sent)
	}
}

func TestDebugTellsOfEachFurtherAttempt(t *testing.T) {
	api := newWeak(t, true)
	api.fail("break", "503")
	code, _, errs := run(t, map[string]string{"OS_ENDPOINT": api.URL}, "create", "x", "--debug", "--device", "name=ps1,interface_names=eth1")
	if code != 0 || strings.Count(errs, "\nRETRY: in ") != 2 || !strings.Contains(errs, "\nRETRY: in 100ms, since the API at "+api.URL+" cannot be reached: EOF\nREQ: ") || !strings.Contains(errs, "\nRETRY: in 200ms, since not now\n") {
		t.Errorf("%d %q", code, errs)
	}
}

// An address at which nobody listens is told at once, also by commands that would wait
// for an API that they have heard of.
func TestAnAPIThatNeverAnsweredIsNotWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	_ = listener.Close()
	for _, command := range changes {
		code, _, errs := run(t, map[string]string{"OS_ENDPOINT": nobody}, append(strings.Fields(command), "--retry", "1h")...)
		if code != 1 || !strings.Contains(errs, "the API at "+nobody+" cannot be reached: ") || !strings.Contains(errs, "connection refused\n") {
			t.Errorf("%s: %d %q", command, code, errs)
		}
	}
}

func TestATerminalShowsThatTheAPIIsAway(t *testing.T) {
	api := newWeak(t, true)
	api.fail("502", "503")
	s := newScreen(t, 80)
	args := []string{"create", "x", "--device", "name=ps1,interface_names=eth1", "-f", "value", "-c", "ID"}
	if code := cli.Run(t.Context(), cli.NewCommand(s.env(map[string]string{"OS_ENDPOINT": api.URL})), args); code != 0 {
		t.Fatalf("%d %q", code, s.text())
	}
	s.await(t, "\n1\n")
	if line := "\r\x1b[K0s  not now; trying again for up to 30s"; s.text() != line+line+"\n1\n" {
		t.Errorf("%q", s.text())
	}
}
