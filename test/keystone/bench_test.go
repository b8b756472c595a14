package keystone_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/test/keystone"
)

// BenchmarkAuthenticatedShows is how many gateways a second a server shows to
// clients whose token it has in its cache. The promise is 2,500.
func BenchmarkAuthenticatedShows(b *testing.B) {
	real := keystone.Shared(b)
	s := serve(b, real.Door(b, false), real.Service(), "token_cache_time = 3600")
	token := real.Token(b, real.Admin())
	a := s.ask("POST", "/v2.0/l2-gateways", `{"l2_gateway": {"name": "g", "devices": [{"device_name": "d", "interfaces": [{"name": "i"}]}]}}`, "X-Auth-Token", token)
	_, rest, _ := strings.Cut(a.body, `"id":`)
	path := "/v2.0/l2-gateways/" + strings.Split(rest, `"`)[1]
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+path, nil)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("X-Auth-Token", token)
			answer, err := transport.RoundTrip(r)
			if err != nil {
				b.Error(err)
				return
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				b.Error(answer.Status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "shows/s")
	if n := s.door.Validations(); n != 1 {
		b.Errorf("Keystone was asked %d times", n)
	}
}

// BenchmarkAThousandTokens is how long it takes until a thousand clients with
// tokens of their own, fifty at a time, have had an answer, and the longest that
// one of them waited. The promise is a minute for all.
func BenchmarkAThousandTokens(b *testing.B) {
	real := keystone.Shared(b)
	s := serve(b, real.Door(b, false), real.Service())
	const many, atATime = 1000, 50
	tokens := make([]string, many)
	for i := range tokens {
		tokens[i] = real.Token(b, real.Admin())
	}
	for b.Loop() {
		var next, longest atomic.Int64
		began := time.Now()
		var all sync.WaitGroup
		for range atATime {
			all.Go(func() {
				for i := next.Add(1) - 1; i < many; i = next.Add(1) - 1 {
					asked := time.Now()
					s.is("one of a thousand", 200, "X-Auth-Token", tokens[i])
					for took := time.Since(asked).Milliseconds(); ; {
						if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
							break
						}
					}
				}
			})
		}
		all.Wait()
		b.ReportMetric(time.Since(began).Seconds(), "s/thousand")
		b.ReportMetric(float64(longest.Load()), "ms-longest")
	}
}
