package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

const longTerm = time.Minute

// leases is part of testStore.
func leases(t *testing.T, s *store.Store) {
	acquire := func(holder string, term time.Duration, above, epoch uint64, held bool) {
		t.Helper()
		gotEpoch, gotHeld, err := s.AcquireLease(t.Context(), "controller", holder, term, above)
		if err != nil || gotEpoch != epoch || gotHeld != held {
			t.Fatalf("%s acquired epoch %d, %v, %v; want %d, %v", holder, gotEpoch, gotHeld, err, epoch, held)
		}
	}
	renew := func(holder string, epoch uint64, term time.Duration, held bool) {
		t.Helper()
		if got, err := s.RenewLease(t.Context(), "controller", holder, epoch, term); err != nil || got != held {
			t.Fatalf("%s renewed epoch %d: %v, %v; want %v", holder, epoch, got, err, held)
		}
	}
	shows := func(holder string, epoch uint64, least, most time.Duration) {
		t.Helper()
		gotHolder, gotEpoch, left, err := s.Lease(t.Context(), "controller")
		if err != nil || gotHolder != holder || gotEpoch != epoch || left < least || left > most {
			t.Fatalf("the lease is %q's, epoch %d, for %v, %v; want %q, %d, %v to %v", gotHolder, gotEpoch, left, err, holder, epoch, least, most)
		}
	}
	expire := func(holder string, epoch uint64) {
		t.Helper()
		renew(holder, epoch, time.Microsecond, true)
		until(t, "the lease expires", func() bool {
			_, _, left, err := s.Lease(t.Context(), "controller")
			return err == nil && left < 0
		})
	}

	shows("", 0, 0, 0)
	renew("a", 1, longTerm, false)
	acquire("a", longTerm, 0, 1, true)
	shows("a", 1, longTerm/2, longTerm)
	acquire("b", longTerm, 9, 1, false)
	acquire("a", longTerm, 0, 2, true) // again, with a new epoch
	renew("a", 1, longTerm, false)     // the one before is nobody's
	renew("b", 2, longTerm, false)
	renew("a", 2, 2*longTerm, true)
	shows("a", 2, longTerm, 2*longTerm)

	expire("a", 2)
	renew("a", 2, longTerm, true) // nobody took it
	expire("a", 2)
	acquire("b", longTerm, 2, 3, true)
	renew("a", 2, longTerm, false)
	acquire("a", longTerm, 0, 3, false)
	shows("b", 3, longTerm/2, longTerm)

	for _, wrong := range []struct {
		holder string
		epoch  uint64
	}{{"a", 3}, {"b", 2}, {"", 3}} {
		if err := s.ReleaseLease(t.Context(), "controller", wrong.holder, wrong.epoch); err != nil {
			t.Fatal(err)
		}
		shows("b", 3, longTerm/2, longTerm)
	}
	for range 2 {
		if err := s.ReleaseLease(t.Context(), "controller", "b", 3); err != nil {
			t.Fatal(err)
		}
	}
	shows("", 3, -longTerm, 0)
	renew("b", 3, longTerm, false)
	renew("", 3, longTerm, false)
	acquire("a", longTerm, 41, 42, true) // agents have seen 41: this database is older than they are
	if _, held, err := s.AcquireLease(t.Context(), "another", "b", longTerm, 0); err != nil || !held {
		t.Fatalf("a lease of another name: %v, %v", held, err)
	}

	for _, wrong := range []struct {
		holder string
		term   time.Duration
		above  uint64
	}{{"", longTerm, 0}, {"a", 0, 0}, {"a", longTerm, math.MaxUint64}, {"a", longTerm, 1 << 62}} {
		if epoch, held, err := s.AcquireLease(t.Context(), "controller", wrong.holder, wrong.term, wrong.above); err == nil || held || epoch != 0 {
			t.Errorf("%+v acquired epoch %d, %v, %v", wrong, epoch, held, err)
		}
	}
	renew("a", math.MaxUint64, longTerm, false)
	acquire("a", longTerm, 1<<62-1, 1<<62, true)
	renew("a", 1<<62, longTerm, true)
}

