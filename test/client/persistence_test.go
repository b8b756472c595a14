package client

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
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

// door is where a server is found, of which a test can close it.
type door struct {
	t       testing.TB
	to      string
	address string
	// lose is called before a request that changes something is passed on, and once more
	// before its answer is; true is that the client hears nothing.
	lose func(done bool) bool

	mu     sync.Mutex
	server *http.Server
	keys   []string // of the requests that came to change something
}

func newDoor(t testing.TB, to string, lose func(done bool) bool) *door {
	t.Helper()
	d := &door{t: t, to: to, address: "127.0.0.1:" + product.FreePort(t), lose: lose}
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *door) open() {
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Error(err)
		return
	}
	server := &http.Server{Handler: d}
	d.mu.Lock()
	d.server = server
	d.mu.Unlock()
	go server.Serve(listener) //nolint:errcheck // it ends when it is closed
}

// close ends all connections and refuses new ones.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.server.Close()
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	changes := r.Method != http.MethodGet
	if changes {
		d.mu.Lock()
		d.keys = append(d.keys, r.Header.Get("Idempotency-Key"))
		d.mu.Unlock()
	}
	if changes && d.lose(false) {
		panic(http.ErrAbortHandler)
	}
	to, err := http.NewRequest(r.Method, d.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	to.Header = r.Header.Clone()
	answer, err := http.DefaultTransport.RoundTrip(to)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	if changes && d.lose(true) {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// TestAServerKilledWhileItChangesSomethingIsWaitedFor kills a server before or after it
// did what it was told, and in both cases before it answered. For a while nobody
// listens; then a server is there again. Each change is done once.
func TestAServerKilledWhileItChangesSomethingIsWaitedFor(t *testing.T) {
	t.Parallel()
	our := newOurClient(t)
	for _, c := range []struct {
		done bool
		name string
	}{{true, "after it was done"}, {false, "before it was done"}} {
		t.Run(c.name, func(t *testing.T) {
			cloud := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db")})
			server := cloud.Servers[0]
			server.Launch()
			var d *door
			var back sync.WaitGroup
			var killed atomic.Bool
			d = newDoor(t, server.URL, func(done bool) bool {
				if done != c.done || !killed.CompareAndSwap(false, true) {
					return false
				}
				server.Kill()
				d.close() // before the client hears of it: its next attempt comes to nobody
				back.Go(func() {
					server.Launch()
					d.open()
				})
				return true
			})
			ask := func(line string) string {
				t.Helper()
				killed.Store(false)
				got := our.run("l2gw", order{Args: strings.Fields(line), Env: map[string]string{"OS_ENDPOINT": "http://" + d.address}})
				back.Wait()
				if got.Code != 0 || !killed.Load() {
					t.Fatalf("%s: %+v, killed %v", line, got, killed.Load())
				}
				return strings.TrimSpace(got.Stdout)
			}
			id := ask("create rack1 --device name=ps1,interface_names=eth1 -f value -c ID")
			connection := ask("connection create rack1 clinet --default-segmentation-id 7 -f value -c ID")
			ask("update rack1 --name rack2")
			var held struct {
				L2Gateways           []struct{ ID, Name string } `json:"l2_gateways"`
				L2GatewayConnections []struct{ ID string }       `json:"l2_gateway_connections"`
			}
			s := &side{t: t, api: server.API}
			s.get("/v2.0/l2-gateways", &held)
			s.get("/v2.0/l2-gateway-connections", &held)
			if len(held.L2Gateways) != 1 || held.L2Gateways[0].ID != id || held.L2Gateways[0].Name != "rack2" || len(held.L2GatewayConnections) != 1 || held.L2GatewayConnections[0].ID != connection {
				t.Errorf("%+v, told %s and %s", held, id, connection)
			}
			ask("connection delete " + connection)
			ask("delete rack2")
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.keys) != 10 {
				t.Errorf("10 requests expected: %q", d.keys)
			}
			for pair := range slices.Chunk(d.keys, 2) {
				if pair[0] == "" || pair[0] != pair[len(pair)-1] {
					t.Errorf("keys of the two attempts: %q", pair)
				}
			}
		})
	}
}

// TestGatewaysAreMadeOnceHoweverOftenTheServerIsKilled kills it at any moment of a
// request, once for each gateway: then the command has its whole time to go on, however
// slow the machine is.
func TestGatewaysAreMadeOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	our := newOurClient(t)
	cloud := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db")})
	server := cloud.Servers[0]
	server.Launch()
	var came time.Time
	var undisturbed atomic.Int64
	undisturbed.Store(int64(time.Hour))
	var back sync.WaitGroup
	var armed, measured atomic.Bool
	d := newDoor(t, server.URL, func(done bool) bool {
		switch {
		case armed.CompareAndSwap(true, false):
			back.Go(func() {
				time.Sleep(time.Duration(rand.N(undisturbed.Load()))) // the moment
				server.Kill()
				server.Launch()
			})
		case measured.Load():
		case done:
			undisturbed.Store(min(undisturbed.Load(), int64(time.Since(came))))
		default:
			came = time.Now()
		}
		return false
	})
	create := func(name string) {
		t.Helper()
		got := our.run("l2gw", order{
			Args: []string{"create", name, "--device", "name=ps1,interface_names=eth1"},
			Env:  map[string]string{"OS_ENDPOINT": "http://" + d.address},
		})
		back.Wait()
		if got.Code != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
	}
	// The shortest of several: of the first one a server learns, and most kills would
	// come when the others are done.
	const before, gateways = 5, 40
	for range before {
		create("undisturbed")
	}
	measured.Store(true)
	for i := range gateways {
		armed.Store(true)
		create(fmt.Sprint("gw-", i))
	}
	var held struct {
		L2Gateways []struct{ Name string } `json:"l2_gateways"`
	}
	(&side{t: t, api: server.API}).get("/v2.0/l2-gateways", &held)
	count := map[string]int{}
	for _, g := range held.L2Gateways {
		count[g.Name]++
	}
	if len(held.L2Gateways) != gateways+before || len(count) != gateways+1 {
		t.Errorf("after %d kills there are %v", gateways, count)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if again := len(d.keys) - gateways - before; again == 0 {
		t.Error("no kill disturbed a request")
	} else {
		t.Logf("%d requests came again; one takes %s", again, time.Duration(undisturbed.Load()))
	}
}
