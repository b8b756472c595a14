package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"l2gw/internal/cli"
)

func TestMessagesOfServersCannotTalkToTheTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"NeutronError": {"type": "X", "message": "no\u001b]0;title\u0007 \u009b2J\nsecond line", "detail": ""}}`)
	}))
	defer server.Close()
	var out, errs bytes.Buffer
	env := cli.Environment{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }}
	code := cli.Run(t.Context(), cli.NewCommand(env), []string{"list", "--endpoint", server.URL})
	if want := "no\uFFFD]0;title\uFFFD \uFFFD2J\nsecond line\n"; code != 1 || errs.String() != want || out.Len() > 0 {
		t.Errorf("%d %q %q, want %q", code, out.String(), errs.String(), want)
	}
}

func TestStatusTellsOfAgentsAndSwitchesWhileTheDatabaseIsAway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch body := map[string]string{
			"/v2.0/l2-gateway-inventory": `{"l2_gateway_inventory": {"known": true}}`,
			"/v2.0/l2-gateway-agents":    `{"l2_gateway_agents": [{"name": "agent-1", "alive": false, "since": "2026-01-02T03:04:05Z"}]}`,
			"/v2.0/l2-gateway-devices":   `{"l2_gateway_devices": [{"name": "tor1", "database": "tor1", "status": "DOWN", "status_reason": "the cable"}]}`,
		}[r.URL.Path]; body {
		case "":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"NeutronError": {"type": "X", "message": "The database is not available.", "detail": ""}}`)
		default:
			_, _ = io.WriteString(w, body)
		}
	}))
	defer server.Close()
	var out, errs bytes.Buffer
	env := cli.Environment{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }}
	code := cli.Run(t.Context(), cli.NewCommand(env), []string{"status", "--endpoint", server.URL})
	if code != 1 || errs.String() != "The database is not available.\n" {
		t.Errorf("%d %q", code, errs.String())
	}
	for _, want := range []string{"agent-1", "the cable"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing: %s", want, out.String())
		}
	}
}
