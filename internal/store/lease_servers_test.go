package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// renewal is what a call of RenewLease came to.
type renewal struct {
	held bool
	err  error
	took time.Duration
}

func renew(t *testing.T, s *store.Store, epoch uint64, within time.Duration) renewal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	start := time.Now()
	held, err := s.RenewLease(ctx, store.ControllerLease, "a", epoch, longTerm)
	return renewal{held, err, time.Since(start)}
}

// A server that is stopped still accepts connections and never answers. Whoever
// renews a lease must know in time that it could not.
func TestARenewalReturnsInTimeWhileTheServerHangs(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		s := open(t, server.Database(t))
		fresh := open(t, server.Database(t)) // without a connection in its pool for leases
		epoch, _, err := s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
		if err != nil {
			t.Fatal(err)
		}
		// A busy machine is late itself; whoever does not look at his limit is so for ever.
		const within, late = 250 * time.Millisecond, 10 * time.Second
		server.Hang(t)
		defer server.Resume()
		inTime := func(what string, call func(ctx context.Context) (bool, error)) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			start := time.Now()
			held, err := call(ctx)
			if took := time.Since(start); held || !errors.Is(err, context.DeadlineExceeded) || took > late {
				t.Errorf("%s: %v, %v after %v", what, held, err, took)
			}
		}
		for range 5 { // more often than there are connections
			inTime("renew", func(ctx context.Context) (bool, error) {
				return s.RenewLease(ctx, store.ControllerLease, "a", epoch, longTerm)
			})
		}
		inTime("acquire", func(ctx context.Context) (bool, error) {
			_, held, err := s.AcquireLease(ctx, store.ControllerLease, "a", longTerm, 0)
			return held, err
		})
		inTime("acquire without a connection", func(ctx context.Context) (bool, error) {
			_, held, err := fresh.AcquireLease(ctx, store.ControllerLease, "a", longTerm, 0)
			return held, err
		})
		inTime("show", func(ctx context.Context) (bool, error) {
			_, _, _, err := s.Lease(ctx, store.ControllerLease)
			return false, err
		})
		inTime("release", func(ctx context.Context) (bool, error) {
			return false, s.ReleaseLease(ctx, "another", "a", epoch)
		})
		server.Resume()
		// It goes on with the same Store. Only an acquisition whose answer nobody
		// waited for may have come through meanwhile; it makes the epoch higher.
		until(t, "the lease answers again", func() bool {
			r := renew(t, s, epoch, 10*time.Second)
			if r.err != nil || r.held {
				return r.held
			}
			epoch, _, r.err = s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
			return false
		})
	})
}

// Other work that waits for a lock, or a transaction whose client is gone, keeps
// no renewal waiting.
func TestARenewalWaitsForNoOtherWrite(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		s := open(t, server.Database(t))
		g := mustGateway(t, s, gw("g", "ps1/eth1"))
		c := mustConnect(t, s, g.ID, "n", vlan(5))
		epoch, _, err := s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, rollback, err := s.BindBehind(ctx, "ps1", "eth1", 6, c) // holds a place until it is rolled back
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 { // all connections for writing, and more
			wg.Go(func() {
				_, err := s.CreateConnection(ctx, l2gw.Connection{GatewayID: g.ID, NetworkID: fmt.Sprint("n", i), VLAN: vlan(6)})
				if err == nil && i > 0 {
					t.Log("a writer got through")
				}
			})
		}
		wg.Go(func() { _ = s.Own(ctx, epoch, "db", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}) })
		// Who waits for a lock does so for three seconds, each time; a busy machine is slow now and then.
		const renewals, mayBeLate = 20, 5
		late := 0
		for range renewals {
			switch r := renew(t, s, epoch, 2*time.Second); {
			case errors.Is(r.err, context.DeadlineExceeded):
				if late++; late > mayBeLate {
					t.Fatalf("more than %d of %d renewals took longer than 2 s: %+v", mayBeLate, renewals, r)
				}
			case !r.held || r.err != nil:
				t.Fatalf("%+v", r)
			}
			runtime.Gosched()
		}
		cancel()
		_ = rollback()
		wg.Wait()
	})
}

// A server that is killed while leases are renewed and taken: nobody is told to
// hold what another holds, and the epoch never goes back.
func TestALeaseSurvivesKillsOfTheServer(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		url := server.Database(t)
		const term = 400 * time.Millisecond
		var mu sync.Mutex
		owner := map[uint64]string{} // by epoch
		renewed, failed := 0, 0
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 3 {
			s, holder := open(t, url), fmt.Sprint("server", i)
			wg.Go(func() {
				var epoch uint64
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
					}
					ctx, cancel := context.WithTimeout(context.Background(), term)
					var held bool
					var err error
					if epoch == 0 {
						var got uint64
						if got, held, err = s.AcquireLease(ctx, store.ControllerLease, holder, term, 0); held {
							epoch = got
						}
					} else if held, err = s.RenewLease(ctx, store.ControllerLease, holder, epoch, term); err == nil && !held {
						epoch = 0
					}
					cancel()
					mu.Lock()
					switch {
					case err != nil:
						failed++
						if held {
							t.Errorf("held with error %v", err)
						}
					case held:
						renewed++
						if o, ok := owner[epoch]; ok && o != holder {
							t.Errorf("epoch %d is %s's and %s's", epoch, o, holder)
						}
						owner[epoch] = holder
					}
					mu.Unlock()
				}
			})
		}
		passes := func(what string, count *int) {
			t.Helper()
			mu.Lock()
			from := *count
			mu.Unlock()
			until(t, what, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return *count > from+5
			})
		}
		for range 2 {
			passes("the lease is renewed", &renewed)
			server.Kill()
			passes("renewals fail", &failed)
			server.Run(t)
		}
		passes("the lease is renewed at last", &renewed)
		close(stop)
		wg.Wait()
		_, epoch, _, err := open(t, url).Lease(t.Context(), store.ControllerLease)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for e := range owner {
			if e > epoch {
				t.Errorf("epoch %d was given, and the last is %d", e, epoch)
			}
		}
		t.Logf("%d epochs, %d calls succeeded, %d failed", len(owner), renewed, failed)
	})
}

// The answer to the commit of an acquisition is lost: it is taken again, with an
// epoch that nobody else ever had.
func TestALeaseWhoseCommitGetsNoAnswerIsTakenOnce(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		url := server.Database(t)
		proxy := newCutter(t, server.Addr)
		s := open(t, strings.Replace(url, server.Addr, proxy.Addr().String(), 1))
		other := open(t, url)
		var last uint64
		for _, cut := range []string{"before", "after", "after"} {
			proxy.arm(cut)
			epoch, held, err := s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
			if err != nil || !held || epoch <= last {
				t.Fatalf("cut %s the commit: %d, %v, %v", cut, epoch, held, err)
			}
			if _, held, err := other.AcquireLease(t.Context(), store.ControllerLease, "b", longTerm, 0); held || err != nil {
				t.Fatalf("cut %s the commit: another has it too: %v", cut, err)
			}
			proxy.arm(cut)
			if err := s.Own(t.Context(), epoch, "db", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}); err != nil {
				t.Fatal(err)
			}
			if holder, now, _, err := other.Lease(t.Context(), store.ControllerLease); err != nil || holder != "a" || now != epoch {
				t.Fatalf("%s has epoch %d, %v; want %d", holder, now, err, epoch)
			}
			last = epoch
		}
		if proxy.happened != 6 {
			t.Fatalf("%d connections were cut, want 6", proxy.happened)
		}
	})
}
