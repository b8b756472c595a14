package fabric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"l2gw"
	"l2gw/internal/cow"
	pb "l2gw/internal/fabric/fabricpb"
)

// anything makes values of all fields of a message, those that are added in
// future included, within the limits of what their types mean.
var anything = rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
	reflect.TypeFor[netip.Addr]():          addresses.AsAny(),
	reflect.TypeFor[time.Time]():           times.AsAny(),
	reflect.TypeFor[l2gw.VNI]():            rapid.Uint32Max(uint32(l2gw.MaxVNI)).AsAny(),
	reflect.TypeFor[*l2gw.Segment]():       segments.AsAny(),
	reflect.TypeFor[[]l2gw.Host]():         hostLists.AsAny(),
	reflect.TypeFor[[]l2gw.Learned]():      learnedLists.AsAny(),
	reflect.TypeFor[[]LearnedKey]():        rapid.SliceOfNDistinct(rapid.Make[LearnedKey](), 0, 20, rapid.ID).AsAny(),
	reflect.TypeFor[[]l2gw.DeviceState]():  devices.AsAny(),
	reflect.TypeFor[map[string]l2gw.VNI](): rapid.MapOf(rapid.String(), vnis).AsAny(),
}}

var (
	vnis      = rapid.Map(rapid.Uint32Max(uint32(l2gw.MaxVNI)), func(v uint32) l2gw.VNI { return l2gw.VNI(v) })
	addresses = rapid.Custom(func(t *rapid.T) netip.Addr {
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 0, 0).Draw(t, "none"))
		switch rapid.IntRange(0, 8).Draw(t, "family") {
		case 0:
		case 1, 2, 3:
			a = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
		default:
			a = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		}
		return a
	})
	// Three levels of lists are a lot.
	devices = rapid.SliceOfN(rapid.MakeCustom[l2gw.DeviceState](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[netip.Addr]():       addresses.AsAny(),
		reflect.TypeFor[[]l2gw.PortState](): rapid.SliceOfN(rapid.Make[l2gw.PortState](), 0, 3).AsAny(),
	}}), 0, 3)
	times = rapid.Custom(func(t *rapid.T) time.Time {
		return decodeTime(rapid.Int64().Draw(t, "nanoseconds"))
	})
	// A few VTEPs, so that hosts share them.
	hostLists = rapid.Custom(func(t *rapid.T) []l2gw.Host {
		vteps := rapid.SliceOfN(addresses, 1, 3).Draw(t, "VTEPs")
		return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) l2gw.Host {
			return l2gw.Host{
				MAC:  rapid.Make[l2gw.MAC]().Draw(t, "MAC"),
				VTEP: rapid.SampledFrom(vteps).Draw(t, "VTEP"),
				IPs:  rapid.SliceOfN(addresses, 0, 4).Draw(t, "IPs"),
			}
		}), 0, 50, func(h l2gw.Host) l2gw.MAC { return h.MAC }).Draw(t, "hosts")
	})
	learnedLists = rapid.Custom(func(t *rapid.T) (list []l2gw.Learned) {
		for _, id := range rapid.SliceOfNDistinct(rapid.String(), 0, 3, rapid.ID).Draw(t, "networks") {
			for _, h := range hostLists.Draw(t, "hosts") {
				list = append(list, l2gw.Learned{NetworkID: id, Host: h})
			}
		}
		return list
	})
	segments = rapid.Custom(func(t *rapid.T) *l2gw.Segment {
		s := &l2gw.Segment{
			NetworkID: rapid.String().Draw(t, "network"), Name: rapid.String().Draw(t, "name"),
			VNI: vnis.Draw(t, "VNI"), MTU: rapid.Int().Draw(t, "MTU"),
			VTEPs: rapid.SliceOf(addresses).Draw(t, "VTEPs"), Version: rapid.Make[l2gw.Version]().Draw(t, "version"),
		}
		for _, h := range hostLists.Draw(t, "hosts") {
			s.Hosts = s.Hosts.Set(h.MAC, h)
		}
		s.HostSum = s.SumHosts()
		return s
	})
)

func a[T any]() *rapid.Generator[any] { return rapid.MakeCustom[T](anything).AsAny() }

// kinds are all messages that there are.
var (
	toAgents = []*rapid.Generator[any]{
		a[Welcome](), a[Refused](), a[Grant](), a[Revoke](), a[Renewal](), a[SnapshotBegin](), a[SnapshotEnd](), a[SameNetwork](), a[SameBindings](),
		a[Bindings](), a[Segment](), a[SegmentDelta](), a[SegmentUnknown](), a[SegmentGone](), a[Owned](), a[Recorded](), a[Do](),
	}
	toServers = []*rapid.Generator[any]{
		a[Hello](), a[Beat](), a[Observed](), a[Orphans](), a[Learned](), a[Applied](), a[Ask](), a[Done](),
	}
)

