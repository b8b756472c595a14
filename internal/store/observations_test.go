package store_test

import (
	"net/netip"
	"testing"

	"l2gw"
	"l2gw/internal/store"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// remembered is part of testStore.
func remembered(t *testing.T, s *store.Store) {
	ctx := t.Context()
	ip := netip.MustParseAddr
	devices := []l2gw.DeviceState{{Name: "ps1", TunnelIPs: []netip.Addr{ip("10.77.0.1"), ip("2001:db8::1")}}, {Name: "ps2"}}
	a := l2gw.Learned{NetworkID: "net-a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}, VTEP: ip("10.77.0.1"), IPs: []netip.Addr{ip("10.5.0.1"), ip("2001:db8::2")}}}
	b := l2gw.Learned{NetworkID: "net-a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 2}, VTEP: ip("10.77.0.1")}}
	moved := b
	moved.VTEP = ip("10.77.0.9")
	for range 2 { // each may be repeated
		for _, err := range []error{
			s.RememberDevices(ctx, 0, "tor", []l2gw.DeviceState{{Name: "old", TunnelIPs: []netip.Addr{ip("10.0.0.1")}}}),
			s.RememberDevices(ctx, 0, "tor", devices),
			s.RememberDevices(ctx, 0, "other", devices[1:]),
			s.RememberLearned(ctx, 0, "tor", []l2gw.Learned{a, b}, nil),
			s.RememberLearned(ctx, 0, "other", []l2gw.Learned{a}, nil),
			s.RememberLearned(ctx, 0, "tor", []l2gw.Learned{moved}, []l2gw.Learned{a}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := s.Remembered(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]l2gw.Remembered{
		"tor":   {Devices: devices, Learned: []l2gw.Learned{moved}},
		"other": {Devices: devices[1:], Learned: []l2gw.Learned{a}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
