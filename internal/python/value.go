package python

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Valuer is something that is another value to Python, such as a type of ours that
// is a dict to it.
type Valuer interface{ Python() any }

// Dict is a dict with the order of its keys.
type Dict []Item

// Item is one of a Dict.
type Item struct{ Key, Value any }

// Str is v as Python's str writes it: a text stands for itself, all else is [Repr].
func Str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case Valuer:
		return Str(v.Python())
	case json.Number, fmt.Stringer:
		return Repr(v)
	}
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.String:
		return r.String()
	case r.Kind() == reflect.Pointer && !r.IsNil():
		return Str(r.Elem().Interface())
	}
	return Repr(v)
}

// Repr is v as Python's repr writes it: nil and pointers to nothing as None, maps
// with their keys sorted. What Python does not have is written as it says itself
// ([fmt.Stringer]), or as fmt.Sprint does.
func Repr(v any) string { return string(appendRepr(nil, v)) }

func appendRepr(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil, bool:
		return append(b, Str(v)...)
	case string:
		return appendQuoted(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case []any:
		return appendList(b, len(v), func(b []byte, i int) []byte { return appendRepr(b, v[i]) })
	case Dict:
		b = append(b, '{')
		for i, item := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendRepr(append(appendRepr(b, item.Key), ": "...), item.Value)
		}
		return append(b, '}')
	case json.Number:
		return append(b, number(v)...)
	case Valuer:
		return appendRepr(b, v.Python())
	}
	return appendReflected(b, v)
}

// appendReflected is for types that are made of those that Python has.
func appendReflected(b []byte, v any) []byte {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.IsNil() {
		return append(b, "None"...)
	}
	if s, ok := v.(fmt.Stringer); ok {
		return append(b, s.String()...)
	}
	switch r.Kind() {
	case reflect.Bool:
		return append(b, Str(r.Bool())...)
	case reflect.String:
		return appendQuoted(b, r.String())
	case reflect.Float32, reflect.Float64:
		return append(b, Float(r.Float())...)
	case reflect.Slice, reflect.Array:
		return appendList(b, r.Len(), func(b []byte, i int) []byte { return appendRepr(b, r.Index(i).Interface()) })
	case reflect.Map:
		d := make(Dict, 0, r.Len())
		for key, value := range r.Seq2() {
			d = append(d, Item{key.Interface(), value.Interface()})
		}
		slices.SortFunc(d, func(x, y Item) int { return cmp.Compare(Str(x.Key), Str(y.Key)) })
		return appendRepr(b, d)
	case reflect.Pointer:
		return appendRepr(b, r.Elem().Interface())
	}
	return fmt.Append(b, v)
}

func appendList(b []byte, n int, item func(b []byte, i int) []byte) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = item(b, i)
	}
	return append(b, ']')
}
