package store_test

import (
	"fmt"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

func BenchmarkCreateGateway(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		for b.Loop() {
			mustGateway(b, s, gw("gw", "ps1/eth1", "ps1/eth2"))
		}
	})
}

func BenchmarkCreateAndDeleteConnection(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		g := mustGateway(b, s, gw("gw", "ps1/eth1", "ps1/eth2"))
		for b.Loop() {
			c := mustConnect(b, s, g.ID, "net", vlan(5))
			if err := s.DeleteConnection(b.Context(), c.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkShowGateway(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		g := mustGateway(b, s, gw("gw", "ps1/eth1", "ps1/eth2"))
		for b.Loop() {
			if _, err := s.Gateway(b.Context(), g.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkList1000Gateways(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		in := make([]l2gw.Gateway, 1_000)
		for i := range in {
			in[i] = gw(fmt.Sprint("gw", i), "ps1/eth1", "ps2/eth1/5/6")
		}
		if _, err := s.CreateGateways(b.Context(), in); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			list, err := s.Gateways(b.Context(), store.Query{})
			if err != nil || len(list) != len(in) {
				b.Fatal(len(list), err)
			}
		}
	})
}

func BenchmarkRenewLease(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		epoch, _, err := s.AcquireLease(b.Context(), store.ControllerLease, "a", longTerm, 0)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if held, err := s.RenewLease(b.Context(), store.ControllerLease, "a", epoch, longTerm); !held || err != nil {
				b.Fatal(held, err)
			}
		}
	})
}

func BenchmarkAcquireLease(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		for b.Loop() {
			if _, held, err := s.AcquireLease(b.Context(), store.ControllerLease, "a", longTerm, 0); !held || err != nil {
				b.Fatal(held, err)
			}
		}
	})
}

// What the fence costs: the same write without it, and with it.
func BenchmarkOwn(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		fenced, _, err := s.AcquireLease(b.Context(), store.ControllerLease, "a", longTerm, 0)
		if err != nil {
			b.Fatal(err)
		}
		ours := l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}
		for name, epoch := range map[string]uint64{"unfenced": 0, "fenced": fenced} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if err := s.Own(b.Context(), epoch, "db", ours); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
