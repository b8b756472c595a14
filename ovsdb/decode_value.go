package ovsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cursor walks over JSON text that a jsontext.Decoder has found well-formed.
// It trusts the grammar, and never reads past the end even where it should not.
type cursor struct {
	b []byte
	i int
}

// peek is the next byte that is no white space, or 0 at the end.
func (c *cursor) peek() byte {
	for c.i < len(c.b) {
		switch ch := c.b[c.i]; ch {
		case ' ', '\t', '\r', '\n':
			c.i++
		default:
			return ch
		}
	}
	return 0
}

// take steps over ch if it comes next.
func (c *cursor) take(ch byte) bool {
	if c.peek() != ch || ch == 0 {
		return false
	}
	c.i++
	return true
}

// more steps to the next element of an array or object, first or not, and
// reports whether there is one; otherwise it has stepped over the end.
func (c *cursor) more(end byte, first bool) bool {
	if c.take(end) {
		return false
	}
	return c.peek() != 0 && (first || c.take(','))
}

// quoted steps over a string and returns what stands between its quotes.
func (c *cursor) quoted() (raw []byte, escaped, ok bool) {
	if !c.take('"') {
		return nil, false, false
	}
	for start := c.i; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"':
			raw = c.b[start:c.i]
			c.i++
			return raw, escaped, true
		case '\\':
			escaped = true
			c.i++
		}
	}
	return nil, false, false
}

