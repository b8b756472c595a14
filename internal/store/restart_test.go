package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// onServers runs a test on the engines that are servers.
func onServers(t *testing.T, f func(*testing.T, *sqlserver.Server)) {
	for name, server := range map[string]func(testing.TB) *sqlserver.Server{
		"PostgreSQL": sqlserver.PostgreSQL, "MariaDB": sqlserver.MariaDB,
	} {
		t.Run(name, func(t *testing.T) { f(t, server(t)) })
	}
}

// soon is how long a test lets that take which should take two seconds: all that
// waits for a limit of the network's, or for none, takes longer.
const soon = 30 * time.Second

// intents is what writers were told: by name, whether a gateway must be there.
// A name that got neither a yes nor a refusal may be there, once.
type intents struct {
	mu           sync.Mutex
	acknowledged map[string]string // id by name
	renamed      map[string]int    // by id: acknowledged updates
	maybeRenamed map[string]int    // by id: updates of unknown outcome
}

func TestAServersRestartUnderLoadLosesNoAcknowledgedWriteAndRepeatsNone(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		// Two stores, as of two replicas.
		url := server.Database(t)
		stores := []*store.Store{open(t, url), open(t, url)}
		told := intents{acknowledged: map[string]string{}, renamed: map[string]int{}, maybeRenamed: map[string]int{}}
		const limit = 10
		if err := stores[0].SetQuota(t.Context(), "limited", map[string]int{l2gw.QuotaGateways: limit}); err != nil {
			t.Fatal(err)
		}
		var done, refused, overQuota atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 20 {
			wg.Go(func() {
				s := stores[w%2]
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					name := fmt.Sprintf("w%d-%d", w, i)
					in := gw(name, "ps1/eth1")
					if i%3 == 2 {
						in.ProjectID = "limited"
					}
					g, err := s.CreateGateway(t.Context(), in)
					if e, ok := errors.AsType[*l2gw.Error](err); ok && e.Type == "OverQuota" && in.ProjectID == "limited" {
						overQuota.Add(1)
						continue
					}
					if !told.write(t, err, &done, &refused) {
						continue
					}
					told.mu.Lock()
					told.acknowledged[name] = g.ID
					told.mu.Unlock()
					_, err = s.UpdateGateway(t.Context(), g.ID, func(g *l2gw.Gateway) error {
						g.Description += "x"
						return nil
					})
					ok := told.write(t, err, &done, &refused)
					told.mu.Lock()
					if ok {
						told.renamed[g.ID]++
					} else {
						told.maybeRenamed[g.ID]++
					}
					told.mu.Unlock()
				}
			})
		}
		progress := func(what string) {
			t.Helper()
			until(t, what, func() bool { return done.Load() > 20 })
		}
		for range 2 {
			done.Store(0)
			progress("writes before the fault")
			server.Kill()
			before := refused.Load()
			until(t, "a write is refused while the server is away", func() bool { return refused.Load() > before })
			server.Run(t)
			back := time.Now()
			done.Store(0)
			progress("writes after the fault")
			if took := time.Since(back); took > soon {
				t.Errorf("20 writes after the server's return took %v, want 2 s", took)
			}
		}
		until(t, "the quota is used up", func() bool { return overQuota.Load() > 0 })
		close(stop)
		wg.Wait()

		list, err := stores[0].Gateways(t.Context(), store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]l2gw.Gateway{}
		for _, g := range list {
			if _, twice := there[g.Name]; twice {
				t.Errorf("%s is there twice", g.Name)
			}
			there[g.Name] = g
		}
		for name, id := range told.acknowledged {
			g, ok := there[name]
			if !ok || g.ID != id {
				t.Fatalf("%s was acknowledged and is lost", name)
			}
			least, most := told.renamed[id], told.renamed[id]+told.maybeRenamed[id]
			if n := len(g.Description); n < least || n > most || g.Revision != int64(n)+1 {
				t.Errorf("%s was updated %d times, revision %d; %d to %d were asked for", name, n, g.Revision, least, most)
			}
		}
		if usage, err := stores[1].Quota(t.Context(), "limited"); err != nil || usage[l2gw.QuotaGateways] != (l2gw.QuotaUsage{Limit: limit, Used: limit}) {
			t.Errorf("quota: %+v, %v", usage, err)
		}
		writes := int64(len(list)) + 1 // and the quota's
		for _, g := range list {
			writes += g.Revision - 1
		}
		revision, err := stores[1].Revision(t.Context())
		if err != nil || revision != writes {
			t.Errorf("the revision is %d after %d writes: %v", revision, writes, err)
		}
		t.Logf("%d gateways acknowledged, %d there; %d requests answered with 503", len(told.acknowledged), len(list), refused.Load())
	})
}

// write counts what a write came to. All but success must be Unavailable.
func (*intents) write(t *testing.T, err error, done, refused *atomic.Int64) bool {
	switch l2gw.ErrorCode(err) {
	case "":
		done.Add(1)
		return true
	case l2gw.Unavailable:
		refused.Add(1)
	default:
		t.Errorf("not a 503 but %v", err)
	}
	return false
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestAnAbsentServerIsUnavailableSoonAndNeedsNoReopening(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		url := server.Database(t)
		s := open(t, url)
		g := mustGateway(t, s, gw("a", "ps1/eth1"))
		server.Kill()
		start := time.Now()
		var wg sync.WaitGroup
		for name, ask := range map[string]func() error{
			"show":     func() error { _, err := s.Gateway(t.Context(), g.ID); return err },
			"revision": func() error { _, err := s.Revision(t.Context()); return err },
			"delete":   func() error { return s.DeleteGateway(t.Context(), g.ID) },
			"own": func() error {
				return s.Own(t.Context(), 0, "db", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}})
			},
		} {
			wg.Go(func() {
				if err := ask(); l2gw.ErrorCode(err) != l2gw.Unavailable {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > soon {
			t.Errorf("the answers took %v, want 2 s", took)
		}
		if again, err := store.Open(t.Context(), url); err == nil {
			_ = again.Close()
			t.Error("a server that is away was opened")
		}
		server.Run(t)
		shown, err := s.Gateway(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, shown, g)
	})
}

// A row that comes from nowhere, such as from a program that does not take the
// lock, is met by the unique index alone. The client is told what is in its way.
func TestARowThatOnlyTheIndexSeesIsTheSameConflict(t *testing.T) {
	waiting := map[string]string{
		"PostgreSQL": "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
		"MariaDB":    "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
	}
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			s := open(t, e.fresh(t))
			server := map[string]func(testing.TB) *sqlserver.Server{"PostgreSQL": sqlserver.PostgreSQL, "MariaDB": sqlserver.MariaDB}[e.name](t)
			a, b := mustGateway(t, s, gw("a", "ps1/eth1")), mustGateway(t, s, gw("b", "ps1/eth1"))
			other := mustConnect(t, s, b.ID, "other", vlan(6))
			commit, rollback, err := s.BindBehind(context.Background(), "ps1", "eth1", 5, other)
			if err != nil {
				t.Fatal(err)
			}
			defer rollback()
			result := make(chan error, 1)
			go func() {
				_, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: a.ID, NetworkID: "n", VLAN: vlan(5)})
				result <- err
			}()
			until(t, "the create waits for the other", func() bool {
				var n int
				if err := server.Admin().QueryRow(waiting[e.name]).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n > 0
			})
			if err := commit(); err != nil {
				t.Fatal(err)
			}
			wantError(t, <-result, l2gw.Conflict, "L2GatewayDuplicateSegmentationID")
		})
	}
}
