package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestWhatAnAPIRefusesIsSaidInItsWordsAndWithWhatToDo(t *testing.T) {
	const id = "req-8a3e1c52-0b8e-4b0e-9a36-0d3f5f0f2d11"
	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   string
	}{
		"no token": {
			401, nil, `{"error": {"code": 401, "message": "The request you have made requires authentication."}}`,
			"The request you have made requires authentication.\nNobody is logged in: name a cloud of clouds.yaml (--os-cloud), or see '--help' for other ways.",
		},
		"not allowed": {
			403,
			map[string]string{"X-Openstack-Request-Id": id},
			`{"NeutronError": {"type": "AdminRequired", "message": "User does not have admin privileges: Cannot GET resource for non admin tenant.", "detail": ""}}`,
			"User does not have admin privileges: Cannot GET resource for non admin tenant.\nNeutron server returns request_ids: ['" + id + "']",
		},
		"away": {
			503,
			map[string]string{"Retry-After": "5"},
			`{"NeutronError": {"type": "ServiceUnavailable", "message": "The database is not available.", "detail": ""}}`,
			"The database is not available.",
		},
		"another server":    {404, nil, "<html>nothing here</html>", "GET {url}/v2.0/l2-gateways was answered with 404 Not Found\n{url} has no l2-gateways: is that the URL of an L2GW API?"},
		"a load balancer":   {502, nil, "<html>bad gateway</html>", "GET {url}/v2.0/l2-gateways was answered with 502 Bad Gateway"},
		"a web page":        {200, nil, "<html>welcome</html>", "{url} does not answer like an L2GW API: invalid character '<' looking for beginning of value"},
		"another JSON":      {200, nil, `{"versions": []}`, "{url} does not answer like an L2GW API: there is no l2_gateways in its answer"},
		"a redirection":     {301, map[string]string{"Location": "https://api.example/v2.0/l2-gateways"}, "", "GET {url}/v2.0/l2-gateways was answered with 301 Moved Permanently, a redirection to https://api.example/v2.0/l2-gateways: name the URL at which the API is"},
		"an answer cut off": {200, map[string]string{"Content-Length": "100"}, `{"l2_gate`, "the API at {url} cannot be reached: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for key, value := range c.header {
					w.Header().Set(key, value)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			code, out, errs := run(t, map[string]string{"OS_ENDPOINT": server.URL}, "list")
			if want := strings.ReplaceAll(c.want, "{url}", server.URL) + "\n"; code != 1 || out != "" || errs != want {
				t.Errorf("%d %q %q", code, out, errs)
			}
		})
	}
}

// Whoever has a token is not told that nobody is logged in.
func TestATokenThatIsRefusedIsNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error": {"code": 401, "message": "The request you have made requires authentication."}}`)
	}))
	defer server.Close()
	const want = "The request you have made requires authentication.\nThe token that was given (--os-token, OS_TOKEN or clouds.yaml) is wrong or has expired.\n"
	if code, out, errs := run(t, nil, "list", "--os-endpoint", server.URL, "--os-token", "hush-hush"); code != 1 || out != "" || errs != want {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// Go's client would follow with the token, and ask for a list where something should
// be created.
func TestNoTokenFollowsARedirection(t *testing.T) {
	var followed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		_, _ = io.WriteString(w, `{"l2_gateway": {"id": "1"}, "l2_gateways": []}`)
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
	}))
	defer server.Close()
	for _, command := range []string{"list", "create x --device name=ps1,interface_names=eth1"} {
		args := append(strings.Fields(command), "--os-auth-type", "admin_token", "--os-token", "hush-hush", "--os-endpoint", server.URL)
		if code, out, errs := run(t, nil, args...); code != 1 || out != "" || !strings.Contains(errs, "a redirection to "+other.URL) {
			t.Errorf("%d %q %q", code, out, errs)
		}
	}
	keystone := map[string]string{"OS_AUTH_URL": server.URL, "OS_USERNAME": "u", "OS_PASSWORD": "hush-hush", "OS_PROJECT_NAME": "p"}
	if code, _, errs := run(t, keystone, "list"); code != 1 || !strings.Contains(errs, "redirects to "+other.URL+"/v3/auth/tokens (HTTP 302)") {
		t.Errorf("%d %q", code, errs)
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d requests followed", n)
	}
}

// Whatever way there is to log in, nothing of it is told.
func TestDebugTellsNoSecretOfAnyLogin(t *testing.T) {
	url, _ := cloud(t)
	secure := map[string]string{"OS_AUTH_URL": url}
	away := "http://someone:hush-hush@127.0.0.1:1"
	if code, _, errs := run(t, nil, "list", "--endpoint", away); code != 1 || strings.Contains(errs, "hush") || !strings.Contains(errs, "someone:xxxxx@127.0.0.1:1 cannot be reached") {
		t.Errorf("%d %q", code, errs)
	}
	for _, args := range [][]string{
		{"--os-username", "u", "--os-password", "hush-hush", "--os-project-name", "p"},
		{"--os-auth-type", "token", "--os-token", "hush-hush", "--os-project-name", "p"},
		{"--os-application-credential-id", "x", "--os-application-credential-secret", "hush-hush"},
		{"--os-auth-type", "admin_token", "--os-token", "token-hush-hush", "--os-endpoint", url},
		{"--os-auth-type", "none", "--os-endpoint", strings.Replace(url, "http://", "http://someone:hush-hush@", 1)},
	} {
		for _, command := range []string{"list", "create x --project other --device name=ps1,interface_names=eth1", "show nosuch"} {
			code, out, errs := run(t, secure, append(append(strings.Fields(command), "--debug"), args...)...)
			asked := strings.Contains(errs, "REQ: ") || strings.Contains(errs, "No project with a name") // which nobody is asked for there
			if strings.Contains(out+errs, "hush") || strings.Contains(out+errs, "token-x") || !asked {
				t.Errorf("%q %q: %d %q %q", command, args, code, out, errs)
			}
		}
	}
}