// text is what stands between the quotes of a string without escapes. Bytes
// that are not UTF-8 become U+FFFD, as they would if they were written back.
func text(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

// str steps over a string and returns it; a null character, which OVSDB does
// not have, becomes U+FFFD, too.
func (c *cursor) str() (string, bool) {
	at := c.i
	raw, escaped, ok := c.quoted()
	if !ok {
		return "", false
	}
	if !escaped {
		return text(raw), true
	}
	var s string
	err := json.Unmarshal(c.b[at:c.i], &s)
	return strings.ReplaceAll(s, "\x00", "\uFFFD"), err == nil
}

// is reports whether a string comes next that stands there as s, and steps over it if so.
func (c *cursor) is(s string) bool {
	at := c.i
	if raw, _, ok := c.quoted(); ok && string(raw) == s {
		return true
	}
	c.i = at
	return false
}

// word steps over a number, true, false or null.
func (c *cursor) word() []byte {
	c.peek()
	start := c.i
	for c.i < len(c.b) {
		switch ch := c.b[c.i]; {
		case ch >= '0' && ch <= '9', ch >= 'a' && ch <= 'z', ch == '-', ch == '+', ch == '.', ch == 'E':
			c.i++
		default:
			return c.b[start:c.i]
		}
	}
	return c.b[start:]
}

// skip steps over any value and returns its text.
func (c *cursor) skip() []byte {
	c.peek()
	start, depth := c.i, 0
	for c.i < len(c.b) {
		switch ch := c.peek(); ch {
		case '"':
			if _, _, ok := c.quoted(); !ok {
				c.i = len(c.b)
			}
		case '[', '{':
			depth++
			c.i++
		case ']', '}':
			depth--
			c.i++
		case ',', ':':
			c.i++
		case 0:
			c.i++
		default:
			if len(c.word()) == 0 {
				c.i++
			}
		}
		if depth <= 0 {
			break
		}
	}
	return c.b[start:min(c.i, len(c.b))]
}

// from quotes the text at position at, for error messages.
func (c *cursor) from(at int) string { return excerpt(c.b[min(at, len(c.b)):]) }

var (
	emptySet Value = Set{}
	emptyMap Value = Map{}
)

// maxInterned bounds the memory of a session's interned UUIDs.
const maxInterned = 1 << 16

// valueDecoder reads values. The same UUID read twice is the same boxed Value,
// since thousands of rows refer to one locator or logical switch. It belongs to
// one goroutine.
type valueDecoder struct {
	uuids map[UUID]Value
}

func (d *valueDecoder) uuid(u UUID) Value {
	if v, ok := d.uuids[u]; ok {
		return v
	}
	if d.uuids == nil || len(d.uuids) >= maxInterned {
		d.uuids = make(map[UUID]Value)
	}
	v := Value(u)
	d.uuids[u] = v
	return v
}

// value reads the value of a column of type t (RFC 7047 §5.1, <value>).
func (d *valueDecoder) value(c *cursor, t *ColumnType) (Value, error) {
	switch {
	case t.IsScalar():
		return d.scalar(c, t)
	case t.IsMap():
		return d.mapValue(c, t)
	default:
		return d.set(c, t)
	}
}

// scalar reads an atom. A set of exactly one is the same (RFC 7047 §5.1, <set>),
// though ovsdb-server never writes it so.
func (d *valueDecoder) scalar(c *cursor, t *ColumnType) (Value, error) {
	at := c.i
	v, err := d.atom(c, &t.Key)
	if err == nil {
		return v, nil
	}
	c.i = at
	if c.take('[') && c.is("set") {
		c.i = at
		v, err = d.set(c, t)
		if s, ok := v.(Set); ok && s.Len() == 1 {
			return s.At(0), nil
		}
		if err == nil {
			err = fmt.Errorf("%s is not exactly one value of the type %q", c.from(at), t.Key.Type)
		}
	}
	return nil, err
}

func (d *valueDecoder) set(c *cursor, t *ColumnType) (Value, error) {
	at := c.i
	if !c.take('[') || !c.is("set") {
		c.i = at
		a, err := d.atom(c, &t.Key)
		if err != nil {
			return nil, err
		}
		return Set{[]Value{a}}, nil
	}
	if !c.take(',') || !c.take('[') {
		return nil, fmt.Errorf(`%s is no set, which would be ["set",[…]]`, c.from(at))
	}
	var atoms []Value
	for first := true; c.more(']', first); first = false {
		a, err := d.atom(c, &t.Key)
		if err != nil {
			return nil, err
		}
		atoms = append(atoms, a)
	}
	if !c.take(']') {
		return nil, fmt.Errorf(`%s is no set, which would be ["set",[…]]`, c.from(at))
	}
	if len(atoms) == 0 {
		return emptySet, nil
	}
	if !slices.IsSortedFunc(atoms, compareStrictly) {
		return NewSet(atoms...), nil
	}
	return Set{slices.Clip(atoms)}, nil
}

// compareStrictly makes equal neighbours count as unsorted.
func compareStrictly(a, b Value) int {
	if c := CompareAtoms(a, b); c != 0 {
		return c
	}
	return 1
}

func (d *valueDecoder) mapValue(c *cursor, t *ColumnType) (Value, error) {
	at := c.i
	if !c.take('[') || !c.is("map") || !c.take(',') || !c.take('[') {
		return nil, fmt.Errorf(`%s is no map, which would be ["map",[…]]`, c.from(at))
	}
	var pairs []Pair
	for first := true; c.more(']', first); first = false {
		var p Pair
		var err error
		if !c.take('[') {
			return nil, fmt.Errorf("%s is no pair of a map, which would be [key,value]", c.from(c.i))
		}
		if p.Key, err = d.atom(c, &t.Key); err != nil {
			return nil, err
		}
		if !c.take(',') {
			return nil, fmt.Errorf("a pair of a map has a key and no value before %s", c.from(c.i))
		}
		if p.Value, err = d.atom(c, t.Value); err != nil {
			return nil, err
		}
		if !c.take(']') {
			return nil, fmt.Errorf("a pair of a map has more than key and value: %s", c.from(c.i))
		}
		pairs = append(pairs, p)
	}
	if !c.take(']') {
		return nil, fmt.Errorf(`%s is no map, which would be ["map",[…]]`, c.from(at))
	}
	if len(pairs) == 0 {
		return emptyMap, nil
	}
	if !slices.IsSortedFunc(pairs, func(a, b Pair) int { return compareStrictly(a.Key, b.Key) }) {
		return NewMap(pairs...), nil
	}
	return Map{slices.Clip(pairs)}, nil
}

// atom reads one atom of the base type b.
func (d *valueDecoder) atom(c *cursor, b *BaseType) (Value, error) {
	c.peek()
	at := c.i
	switch b.Type {
	case TypeString:
		if raw, escaped, ok := c.quoted(); ok && !escaped {
			if b.Enum != nil {
				for _, a := range b.Enum.atoms {
					if s, _ := a.(string); s == string(raw) {
						return a, nil
					}
				}
			}
			return text(raw), nil
		}
		c.i = at
		if s, ok := c.str(); ok {
			return s, nil
		}
	case TypeUUID:
		if c.take('[') {
			if c.is("uuid") && c.take(',') {
				raw, _, ok := c.quoted()
				u, err := ParseUUID(raw)
				if !ok || !c.take(']') {
					return nil, fmt.Errorf(`%s is no UUID, which would be ["uuid","…"]`, c.from(at))
				}
				if err != nil {
					return nil, err
				}
				return d.uuid(u), nil
			}
		}
	case TypeInteger:
		if n, err := parseInteger(c.word()); err == nil {
			return n, nil
		}
	case TypeReal:
		if f, err := strconv.ParseFloat(string(c.word()), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
	case TypeBoolean:
		switch string(c.word()) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return nil, fmt.Errorf("%s is no value of the type %q", c.from(at), b.Type)
}

// parseInteger reads an integer; one written with a fraction of zero or an
// exponent counts, as it does for ovsdb-server.
func parseInteger(b []byte) (int64, error) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return n, err
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, err
	}
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, strconv.ErrRange
	}
	return int64(f), nil
}

