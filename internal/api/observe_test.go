package api_test

import (
	"testing"

	"l2gw/internal/api"
)

func TestRequestsAreCountedByTheRoutesThatThereAreAlone(t *testing.T) {
	w := newWorld(t)
	var seen []api.Request
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Observe: func(r api.Request) { seen = append(seen, r) },
	})
	for _, c := range []struct {
		method, path  string
		counted, name string
		status        int
	}{
		{"GET", "/v2.0/l2-gateways", "GET", "/v2.0/l2-gateways", 200},
		{"GET", "/v2.0/l2_gateways.json?limit=1", "GET", "/v2.0/l2-gateways", 200},
		{"GET", "/v2.0/l2-gateways/", "GET", "/v2.0/l2-gateways", 200},
		{"GET", "/v2.0/l2-gateways/8a8f1a5e-0000-4000-8000-000000000000", "GET", "/v2.0/l2-gateways/{id}", 404},
		{"DELETE", "/v2.0/l2_gateway_connections/x.json", "DELETE", "/v2.0/l2-gateway-connections/{id}", 404},
		{"GET", "/v2.0/l2-gateway-devices/ps1/macs", "GET", "/v2.0/l2-gateway-devices/{id}/macs", 200},
		{"GET", "/v2.0/", "GET", "/v2.0", 200},
		{"GET", "/", "GET", "/", 200},
		{"GET", "/etc/passwd", "GET", "other", 404},
		{"BREW", "/v2.0/networks", "other", "/v2.0/networks", 405},
	} {
		seen = nil
		w.request(c.method, c.path, "")
		if len(seen) != 1 {
			t.Fatalf("%s %s: seen %v", c.method, c.path, seen)
		}
		seen[0].Took = 0
		if want := (api.Request{Method: c.counted, Route: c.name, Status: c.status}); seen[0] != want {
			t.Errorf("%s %s: %+v, want %+v", c.method, c.path, seen[0], want)
		}
	}
}
