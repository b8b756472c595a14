package api

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object whose members keep their order: clients see attributes
// in the order of the table.
type object []member

type member struct {
	name  string
	value any
}

// objects is a list of objects that are made when they are written. Each is used
// before the next is made, which may then take its place.
type objects iter.Seq[object]

// appendJSON appends v, which is made of the types below and nothing else.
func appendJSON(b []byte, v any) []byte { return (*sending)(nil).appendJSON(b, v) }

// appendJSON appends v. Of a list that becomes long it sends what there is so far,
// and returns the rest.
func (s *sending) appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case string:
		return appendString(b, v)
	case []string:
		return appendList(b, v, appendString)
	case []object:
		return appendList(b, v, s.appendObject)
	case []any:
		return appendList(b, v, s.appendJSON)
	case object:
		return s.appendObject(b, v)
	case objects:
		return s.appendObjects(b, v)
	default:
		panic(fmt.Sprintf("api: no JSON form for a %T", v))
	}
}

func (s *sending) appendObject(b []byte, o object) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, m.name)
		b = append(b, ": "...)
		b = s.appendJSON(b, m.value)
	}
	return append(b, '}')
}

func (s *sending) appendObjects(b []byte, all objects) []byte {
	b = append(b, '[')
	first := true
	for o := range all {
		if !first {
			b = append(b, ", "...)
		}
		first = false
		if b = s.appendObject(b, o); s != nil && len(b) >= piece {
			if s.send(b); s.failed != nil {
				break
			}
			b = b[:0]
		}
	}
	return append(b, ']')
}

func appendList[T any](b []byte, list []T, appendOne func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendOne(b, v)
	}
	return append(b, ']')
}

func appendString(b []byte, s string) []byte {
	// The error tells of bytes that are not UTF-8, which U+FFFD then stands for.
	quoted, _ := jsontext.AppendQuote(b, s)
	return quoted
}

// timestamp is t as Neutron shows times, or null if there is none.
func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// texts is list, and never null.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func addresses(list []netip.Addr) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

// counts is a map of numbers with its keys in order.
func counts(m map[string]int) object {
	out := make(object, 0, len(m))
	for name, n := range m {
		out = append(out, member{name, n})
	}
	slices.SortFunc(out, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	return out
}
