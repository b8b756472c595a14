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
	"pgregory.net/rapid"

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

// A network that is still bound on other databases keeps its segment, and its version.
func TestANetworkThatIsBoundAgainComesWithTheVersionThatItHas(t *testing.T) {
	r := told(t)
	r.Apply(SegmentGone{"db", "net", v(20)})
	if r.Segments["net"] != nil {
		t.Error("the segment is not forgotten")
	}
	if e := r.Apply(Segment{"db", segment(15, 1)}); len(e.Networks) != 1 || r.Segments["net"] == nil {
		t.Errorf("the segment was not taken: %+v", e)
	}
}

func epoch2(counter uint64) l2gw.Version { return l2gw.Version{Epoch: 2, Counter: counter} }

func TestAnOlderControllerIsNotHeard(t *testing.T) {
	r := told(t)
	r.Apply(SnapshotBegin{"db", epoch2(1)})
	other := segment(99, 7)
	for _, m := range []ToAgent{
		Segment{"db", other},
		SegmentUnknown{"db", "net", v(99)},
		SegmentGone{"db", "net", v(99)},
		Bindings{Database: "db", Version: v(99), Unset: []Unbound{{BindingKey: place}}},
		Owned{Database: "db", Version: v(99)},
		SegmentDelta{Database: "db", NetworkID: "net", From: v(9), To: v(99)},
		SnapshotBegin{"db", v(99)},
		SameBindings{"db", v(99), 0},
		SnapshotEnd{Database: "db", Version: v(99)},
	} {
		if e := r.Apply(m); !cmp.Equal(e, Effect{}) {
			t.Errorf("%T: %+v", m, e)
		}
	}
	if len(r.Bindings) != 1 || len(r.Owned.Networks) != 1 || r.Segments["net"].Hosts.Len() != 2 {
		t.Errorf("the replica holds %+v", r)
	}
	if e := r.Apply(SnapshotEnd{Database: "db", Version: epoch2(1)}); !e.All || len(r.Bindings) != 0 || len(r.Segments) != 0 {
		t.Errorf("the newer snapshot: %+v, %+v", e, r)
	}
}

func TestANewControllerBeginsWithASnapshot(t *testing.T) {
	r := told(t)
	late := Bindings{Database: "db", Version: epoch2(5), Unset: []Unbound{{BindingKey: place}}}
	if e := r.Apply(late); !e.AskAll || len(r.Bindings) != 1 {
		t.Errorf("half the words of a new controller: %+v", e)
	}
	if e := r.Apply(late); !cmp.Equal(e, Effect{}) {
		t.Errorf("it is asked again and again: %+v", e)
	}
	r.Apply(SnapshotBegin{"db", epoch2(6)})
	if e := r.Apply(SnapshotEnd{Database: "db", Version: epoch2(6)}); !e.All {
		t.Errorf("the snapshot was not taken: %+v", e)
	}
}

