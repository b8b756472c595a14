package keystone_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

// nothing is an inventory.
const nothing = "networks: []\nhosts: []\nports: []\n"

// served is an `l2gw serve` that asks a Keystone.
type served struct {
	*product.Serve
	t    testing.TB
	real *keystone.Server
	door *keystone.Door
}

// serve starts one that asks a door of the shared Keystone, with more lines in its
// section keystone_authtoken.
func serve(t testing.TB, d *keystone.Door, c keystone.Credentials, more ...string) *served {
	t.Helper()
	real := keystone.Shared(t)
	config := filepath.Join(t.TempDir(), "l2gw.ini")
	if err := os.WriteFile(config, []byte(real.AuthToken(c, d.URL(), more...)), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud := product.NewCloud(t, nothing, product.CloudOptions{
		Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"),
		ServerArgs: []string{"--config-file", config, "--log-level", "debug"},
	})
	s := &served{Serve: cloud.Servers[0], t: t, real: real, door: d}
	s.Launch()
	return s
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with these headers: name, value, ….
func (s *served) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(b)}
}

// is asserts the status of a list of gateways.
func (s *served) is(what string, status int, headers ...string) {
	s.t.Helper()
	if a := s.ask("GET", "/v2.0/l2-gateways", "", headers...); a.status != status {
		s.t.Errorf("%s: %d %s, want %d", what, a.status, a.body, status)
	}
}

