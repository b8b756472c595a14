package load

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"l2gw/internal/api"
	"l2gw/internal/controller"
	"l2gw/internal/store"
)

// BenchmarkInside is the same in this process, without a network: what -cpuprofile and
// -memprofile are for, and where allocations are counted.
func BenchmarkInside(b *testing.B) {
	s, err := store.Open(b.Context(), engines[0].database(b))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	log := slog.New(slog.DiscardHandler)
	c := controller.New(controller.Options{Store: s, Logger: log, Server: "inside"})
	handler := api.New(api.Options{Store: s, Status: c, Networks: c, Devices: c, Agents: c, Logger: log})
	do := func(method, path, body string) string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body)))
		if w.Code >= 300 {
			b.Fatal(w.Code, w.Body)
		}
		return w.Header().Get("X-Openstack-Request-Id")
	}
	do(http.MethodPost, "/v2.0/l2-gateways", string(gateways("gw", 1000)))
	all, err := s.Gateways(b.Context(), store.Query{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct{ name, path string }{
		{"List1000", "/v2.0/l2-gateways"},
		{"Page100", "/v2.0/l2-gateways?limit=100"},
		{"Names1000", "/v2.0/l2-gateways?fields=id&fields=name"},
		{"Show", fmt.Sprint("/v2.0/l2-gateways/", all[0].ID)},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do(http.MethodGet, row.path, "")
			}
		})
	}
}
