package ovsdb

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendValue appends the JSON form of v (RFC 7047 §5.1) to b. A set of one
// atom is written as the bare atom, as ovsdb-server does. It panics on a Go
// type that is no Value.
func AppendValue(b []byte, v Value) []byte {
	switch v := v.(type) {
	case Set:
		if len(v.atoms) == 1 {
			return appendAtom(b, v.atoms[0])
		}
		b = append(b, `["set",[`...)
		for i, a := range v.atoms {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAtom(b, a)
		}
		return append(b, `]]`...)
	case Map:
		b = append(b, `["map",[`...)
		for i, p := range v.pairs {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '[')
			b = appendAtom(b, p.Key)
			b = append(b, ',')
			b = appendAtom(b, p.Value)
			b = append(b, ']')
		}
		return append(b, `]]`...)
	}
	return appendAtom(b, v)
}

func appendAtom(b []byte, a Value) []byte {
	switch a := a.(type) {
	case string:
		return appendString(b, a)
	case int64:
		return strconv.AppendInt(b, a, 10)
	case bool:
		return strconv.AppendBool(b, a)
	case UUID:
		b = append(b, `["uuid","`...)
		b = a.append(b)
		return append(b, `"]`...)
	case NamedUUID:
		b = append(b, `["named-uuid",`...)
		b = appendString(b, string(a))
		return append(b, ']')
	case float64:
		return appendReal(b, a)
	}
	panic(fmt.Sprintf("ovsdb: %T is not an atom", a))
}

// appendReal writes a real so that it is read back as the same real.
func appendReal(b []byte, f float64) []byte {
	j, err := json.Marshal(f)
	if err != nil { // an infinity or NaN, which JSON and OVSDB do not have
		return append(b, '0')
	}
	return append(b, j...)
}

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD:
// OVSDB strings are UTF-8 (RFC 7047 §3.1). So do null characters, for which
// ovsdb-server would end the session.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			j, _ := json.Marshal(strings.ReplaceAll(s, "\x00", "\uFFFD")) // a string can always be marshalled
			return append(b, j...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