// becomes waits for the status of a list of gateways.
func (s *served) becomes(what string, status int, headers ...string) {
	s.t.Helper()
	product.Eventually(s.t, what, func() error {
		if a := s.ask("GET", "/v2.0/l2-gateways", "", headers...); a.status != status {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
}

// everything is what anybody may try, whether it exists or not.
var everything = []struct{ method, path, body string }{
	{"GET", "/v2.0/l2-gateways", ""},
	{"GET", "/v2.0/l2-gateways?fields=name", ""},
	{"GET", "/v2.0/l2-gateways/%s", ""},
	{"PUT", "/v2.0/l2-gateways/%s", `{"l2_gateway": {"name": "n"}}`},
	{"DELETE", "/v2.0/l2-gateways/%s", ""},
	{"POST", "/v2.0/l2-gateways", `{"l2_gateway": {"devices": [{"device_name": "d", "interfaces": [{"name": "i"}]}]}}`},
	{"GET", "/v2.0/l2-gateway-connections", ""},
	{"GET", "/v2.0/l2-gateway-connections/%s", ""},
	{"DELETE", "/v2.0/l2-gateway-connections/%s", ""},
	{"POST", "/v2.0/l2-gateway-connections", `{"l2_gateway_connection": {"l2_gateway_id": "%s", "network_id": "5b1c1b5e-5b4e-4b3c-8f47-1c3dd1f6d7e5", "segmentation_id": "5"}}`},
}

func TestWhoMayDoWhatWithRealTokens(t *testing.T) {
	real := keystone.Shared(t)
	s := serve(t, real.Door(t, false), real.Service(), "token_cache_time = 1")
	admin := real.Token(t, real.Admin())
	a := s.ask("POST", "/v2.0/l2-gateways", `{"l2_gateway": {"name": "g", "devices": [{"device_name": "d", "interfaces": [{"name": "i"}]}]}}`, "X-Auth-Token", admin)
	if a.status != 201 || !strings.Contains(a.body, real.Admin().ProjectID) {
		t.Fatalf("the administrator creates: %d %s", a.status, a.body)
	}
	_, rest, _ := strings.Cut(a.body, `"id":`)
	existing := strings.Split(rest, `"`)[1]
	if got := s.ask("GET", "/v2.0/l2-gateways/"+existing, "", "X-Auth-Token", admin); got.status != 200 {
		t.Fatalf("and shows: %d %s", got.status, got.body)
	}
	for _, role := range []string{"member", "reader", "nothing-in-particular"} {
		token := real.Token(t, real.User(t, "who-"+role, "who", role))
		for _, x := range everything {
			for _, id := range []string{existing, "00000000-0000-0000-0000-000000000000"} {
				path, body := strings.Replace(x.path, "%s", id, 1), strings.Replace(x.body, "%s", id, 1)
				if got := s.ask(x.method, path, body, "X-Auth-Token", token, "X-Roles", "admin"); got.status != 403 || !strings.Contains(got.body, "AdminRequired") {
					t.Errorf("%s: %s %s: %d %s", role, x.method, path, got.status, got.body)
				}
			}
		}
	}

	// Everything is refused to who has no token, what tells of the API itself is not.
	for _, x := range everything {
		got := s.ask(x.method, strings.Replace(x.path, "%s", existing, 1), x.body, "X-Roles", "admin", "X-Project-Id", real.Admin().ProjectID, "X-Identity-Status", "Confirmed")
		want := fmt.Sprintf("Keystone uri=%q", s.door.URL())
		if got.status != 401 || got.header.Get("WWW-Authenticate") != want ||
			got.body != `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}` {
			t.Errorf("without a token: %s %s: %d %v %s", x.method, x.path, got.status, got.header, got.body)
		}
	}
	for path, status := range map[string]int{"/": 200, "/healthz": 200, "/metrics": 200, "/v2.0/extensions": 401} {
		if got := s.ask("GET", path, ""); got.status != status {
			t.Errorf("without a token: %s: %d", path, got.status)
		}
	}

	// Tokens that end.
	eve := real.User(t, "eve", "eves", "admin")
	revoked, disabled := real.Token(t, eve), real.Token(t, eve)
	for _, token := range []string{revoked, disabled} {
		s.is("a valid one", 200, "X-Auth-Token", token)
	}
	var short string
	for life := 2 * time.Second; ; life *= 2 { // a busy machine needs longer
		began := time.Now()
		short = real.TokenFor(t, eve, life)
		a := s.ask("GET", "/v2.0/l2-gateways", "", "X-Auth-Token", short)
		if a.status == 200 {
			break
		}
		if took := time.Since(began); took < life-time.Second {
			t.Fatalf("a token of %v is refused after %v: %d %s", life, took, a.status, a.body)
		}
	}
	real.Revoke(t, revoked)
	s.becomes("revoked", 401, "X-Auth-Token", revoked)
	s.becomes("expired", 401, "X-Auth-Token", short)
	s.is("expired, on the way of a service", 200, "X-Auth-Token", short, "X-Service-Token", real.Token(t, real.Service()))
	real.Disable(t, eve)
	s.becomes("of a disabled user", 401, "X-Auth-Token", disabled)

	// Tokens of something else than a project.
	system := real.Admin()
	system.System = true
	s.is("of the system", 200, "X-Auth-Token", real.Token(t, system))
	dave := real.User(t, "dave", "daves", "admin")
	dave.Project = ""
	s.is("without a scope", 403, "X-Auth-Token", real.Token(t, dave))

	a = s.ask("GET", "/v2.0/l2-gateways", "", "X-Auth-Token", strings.Repeat("x", 9000))
	if a.status != 401 {
		t.Errorf("a huge token: %d %s", a.status, a.body)
	}
}

func TestKeystoneMayStopAndStart(t *testing.T) {
	real := keystone.New(t) // a real stop, of a Keystone that nobody else uses
	d := real.Door(t, false)
	s := serve(t, d, real.Service(), "http_request_max_retries = 0")
	cached, later := real.Token(t, real.Admin()), real.Token(t, real.Admin())
	s.is("before", 200, "X-Auth-Token", cached)
	real.Stop()
	d.Close()
	a := s.ask("GET", "/v2.0/l2-gateways", "", "X-Auth-Token", later)
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "Keystone is not available") {
		t.Errorf("a token that is not in the cache: %d %v %s", a.status, a.header, a.body)
	}
	s.is("a token of the cache", 200, "X-Auth-Token", cached)
	real.Start(t)
	d.Open()
	s.becomes("a token that was not in the cache, later", 200, "X-Auth-Token", later)
	s.WaitLog("Keystone does not answer")
	s.WaitLog("Keystone answers again")
}

func TestAServerStartsWithAServiceUserThatCannotLogInAndSaysWhy(t *testing.T) {
	real := keystone.Shared(t)
	wrong := real.Service()
	wrong.Password = "not-the-password-of-l2gw"
	s := serve(t, real.Door(t, false), wrong)
	s.WaitLog("the service user cannot log in to Keystone", "l2gw of domain Default")
	s.is("any token", 503, "X-Auth-Token", real.Token(t, real.Admin()))
	s.is("no token", 401)
	if strings.Contains(s.Log(), wrong.Password) {
		t.Error("the password is in the log")
	}
}

func TestAServerAsksKeystoneOverTLS(t *testing.T) {
	real := keystone.Shared(t)
	token := real.Token(t, real.Admin())
	d, other := real.Door(t, true), real.Door(t, true)
	serve(t, d, real.Service(), "cafile = "+d.CA).is("with its authority", 200, "X-Auth-Token", token)
	s := serve(t, d, real.Service(), "cafile = "+other.CA)
	s.is("with another", 503, "X-Auth-Token", token)
	s.WaitLog("certificate signed by unknown authority")
}

func TestAServerWithoutAUsableLoginDoesNotStart(t *testing.T) {
	for name, test := range map[string]struct {
		config, want string
		args         []string
	}{
		"no section":         {"[DEFAULT]\nauth_strategy = keystone\n", "[keystone_authtoken] auth_type is missing", nil},
		"no password":        {"[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1\nusername = u\nuser_domain_name = Default\n", "password is missing", nil},
		"no such strategy":   {"[DEFAULT]\nauth_strategy = kerberos\n", "keystone, token or noauth", nil},
		"no authority":       {"[keystone_authtoken]\nauth_type = password\nauth_url = https://127.0.0.1:1\nusername = u\npassword = secret-of-u\nuser_domain_name = D\nproject_id = p\ncafile = /nowhere\n", "/nowhere", nil},
		"no token":           {"", "--token-file", []string{"--auth-strategy", "token"}},
		"a token too short":  {"", "16 to 4096", []string{"--token-file", write(t, "short")}},
		"a token with space": {"", "16 to 4096", []string{"--token-file", write(t, "this is no token at all")}},
		"open to all":        {"", "no authentication", []string{"--listen", "0.0.0.0:0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := product.NewCloud(t, nothing, product.CloudOptions{
				Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"),
				ServerArgs: slices.Concat([]string{"--config-file", write(t, test.config)}, test.args),
			})
			said := cloud.Servers[0].Fails()
			if !strings.Contains(said, test.want) || strings.Contains(said, "secret-of-u") {
				t.Errorf("it said %s", said)
			}
		})
	}
}

