package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"l2gw/internal/api"
)

// A page whose name its owner lets resolve to 127.0.0.1 is, to the browser, of our
// own site: it may read answers and set headers, but Host has its name.
func TestWithoutAuthenticationABrowserMustKnowTheServerByANameThatIsItsOwn(t *testing.T) {
	w := newWorld(t)
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Authenticate: api.NoAuthAt("cloud.example:9696", "Controller"),
	})
	const path = "/v2.0/l2-gateways"
	body := `{"l2_gateway": {"name": "x", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	ask := func(method, host string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		if method == "POST" {
			r = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "text/plain") // for which a browser asks nobody's leave
		}
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec
	}
	const foreign = "rebound.example:9697"
	for _, browser := range [][]string{
		{"Origin", "http://" + foreign},
		{"Sec-Fetch-Site", "same-origin"},
		{"Referer", "http://" + foreign + "/"},
		{"Accept-Language", ""},
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			rec := ask(method, foreign, browser...)
			if rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "'rebound.example', which is not known") {
				t.Errorf("%s with %q: %d %s", method, browser, rec.Code, rec.Body)
			}
		}
		for _, host := range []string{
			"127.0.0.1:9697", "192.0.2.1", "[::1]:9697", "[2001:db8::1]", "localhost:9697", "LOCALHOST.", "l2gw.localhost",
			"cloud.example", "Cloud.Example:443", "controller:9697",
		} {
			if rec := ask("GET", host, browser...); rec.Code != http.StatusOK {
				t.Errorf("GET for %s with %q: %d %s", host, browser, rec.Code, rec.Body)
			}
		}
	}
	for _, host := range []string{"127.0.0.1.rebound.example", "localhost.rebound.example", "xlocalhost", "", "cloud.example.rebound.example"} {
		if rec := ask("GET", host, "User-Agent", "Mozilla/5.0"); rec.Code != http.StatusForbidden {
			t.Errorf("GET for %q: %d", host, rec.Code)
		}
	}
	if got := w.names(""); got != "" {
		t.Errorf("gateways are now %q", got)
	}
	// What is no browser may call us what it likes.
	for _, agent := range []string{"openstacksdk/4.4.0 keystoneauth1/5.10.0 python-requests/2.32.3 CPython/3.13.5", "curl/8.14.1", "gophercloud/v2.15.0", ""} {
		for _, method := range []string{"GET", "POST"} {
			if rec := ask(method, "any-name.example:9697", "User-Agent", agent, "Accept", "application/json"); rec.Code >= 300 {
				t.Errorf("%s by %q: %d %s", method, agent, rec.Code, rec.Body)
			}
		}
	}
}
