package cli_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestACertificateThatIsNotTrustedIsToldWithWhatMayBeDone(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for what, arguments := range map[string][]string{
		"the API":  {"--endpoint", server.URL, "list"},
		"Keystone": {"--os-auth-url", server.URL + "/v3", "--os-username", "u", "--os-password", "p", "--os-project-name", "x", "list"},
	} {
		code, _, stderr := run(t, nil, arguments...)
		if code != 1 || !strings.HasPrefix(stderr, what) || !strings.Contains(stderr, "--os-cacert") {
			t.Errorf("%s: exit code %d, %s", what, code, stderr)
		}
	}
}
