package hostile

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/test/product"
)

// One address opens 2,000 connections, more than there may be, and says nothing on
// them, or too little, or sends a body that never ends, or reads nothing. Honest
// clients, from elsewhere and from the same address, are answered meanwhile.
func TestSlowClientsDoNotKeepOthersWaiting(t *testing.T) {
	const connections = 2000
	w := newWorld(t, "sqlite:///"+filepath.Join(t.TempDir(), "l2gw.db"))
	goroutines := w.Value("go_goroutines")
	// As many questions as answers fit into the buffers between, for who reads none.
	questions := strings.Repeat("GET /v2.0/ HTTP/1.1\r\nHost: x\r\n\r\n", 200)
	kinds := []string{
		"", "GET /v2.0/l2-gatew", "GET /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"POST /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{\"l2_gateway\": ",
		"POST /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"l2_\r\n",
	}
	var mu sync.Mutex
	var open []net.Conn
	var opened atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var all sync.WaitGroup
	for from := range 8 {
		all.Go(func() { // opens its share of connections, and says a byte on one of them now and then
			var own []net.Conn
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				<-pace.C
				if len(own) < connections/8 {
					c, err := net.DialTimeout("tcp", w.address, patience)
					if err != nil {
						continue
					}
					if tcp, ok := c.(*net.TCPConn); ok {
						_ = tcp.SetReadBuffer(4096)
					}
					says := kinds[(i+from)%len(kinds)]
					if i%50 == 0 {
						says = questions
					}
					_, _ = io.WriteString(c, says)
					own = append(own, c)
					opened.Add(1)
					continue
				}
				_, _ = own[i%len(own)].Write([]byte("x"))
			}
			mu.Lock()
			open = append(open, own...)
			mu.Unlock()
		})
	}
	var took []time.Duration
	honest := func() {
		for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			client := http.Client{Timeout: 4 * patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
			began := time.Now()
			resp, err := client.Get(w.URL + "/v2.0/l2-gateways/" + w.gateways[0])
			if err != nil {
				t.Errorf("an honest client from %s, after %d answers: %v", from, len(took), err)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("an honest client from %s, after %d answers: %s", from, len(took), resp.Status)
			}
			took = append(took, time.Since(began))
		}
	}
	for opened.Load() < connections && ctx.Err() == nil {
		honest()
	}
	for whole, before := time.Now(), len(took); (time.Since(whole) < 3*time.Second || len(took) < before+20) && ctx.Err() == nil; {
		honest()
	}
	if ctx.Err() != nil {
		t.Errorf("%d slow connections, %d answers", opened.Load(), len(took))
	}
	stop()
	all.Wait()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("%d slow connections; %d honest answers, half of them within %v, the slowest after %v", len(open), len(took), median, took[len(took)-1])
	if median > patience {
		t.Errorf("half of %d honest answers took more than %v", len(took), median)
	}
	for _, c := range open {
		c.Close()
	}
	product.Eventually(t, "the server has forgotten them", func() error {
		if now := w.Value("go_goroutines"); now > goroutines+10 {
			return fmt.Errorf("%v goroutines, and %v before", now, goroutines)
		}
		return nil
	})
}
