package controller

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
)

// holding is a world in which the agent of db1 holds removals on network a,
// which has hosts hosts.
type holding struct {
	*world
	at time.Time
}

const hosts = 100

func newHolding() *holding {
	h := &holding{newWorld(), now}
	h.c.opts.Now = func() time.Time { return h.at }
	h.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	for i := range hosts {
		h.networks["a"][host(i).MAC] = host(i)
	}
	h.tell(true, "a")
	h.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 1}, "a")
	h.write()
	h.collect(h.agents["db1"].link)
	return h
}

func host(i int) l2gw.Host {
	return l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, byte(i)}, VTEP: netip.MustParseAddr("10.77.0.11")}
}

// lose takes hosts from..to off the inventory.
func (h *holding) lose(from, to int) {
	for i := from; i < to; i++ {
		delete(h.networks["a"], host(i).MAC)
	}
	h.tell(false, "a")
}

// report lets the agent tell which removals it holds.
func (h *holding) report(held ...l2gw.HeldRemoval) {
	h.c.hearLink(context.Background(), h.agents["db1"].link, fabric.Observed{Database: "db1", State: l2gw.DatabaseState{
		Name: "db1", Connected: true, Held: held,
		Devices: []l2gw.DeviceState{{Name: "ps1", TunnelIPs: []netip.Addr{tunnel["db1"]}}},
	}})
}

// read lets the inventory be read from the time at which it began on, and
// returns for which networks a release is sent then.
func (h *holding) read(began time.Time) (released []string) {
	h.c.takeInventory(context.Background(), inventory.Update{Began: began})
	for _, m := range h.collect(h.agents["db1"].link) {
		if do, ok := m.(fabric.Do); ok && do.Command == fabric.CommandRelease {
			if do.Database != "db1" || do.Epoch != h.c.state.version.Epoch || do.ID == 0 {
				panic("a release that no agent may obey")
			}
			released = append(released, do.NetworkID)
		}
	}
	return released
}

func (h *holding) pass(d time.Duration) time.Time { h.at = h.at.Add(d); return h.at }

func TestARemovalIsReleasedByASecondReadingAMinuteLater(t *testing.T) {
	h := newHolding()
	h.lose(0, 60)
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: h.at, Confirms: true})
	if got := h.read(h.pass(50 * time.Second)); got != nil {
		t.Errorf("released after 50 s: %q", got)
	}
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: now, Confirms: true}) // the same again
	began := h.at
	h.pass(20 * time.Second)
	if got := h.read(began); got != nil {
		t.Errorf("released by a reading that took long and began too early: %q", got)
	}
	h.c.takeInventory(t.Context(), inventory.Update{Err: errBroken})
	if got := h.read(time.Time{}); got != nil {
		t.Errorf("released by what was known before: %q", got)
	}
	for range 2 { // the word may be lost
		if diff := cmp.Diff([]string{"a"}, h.read(h.at)); diff != "" {
			t.Errorf("released after 70 s (-want +got):\n%s", diff)
		}
	}
	h.report()
	if got := h.read(h.pass(time.Hour)); got != nil {
		t.Errorf("nothing is held, and released is %q", got)
	}
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: h.at, Confirms: true})
	if got := h.read(h.pass(50 * time.Second)); got != nil {
		t.Errorf("another hold is released after 50 s: %q", got)
	}
}

func TestWhatAReadingCannotConfirmWaitsForAnOperator(t *testing.T) {
	h := newHolding()
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: h.at})
	if got := h.read(h.pass(time.Hour)); got != nil {
		t.Errorf("released: %q", got)
	}
}

// A second reading that says less again is no confirmation of the first; that a
// few ports go all the time must not keep the rest waiting for ever.
func TestOnlyWhatTheSecondReadingSaysIsConfirmed(t *testing.T) {
	for _, row := range []struct {
		more     int
		released bool
	}{{0, true}, {5, true}, {20, false}} {
		h := newHolding()
		h.lose(0, 60)
		h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: h.at, Confirms: true})
		h.pass(61 * time.Second)
		h.lose(60, 60+row.more)
		if got := h.read(h.at); (got != nil) != row.released {
			t.Errorf("%d hosts fewer: released %q, want %v", row.more, got, row.released)
		}
		if got := h.read(h.pass(61 * time.Second)); got == nil {
			t.Errorf("%d hosts fewer for more than a minute, and not released", row.more)
		}
	}
}

func TestAStandByServerReleasesNothing(t *testing.T) {
	h := newHolding()
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: 60, Total: hosts, Since: h.at, Confirms: true})
	h.c.locked(func() { h.c.mirror(1) })
	if got := h.read(h.pass(time.Hour)); got != nil {
		t.Errorf("released: %q", got)
	}
}

// A network that the inventory lacks is told to be lost, so that its agent may
// hold the removal; one that its user unbound is not.
func TestANetworkThatTheInventoryLacksIsToldToBeLostWhileUsersWantIt(t *testing.T) {
	h := newHolding()
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 1}
	lost := func(when string, want ...string) {
		t.Helper()
		h.write()
		var last *fabric.Owned
		unset := false
		for _, m := range h.collect(h.agents["db1"].link) {
			switch m := m.(type) {
			case fabric.Owned:
				last = &m
			case fabric.Bindings:
				for _, u := range m.Unset {
					unset = unset || u.BindingKey == k
				}
			}
		}
		if last == nil {
			t.Fatalf("%s: the agent is not told what is ours", when)
		}
		if _, ours := last.Owned.Networks["a"]; !ours {
			t.Errorf("%s: it is not ours any more", when)
		}
		if diff := cmp.Diff(want, last.Lost); diff != "" {
			t.Errorf("%s: lost (-want +got):\n%s", when, diff)
		}
		if gone := len(want) > 0; unset != gone {
			t.Errorf("%s: unset is %v", when, unset)
		}
	}
	all := h.networks["a"]
	h.networks["a"] = nil
	h.tell(false, "a")
	lost("the inventory lacks it", "a")
	h.report(l2gw.HeldRemoval{NetworkID: "a", Rows: hosts, Total: hosts, Since: h.at, Confirms: true, Reason: "all of it would go"})
	status, reason, _ := h.c.Connection("c-a")
	if status != l2gw.StatusError || !strings.Contains(reason, "network a is not in the inventory; the removal of 100 of 100 rows is held: all of it would go") {
		t.Errorf("status %s: %s", status, reason)
	}
	h.networks["a"] = all
	h.tell(false, "a")
	lost("the inventory has it again")
	h.networks["a"] = nil
	h.tell(true, "bb")
	lost("a complete inventory lacks it", "a")
	if diff := cmp.Diff([]string{"a"}, h.read(h.pass(61*time.Second))); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
	h.bind(k, "")
	lost("its user has unbound it")
}
