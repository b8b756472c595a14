package engine

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// A switch that is away while the product starts is unknown, not gone: the other
// gateways of its networks go on sending it broadcasts and keep its hosts. With
// both there, a restart writes nothing at all.
func TestARestartTakesNothingAwayFromTheOtherGateways(t *testing.T) {
	one, two := startSwitch(t, ovsdbd.Options{}), startSwitch(t, ovsdbd.Options{})
	addSwitch(one, "ps1", "10.77.0.1", "eth1")
	addSwitch(two, "ps2", "10.77.0.2", "eth1")
	p := product.Start(t, inventoryFile, "one:"+one.Endpoint(), "two:"+two.Endpoint())
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}},
		product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	c := p.Connect(gw, netA, "100")
	p.WaitStatus(c, "ACTIVE")
	const host = "02:00:00:00:b1:01"
	learn(t, one, "10.77.0.1", host)
	waitUnicast(t, two, host, "10.77.0.1")
	p.Eventually("what was learned is kept", func() error {
		if _, macs := p.Do("GET", "/v2.0/l2-gateway-devices/ps1/macs", nil); len(macs) == 0 {
			return fmt.Errorf("%v", macs)
		}
		return nil
	})
	p.Stop() // in good order: what is remembered is written
	before, size := read(t, two), fileSize(t, filepath.Join(two.Dir, "db"))

	restart := func(what string) {
		t.Helper()
		p.Run()
		p.Eventually(what+": ps2 is in sync", func() error {
			_, out := p.Do("GET", "/v2.0/l2-gateway-devices/ps2", nil)
			if d, _ := out["l2_gateway_device"].(product.Object); d["in_sync"] != true {
				return fmt.Errorf("%v", out)
			}
			return nil
		})
		if diff := cmp.Diff(before, read(t, two)); diff != "" {
			t.Errorf("%s: the switch that is there changed (-before +after):\n%s", what, diff)
		}
		if now := fileSize(t, filepath.Join(two.Dir, "db")); now != size {
			t.Errorf("%s: the database file went from %d to %d bytes: something was written", what, size, now)
		}
	}
	restart("with both there")
	p.Kill()
	one.Stop()
	restart("with one away")
	one.Run()
	p.WaitStatus(c, "ACTIVE")
	if diff := cmp.Diff(before, read(t, two)); diff != "" {
		t.Errorf("with one back (-before +after):\n%s", diff)
	}
}
