package api

import (
	"cmp"
	"fmt"
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

// appendJSON appends v, which is made of the types below and nothing else.
func appendJSON(b []byte, v any) []byte {
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
		return appendList(b, v)
	case []object:
		return appendList(b, v)
	case []any:
		return appendList(b, v)
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendString(b, m.name)
			b = append(b, ": "...)
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	default:
		panic(fmt.Sprintf("api: no JSON form for a %T", v))
	}
}

func appendList[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendJSON(b, v)
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
