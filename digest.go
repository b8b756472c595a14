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

func digestOf(b []byte) Digest { return Digest(xxhash.Sum64(b)) }

func appendAddr(b []byte, a netip.Addr) []byte {
	s := a.AsSlice()
	b = append(b, byte(len(s)))
	return append(b, s...)
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
