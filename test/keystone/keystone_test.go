package keystone_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

func TestMain(m *testing.M) {
	code := product.Main{M: keystone.Main{M: m}}.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// validate asks with the service user's token about another.
func validate(t *testing.T, url, own, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/auth/tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-Auth-Token": {own}, "X-Subject-Token": {token}}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Log(err)
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestTokensAreIssuedRevokedExpiredAndEndWithTheirUser(t *testing.T) {
	s := keystone.Shared(t)
	own := s.Token(t, s.Service())
	alice := s.User(t, "fixture-alice", "fixture", "member", "reader")
	revoked, disabled, short := s.Token(t, alice), s.Token(t, alice), s.TokenFor(t, alice, time.Second)
	for _, token := range []string{revoked, disabled} {
		if got := validate(t, s.URL(), own, token); got != 200 {
			t.Fatalf("a token just issued: %d", got)
		}
	}
	s.Revoke(t, revoked)
	if got := validate(t, s.URL(), own, revoked); got != 404 {
		t.Errorf("revoked: %d", got)
	}
	for deadline := time.Now().Add(product.Patience); validate(t, s.URL(), own, short) != 404; {
		if time.Now().After(deadline) {
			t.Fatal("it does not expire")
		}
	}
	s.Disable(t, alice)
	if got := validate(t, s.URL(), own, disabled); got != 404 {
		t.Errorf("user disabled: %d", got)
	}
}

func TestKeystoneComesBackWithWhatItKnew(t *testing.T) {
	s := keystone.New(t)
	own, token := s.Token(t, s.Service()), s.Token(t, s.Admin())
	s.Stop()
	if got := validate(t, s.URL(), own, token); got != 0 {
		t.Fatalf("stopped: %d", got)
	}
	s.Start(t)
	if got := validate(t, s.URL(), own, token); got != 200 {
		t.Fatalf("started again: %d", got)
	}
}

func TestADoorClosesForItsTestAlone(t *testing.T) {
	s := keystone.Shared(t)
	own := s.Token(t, s.Service())
	d := s.Door(t, false)
	if got := validate(t, d.URL(), own, own); got != 200 || d.Validations() != 1 {
		t.Fatalf("open: %d after %d", got, d.Validations())
	}
	d.Close()
	if got := validate(t, d.URL(), own, own); got != 0 {
		t.Fatalf("closed: %d", got)
	}
	d.Open()
	d.Break(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if got := validate(t, d.URL(), own, own); got != 502 {
		t.Fatalf("broken: %d", got)
	}
}

func TestTheOpenStackClientFindsTheEndpointInTheCatalog(t *testing.T) {
	s := keystone.Shared(t)
	s.SetEndpoint(t, "http://127.0.0.1:1/")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/openstack", "catalog", "show", "network", "-f", "json")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "OS_CLOUD=mine", "OS_CLIENT_CONFIG_FILE=" + s.CloudsYAML(t, map[string]keystone.Credentials{"mine": s.Admin()})}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "http://127.0.0.1:1/") {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
}
