package store_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
)

// bytewise: engines differ in what is equal by default (case, accents, spaces at
// the end) and in the order.
func bytewise(t *testing.T, s *store.Store) {
	names := []string{
		"a", "A", "a ", "a  ", " a", "á", "a\u0301", "ä", "ae", "æ", "ß", "ss", "SS", "ı", "i", "I", "İ", "ﬁ", "fi", "1", "١", "２", "２",
		"a_b", "a%b", "a\\b", "a'b", "a\"b", "a\tb", "a\x01b", "a-b", "ab", "aB", "Ω", "ω", "😀", "😁", "\ufffd", "\uffff", "",
	}
	slices.Sort(names)
	names = slices.Compact(names)
	g := l2gw.Gateway{}
	for _, name := range names {
		mustGateway(t, s, gw(name, "ps1/eth1"))
		if name != "" {
			g.Devices = append(g.Devices, l2gw.Device{Name: name, Interfaces: []l2gw.Interface{{Name: name}}})
		}
	}
	list, err := s.Gateways(t.Context(), store.Query{Sort: []store.SortKey{{Key: "name"}}})
	if err != nil {
		t.Fatal(err)
	}
	sorted := make([]string, len(list))
	for i, g := range list {
		sorted[i] = g.Name
	}
	equal(t, sorted, names)
	for _, name := range names {
		list, err := s.Gateways(t.Context(), store.Query{Filter: map[string][]string{"name": {name}}})
		if err != nil || len(list) != 1 || list[0].Name != name {
			t.Errorf("filter %q: %d found, %v", name, len(list), err)
		}
	}
	// All of them are different places, and different networks.
	g = mustGateway(t, s, g)
	other := mustGateway(t, s, gw("other", "ps1/eth1"))
	mustConnect(t, s, g.ID, "net", vlan(5))
	for i, name := range names {
		if name != "" {
			mustConnect(t, s, other.ID, name, vlan(l2gw.VLAN(i)))
		}
	}
	if _, got := bindings(t, s); len(got) != 2*(len(names)-1) {
		t.Errorf("%d bindings, want %d", len(got), 2*(len(names)-1))
	}
}

func longest(t *testing.T, s *store.Store) {
	name := strings.Repeat("😀", 255)
	i := l2gw.Interface{Name: name}
	for v := range l2gw.VLAN(100) {
		i.VLANs = append(i.VLANs, v)
	}
	many := l2gw.Interface{Name: "eth1"}
	for v := range l2gw.VLAN(1_000) {
		many.VLANs = append(many.VLANs, v)
	}
	g := mustGateway(t, s, l2gw.Gateway{Name: name, Description: name, ProjectID: name, Devices: []l2gw.Device{{Name: name, Interfaces: []l2gw.Interface{i, many}}}})
	shown, err := s.Gateway(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shown, g)
	mustConnect(t, s, g.ID, name, nil)
	if _, got := bindings(t, s); len(got) != 1_100 {
		t.Errorf("%d bindings", len(got))
	}
	k := l2gw.BindingKey{Device: name, Interface: name, VLAN: 5}
	owned := l2gw.Ownership{Networks: map[string]l2gw.VNI{name: l2gw.MaxVNI}, Bindings: map[l2gw.BindingKey]string{k: name}}
	if err := s.Own(t.Context(), 0, name, owned); err != nil {
		t.Fatal(err)
	}
	got, err := s.Ownership(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, owned)
}

// oneMoment: odd revisions have three bindings and even ones none.
func oneMoment(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1", "ps1/eth2", "ps2/eth1"))
	before, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: g.ID, NetworkID: "n", VLAN: vlan(5)})
			if err == nil {
				err = s.DeleteConnection(t.Context(), c.ID)
			}
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	seen := map[int]int{}
	until(t, "both states were seen often", func() bool {
		revision, list, err := s.Bindings(t.Context())
		if err != nil || len(list) != 3*int((revision-before)%2) {
			t.Errorf("%d bindings at revision %d: %v", len(list), revision-before, err)
			return true
		}
		seen[len(list)]++
		return seen[0] >= 20 && seen[3] >= 20
	})
	close(stop)
	wg.Wait()
}
