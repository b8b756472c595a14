package front

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/store"
)

// networks can be embedded: api.Networks has a method of its own name.
type networks = api.Networks

// behind is a Neutron that takes whatever limits it is given.
type behind struct {
	mu   sync.Mutex
	said []string
}

func (b *behind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.said = append(b.said, strings.TrimSpace(r.Method+" "+string(body)))
	b.mu.Unlock()
	fmt.Fprint(w, `{"quota": {"network": 100}}`)
}

func (b *behind) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

// Neutron cannot be asked to take back what it wrote: ours must be sure before.
func TestNeutronIsNotAskedForQuotasOfWhichOursWouldBeRefused(t *testing.T) {
	st, err := store.Open(t.Context(), "sqlite:///"+filepath.Join(t.TempDir(), "l2gw.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	if _, err := st.CreateGateway(t.Context(), l2gw.Gateway{
		ProjectID: "p1", Name: "g", Devices: []l2gw.Device{{Name: "sw1", Interfaces: []l2gw.Interface{{Name: "eth1"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	ours := api.New(api.Options{
		Store: st, Status: struct{ api.Status }{}, Networks: struct{ networks }{}, Devices: struct{ api.Devices }{}, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Authenticate: func(r *http.Request) (api.Caller, error) {
			return api.Caller{User: "u1", Project: "p1", Admin: r.Header.Get("X-Auth-Token") == "admin"}, nil
		},
	})
	neutron := &behind{}
	url := stand(t, neutron, log.option, func(o *Options) { o.API = ours })
	put := func(token, project, body string) (int, string) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/v2.0/quotas/"+project, strings.NewReader(body))
		r.Header.Set("X-Auth-Token", token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	defer http.DefaultClient.CloseIdleConnections()
	cases := []struct {
		token, project, body string
		status               int
		says                 string
		neutron              []string
	}{
		{"admin", "p1", `{"quota": {"network": 8, "l2_gateway": -2}}`, 400, "too small", nil},
		{"admin", "p1", `{"quota": {"network": 8, "l2_gateway": 2147483648}}`, 400, "too large", nil},
		{"admin", "p1", `{"quota": {"network": 8, "l2-gateway": 2}}`, 400, "Unrecognized attribute(s) 'l2-gateway'", nil},
		{"admin", "p1", `{"quota": {"network": 8, "l2_gateway": 0, "check_limit": true}}`, 400, "already used 1", nil},
		{"admin", strings.Repeat("p", 300), `{"quota": {"network": 8, "l2_gateway": 1}}`, 400, "project_id", nil},
		{"somebody", "p1", `{"quota": {"network": 8, "l2_gateway": 1}}`, 403, "AdminRequired", nil},
		{"admin", "p1", `{"quota": {"network": 8, "l2_gateway": 1, "check_limit": true}}`, 200, `"l2_gateway":1`, []string{`PUT {"quota":{"check_limit":true,"network":8}}`}},
		{"admin", "p1", `{"quota": {"l2_gateway_connection": 5, "force": true}}`, 200, `"l2_gateway_connection":5`, []string{"GET"}},
		{"somebody", "p1", `{"quota": {"network": 8, "force": true}}`, 200, `"network":100`, []string{`PUT {"quota": {"network": 8, "force": true}}`}},
		{"somebody", "p1", `[]`, 200, `"network":100`, []string{`PUT []`}},
	}
	for _, c := range cases {
		status, text := put(c.token, c.project, c.body)
		if status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s", c.body, status, text)
		}
		if heard := neutron.heard(); !slices.Equal(heard, c.neutron) {
			t.Errorf("%s: Neutron was asked %q, want %q", c.body, heard, c.neutron)
		}
		if limits, err := st.Quota(t.Context(), "p1"); err != nil || c.status != 200 && limits[l2gw.QuotaGateways].Limit != l2gw.Unlimited {
			t.Errorf("%s: the limits are %v %v", c.body, limits, err)
		}
	}
	// Each of them is one request to the log, with who asked, whatever it took to answer it.
	for deadline := time.Now().Add(30 * time.Second); strings.Count(log.String(), "by=neutron") < len(cases); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("requests are missing in the log: %s", log.String())
		}
	}
	for _, words := range []string{"msg=request ", "user=u1"} {
		if n := strings.Count(log.String(), words); n != len(cases) {
			t.Errorf("%d requests are %d times %q in the log: %s", len(cases), n, words, log.String())
		}
	}
}