func TestASnapshotOlderThanTheLastIsIgnored(t *testing.T) {
	r := told(t)
	r.Apply(SnapshotBegin{"db", v(8)})
	if e := r.Apply(SnapshotEnd{Database: "db", Version: v(8)}); e.All || len(r.Bindings) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestWhatIsTheSameNeedNotBeSaidAgain(t *testing.T) {
	r := told(t)
	h := r.Holding("db")
	snapshot := func(counter uint64, messages ...ToAgent) (effects []Effect, end Effect) {
		t.Helper()
		r.Apply(SnapshotBegin{"db", v(counter)})
		for _, m := range messages {
			effects = append(effects, r.Apply(m))
		}
		return effects, r.Apply(SnapshotEnd{Database: "db", Version: v(counter), Revision: 17})
	}
	_, end := snapshot(20, SameNetwork{"db", "net", v(19), h.Networks["net"]}, SameBindings{"db", v(20), h.Bindings})
	if !end.All || len(r.Bindings) != 1 || len(r.ByNetwork["net"]) != 1 || r.Revision != 17 {
		t.Errorf("%+v: %+v", end, r)
	}
	if s := r.Segments["net"]; s.Hosts.Len() != 2 || s.Version != v(19) {
		t.Errorf("the segment is %+v", s)
	}
	if diff := cmp.Diff(h.Networks, r.Holding("db").Networks); diff != "" {
		t.Error(diff)
	}
	// A delta goes on from the version that the snapshot gave.
	if e := r.Apply(SegmentDelta{Database: "db", NetworkID: "net", From: v(19), To: v(21), VNI: 5001}); e.Ask != "" {
		t.Errorf("%+v", e)
	}
	// A network that has changed since is asked for, and unknown until it comes.
	effects, end := snapshot(30, SameNetwork{"db", "net", v(29), h.Networks["net"] + 1}, SameBindings{"db", v(30), h.Bindings})
	if effects[0].Ask != "net" || !end.All || r.Segments["net"] != nil || len(r.Bindings) != 1 {
		t.Errorf("%+v, %+v: %+v", effects, end, r)
	}
	// Without the bindings, a snapshot is worth nothing.
	_, end = snapshot(40, SameBindings{"db", v(40), h.Bindings + 1})
	if end.All || !end.AskAll || len(r.Bindings) != 1 {
		t.Errorf("%+v: %+v", end, r)
	}
}

func TestADeltaThatComesToOtherContentsIsRefused(t *testing.T) {
	r := told(t)
	want := segment(11, 2, 3)
	want.HostSum = want.SumHosts()
	d := SegmentDelta{
		Database: "db", NetworkID: "net", From: v(9), To: v(11), VNI: 5001,
		Set: []l2gw.Host{{MAC: l2gw.MAC{5: 3}}}, Removed: []l2gw.MAC{{5: 1}}, Digest: want.Digest() + 1,
	}
	if e := r.Apply(d); e.Ask != "net" || r.Segments["net"].Hosts.Len() != 2 || r.Segments["net"].Version != v(9) {
		t.Errorf("%+v: %+v", e, r.Segments["net"])
	}
	d.Digest = want.Digest()
	if e := r.Apply(d); e.Network != "net" || r.Segments["net"].HostSum != want.HostSum {
		t.Errorf("%+v: %+v", e, r.Segments["net"])
	}
}

func TestANetworkThatIsLostOrFoundIsLookedAt(t *testing.T) {
	r := told(t)
	owned := func(counter uint64, lost ...string) Effect {
		return r.Apply(Owned{Database: "db", Version: v(counter), Owned: r.Owned, Lost: lost})
	}
	if e := owned(20, "a", "b"); len(e.Networks) != 2 || !r.Lost["a"] || !r.Lost["b"] {
		t.Errorf("%+v", e)
	}
	if e := owned(21, "b", "c"); !slices.Contains(e.Networks, "a") || !slices.Contains(e.Networks, "c") || len(e.Networks) != 2 || r.Lost["a"] {
		t.Errorf("%+v", e)
	}
}

// Whatever is said, what is kept up to date along the way is what one would
// come to by looking at everything, and survives the way to the disk and back.
func TestWhatAReplicaKeepsAlongTheWayIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewReplica()
		r.Apply(SnapshotBegin{"db", v(1)})
		r.Apply(SnapshotEnd{Database: "db", Version: v(1)})
		binding := rapid.Custom(func(t *rapid.T) l2gw.Binding {
			return l2gw.Binding{
				BindingKey: l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: l2gw.VLAN(rapid.IntRange(1, 4).Draw(t, "vlan"))},
				NetworkID:  rapid.SampledFrom([]string{"a", "b"}).Draw(t, "network"), Revision: rapid.Int64Range(1, 3).Draw(t, "revision"),
			}
		})
		mac := rapid.Map(rapid.ByteRange(1, 4), func(b byte) l2gw.MAC { return l2gw.MAC{5: b} })
		host := rapid.Custom(func(t *rapid.T) l2gw.Host {
			return l2gw.Host{MAC: mac.Draw(t, "mac"), VTEP: netip.AddrFrom4([4]byte{10, 0, 0, rapid.ByteRange(1, 2).Draw(t, "vtep")})}
		})
		for i := range rapid.IntRange(1, 20).Draw(t, "messages") {
			version := v(uint64(i) + 2)
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				m := Bindings{Database: "db", Version: version, Revision: int64(i), Set: rapid.SliceOfN(binding, 0, 4).Draw(t, "set")}
				for _, b := range rapid.SliceOfN(binding, 0, 3).Draw(t, "unset") {
					m.Unset = append(m.Unset, Unbound{BindingKey: b.BindingKey})
				}
				r.Apply(m)
			case 1:
				s := &l2gw.Segment{NetworkID: "a", Version: version}
				for _, h := range rapid.SliceOfN(host, 0, 4).Draw(t, "hosts") {
					s.Hosts = s.Hosts.Set(h.MAC, h)
				}
				r.Apply(Segment{"db", s})
			case 2:
				if s := r.Segments["a"]; s != nil {
					r.Apply(SegmentDelta{
						Database: "db", NetworkID: "a", From: s.Version, To: version,
						Set: rapid.SliceOfN(host, 0, 3).Draw(t, "set"), Removed: rapid.SliceOfN(mac, 0, 3).Draw(t, "removed"),
					})
				}
			}
		}
		var sum l2gw.Digest
		by := map[string]map[l2gw.BindingKey]bool{}
		for k, b := range r.Bindings {
			sum += b.Digest()
			if by[b.NetworkID] == nil {
				by[b.NetworkID] = map[l2gw.BindingKey]bool{}
			}
			by[b.NetworkID][k] = true
		}
		h := r.Holding("db")
		if h.Bindings != sum {
			t.Errorf("the sum of the bindings is %x, want %x", h.Bindings, sum)
		}
		if len(by) != len(r.ByNetwork) {
			t.Errorf("by network: %v, want %v", r.ByNetwork, by)
		}
		for id, keys := range r.ByNetwork {
			if len(keys) != len(by[id]) || slices.ContainsFunc(keys, func(k l2gw.BindingKey) bool { return !by[id][k] }) {
				t.Errorf("network %s: %v, want %v", id, keys, by[id])
			}
		}
		for _, s := range r.Segments {
			if s.HostSum != s.SumHosts() {
				t.Errorf("network %s: the sum of the hosts is %x, want %x", s.NetworkID, s.HostSum, s.SumHosts())
			}
		}
		back := NewReplica()
		for m := range r.Messages() {
			back.Apply(m)
		}
		if diff := cmp.Diff(h, back.Holding("db")); diff != "" || back.Seen() != r.Seen() {
			t.Errorf("after the way to the disk and back (-want +got):\n%s", diff)
		}
	})
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
