package store_test

import (
	"fmt"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// large: many places go another way than few, from table to table.
func large(t *testing.T, s *store.Store) {
	const ports = 450
	in := l2gw.Gateway{}
	for d := range 3 {
		device := l2gw.Device{Name: fmt.Sprint(`p"s'\`, d)}
		for i := range ports / 3 {
			device.Interfaces = append(device.Interfaces, l2gw.Interface{Name: fmt.Sprint("eth", i)})
		}
		in.Devices = append(in.Devices, device)
	}
	g, other := mustGateway(t, s, in), mustGateway(t, s, gw("other", `p"s'\1/eth100`, "ps9/eth1"))
	mustConnect(t, s, other.ID, "others", vlan(6))
	from, followed := bindings(t, s)
	_, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: g.ID, NetworkID: "n", VLAN: vlan(6)})
	wantError(t, err, l2gw.Conflict, "L2GatewayDuplicateSegmentationID")
	c := mustConnect(t, s, g.ID, "n", vlan(5))
	count := func(want int) map[string]string {
		t.Helper()
		_, now := bindings(t, s)
		if len(now) != want {
			t.Fatalf("%d bindings, want %d", len(now), want)
		}
		return now
	}
	count(ports + 2)

	// Most are renamed, one switch keeps its own; and first one place is another's.
	rename := func(taken string) error {
		_, err := s.UpdateGateway(t.Context(), g.ID, func(g *l2gw.Gateway) error {
			for i := range g.Devices[0].Interfaces {
				g.Devices[0].Interfaces[i].Name = fmt.Sprint("new", i)
				g.Devices[2].Interfaces[i].Name = fmt.Sprint("new", i)
			}
			if taken != "" {
				g.Devices = append(g.Devices, l2gw.Device{Name: taken, Interfaces: []l2gw.Interface{{Name: "eth1"}}})
			}
			return nil
		})
		return err
	}
	before := count(ports + 2)
	if _, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: other.ID, NetworkID: "m", VLAN: vlan(5)}); err == nil {
		t.Fatal("a place is bound twice")
	}
	held := mustConnect(t, s, mustGateway(t, s, gw("third", "ps9/eth1")).ID, "m", vlan(5))
	wantError(t, rename("ps9"), l2gw.Conflict, "L2GatewayDuplicateSegmentationID")
	if err := s.DeleteConnection(t.Context(), held.ID); err != nil {
		t.Fatal(err)
	}
	equal(t, count(ports+2), before)
	if err := rename(""); err != nil {
		t.Fatal(err)
	}
	now := count(ports + 2)
	for _, place := range []string{`p"s'\0/new149 VLAN 5`, `p"s'\1/eth149 VLAN 5`, `p"s'\2/new7 VLAN 5`} {
		if now[place] != "n" {
			t.Errorf("%s has the network %q", place, now[place])
		}
	}
	if err := s.DeleteConnection(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	after := count(2)

	_, changes, complete, err := s.Changes(t.Context(), from)
	if err != nil || !complete {
		t.Fatal(complete, err)
	}
	for _, change := range changes {
		if delete(followed, change.BindingKey.String()); change.Set {
			followed[change.BindingKey.String()] = change.NetworkID
		}
	}
	equal(t, followed, after)
	if err := s.DeleteGateway(t.Context(), g.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.DeleteGateway(t.Context(), g.ID), l2gw.NotFound, "L2GatewayNotFound")
	wantError(t, s.DeleteConnection(t.Context(), c.ID), l2gw.NotFound, "L2GatewayConnectionNotFound")
}
