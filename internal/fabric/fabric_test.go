package fabric

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"l2gw"
	"l2gw/internal/cow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func v(counter uint64) l2gw.Version { return l2gw.Version{Epoch: 1, Counter: counter} }

func segment(counter uint64, macs ...byte) *l2gw.Segment {
	s := &l2gw.Segment{NetworkID: "net", VNI: 5001, Version: v(counter)}
	for _, m := range macs {
		s.Hosts = s.Hosts.Set(l2gw.MAC{5: m}, l2gw.Host{MAC: l2gw.MAC{5: m}})
	}
	return s
}

// A gateway that changes its tunnel IP brings no host with it: the flood sets
// have as many members as before, so that only a look at the whole network finds out.
func TestADeltaWithOtherVTEPsConcernsTheWholeNetwork(t *testing.T) {
	r := told(t)
	d := SegmentDelta{Database: "db", NetworkID: "net", From: v(9), To: v(11), VNI: 5001, VTEPs: []netip.Addr{netip.MustParseAddr("10.77.0.9")}}
	if e := r.Apply(d); !slices.Equal(e.Networks, []string{"net"}) {
		t.Errorf("the effect is %+v", e)
	}
}

func hosts(m cow.Map[l2gw.MAC, l2gw.Host]) map[byte]bool {
	out := map[byte]bool{}
	for mac := range m.Keys() {
		out[mac[5]] = true
	}
	return out
}

var place = l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 100}

// told is a replica that got a snapshot with one binding and a network with hosts 1 and 2.
func told(t *testing.T) *Replica {
	t.Helper()
	r := NewReplica()
	for _, m := range []ToAgent{
		SnapshotBegin{"db", v(10)},
		Owned{Database: "db", Version: v(10), Owned: l2gw.Ownership{Networks: map[string]l2gw.VNI{"net": 5001}}},
		Segment{"db", segment(9, 1, 2)},
		Bindings{Database: "db", Version: v(10), Set: []l2gw.Binding{{BindingKey: place, NetworkID: "net"}}},
	} {
		if e := r.Apply(m); !cmp.Equal(e, Effect{}) {
			t.Fatalf("%T has an effect before the snapshot has ended: %+v", m, e)
		}
	}
	if r.Complete || len(r.Bindings) > 0 {
		t.Fatal("half a snapshot is believed")
	}
	if e := r.Apply(SnapshotEnd{Database: "db", Version: v(10)}); !e.All || !r.Complete {
		t.Fatalf("the snapshot ended, and %+v, complete %v", e, r.Complete)
	}
	return r
}

func TestASnapshotIsBelievedWholeOrNotAtAll(t *testing.T) {
	r := told(t)
	if len(r.Bindings) != 1 || r.Segments["net"].Hosts.Len() != 2 || len(r.ByNetwork["net"]) != 1 {
		t.Errorf("the replica holds %+v", r)
	}
	// The next one is cut: what was known stays in force.
	r.Apply(SnapshotBegin{"db", v(20)})
	r.Apply(SnapshotBegin{"db", v(30)})                  // and another begins
	r.Apply(SnapshotEnd{Database: "db", Version: v(20)}) // the end of the first comes late
	if len(r.Bindings) != 1 || !r.Complete {
		t.Errorf("a cut snapshot changed the replica: %+v", r)
	}
	r.Cut() // somebody lost messages in the middle
	r.Apply(SnapshotEnd{Database: "db", Version: v(30)})
	if len(r.Bindings) != 1 {
		t.Errorf("the end of a cut snapshot was believed: %+v", r)
	}
	r.Apply(Bindings{Database: "db", Version: v(31), Unset: []Unbound{{BindingKey: place}}})
	if len(r.Bindings) != 1 {
		t.Error("words that build on lost ones were believed")
	}
	r.Apply(SnapshotBegin{"db", v(40)})
	r.Apply(SnapshotEnd{Database: "db", Version: v(40)})
	if len(r.Bindings) != 0 {
		t.Errorf("the complete snapshot was not taken: %+v", r)
	}
}

