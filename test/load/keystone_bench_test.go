package load

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

const (
	minAuthenticated = 2500.0 // shows a second with a token that the server knows, on SQLite
	newTokens        = 1000   // different ones, which the server does not know
	maxNewTokens     = 60.0   // seconds for all of them
	maxMeanwhile     = 250 * time.Millisecond
)

// BenchmarkKeystone is the API with a real Keystone: one Python process, which on two
// processors is what takes the time of a token that is not known.
func BenchmarkKeystone(b *testing.B) {
	ks := keystone.Shared(b)
	ini := filepath.Join(b.TempDir(), "l2gw.conf")
	if err := os.WriteFile(ini, []byte(ks.AuthToken(ks.Service(), "")), 0o600); err != nil {
		b.Fatal(err)
	}
	cloud := product.NewCloud(b, inventory, product.CloudOptions{Servers: 1, Database: engines[0].database(b), ServerArgs: []string{"--config-file", ini, "--auth-strategy", "keystone"}})
	s := &client{b: b, url: cloud.Servers[0].URL, token: ks.Token(b, ks.Admin())}
	cloud.Servers[0].Header = http.Header{"X-Auth-Token": {s.token}}
	cloud.Start()
	ids := s.fill(1000)
	show := func(i int) { s.get("/v2.0/l2-gateways/" + ids[i%len(ids)]) }
	s.floor(true, "authenticated-shows/s", minAuthenticated, func() float64 { return s.rate(3*time.Second, show) })

	tokens := make(chan string, newTokens)
	began := time.Now()
	logins := ks.User(b, "crowd", "crowd", "admin")
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range newTokens / clients {
				tokens <- ks.Token(b, logins)
			}
		})
	}
	all.Wait()
	close(tokens)
	s.report("s-logins", time.Since(began).Seconds())

	// Somebody whose token is known goes on meanwhile.
	var meanwhile []time.Duration
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			began := time.Now()
			show(i)
			meanwhile = append(meanwhile, time.Since(began))
		}
	}()
	began = time.Now()
	for range clients {
		all.Go(func() {
			for token := range tokens {
				one := &client{b: b, url: s.url, token: token}
				one.get("/v2.0/l2-gateways/" + ids[0])
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	close(done)
	<-stopped
	s.target(true, "s-1000-new-tokens", maxNewTokens, took.Seconds)
	slices.Sort(meanwhile)
	s.target(true, "ms-p99-known-token-meanwhile", ms(maxMeanwhile), func() float64 { return ms(meanwhile[len(meanwhile)*99/100]) })
}
