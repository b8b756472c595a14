package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/store"
)

// Such a change once took minutes and a gigabyte, and nobody else could write meanwhile.
func TestAChangeOfTooManyBindingsIsRefusedAndAnotherOneIsMade(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:///"+t.TempDir()+"/l2gw.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ports := func(n int) []l2gw.Device {
		d := l2gw.Device{Name: "sw1"}
		for i := range n {
			d.Interfaces = append(d.Interfaces, l2gw.Interface{Name: fmt.Sprintf("eth%d", i)})
		}
		return []l2gw.Device{d}
	}
	g, err := s.CreateGateway(t.Context(), l2gw.Gateway{Devices: ports(1)})
	if err != nil {
		t.Fatal(err)
	}
	connections := make([]l2gw.Connection, 1001)
	for i := range connections {
		connections[i] = l2gw.Connection{GatewayID: g.ID, NetworkID: fmt.Sprint("net-", i), VLAN: new(l2gw.VLAN(i + 1))}
	}
	if _, err := s.CreateConnections(t.Context(), connections); err != nil {
		t.Fatal(err)
	}
	become := func(n int) error {
		_, err := s.UpdateGateway(t.Context(), g.ID, func(g *l2gw.Gateway) error { return g.Apply(l2gw.GatewayUpdate{Devices: ports(n)}) })
		return err
	}
	want := "Invalid input for operation: this change would add and remove 50050 bindings of 1001 connections at once: the limit is 50000. Change fewer interfaces at a time."
	if err := become(51); l2gw.ErrorCode(err) != l2gw.Invalid || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	now, err := s.Gateway(t.Context(), g.ID)
	if diff := cmp.Diff(g, now); err != nil || diff != "" {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
	if err := become(3); err != nil {
		t.Fatal(err)
	}
	if _, bindings, err := s.Bindings(t.Context()); err != nil || len(bindings) != 3003 {
		t.Errorf("%d bindings, %v", len(bindings), err)
	}
}