func TestADeltaFitsOrTheNetworkIsAskedForAnew(t *testing.T) {
	r := told(t)
	d := SegmentDelta{
		Database: "db", NetworkID: "net", From: v(9), To: v(11), VNI: 5001,
		Set: []l2gw.Host{{MAC: l2gw.MAC{5: 3}}}, Removed: []l2gw.MAC{{5: 1}},
	}
	before := r.Segments["net"]
	e := r.Apply(d)
	if diff := cmp.Diff(Effect{Network: "net", MACs: []l2gw.MAC{{5: 1}, {5: 3}}}, e); diff != "" {
		t.Errorf("effect (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[byte]bool{2: true, 3: true}, hosts(r.Segments["net"].Hosts)); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if hosts(before.Hosts)[3] {
		t.Error("the old segment was changed, and others may hold it")
	}
	if e := r.Apply(d); !cmp.Equal(e, Effect{}) {
		t.Errorf("the same delta again has an effect: %+v", e)
	}
	d.From, d.To = v(12), v(13)
	if e := r.Apply(d); e.Ask != "net" {
		t.Errorf("a delta that does not fit: %+v", e)
	}
	if e := r.Apply(Segment{"db", segment(13, 7)}); len(e.Networks) != 1 || !hosts(r.Segments["net"].Hosts)[7] {
		t.Errorf("the answer was not taken: %+v", e)
	}
}

func TestOlderWordsChangeNothing(t *testing.T) {
	r := told(t)
	r.Apply(Segment{"db", segment(15, 5)})
	r.Apply(Bindings{Database: "db", Version: v(15), Unset: []Unbound{{BindingKey: place}}})
	for _, m := range []ToAgent{
		Segment{"db", segment(14, 6)},
		SegmentUnknown{"db", "net", v(14)},
		SegmentGone{"db", "net", v(14)},
		Bindings{Database: "db", Version: v(14), Set: []l2gw.Binding{{BindingKey: place, NetworkID: "net"}}},
		Owned{Database: "db", Version: v(9), Owned: l2gw.Ownership{}},
	} {
		if e := r.Apply(m); !cmp.Equal(e, Effect{}) {
			t.Errorf("%T: %+v", m, e)
		}
	}
	if len(r.Bindings) != 0 || !hosts(r.Segments["net"].Hosts)[5] || len(r.Owned.Networks) != 1 {
		t.Errorf("the replica holds %+v", r)
	}
}

func TestAPipeKeepsOrderAndMakesTheSenderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, agent := Pipe()
		ctx := t.Context()
		sent := make(chan int, 1000)
		go func() {
			for i := range 3 * pipeBuffer {
				if server.Send(ctx, Do{ID: uint64(i)}) != nil {
					return
				}
				sent <- i
			}
		}()
		synctest.Wait()
		if n := len(sent); n != pipeBuffer {
			t.Errorf("%d messages went in without a reader, want %d", n, pipeBuffer)
		}
		for i := range 3 * pipeBuffer {
			m, err := agent.Recv(ctx)
			if err != nil || m.(Do).ID != uint64(i) {
				t.Fatalf("message %d: %+v, %v", i, m, err)
			}
		}
	})
}

func TestAClosedPipeEndsBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, agent := Pipe()
		errs := make(chan error, 2)
		go func() { _, err := server.Recv(t.Context()); errs <- err }()
		go func() { _, err := agent.Recv(t.Context()); errs <- err }()
		synctest.Wait()
		agent.Close()
		agent.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("Recv = %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range pipeBuffer + 1 {
			if err := server.Send(ctx, Do{}); err != nil {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("Send = %v", err)
				}
				return
			}
		}
		t.Error("a closed pipe takes any number of messages")
	})
}
