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