// raceForLease is part of testStore.
func raceForLease(t *testing.T, s *store.Store) {
	for round := range 20 {
		var mu sync.Mutex
		won := map[string]uint64{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				holder := fmt.Sprint("server", i)
				epoch, held, err := s.AcquireLease(t.Context(), "controller", holder, longTerm, 0)
				if err != nil {
					t.Error(err)
				}
				if mu.Lock(); held {
					won[holder] = epoch
				} else if epoch != uint64(round)+1 {
					t.Errorf("the loser was told epoch %d, want %d", epoch, round+1)
				}
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of 8 won: %v", len(won), won)
		}
		for holder, epoch := range won {
			if epoch != uint64(round)+1 {
				t.Fatalf("epoch %d in round %d", epoch, round)
			}
			if round%2 == 0 { // set free, or left to expire
				if err := s.ReleaseLease(t.Context(), "controller", holder, epoch); err != nil {
					t.Fatal(err)
				}
			} else if held, err := s.RenewLease(t.Context(), "controller", holder, epoch, time.Microsecond); err != nil || !held {
				t.Fatal(held, err)
			} else {
				until(t, "the lease expires", func() bool {
					_, _, left, err := s.Lease(t.Context(), "controller")
					return err == nil && left <= 0
				})
			}
		}
	}
}

// fencedWrites is part of testStore.
func fencedWrites(t *testing.T, s *store.Store) {
	ours := l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}
	devices := []l2gw.DeviceState{{Name: "ps1"}}
	learned := []l2gw.Learned{{NetworkID: "n", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}}}}
	writes := map[string]func(epoch uint64) error{
		"own":     func(epoch uint64) error { return s.Own(t.Context(), epoch, "db", ours) },
		"disown":  func(epoch uint64) error { return s.Disown(t.Context(), epoch, "db", ours) },
		"devices": func(epoch uint64) error { return s.RememberDevices(t.Context(), epoch, "db", devices) },
		"learned": func(epoch uint64) error { return s.RememberLearned(t.Context(), epoch, "db", learned, nil) },
	}
	for name, write := range writes {
		if err := write(1); !errors.Is(err, l2gw.ErrFenced) {
			t.Errorf("%s without a lease: %v", name, err)
		}
	}
	first, _, err := s.AcquireLease(t.Context(), store.ControllerLease, "a", longTerm, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Own(t.Context(), first, "kept", ours); err != nil {
		t.Fatal(err)
	}
	for name, write := range writes {
		if err := write(first); err != nil {
			t.Errorf("%s with the lease: %v", name, err)
		}
	}
	if err := s.ReleaseLease(t.Context(), store.ControllerLease, "a", first); err != nil {
		t.Fatal(err)
	}
	second, _, err := s.AcquireLease(t.Context(), store.ControllerLease, "b", longTerm, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range writes {
		for _, epoch := range []uint64{first, second + 1, math.MaxUint64} {
			if err := write(epoch); !errors.Is(err, l2gw.ErrFenced) {
				t.Errorf("%s with epoch %d while %d is in force: %v", name, epoch, second, err)
			}
		}
	}
	if err := s.Disown(t.Context(), first, "kept", ours); !errors.Is(err, l2gw.ErrFenced) {
		t.Error(err)
	}
	if kept, err := s.Ownership(t.Context(), "kept"); err != nil || len(kept.Networks) != 1 {
		t.Errorf("a fenced write took away what was recorded: %v, %v", kept, err)
	}
	for name, write := range writes {
		if err := write(0); err != nil {
			t.Errorf("%s unfenced: %v", name, err)
		}
	}
}

// noLateWrite is part of testStore: once a server has the lease, what the one
// before still writes is refused, however the two meet.
func noLateWrite(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	var current atomic.Uint64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for w := range 3 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				epoch := current.Load() // maybe not any more when it is written
				err := s.Own(ctx, epoch, fmt.Sprintf("epoch-%d", epoch), l2gw.Ownership{Networks: map[string]l2gw.VNI{fmt.Sprintf("w%d-%d", w, i): 5}})
				if err != nil && !errors.Is(err, l2gw.ErrFenced) && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var last uint64
	for i := range 30 {
		epoch, held, err := s.AcquireLease(ctx, store.ControllerLease, "a", longTerm, 0)
		if err != nil || !held {
			t.Fatal(held, err)
		}
		if last > 0 { // nothing is added to what the last one wrote
			before, err := s.Ownership(ctx, fmt.Sprintf("epoch-%d", last))
			if err != nil {
				t.Fatal(err)
			}
			if i%5 == 0 {
				if err := s.Own(ctx, epoch, "new", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}); err != nil {
					t.Fatal(err)
				}
			}
			after, err := s.Ownership(ctx, fmt.Sprintf("epoch-%d", last))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, after, before)
		}
		current.Store(epoch)
		last = epoch
		until(t, "something is written under the lease", func() bool {
			o, err := s.Ownership(ctx, fmt.Sprintf("epoch-%d", epoch))
			return err == nil && len(o.Networks) > 0
		})
	}
}
