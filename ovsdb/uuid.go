package ovsdb

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// UUID is a row's identity (RFC 7047 §3.1, <uuid>).
type UUID [16]byte

// NewUUID returns a random (version 4) UUID.
func NewUUID() UUID {
	var u UUID
	_, _ = rand.Read(u[:]) // never fails (crypto/rand)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseUUID reads the 36-character form, in either case.
func ParseUUID[T string | []byte](s T) (u UUID, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("%q is not a UUID: it must look like 01234567-89ab-cdef-0123-456789abcdef", s)
	}
	for i, at := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hi, lo := unhex(s[at]), unhex(s[at+1])
		if hi|lo > 15 {
			return UUID{}, fmt.Errorf("%q is not a UUID: %q is no hexadecimal digit pair", s, s[at:at+2])
		}
		u[i] = hi<<4 | lo
	}
	return u, nil
}

// hexValue has the value of each hexadecimal digit, 255 for what is none.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		t[c] = byte(10 + i)
	}
	return t
}()

func unhex(c byte) byte { return hexValue[c] }

// String returns the 36-character form in lower case.
func (u UUID) String() string { return string(u.append(make([]byte, 0, 36))) }

// IsZero reports whether u is all zeros, which no row's identity is.
func (u UUID) IsZero() bool { return u == UUID{} }

func (u UUID) append(b []byte) []byte {
	b = hex.AppendEncode(b, u[0:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, u[10:16])
}
