package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/cli"
)

// run runs a command line with these variables.
func run(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(t.Context(), cli.NewCommand(cli.Environment{
		In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(name string) string { return env[name] },
	}), args)
	return code, o.String(), e.String()
}

// cloud answers as Keystone and as the API, and refuses the first token once.
func cloud(t *testing.T) (url string, logins *int) {
	logins = new(int)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		*logins++
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "hush-hush") {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error": {"code": 401, "message": "The request you have made requires authentication."}}`)
			return
		}
		w.Header().Set("X-Subject-Token", "token-"+strings.Repeat("x", *logins))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"token": {"expires_at": "2100-01-01T00:00:00.000000Z", "catalog": [{"type": "network", "name": "neutron", "endpoints": [
			{"interface": "public", "region": "one", "region_id": "one", "url": "`+server.URL+`"},
			{"interface": "internal", "region": "one", "region_id": "one", "url": "http://127.0.0.1:1"}]}]}}`)
	})
	mux.HandleFunc("GET /v2.0/l2-gateways", func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("X-Auth-Token"); token == "token-x" || !strings.HasPrefix(token, "token-") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"l2_gateways": []}`)
	})
	return server.URL, logins
}

func TestATokenThatIsRefusedIsReplacedOnce(t *testing.T) {
	url, logins := cloud(t)
	env := map[string]string{"OS_AUTH_URL": url + "/v3", "OS_USERNAME": "u", "OS_PASSWORD": "hush-hush", "OS_PROJECT_NAME": "p"}
	code, out, errs := run(t, env, "list", "-f", "json")
	if code != 0 || out != "[]\n" || *logins != 2 {
		t.Errorf("%d %q %q after %d logins", code, out, errs, *logins)
	}
}

func TestDebugShowsRequestsWithoutSecrets(t *testing.T) {
	url, _ := cloud(t)
	env := map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "u", "OS_PASSWORD": "hush-hush", "OS_PROJECT_NAME": "p"}
	code, _, errs := run(t, env, "list", "--debug")
	for _, want := range []string{"REQ: curl -g -i -X GET " + url + "/v2.0/l2-gateways", "X-Auth-Token: {SHA256}", `RESP BODY: {"l2_gateways": []}`} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is missing: %s", want, errs)
		}
	}
	if code != 0 || strings.Contains(errs, "hush") || strings.Contains(errs, "token-x") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestWhatALoginLacksIsNamed(t *testing.T) {
	url, _ := cloud(t)
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text := "clouds:\n  good:\n    auth: {auth_url: '" + url + "', username: u, project_name: p}\n  far: {region_name: two, auth: {auth_url: '" + url + "', username: u, password: hush-hush}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"Missing value password required":                                      {"--os-cloud", "good"},
		"Missing value auth-url required":                                      {"--os-auth-type", "password"},
		"Missing value username required":                                      {"--os-auth-url", url, "--os-password", "x"},
		"Missing value token required":                                         {"--os-auth-url", url, "--os-auth-type", "token"},
		"Missing value application-credential-secret":                          {"--os-auth-url", url, "--os-auth-type", "v3applicationcredential", "--os-application-credential-id", "x"},
		"cloud bad was not found in " + file + ": there are far, good":         {"--os-cloud", "bad"},
		"requires authentication. (HTTP 401) from Keystone at":                 {"--os-cloud", "good", "--os-password", "wrong"},
		"no public endpoint of type network in region two: there are internal": {"--os-cloud", "far"},
		"Keystone at http://127.0.0.1:1/v3 cannot be reached":                  {"--os-cloud", "good", "--os-password", "x", "--os-auth-url", "http://127.0.0.1:1/v3"},
	} {
		code, out, errs := run(t, map[string]string{"OS_CLIENT_CONFIG_FILE": file}, append(args, "list")...)
		if code != 1 || out != "" || !strings.Contains(errs, want) || strings.Contains(errs, "hush") {
			t.Errorf("%q: %d %q, want %q", args, code, errs, want)
		}
	}
	// What is given on the command line and in secure.yaml completes a cloud.
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secure.yaml"), []byte("clouds: {good: {auth: {password: hush-hush}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run(t, map[string]string{"OS_CLIENT_CONFIG_FILE": file, "OS_CLOUD": "good"}, "list", "-f", "value"); code != 0 {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestNamesOfGatewaysAreCompleted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"l2_gateways": [{"id": "1", "name": "rack1"}, {"id": "2", "name": "rack2"}]}`)
	}))
	defer server.Close()
	env := map[string]string{"OS_ENDPOINT": server.URL}
	if code, out, errs := run(t, env, "__complete", "show", ""); code != 0 || !strings.HasPrefix(out, "rack1\t1\nrack2\t2\n:4") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, errs := run(t, env, "completion", shell); code != 0 || !strings.Contains(out, "l2gw") {
			t.Errorf("%s: %d %q", shell, code, errs)
		}
	}
}

func TestEachCommandHasAManualPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, errs := run(t, nil, "man", dir); code != 0 {
		t.Fatal(errs)
	}
	for _, page := range []string{"l2gw", "l2gw-create", "l2gw-connection-list"} {
		text, err := os.ReadFile(filepath.Join(dir, page+".1"))
		if err != nil || !strings.Contains(string(text), ".SH SYNOPSIS") {
			t.Errorf("%s: %v %s", page, err, text)
		}
	}
}
