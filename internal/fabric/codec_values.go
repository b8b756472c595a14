package fabric

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"l2gw"
	pb "l2gw/internal/fabric/fabricpb"
)

// decoder turns what came over the wire into values and keeps the first fault,
// so that each field needs no error of its own.
type decoder struct{ err error }

func (d *decoder) fault(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

func mapped[From, To any](all []From, f func(From) To) []To {
	if len(all) == 0 {
		return nil
	}
	out := make([]To, len(all))
	for i, v := range all {
		out[i] = f(v)
	}
	return out
}

func encodeVersion(v l2gw.Version) *pb.Version {
	if v == (l2gw.Version{}) {
		return nil
	}
	return &pb.Version{Epoch: v.Epoch, Counter: v.Counter}
}

func decodeVersion(v *pb.Version) l2gw.Version {
	return l2gw.Version{Epoch: v.GetEpoch(), Counter: v.GetCounter()}
}

// encodeTime knows the years from 1678 to 2262.
func encodeTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func decodeTime(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// encodeAddr drops the zone, which means nothing on another host.
func encodeAddr(a netip.Addr) []byte { return a.AsSlice() }

func (d *decoder) addr(field string, b []byte) netip.Addr {
	if len(b) == 0 {
		return netip.Addr{}
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		d.fault("%s: an IP address has 4 or 16 bytes, not %d", field, len(b))
	}
	return a
}

func (d *decoder) addrs(field string, all [][]byte) []netip.Addr {
	return mapped(all, func(b []byte) netip.Addr { return d.addr(field, b) })
}

func (d *decoder) vni(field string, v uint32) l2gw.VNI {
	if v > uint32(l2gw.MaxVNI) {
		d.fault("%s: a VNI is at most %d, not %d", field, l2gw.MaxVNI, v)
	}
	return l2gw.VNI(v)
}

func (d *decoder) vlan(field string, v uint32) l2gw.VLAN {
	if v > math.MaxUint16 {
		d.fault("%s: a VLAN id has 12 bits, and this is %d", field, v)
	}
	return l2gw.VLAN(v)
}

func encodeKey(k l2gw.BindingKey) *pb.BindingKey {
	return &pb.BindingKey{Device: k.Device, Interface: k.Interface, Vlan: uint32(k.VLAN)}
}

func (d *decoder) key(k *pb.BindingKey) l2gw.BindingKey {
	return l2gw.BindingKey{Device: k.GetDevice(), Interface: k.GetInterface(), VLAN: d.vlan("binding", k.GetVlan())}
}

func encodeBinding(b l2gw.Binding) *pb.Binding {
	return &pb.Binding{
		Key: encodeKey(b.BindingKey), NetworkId: b.NetworkID, ConnectionId: b.ConnectionID,
		GatewayId: b.GatewayID, Revision: b.Revision, Request: b.Request,
	}
}

func (d *decoder) binding(b *pb.Binding) l2gw.Binding {
	return l2gw.Binding{
		BindingKey: d.key(b.GetKey()), NetworkID: b.GetNetworkId(), ConnectionID: b.GetConnectionId(),
		GatewayID: b.GetGatewayId(), Revision: b.GetRevision(), Request: b.GetRequest(),
	}
}

// encodeOwnership sorts, so that equal contents have equal bytes.
func encodeOwnership(o l2gw.Ownership) *pb.Ownership {
	p := &pb.Ownership{
		Networks: make([]*pb.NetworkVNI, 0, len(o.Networks)),
		Bindings: make([]*pb.BindingNetwork, 0, len(o.Bindings)),
	}
	for _, id := range slices.Sorted(maps.Keys(o.Networks)) {
		p.Networks = append(p.Networks, &pb.NetworkVNI{NetworkId: id, Vni: uint32(o.Networks[id])})
	}
	for _, k := range slices.SortedFunc(maps.Keys(o.Bindings), compareKeys) {
		p.Bindings = append(p.Bindings, &pb.BindingNetwork{Key: encodeKey(k), NetworkId: o.Bindings[k]})
	}
	return p
}

func compareKeys(a, b l2gw.BindingKey) int {
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VLAN, b.VLAN))
}

func (d *decoder) ownership(p *pb.Ownership) l2gw.Ownership {
	o := l2gw.Ownership{
		Networks: make(map[string]l2gw.VNI, len(p.GetNetworks())),
		Bindings: make(map[l2gw.BindingKey]string, len(p.GetBindings())),
	}
	for _, n := range p.GetNetworks() {
		o.Networks[n.GetNetworkId()] = d.vni("network "+n.GetNetworkId(), n.GetVni())
	}
	for _, b := range p.GetBindings() {
		o.Bindings[d.key(b.GetKey())] = b.GetNetworkId()
	}
	return o
}
