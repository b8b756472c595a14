package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

func onceForAKey(t *testing.T, s *store.Store) {
	ctx := store.WithRepeat(t.Context(), "key-1", "digest-1")
	if ids, done, err := s.Repeated(ctx, "key-1", "digest-1"); err != nil || done {
		t.Fatalf("before the write: %v %v %v", ids, done, err)
	}
	made, err := s.CreateGateways(ctx, []l2gw.Gateway{gw("a", "ps1/eth1"), gw("b", "ps1/eth2")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{made[0].ID, made[1].ID}
	for range 2 {
		if _, err := s.CreateGateways(ctx, []l2gw.Gateway{gw("a", "ps1/eth1"), gw("b", "ps1/eth2")}); !errors.Is(err, store.ErrRepeated) {
			t.Fatalf("again: %v, want ErrRepeated", err)
		}
		if ids, done, err := s.Repeated(ctx, "key-1", "digest-1"); err != nil || !done || !slices.Equal(ids, want) {
			t.Fatalf("%v %v %v, want %v", ids, done, err, want)
		}
	}
	if all, err := s.Gateways(t.Context(), store.Query{}); err != nil || len(all) != 2 {
		t.Fatalf("%d gateways, %v", len(all), err)
	}
	_, err = s.CreateGateways(store.WithRepeat(t.Context(), "key-1", "digest-2"), []l2gw.Gateway{gw("c", "ps1/eth3")})
	wantError(t, err, l2gw.Conflict, "IdempotencyKeyTaken")
	_, _, err = s.Repeated(ctx, "key-1", "digest-2")
	wantError(t, err, l2gw.Conflict, "IdempotencyKeyTaken")

	// What failed was not done: the key is free.
	ctx = store.WithRepeat(t.Context(), "key-2", "digest-2")
	_, err = s.CreateConnection(ctx, l2gw.Connection{GatewayID: "nosuch", NetworkID: "net-1", VLAN: vlan(5), ProjectID: "p1"})
	wantError(t, err, l2gw.NotFound, "L2GatewayNotFound")
	if _, done, err := s.Repeated(ctx, "key-2", "digest-2"); err != nil || done {
		t.Fatalf("after a failure: %v %v", done, err)
	}
	c, err := s.CreateConnection(ctx, l2gw.Connection{GatewayID: made[0].ID, NetworkID: "net-1", VLAN: vlan(5), ProjectID: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	// A removal and a change have no objects of their own.
	ctx = store.WithRepeat(t.Context(), "key-3", "digest-3")
	if err := s.DeleteConnection(ctx, c.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteConnection(ctx, c.ID); !errors.Is(err, store.ErrRepeated) {
		t.Fatalf("a second removal with the key: %v", err)
	}
	if ids, done, err := s.Repeated(ctx, "key-3", "digest-3"); err != nil || !done || len(ids) != 0 {
		t.Fatalf("%v %v %v", ids, done, err)
	}
	// Keys differ by every byte, and one that no column can hold is nobody's.
	for _, key := range []string{"KEY-1", "key-1 ", "k\u00e9y-1", "a\x00b", "\xff"} {
		if _, done, err := s.Repeated(t.Context(), key, "digest-1"); err != nil || done {
			t.Errorf("%q: %v %v", key, done, err)
		}
	}
}

func oneOfManyWithAKey(t *testing.T, s *store.Store) {
	var made, repeated atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := s.CreateGateway(store.WithRepeat(t.Context(), "one", "d"), gw("one", "ps1/eth1"))
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, store.ErrRepeated):
				repeated.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 || repeated.Load() != 19 {
		t.Errorf("%d made, %d repeated", made.Load(), repeated.Load())
	}
}

func TestKeysAreForgottenWithTheChangeLog(t *testing.T) {
	s := open(t, engines[0].fresh(t))
	s.KeepLog(10)
	for i := range 40 {
		if _, err := s.CreateGateway(store.WithRepeat(t.Context(), fmt.Sprint("key-", i), strings.Repeat("d", 64)), gw("g", "ps1/eth1")); err != nil {
			t.Fatal(err)
		}
	}
	known := 0
	for i := range 40 {
		_, done, err := s.Repeated(t.Context(), fmt.Sprint("key-", i), strings.Repeat("d", 64))
		if err != nil {
			t.Fatal(err)
		}
		if done {
			known++
		} else if i == 39 {
			t.Error("the last key is forgotten")
		}
	}
	if known < 10 || known > 13 {
		t.Errorf("%d keys are known, of 10 writes that are kept", known)
	}
}
