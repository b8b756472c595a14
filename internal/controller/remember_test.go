package controller

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"l2gw"
	"l2gw/internal/fabric"
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