// untyped reads a value without knowing the column: a bare atom stays one, so
// that a set of one element cannot be told from a scalar.
func (d *valueDecoder) untyped(c *cursor) (Value, error) {
	at := c.i
	if c.peek() == '[' {
		c.i++
		tag, _ := c.str()
		if tag != "set" && tag != "map" || !c.take(',') || !c.take('[') {
			c.i = at
			return d.untypedAtom(c)
		}
		var atoms []Value
		var pairs []Pair
		for first := true; c.more(']', first); first = false {
			if tag == "set" {
				a, err := d.untypedAtom(c)
				if err != nil {
					return nil, err
				}
				atoms = append(atoms, a)
				continue
			}
			var p Pair
			var err error
			ok := c.take('[')
			if p.Key, err = d.untypedAtom(c); err != nil {
				return nil, err
			}
			ok = ok && c.take(',')
			if p.Value, err = d.untypedAtom(c); err != nil {
				return nil, err
			}
			if !ok || !c.take(']') {
				return nil, fmt.Errorf("%s is no map", c.from(at))
			}
			pairs = append(pairs, p)
		}
		if !c.take(']') {
			return nil, fmt.Errorf("%s is no %s", c.from(at), tag)
		}
		if tag == "set" {
			return NewSet(atoms...), nil
		}
		return NewMap(pairs...), nil
	}
	return d.untypedAtom(c)
}

func (d *valueDecoder) untypedAtom(c *cursor) (Value, error) {
	b := BaseType{Type: TypeString}
	switch ch := c.peek(); {
	case ch == '[':
		b.Type = TypeUUID
	case ch == 't' || ch == 'f':
		b.Type = TypeBoolean
	case ch == '-' || ch >= '0' && ch <= '9':
		at := c.i
		if n, err := strconv.ParseInt(string(c.word()), 10, 64); err == nil {
			return n, nil
		}
		c.i = at
		b.Type = TypeReal
	}
	return d.atom(c, &b)
}

// xor applies the difference of update2 to a set or map (ovsdb-server(7),
// "Update2 Notification"): an element that is there goes, one that is not comes; a pair
// whose key is there with another value replaces it.
func xor(old, diff Value) (Value, error) {
	switch o := old.(type) {
	case Set:
		d, ok := diff.(Set)
		if !ok {
			break
		}
		out := make([]Value, 0, len(o.atoms)+len(d.atoms))
		i, j := 0, 0
		for i < len(o.atoms) && j < len(d.atoms) {
			switch c := CompareAtoms(o.atoms[i], d.atoms[j]); {
			case c < 0:
				out, i = append(out, o.atoms[i]), i+1
			case c > 0:
				out, j = append(out, d.atoms[j]), j+1
			default:
				i, j = i+1, j+1
			}
		}
		out = append(append(out, o.atoms[i:]...), d.atoms[j:]...)
		if len(out) == 0 {
			return emptySet, nil
		}
		return Set{slices.Clip(out)}, nil
	case Map:
		d, ok := diff.(Map)
		if !ok {
			break
		}
		out := make([]Pair, 0, len(o.pairs)+len(d.pairs))
		i, j := 0, 0
		for i < len(o.pairs) && j < len(d.pairs) {
			switch c := CompareAtoms(o.pairs[i].Key, d.pairs[j].Key); {
			case c < 0:
				out, i = append(out, o.pairs[i]), i+1
			case c > 0:
				out, j = append(out, d.pairs[j]), j+1
			default:
				if !atomsEqual(o.pairs[i].Value, d.pairs[j].Value) {
					out = append(out, d.pairs[j])
				}
				i, j = i+1, j+1
			}
		}
		out = append(append(out, o.pairs[i:]...), d.pairs[j:]...)
		if len(out) == 0 {
			return emptyMap, nil
		}
		return Map{slices.Clip(out)}, nil
	}
	return nil, fmt.Errorf("a difference of %T does not fit %T", diff, old)
}
