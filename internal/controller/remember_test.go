package controller

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// What was learned while SQL was away, or while another server led, is kept as
// it is in the end, not as it was at some time.
func TestWhatIsRememberedIsWhatIsLearned(t *testing.T) {
	real, err := store.Open(t.Context(), "sqlite:///"+t.TempDir()+"/l2gw.db")
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	var away bool
	c := New(Options{Store: &flaky{Store: real, write: func(context.Context) error {
		if away {
			return errBroken
		}
		return nil
	}}})
	var d *database
	c.locked(func() { d = c.state.database("tor") })
	learned := func(mac byte) l2gw.Learned {
		return l2gw.Learned{NetworkID: "a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, mac}, VTEP: netip.MustParseAddr("10.77.0.1")}}
	}
	hear := func(m fabric.Learned) {
		m.Database = "tor"
		c.locked(func() { c.state.hearLearned(d, m, now) })
	}
	poll := func() {
		for range 2 { // what is learned while a write is under way waits for the next
			c.rememberLearned()
			c.writer.hurry()
			c.writer.write(t.Context())
			for len(c.events) > 0 {
				(<-c.events)(t.Context())
			}
		}
	}
	remembered := func(when string, want ...l2gw.Learned) {
		t.Helper()
		all, err := real.Remembered(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		less := func(a, b l2gw.Learned) bool { return a.MAC.Compare(b.MAC) < 0 }
		if diff := cmp.Diff(want, all["tor"].Learned, cmpopts.SortSlices(less), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	hear(fabric.Learned{Full: true, Set: []l2gw.Learned{learned(1), learned(2)}})
	poll()
	remembered("at first", learned(1), learned(2))
	away = true
	hear(fabric.Learned{Set: []l2gw.Learned{learned(3)}, Gone: []fabric.LearnedKey{{NetworkID: "a", MAC: learned(1).MAC}}})
	poll()
	hear(fabric.Learned{Set: []l2gw.Learned{learned(4)}, Gone: []fabric.LearnedKey{{NetworkID: "a", MAC: learned(3).MAC}}})
	poll()
	remembered("while SQL is away", learned(1), learned(2))
	away = false
	poll()
	remembered("when it is back", learned(2), learned(4))

	c.locked(func() { c.mirror(1); d.seen = time.Now() })
	if err := real.RememberLearned(t.Context(), 0, "tor", []l2gw.Learned{learned(7)}, nil); err != nil {
		t.Fatal(err)
	}
	hear(fabric.Learned{Set: []l2gw.Learned{learned(5)}})
	poll()
	remembered("of another server, while this one stands by", learned(2), learned(4), learned(7))
	all, err := real.Remembered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.locked(func() { c.adopt(2, nil, all) })
	poll()
	remembered("when it leads", learned(2), learned(4), learned(5))
}

// remembering is a Store that remembers what was seen of one database.
type remembering struct {
	*memory
	seen l2gw.Remembered
}

func (r *remembering) Remembered(context.Context) (map[string]l2gw.Remembered, error) {
	return map[string]l2gw.Remembered{"db1": {Devices: r.seen.Devices, Learned: slices.Clone(r.seen.Learned)}}, nil
}

func (r *remembering) RememberDevices(_ context.Context, _ uint64, _ string, devices []l2gw.DeviceState) error {
	r.seen.Devices = devices
	return nil
}

func (r *remembering) RememberLearned(_ context.Context, _ uint64, _ string, set, gone []l2gw.Learned) error {
	r.seen.Learned = slices.DeleteFunc(r.seen.Learned, func(l l2gw.Learned) bool {
		return slices.ContainsFunc(slices.Concat(set, gone), func(o l2gw.Learned) bool { return o.NetworkID == l.NetworkID && o.MAC == l.MAC })
	})
	r.seen.Learned = append(r.seen.Learned, set...)
	return nil
}

// A host that is silent is not gone because a server was started anew.
func TestAMACThatAgedIsHeldByTheServerThatIsStartedNext(t *testing.T) {
	kept, clock := &remembering{memory: &memory{owned: map[string]l2gw.Ownership{}}}, now
	mac, elsewhere := l2gw.MAC{2}, l2gw.MAC{2, 1}
	start := func() *Controller {
		c := New(Options{Store: kept, Now: func() time.Time { return clock }})
		if err := c.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.takeInventory(t.Context(), inventory.Update{Complete: true, Changed: []inventory.Change{{Segment: netA()}}})
		c.changeIntent(t.Context(), 1, []store.BindingChange{{Binding: l2gw.Binding{BindingKey: eth1, NetworkID: netA().NetworkID, ConnectionID: "c"}, Set: true}})
		c.writeNow()
		return c
	}
	report := func(c *Controller, macs ...l2gw.MAC) {
		d := c.state.database("db1")
		c.hearObserved(t.Context(), d, l2gw.DatabaseState{
			Name: "db1", Connected: true, Devices: []l2gw.DeviceState{{Name: "ps1", TunnelIPs: []netip.Addr{tunnel["db1"]}}},
		})
		m := fabric.Learned{Database: "db1", Full: true}
		for _, mac := range macs {
			m.Set = append(m.Set, l2gw.Learned{NetworkID: netA().NetworkID, Host: l2gw.Host{MAC: mac, VTEP: tunnel["db1"]}})
		}
		c.locked(func() { c.state.hearLearned(d, m, clock) })
		c.rememberLearned()
		c.writeNow()
	}
	told := func(c *Controller, when string, want ...l2gw.MAC) {
		t.Helper()
		var macs []l2gw.MAC
		for m, h := range c.state.networks[netA().NetworkID].merged.Hosts.All() {
			if h.VTEP == tunnel["db1"] {
				macs = append(macs, m)
			}
		}
		slices.SortFunc(macs, l2gw.MAC.Compare)
		if !slices.Equal(macs, want) {
			t.Errorf("%s the others are told of %v, want %v", when, macs, want)
		}
	}
	first := start()
	report(first, mac, elsewhere)
	told(first, "at first", mac, elsewhere)
	report(first, elsewhere)
	told(first, "when the switch has aged it", mac, elsewhere)

	second := start()
	told(second, "after the start, before the switch is heard,", mac, elsewhere)
	report(second, elsewhere)
	told(second, "after the start", mac, elsewhere)
	clock = clock.Add(l2gw.MACHold)
	second.ageLearned(t.Context())
	told(second, "when it was held for long enough", elsewhere)
	second.rememberLearned()
	second.writeNow()
	if got := kept.seen.Learned; len(got) != 1 || got[0].MAC != elsewhere {
		t.Errorf("remembered is %v", got)
	}
}
