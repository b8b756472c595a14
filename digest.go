package l2gw

import (
	"encoding/binary"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// Digest stands for contents: equal contents have equal digests, and others
// almost certainly another (64 bits). Digests of the members of a set are added
// up, so that one that comes or goes changes the sum at no cost.
type Digest uint64

// Digest of a host: of all its fields.
func (h Host) Digest() Digest {
	var b [96]byte
	buf := append(b[:0], h.MAC[:]...)
	buf = appendAddr(buf, h.VTEP)
	for _, ip := range h.IPs {
		buf = appendAddr(buf, ip)
	}
	return Digest(xxhash.Sum64(buf))
}

// Digest of a segment: of all but its version.
func (s *Segment) Digest() Digest {
	b := make([]byte, 0, 128)
	b = appendText(b, s.NetworkID)
	b = appendText(b, s.Name)
	b = binary.BigEndian.AppendUint64(b, uint64(s.VNI))
	b = binary.BigEndian.AppendUint64(b, uint64(s.MTU))
	for _, ip := range s.VTEPs {
		b = appendAddr(b, ip)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Hosts.Len()))
	b = binary.BigEndian.AppendUint64(b, uint64(s.HostSum))
	return Digest(xxhash.Sum64(b))
}

// SumHosts is HostSum, computed anew.
func (s *Segment) SumHosts() (sum Digest) {
	for h := range s.Hosts.Values() {
		sum += h.Digest()
	}
	return sum
}

// Digest of a binding: of all its fields.
func (b Binding) Digest() Digest {
	buf := make([]byte, 0, 256)
	for _, s := range []string{b.Device, b.Interface, b.NetworkID, b.ConnectionID, b.GatewayID, b.Request} {
		buf = appendText(buf, s)
	}
	buf = binary.BigEndian.AppendUint16(buf, uint16(b.VLAN))
	buf = binary.BigEndian.AppendUint64(buf, uint64(b.Revision))
	return Digest(xxhash.Sum64(buf))
}

func appendAddr(b []byte, a netip.Addr) []byte {
	s := a.AsSlice()
	b = append(b, byte(len(s)))
	return append(b, s...)
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