func TestOneTokenOfAFileLetsInUntilTheFileHasAnother(t *testing.T) {
	file := write(t, "0123456789abcdef-first\n")
	cloud := product.NewCloud(t, nothing, product.CloudOptions{
		Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"), ServerArgs: []string{"--token-file", file},
	})
	s := &served{Serve: cloud.Servers[0], t: t}
	s.Launch()
	s.is("the token", 200, "X-Auth-Token", "0123456789abcdef-first")
	s.is("as bearer", 200, "Authorization", "Bearer 0123456789abcdef-first")
	s.is("another", 401, "X-Auth-Token", "0123456789abcdef-other")
	s.is("none", 401)
	if a := s.ask("GET", "/v2.0/l2-gateways", ""); a.header.Get("WWW-Authenticate") != `Bearer realm="l2gw"` {
		t.Errorf("%v", a.header)
	}
	if err := os.WriteFile(file, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.becomes("while the file has none", 200, "X-Auth-Token", "0123456789abcdef-first")
	if err := os.WriteFile(file, []byte("0123456789abcdef-second"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.becomes("the new one", 200, "X-Auth-Token", "0123456789abcdef-second")
	s.is("the old one", 401, "X-Auth-Token", "0123456789abcdef-first")
	if strings.Contains(s.Log(), "0123456789abcdef") {
		t.Error("the token is in the log")
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	product.WriteFile(t, path, text)
	return path
}