// same compares messages: the order of hosts and learned MACs means nothing, nor
// does whether what is empty is nil.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Transformer("hosts", func(m cow.Map[l2gw.MAC, l2gw.Host]) map[l2gw.MAC]l2gw.Host {
		all := map[l2gw.MAC]l2gw.Host{}
		for mac, h := range m.All() {
			all[mac] = h
		}
		return all
	}),
	cmpopts.SortSlices(func(a, b l2gw.Host) bool { return a.MAC.Compare(b.MAC) < 0 }),
	cmpopts.SortSlices(func(a, b l2gw.Learned) bool {
		return a.NetworkID < b.NetworkID || a.NetworkID == b.NetworkID && a.MAC.Compare(b.MAC) < 0
	}),
	cmpopts.SortSlices(func(a, b LearnedKey) bool {
		return a.NetworkID < b.NetworkID || a.NetworkID == b.NetworkID && a.MAC.Compare(b.MAC) < 0
	}),
}

func TestEveryMessageSurvivesTheWire(t *testing.T) {
	for _, kind := range toAgents {
		t.Run(fmt.Sprintf("%T", kind.Example()), rapid.MakeCheck(func(t *rapid.T) {
			m := kind.Draw(t, "message").(ToAgent)
			b, err := MarshalToAgent(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := UnmarshalToAgent(b)
			if diff := cmp.Diff(m, got, same); diff != "" || err != nil {
				t.Fatalf("%v (-sent +received):\n%s", err, diff)
			}
		}))
	}
	for _, kind := range toServers {
		t.Run(fmt.Sprintf("%T", kind.Example()), rapid.MakeCheck(func(t *rapid.T) {
			m := kind.Draw(t, "message").(ToServer)
			b, err := MarshalToServer(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := UnmarshalToServer(b)
			if diff := cmp.Diff(m, got, same); diff != "" || err != nil {
				t.Fatalf("%v (-sent +received):\n%s", err, diff)
			}
		}))
	}
}

func TestAllKindsOfMessagesAreTested(t *testing.T) {
	// Parts and Opened are the transport's own.
	for _, c := range []struct {
		kinds int
		m     protoreflect.ProtoMessage
		own   int
	}{{len(toAgents), &pb.FromServer{}, 2}, {len(toServers), &pb.FromAgent{}, 1}} {
		if n := c.m.ProtoReflect().Descriptor().Oneofs().Get(0).Fields().Len() - c.own; n != c.kinds {
			t.Errorf("%T has %d kinds of messages, and %d are tested", c.m, n, c.kinds)
		}
	}
}

func TestADigestIsTheSameAtBothEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := segments.Draw(t, "segment")
		b, err := MarshalToAgent(Segment{Segment: s})
		if err != nil {
			t.Fatal(err)
		}
		m, err := UnmarshalToAgent(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.(Segment).Segment; got.Digest() != s.Digest() || got.HostSum != s.SumHosts() {
			t.Error("they differ")
		}
	})
}

func TestWhatANewerPeerAddsIsPassedOver(t *testing.T) {
	// Field 1000 of FromServer and FromAgent, a message of 3 bytes.
	unknown := []byte{0xc2, 0x3e, 3, 1, 2, 3}
	if _, err := UnmarshalToAgent(unknown); !errors.Is(err, ErrUnknownMessage) {
		t.Errorf("to an agent: %v", err)
	}
	if _, err := UnmarshalToServer(unknown); !errors.Is(err, ErrUnknownMessage) {
		t.Errorf("to a server: %v", err)
	}
	b, err := MarshalToAgent(Renewal{Beat: 7})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, 0xc0, 0x3e, 1) // a field beside the message
	if m, err := UnmarshalToAgent(b); m != (Renewal{Beat: 7}) {
		t.Errorf("a message with a field more: %+v, %v", m, err)
	}
}

func TestValuesThatCannotBeAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		p    *pb.FromServer
		says string
	}{
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{NetworkId: "net-a", Vni: 1 << 24}}}, "network net-a: a VNI is at most 16777215"},
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{Vteps: [][]byte{{1, 2, 3}}}}}, "4 or 16 bytes, not 3"},
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{Removed: []byte{1, 2}}}}, "no multiple of 6"},
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{Set: []*pb.Hosts{{Macs: make([]byte, 12), Shape: []byte{4}, Addresses: make([]byte, 7)}}}}}, "12 bytes of MACs and 7"},
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{Set: []*pb.Hosts{{Macs: make([]byte, 5)}}}}}, "5 bytes of MACs"},
		{&pb.FromServer{Message: &pb.FromServer_SegmentDelta{SegmentDelta: &pb.SegmentDelta{Set: []*pb.Hosts{{Macs: make([]byte, 6), Shape: []byte{5}, Addresses: make([]byte, 5)}}}}}, "4 or 16 bytes, not 5"},
		{&pb.FromServer{Message: &pb.FromServer_Bindings{Bindings: &pb.Bindings{Set: []*pb.Binding{{Key: &pb.BindingKey{Vlan: 1 << 16}}}}}}, "a VLAN id has 12 bits"},
	} {
		b, err := proto.Marshal(c.p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalToAgent(b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

func FuzzNoBytesMakeTheCodecPanic(f *testing.F) {
	for _, kind := range toAgents {
		b, err := MarshalToAgent(kind.Example(1).(ToAgent))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := UnmarshalToAgent(b); err == nil {
			if _, err := MarshalToAgent(m); err != nil {
				t.Errorf("%+v was received and cannot be sent: %v", m, err)
			}
		}
		if m, err := UnmarshalToServer(b); err == nil {
			if _, err := MarshalToServer(m); err != nil {
				t.Errorf("%+v was received and cannot be sent: %v", m, err)
			}
		}
	})
}

// A switch may have any bytes in its description. They must not end the stream.
func TestTextsOfSwitchesThatAreNotUTF8AreMadeSo(t *testing.T) {
	faults := []string{"fan \xff", "fine"}
	b, err := MarshalToServer(Observed{Database: "tor1", State: l2gw.DatabaseState{
		Name: "tor1", Devices: []l2gw.DeviceState{{Description: "\xe9tage", Faults: faults}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := UnmarshalToServer(b)
	if err != nil {
		t.Fatal(err)
	}
	got := m.(Observed).State.Devices[0]
	if got.Description != "\uFFFDtage" || !slices.Equal(got.Faults, []string{"fan \uFFFD", "fine"}) {
		t.Errorf("%+v", got)
	}
	if faults[0] != "fan \xff" {
		t.Error("the sender's own value was changed")
	}
}

func TestMessagesSurviveAFile(t *testing.T) {
	want := []ToAgent{SnapshotBegin{"tor1", v(1)}, Segment{"tor1", segment(1, 1, 2)}, SnapshotEnd{"tor1", v(1), 8}}
	want[1].(Segment).Segment.HostSum = want[1].(Segment).Segment.SumHosts()
	var file bytes.Buffer
	if err := WriteMessages(&file, slices.Values(want)); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	read := func(b []byte) (got []ToAgent, err error) {
		for m, err := range ReadMessages(bytes.NewReader(b)) {
			if err != nil {
				return got, err
			}
			got = append(got, m)
		}
		return got, nil
	}
	got, err := read(whole)
	if diff := cmp.Diff(want, got, same); diff != "" || err != nil {
		t.Errorf("%v (-written +read):\n%s", err, diff)
	}
	if _, err := read(whole[:len(whole)-1]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that was cut: %v", err)
	}
	if _, err := read(append(slices.Clone(whole), 0xff, 0xff, 0xff, 0xff, 0xff, 1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a length that cannot be: %v", err)
	}
	if _, err := read([]byte{2, 0xff, 0xff}); !errors.Is(err, ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
	if err := WriteMessages(&file, slices.Values([]ToAgent{Segment{}})); !errors.Is(err, ErrMalformed) {
		t.Errorf("a segment that is none: %v", err)
	}
}

// manyHosts is a segment as a large cloud has it: n hosts with an IPv4 address
// each, behind so many VTEPs.
func manyHosts(n, vteps int) *l2gw.Segment {
	s := &l2gw.Segment{NetworkID: "6f1c2b0e-5d0c-4a53-9d2a-7c0d1f4f8a11", Name: "blue", VNI: 5001, MTU: 1450, Version: v(7)}
	for i := range vteps {
		s.VTEPs = append(s.VTEPs, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	hosts := s.Hosts.Txn()
	for i := range n {
		h := l2gw.Host{
			MAC:  l2gw.MAC{0xfa, 0x16, 0x3e, byte(i >> 16), byte(i >> 8), byte(i)},
			VTEP: s.VTEPs[i%vteps],
			IPs:  []netip.Addr{netip.AddrFrom4([4]byte{172, 16 + byte(i>>16), byte(i >> 8), byte(i)})},
		}
		hosts.Set(h.MAC, h)
		s.HostSum += h.Digest()
	}
	s.Hosts = hosts.Commit()
	return s
}

func TestAHostTakesLittleMoreThanItsAddresses(t *testing.T) {
	b, err := MarshalToAgent(Segment{"tor1", manyHosts(10_000, 250)})
	if err != nil {
		t.Fatal(err)
	}
	if perHost := float64(len(b)) / 10_000; perHost > 11 || math.IsNaN(perHost) {
		t.Errorf("a host takes %.1f bytes; its MAC and its address have 10", perHost)
	}
}

func BenchmarkCodec(b *testing.B) {
	const hosts = 100_000
	m := Segment{"tor1", manyHosts(hosts, 1000)}
	encoded, err := MarshalToAgent(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := MarshalToAgent(m); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(hosts*b.N)/b.Elapsed().Seconds(), "hosts/s")
		b.ReportMetric(float64(len(encoded))/hosts, "B/host")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := UnmarshalToAgent(encoded); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(hosts*b.N)/b.Elapsed().Seconds(), "hosts/s")
	})
}
