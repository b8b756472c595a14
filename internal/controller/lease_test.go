package controller

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// leaseless is a store that answers all but the questions for the lease, if that is cut off.
type leaseless struct {
	*store.Store
	cut atomic.Bool
}

func (s *leaseless) AcquireLease(ctx context.Context, name, holder string, term time.Duration, above uint64) (uint64, bool, error) {
	if s.cut.Load() {
		return 0, false, errAway
	}
	return s.Store.AcquireLease(ctx, name, holder, term, above)
}

func (s *leaseless) RenewLease(ctx context.Context, name, holder string, epoch uint64, term time.Duration) (bool, error) {
	if s.cut.Load() {
		return false, errAway
	}
	return s.Store.RenewLease(ctx, name, holder, epoch, term)
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	const limit = 30 * time.Second
	for end := time.Now().Add(limit); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// Two servers on one database. The first cannot renew its lease, which ends before
// its time, and does not know that the other has it: what it wants to write is
// refused, and so it stands by. The other knows how everything stands, and goes on.
func TestAControllerWhoseLeaseMovedIsFencedAndTheOtherGoesOn(t *testing.T) {
	url := "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db")
	var servers []*server
	var stores []*leaseless
	for _, name := range []string{"s1", "s2"} {
		st, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		stores = append(stores, &leaseless{Store: st})
		servers = append(servers, runServer(t, Options{
			Store: stores[len(stores)-1], Inventory: stated{netA()}, Server: name, Poll: 20 * time.Millisecond,
			// Long enough that a busy machine renews in time.
			Lease: LeaseOptions{Holder: name, Term: 9 * time.Second},
		}))
		eventually(t, "s1 leads", servers[0].leads)
	}
	s1, s2 := servers[0], servers[1]
	connect := func(vlan l2gw.VLAN) string {
		t.Helper()
		gw, err := stores[0].CreateGateway(t.Context(), l2gw.Gateway{Name: "gw", Devices: []l2gw.Device{{Name: "ps1", Interfaces: []l2gw.Interface{{Name: "eth1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := stores[0].CreateConnection(t.Context(), l2gw.Connection{GatewayID: gw.ID, NetworkID: "a", VLAN: &vlan})
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	first := connect(7)
	h := hello("a", "db1")
	h.Databases[0].Writer = true
	a1, a2 := startAgent(t, s1, h, fabric.Peer{}), startAgent(t, s2, h, fabric.Peer{})
	eventually(t, "the agent is fed", a1.fed)
	a1.applied(t, a2)
	active := func(s *server, id string) func() bool {
		return func() bool { st, _, _ := s.Connection(id); return st == l2gw.StatusActive }
	}
	eventually(t, "the server that stands by knows the status", active(s2, first))
	if s2.leads() {
		t.Error("both lead")
	}

	stores[0].cut.Store(true)
	epoch, _, _ := s1.Leading()
	if err := stores[0].ReleaseLease(t.Context(), store.ControllerLease, "s1", epoch); err != nil {
		t.Fatal(err)
	}
	eventually(t, "s2 leads", s2.leads)
	if !s1.leads() {
		t.Error("s1 knows of it already, so that this shows nothing")
	}
	if !active(s2, first)() {
		t.Error("it does not know any more how the connection stands")
	}
	second := connect(8)
	eventually(t, "s1 stands by", func() bool { return !s1.leads() })
	eventually(t, "the agent is told", func() bool { return !a1.controller().Controller })
	eventually(t, "s2 feeds both", func() (ok bool) {
		a2.locked(func() { ok = a2.replica.Complete && len(a2.replica.Bindings) == 2 })
		return ok
	})
	a2.applied(t, a1)
	for _, s := range servers {
		eventually(t, "both know the status", active(s, second))
	}
	owned, err := stores[0].Ownership(t.Context(), "db1")
	if err != nil || len(owned.Bindings) != 2 {
		t.Errorf("ours are %v, %v", owned, err)
	}

	stores[0].cut.Store(false)
	s2.stop()
	eventually(t, "s1 leads again", s1.leads)
	if epoch, _, _ := s1.Leading(); epoch != 3 {
		t.Errorf("epoch %d", epoch)
	}
}
