package cluster

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

func TestMain(m *testing.M) { os.Exit(product.Main{M: sqlserver.Main{M: m}}.Run()) }

const (
	network   = "11111111-1111-1111-1111-111111111111"
	other     = "22222222-2222-2222-2222-222222222222"
	inventory = "networks:\n- {id: " + network + ", name: blue, vni: 5001}\n- {id: " + other + ", name: red, vni: 5002}\nhosts: []\nports: []\n"
)

// request is one to the API.
type request struct {
	method, path string
	body         any
}

// answer is what came of it.
type answer struct {
	status     int
	retryAfter string
	body       product.Object
	took       time.Duration
}

// id is that of the object in the answer.
func (a answer) id() string {
	for _, v := range a.body {
		if o, ok := v.(product.Object); ok {
			id, _ := o["id"].(string)
			return id
		}
	}
	return ""
}

// client gives up long after a server must have answered.
var client = &http.Client{Timeout: 60 * time.Second}

func ask(t testing.TB, s *product.Serve, r request) answer {
	t.Helper()
	b, err := json.Marshal(r.body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, s.URL+r.path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r.body == nil {
		req.Body, req.ContentLength = nil, 0
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", r.method, r.path, err)
		return answer{}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After"), took: time.Since(start)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			t.Errorf("%s %s: %v in %q", r.method, r.path, err, text)
		}
	}
	return a
}

// together asks all of these at the same time, each of the next server.
func together(t testing.TB, servers []*product.Serve, requests ...request) []answer {
	t.Helper()
	answers := make([]answer, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { answers[i] = ask(t, servers[i%len(servers)], r) })
	}
	wg.Wait()
	return answers
}

// statuses counts answers by status.
func statuses(answers []answer) map[int]int {
	count := map[int]int{}
	for _, a := range answers {
		count[a.status]++
	}
	return count
}

func gateway(name, project string) product.Object {
	return product.Object{"l2_gateway": product.Object{"name": name, "tenant_id": project, "devices": []product.Object{
		{"device_name": "ps1", "interfaces": []product.Object{{"name": "eth1"}}},
	}}}
}

func connection(gateway, network, vlan string) product.Object {
	return product.Object{"l2_gateway_connection": product.Object{"l2_gateway_id": gateway, "network_id": network, "segmentation_id": vlan}}
}

// serving starts a server and waits until it knows its networks.
func serving(t testing.TB, s *product.Serve) {
	t.Helper()
	s.Launch()
	s.Eventually(s.Name+" knows the inventory", func() error {
		if a := ask(t, s, request{"GET", "/v2.0/networks?fields=id", nil}); a.status != http.StatusOK {
			return &unexpected{a}
		}
		return nil
	})
}

// unexpected is an answer that was not hoped for.
type unexpected struct{ answer }

func (e *unexpected) Error() string { return http.StatusText(e.status) }
