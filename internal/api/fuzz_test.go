package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// holds checks what is true of every answer: it is not a failure of ours, and it is
// JSON that says what is wrong if something is.
func holds(t *testing.T, what string, rec *httptest.ResponseRecorder) {
	t.Helper()
	var body map[string]json.RawMessage
	err := json.Unmarshal(rec.Body.Bytes(), &body)
	switch {
	case rec.Code >= 500 || rec.Code >= 300 && rec.Code < 400:
		t.Errorf("%q: %d %s", what, rec.Code, rec.Body)
	case rec.Code == http.StatusNoContent && rec.Body.Len() == 0:
	case err != nil:
		t.Errorf("%q: %d, %v in %s", what, rec.Code, err, rec.Body)
	case rec.Code >= 400 && body["NeutronError"] == nil:
		t.Errorf("%q: %d %s", what, rec.Code, rec.Body)
	}
}

// FuzzQueries asks every list with any query.
func FuzzQueries(f *testing.F) {
	for _, query := range []string{
		"", "limit=1&marker=" + none, "sort_key=name&sort_dir=desc&page_reverse=True", "fields=id&fields=", "name=%00&id=%zz&x;y", "segmentation_id=5&status=ACTIVE", "limit=99999999999999999999",
		"created_at=2026&revision_number=1&bindings=x&devices=ps1", "sort_key=status&sort_dir=asc&limit=2", "=&&=%", "provider:segmentation_id=10683",
	} {
		f.Add(query)
	}
	w := newWorld(f)
	g := w.gateway("gw", `[{"name": "eth1", "segmentation_id": [5]}]`)
	w.connection(g, net1, "")
	w.gateway("other", `[{"name": "eth2"}]`)
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 10_000 {
			return
		}
		for _, path := range []string{
			"/v2.0/l2-gateways", connectionsPath, "/v2.0/networks", "/v2.0/ports", "/v2.0/l2-gateway-devices", "/v2.0/l2-gateway-devices/ps1/macs", "/v2.0/extensions", "/v2.0/quotas", "/v2.0/l2-gateways/" + g,
		} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:9696"+path, nil)
			r.URL.RawQuery = query
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			holds(t, path+"?"+query, rec)
		}
	})
}

// FuzzPaths asks for any path with any method.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/", "/v2.0", "/v2.0/", "/v2.0/l2-gateways/", "/v2.0/l2_gateways.json", "/v2.0/l2-gateways/%2e%2e", "//", "/v2.0/../x", "*", "", "/v2.0/l2-gateways/\x00", "/v2.0/networks/" + net1,
		"/v2.0/l2-gateway-devices/ps1/validate", "/v2.0/quotas/p1/details", "/v2.0/extensions/l2-gateway.json", "/%ff", "/v2.0/l2-gateway-agents/x",
	} {
		f.Add("GET", path)
		f.Add("DELETE", path)
	}
	f.Add("OPTIONS", "*")
	f.Add("PATCH", "/v2.0/l2-gateways")
	w := newWorld(f)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || len(path) > 20_000 || method == "" || strings.ContainsAny(method, " \r\n") || strings.Contains(path, id) {
			return // net/http refuses it before any handler
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:9696/", strings.NewReader(`{}`))
		r.Method, r.URL, r.RequestURI = method, u, path
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		holds(t, method+" "+path, rec)
	})
}

// FuzzAccess gives a request any headers that the log and the links take something from.
func FuzzAccess(f *testing.F) {
	f.Add("192.0.2.1:1", "203.0.113.1, x", "req-2372c196-e115-44a2-a36a-e72339d92a67", "agent\n", "https", "cloud.example:9696", "token=x")
	f.Add("[::1]:1", ",,,", "", "\xff", "", "[::1]:99", "a=b;%")
	w := newWorld(f)
	w.authenticated()
	f.Fuzz(func(t *testing.T, from, forwarded, id, agent, proto, host, query string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:9696/v2.0/l2-gateways?limit=1", nil)
		r.RemoteAddr = from
		r.URL.RawQuery = query
		for name, value := range map[string]string{
			"X-Forwarded-For": forwarded, "X-Openstack-Request-Id": id, "User-Agent": agent, "X-Forwarded-Proto": proto, "X-Forwarded-Host": host, "X-Auth-Token": "admin",
		} {
			r.Header.Set(name, value)
		}
		w.log.Reset()
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		holds(t, query, rec)
		if log := w.log.Bytes(); !json.Valid(log) || len(log) > 20_000 {
			t.Errorf("log: %d bytes: %.1000s", len(log), log)
		}
	})
}
