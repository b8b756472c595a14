package l2gw

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"l2gw/internal/cow"
)

// VNI is a VXLAN network identifier, 24 bits (RFC 7348 §5).
type VNI uint32

// MaxVNI is the highest VNI.
const MaxVNI VNI = 1<<24 - 1

// MAC is an Ethernet address.
type MAC [6]byte

// ParseMAC reads six pairs of hexadecimal digits with colons or hyphens between them.
func ParseMAC(s string) (m MAC, err error) {
	ok := len(s) == 17
	for i := 0; ok && i < len(m); i++ {
		high, low := hexDigit(s[3*i]), hexDigit(s[3*i+1])
		m[i] = high<<4 | low
		ok = high < 16 && low < 16 && (i == 0 || s[3*i-1] == s[2] && (s[2] == ':' || s[2] == '-'))
	}
	if !ok {
		return MAC{}, fmt.Errorf("%q is not a MAC address: it must look like fa:16:3e:00:00:01", s)
	}
	return m, nil
}

// hexDigit is the value of a hexadecimal digit, or 16 if c is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// String is the form with colons, in lower case.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, c := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}

// Compare orders MACs by their bytes: -1, 0 or +1.
func (m MAC) Compare(o MAC) int { return bytes.Compare(m[:], o[:]) }

// IsUnicast reports whether m can be a host's address: neither a group address
// (IEEE 802 §8.2, the I/G bit) nor all zeros.
func (m MAC) IsUnicast() bool { return m[0]&1 == 0 && m != MAC{} }

// Host is a MAC address of a network and the VTEP behind which it is.
type Host struct {
	MAC  MAC
	VTEP netip.Addr
	// IPs are the host's addresses as far as known; they help a switch to answer ARP.
	IPs []netip.Addr
}

// Equal reports whether two hosts are the same in everything.
func (h Host) Equal(o Host) bool {
	return h.MAC == o.MAC && h.VTEP == o.VTEP && slices.Equal(h.IPs, o.IPs)
}

// Digest of a host: of all its fields.
func (h Host) Digest() Digest {
	var b [96]byte
	buf := append(b[:0], h.MAC[:]...)
	buf = appendAddr(buf, h.VTEP)
	for _, ip := range h.IPs {
		buf = appendAddr(buf, ip)
	}
	return digestOf(buf)
}

// Version orders what controllers say: first by the epoch of the controller's
// lease, then by its own counter.
type Version struct {
	Epoch   uint64
	Counter uint64
}

// Compare returns -1, 0 or +1.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Epoch, o.Epoch), cmp.Compare(v.Counter, o.Counter))
}

// Segment is a network as an overlay carries it: its VNI and the hosts behind
// each VTEP, compute nodes and gateways alike. It is immutable and shared.
type Segment struct {
	NetworkID string
	Name      string
	VNI       VNI
	MTU       int // bytes of an IP packet that the network promises; 0 if unknown
	// VTEPs are all tunnel endpoints where the network is present; every one of
	// them must receive broadcasts. Sorted, each once. It holds at least the VTEPs of Hosts.
	VTEPs   []netip.Addr
	Hosts   cow.Map[MAC, Host]
	Version Version
	// HostSum is the sum of Digest of all Hosts. Whoever makes a segment keeps it
	// right, so that its Digest costs nothing.
	HostSum Digest
}

// HasVTEP reports whether a is one of the segment's VTEPs.
func (s *Segment) HasVTEP(a netip.Addr) bool {
	_, ok := slices.BinarySearchFunc(s.VTEPs, a, netip.Addr.Compare)
	return ok
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
	return digestOf(b)
}

// SumHosts is HostSum, computed anew.
func (s *Segment) SumHosts() (sum Digest) {
	for h := range s.Hosts.Values() {
		sum += h.Digest()
	}
	return sum
}
