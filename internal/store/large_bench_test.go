package store_test

import (
	"fmt"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// The largest gateway that may be, as 100 switches of 100 ports, from its beginning
// to its end. While one of these is written all other writes wait.
func BenchmarkGatewayOf10000Ports(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		g := l2gw.Gateway{}
		for d := range 100 {
			device := l2gw.Device{Name: fmt.Sprint("ps", d)}
			for i := range 100 {
				device.Interfaces = append(device.Interfaces, l2gw.Interface{Name: fmt.Sprint("eth", i)})
			}
			g.Devices = append(g.Devices, device)
		}
		took := map[string]time.Duration{}
		timed := func(what string, do func() error) {
			b.Helper()
			began := time.Now()
			if err := do(); err != nil {
				b.Fatal(what, err)
			}
			took[what] += time.Since(began)
		}
		for b.Loop() {
			var made l2gw.Gateway
			var c l2gw.Connection
			timed("create", func() (err error) { made, err = s.CreateGateway(b.Context(), g); return err })
			timed("connect", func() (err error) {
				c, err = s.CreateConnection(b.Context(), l2gw.Connection{GatewayID: made.ID, NetworkID: "net", VLAN: vlan(5)})
				return err
			})
			timed("show", func() error { _, err := s.Gateway(b.Context(), made.ID); return err })
			timed("bindings", func() error { _, err := s.ConnectionBindings(b.Context(), c.ID); return err })
			timed("change-1-port", func() error {
				_, err := s.UpdateGateway(b.Context(), made.ID, func(g *l2gw.Gateway) error { g.Devices[50].Interfaces[50].Name = "other"; return nil })
				return err
			})
			timed("change-half", func() error {
				_, err := s.UpdateGateway(b.Context(), made.ID, func(g *l2gw.Gateway) error {
					for i := range g.Devices {
						for j := range 50 {
							g.Devices[i].Interfaces[j].Name = fmt.Sprint("new", j)
						}
					}
					return nil
				})
				return err
			})
			timed("disconnect", func() error { return s.DeleteConnection(b.Context(), c.ID) })
			timed("delete", func() error { return s.DeleteGateway(b.Context(), made.ID) })
		}
		for what, d := range took {
			b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), "ms-"+what)
		}
	})
}
