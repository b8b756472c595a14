package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/api"
)

// line is the log's line about one request.
func (w *world) line(r *http.Request) map[string]any {
	w.t.Helper()
	w.log.Reset()
	w.handler.ServeHTTP(httptest.NewRecorder(), r)
	var lines []map[string]any
	for text := range strings.Lines(w.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.t.Fatalf("%v in %s", err, text)
		}
		if line["msg"] == "request" {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		w.t.Fatalf("%d lines about a request: %s", len(lines), w.log)
	}
	return lines[0]
}

// authenticated serves with a token for each user: its name.
func (w *world) authenticated() {
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Logger: slog.New(slog.NewJSONHandler(w.log, nil)),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Authenticate: func(r *http.Request) (api.Caller, error) {
			token := r.Header.Get("X-Auth-Token")
			if token == "" {
				return api.Caller{}, &l2gw.Error{Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "no"}
			}
			return api.Caller{User: token, Project: "project-of-" + token, Admin: token == "admin"}, nil
		},
	})
}

func TestTheLogSaysWhoAskedAlsoIfItWasRefused(t *testing.T) {
	w := newWorld(t)
	w.authenticated()
	for user, status := range map[string]float64{"admin": 200, "somebody": 403, "": 401} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2.0/l2-gateways?name=a%0ab&limit=5", nil)
		r.Header.Set("User-Agent", "python-neutronclient")
		if user != "" {
			r.Header.Set("X-Auth-Token", user)
		}
		line := w.line(r)
		var project, who any
		if user != "" {
			project, who = "project-of-"+user, user
		}
		if line["status"] != status || line["project"] != project || line["user"] != who || line["method"] != "GET" || line["path"] != "/v2.0/l2-gateways" ||
			line["query"] != "name=a%0ab&limit=5" || line["agent"] != "python-neutronclient" || line["ms"].(float64) < 0 || line["bytes"].(float64) < 10 {
			t.Errorf("%q: %v", user, line)
		}
	}
}

func TestTheLogBelievesForwardedAddressesOfTrustedProxiesAlone(t *testing.T) {
	w := newWorld(t)
	w.authenticated()
	for _, c := range []struct{ from, forwarded, client string }{
		{"192.0.2.1:1234", "", "192.0.2.1"},
		{"192.0.2.1:1234", "203.0.113.9", "203.0.113.9"},
		{"192.0.2.1:1234", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{"192.0.2.1:1234", "203.0.113.9, 192.0.2.7", "203.0.113.9"},
		{"192.0.2.1:1234", "203.0.113.9, nonsense", "192.0.2.1"},
		{"192.0.2.1:1234", "\" injected=1", "192.0.2.1"},
		{"203.0.113.5:1234", "198.51.100.1", "203.0.113.5"},
		{"[2001:db8::1]:80", "2001:dba::1", "2001:dba::1"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = c.from
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := w.line(r)["client"]; got != c.client {
			t.Errorf("%+v: client is %v", c, got)
		}
	}
	for from, want := range map[string]string{"192.0.2.1:1234": "https://cloud.example:9696/v2.0/", "203.0.113.5:1234": "http://127.0.0.1/v2.0/"} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Auth-Token", "admin")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "cloud.example:9696")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if !strings.Contains(rec.Body.String(), `"`+want+`"`) {
			t.Errorf("%s: %s, want %s", from, rec.Body, want)
		}
	}
}

func TestNoTokenIsEverInTheLog(t *testing.T) {
	w := newWorld(t)
	w.authenticated()
	for _, target := range []string{"/?token=gAAAA-secret", "/v2.0/l2-gateways?name=x&X-Auth-Token=gAAAA-secret&limit=1", "/v2.0/l2-gateways?p%61ssword=gAAAA-secret"} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
		r.Header.Set("X-Auth-Token", "gAAAA-secret-token")
		r.Header.Set("X-Service-Token", "gAAAA-secret")
		r.Header.Set("Authorization", "Bearer gAAAA-secret")
		r.Header.Set("Cookie", "gAAAA-secret")
		line := w.line(r)
		delete(line, "user") // which this test's tokens name
		delete(line, "project")
		if text, _ := json.Marshal(line); strings.Contains(string(text), "secret") {
			t.Errorf("%s: %s", target, text)
		}
	}
}

func TestWhatAClientMakesUpCannotForgeOrFillTheLog(t *testing.T) {
	w := newWorld(t)
	var text strings.Builder
	w.handler = api.New(api.Options{Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Logger: slog.New(slog.NewTextHandler(&text, nil))})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2.0/l2-gateways/x%0atime=now%20level=ERROR%20msg=forged%1b[2J?"+strings.Repeat("a", 5000), nil)
	r.Header.Set("User-Agent", "x\" status=200 "+strings.Repeat("ü", 5000))
	r.Method = strings.Repeat("M", 5000)
	w.handler.ServeHTTP(httptest.NewRecorder(), r)
	if got := text.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") || len(got) > 3000 || !strings.Contains(got, `status=405`) {
		t.Errorf("log: %s", got)
	}
}

// Keystone may be slow, and a flood of made-up tokens waits for it.
func TestWhoWaitsToBeKnownKeepsNobodyOut(t *testing.T) {
	w := newWorld(t)
	const many = 200 // more than are worked on at the same time
	var arrived, ended sync.WaitGroup
	arrived.Add(many)
	goOn := make(chan struct{})
	w.options.Authenticate = func(r *http.Request) (api.Caller, error) {
		if r.Header.Get("X-Auth-Token") == "unheard of" {
			arrived.Done()
			<-goOn
			return api.Caller{}, l2gw.ServiceUnavailable("Keystone", nil)
		}
		return api.NoAuth(r)
	}
	w.serve(w.store)
	for range many {
		ended.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2.0/l2-gateways", nil)
			r.Header.Set("X-Auth-Token", "unheard of")
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			if rec.Code != http.StatusServiceUnavailable {
				t.Errorf("without Keystone: %d", rec.Code)
			}
		})
	}
	arrived.Wait()
	w.do(200, "GET", "/v2.0/l2-gateways", "")
	close(goOn)
	ended.Wait()
}
