package controller

import (
	"fmt"
	"testing"

	"l2gw"
	"l2gw/internal/fabric"
)

// A scrape holds up the controller for as long as it counts.
func BenchmarkFiguresOfTenThousandBindings(b *testing.B) {
	c := New(Options{})
	s := &c.state
	s.inventoryRead, s.intentRead = true, true
	d := s.database("tor")
	d.observed.Connected = true
	s.reporting["ps1"] = []string{"tor"}
	for i := range 10_000 {
		id := fmt.Sprintf("net-%d", i%4096)
		s.network(id).base = &l2gw.Segment{NetworkID: id}
		k := l2gw.BindingKey{Device: "ps1", Interface: fmt.Sprintf("eth%d", i/4000), VLAN: l2gw.VLAN(i % 4000)}
		s.setBinding(l2gw.Binding{BindingKey: k, NetworkID: id, Revision: 1}, true)
		d.bindingResults[k] = fabric.BindingResult{Key: k, Revision: 1, Status: l2gw.StatusActive}
	}
	b.ResetTimer()
	for b.Loop() {
		if f := c.Figures(); f.Bindings[l2gw.StatusActive] != 10_000 || f.Networks != 4096 {
			b.Fatalf("%+v", f)
		}
	}
}
