package packets

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/product"
)

// The whole story with rows by the product alone. The order matters: at the
// start no switch has learned any address.
func TestBareMetalAndVirtualMachinesShareTheirNetworks(t *testing.T) {
	l := Start(t)
	p := product.Start(t, Inventory, "gw1:"+l.GW1.TCP, "gw2:"+l.GW2.TCP)
	red, blue := l2gw.NetworkIDFromName("red"), l2gw.NetworkIDFromName("blue")

	tagged := p.CreateGateway("tagged", product.Device{Name: "sw1", Interfaces: []product.Interface{{Name: "p1", VLANs: []int{100}}}})
	untagged := p.CreateGateway("untagged", product.Device{Name: "sw1", Interfaces: []product.Interface{{Name: "p2"}}})
	second := p.CreateGateway("second", product.Device{Name: "sw2", Interfaces: []product.Interface{{Name: "q1", VLANs: []int{100}}}})
	connections := []string{p.Connect(tagged, red, ""), p.Connect(untagged, blue, "0"), p.Connect(second, red, "")}
	for _, c := range connections {
		p.WaitStatus(c, "ACTIVE")
	}
	traffic(t, l)

	// What one gateway learned the other one holds as a host behind it.
	for _, row := range []struct {
		at      *Gateway
		learned Host
	}{{l.GW1, BM3}, {l.GW2, BM1}} {
		knows := func() error {
			// Addresses are forgotten 16 s after the last packet.
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			defer cancel()
			if err := l.Ping(ctx, BM1, BM3); err != nil {
				return err
			}
			rows, err := row.at.Dump(ctx, "Ucast_Macs_Remote", "MAC")
			if err == nil && !strings.Contains(rows, row.learned.MAC) {
				err = fmt.Errorf("%s is not in\n%s", row.learned.MAC, rows)
			}
			return err
		}
		// The emulators are as slow to learn as to forward.
		for deadline := time.Now().Add(2 * Patience); ; {
			err := knows()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not know %s: %v", row.at.Device, row.learned.Name, err)
			}
		}
	}
	if err := oneCopyEach(t.Context(), l, BM1); err != nil {
		t.Error(err)
	}

	// A connection that is deleted takes its packets with it and no other's.
	p.Disconnect(connections[0])
	for deadline := time.Now().Add(Patience); l.PingOnce(t.Context(), BM1, VM1) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("bm1 still reaches vm1")
		}
	}
	for _, pair := range [][2]Host{{BM2, VM2}, {BM3, VM1}, {VM3, BM3}} {
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		if err := l.Ping(ctx, pair[0], pair[1]); err != nil {
			t.Errorf("after another connection was deleted: %v", err)
		}
		cancel()
	}
}

// What switches hold does not depend on us: with all servers and agents killed,
// packets go on, also to hosts that have been silent, and a switch is programmed
// again once they are back.
func TestPacketsGoOnWhileAllOfOursIsDown(t *testing.T) {
	l := Start(t)
	p := product.StartSplit(t, Inventory, "gw1:"+l.GW1.TCP, "gw2:"+l.GW2.TCP)
	red := l2gw.NetworkIDFromName("red")
	for _, d := range []product.Device{
		{Name: "sw1", Interfaces: []product.Interface{{Name: "p1", VLANs: []int{100}}}},
		{Name: "sw2", Interfaces: []product.Interface{{Name: "q1", VLANs: []int{100}}}},
	} {
		p.WaitStatus(p.Connect(p.CreateGateway(d.Name, d), red, ""), "ACTIVE")
	}
	pings := func(when string) {
		t.Helper()
		for _, pair := range [][2]Host{{BM1, VM1}, {VM3, BM3}, {BM3, BM1}} {
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			if err := l.Ping(ctx, pair[0], pair[1]); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			cancel()
		}
	}
	pings("while all is up")
	p.Kill()
	pings("after a kill")
	// Longer than any lease or grant is good.
	for begin := time.Now(); time.Since(begin) < 2*fabric.Term; {
		pings(fmt.Sprintf("%v after a kill", time.Since(begin).Round(time.Second)))
	}
	if err := oneCopyEach(t.Context(), l, BM1); err != nil {
		t.Error(err)
	}
	p.Run()
	pings("after a restart")
}
