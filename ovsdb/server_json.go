package ovsdb

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of one JSON text from a client.
const (
	maxJSONDepth = 1000      // what ovsdb-server allows
	maxJSONSize  = 256 << 20 // bytes
)

// jsonObject is a JSON object; of two members with one name the later counts.
// The other JSON values are nil, bool, int64, float64, string and []any: a
// number that is an integer in value is an int64 however it is written, since
// that is how ovsdb-server tells integers from reals.
type jsonObject = map[string]any

// jsonReader reads one JSON value after the other from a stream. Nothing has
// to stand between them (RFC 7047 §4: the JSON texts follow one another).
type jsonReader struct {
	in   *bufio.Reader
	left int // bytes that the present value may still take
	buf  []byte
}

func newJSONReader(r io.Reader) *jsonReader { return &jsonReader{in: bufio.NewReaderSize(r, 64<<10)} }

// read returns the next value. io.EOF means that the stream ended between values.
func (r *jsonReader) read() (any, error) {
	r.left = maxJSONSize
	c, err := r.skipSpace()
	if err != nil {
		return nil, err
	}
	v, err := r.value(c, 0)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return v, err
}

func (r *jsonReader) byte() (byte, error) {
	if r.left--; r.left < 0 {
		return 0, fmt.Errorf("the JSON text has more than %d bytes", maxJSONSize)
	}
	return r.in.ReadByte()
}

func (r *jsonReader) skipSpace() (byte, error) {
	for {
		c, err := r.byte()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
	}
}

// value reads a value whose first byte is c.
func (r *jsonReader) value(c byte, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("the JSON text is nested more than %d deep", maxJSONDepth)
	}
	switch {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		return r.string()
	case c == 't':
		return true, r.word("rue")
	case c == 'f':
		return false, r.word("alse") //nolint:misspell // the rest of false
	case c == 'n':
		return nil, r.word("ull")
	case c == '-' || '0' <= c && c <= '9':
		return r.number(c)
	}
	return nil, fmt.Errorf("%q where a JSON value should begin", c)
}

func (r *jsonReader) word(rest string) error {
	for i := range len(rest) {
		c, err := r.byte()
		if err != nil {
			return err
		}
		if c != rest[i] {
			return errors.New("a word that is none of true, false and null")
		}
	}
	return nil
}

func (r *jsonReader) object(depth int) (any, error) {
	o := make(jsonObject)
	c, err := r.skipSpace()
	if c == '}' && err == nil {
		return o, nil
	}
	for {
		if err == nil && c != '"' {
			err = fmt.Errorf("%q where a member's name should begin", c)
		}
		if err != nil {
			return nil, err
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if c, err = r.skipSpace(); err == nil && c != ':' {
			err = fmt.Errorf("%q where a colon should be", c)
		}
		if err != nil {
			return nil, err
		}
		if c, err = r.skipSpace(); err != nil {
			return nil, err
		}
		if o[name], err = r.value(c, depth+1); err != nil {
			return nil, err
		}
		if c, err = r.skipSpace(); err != nil || c == '}' {
			return o, err
		}
		if c != ',' {
			return nil, fmt.Errorf("%q where a comma or closing brace should be", c)
		}
		c, err = r.skipSpace()
		if err != nil {
			return nil, err
		}
	}
}

func (r *jsonReader) array(depth int) (any, error) {
	a := []any{}
	c, err := r.skipSpace()
	if c == ']' && err == nil {
		return a, nil
	}
	for {
		if err != nil {
			return nil, err
		}
		v, err := r.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		if c, err = r.skipSpace(); err != nil || c == ']' {
			return a, err
		}
		if c != ',' {
			return nil, fmt.Errorf("%q where a comma or closing bracket should be", c)
		}
		if c, err = r.skipSpace(); err != nil {
			return nil, err
		}
	}
}

// string reads the rest of a string, whose opening quote has been read.
func (r *jsonReader) string() (string, error) {
	b := r.buf[:0]
	for {
		c, err := r.byte()
		if err != nil {
			return "", err
		}
		switch {
		case c == '"':
			r.buf = b
			if !utf8.Valid(b) {
				return "", errors.New("a string is not UTF-8")
			}
			return string(b), nil
		case c == '\\':
			if b, err = r.escape(b); err != nil {
				return "", err
			}
		case c < 0x20:
			return "", fmt.Errorf("control character U+%04X in a string", c)
		default:
			b = append(b, c)
		}
	}
}

func (r *jsonReader) escape(b []byte) ([]byte, error) {
	c, err := r.byte()
	if err != nil {
		return b, err
	}
	switch c {
	case '"', '\\', '/':
		return append(b, c), nil
	case 'b':
		return append(b, '\b'), nil
	case 'f':
		return append(b, '\f'), nil
	case 'n':
		return append(b, '\n'), nil
	case 'r':
		return append(b, '\r'), nil
	case 't':
		return append(b, '\t'), nil
	case 'u':
		u, err := r.hex4()
		if err != nil {
			return b, err
		}
		if utf16.IsSurrogate(u) {
			for _, want := range []byte(`\u`) {
				if c, err = r.byte(); err != nil {
					return b, err
				}
				if c != want {
					return b, errors.New("half of a surrogate pair in a string")
				}
			}
			low, err := r.hex4()
			if err != nil {
				return b, err
			}
			if u = utf16.DecodeRune(u, low); u == utf8.RuneError {
				return b, errors.New("half of a surrogate pair in a string")
			}
		}
		if u == 0 {
			return b, errors.New("a null character in a string")
		}
		return utf8.AppendRune(b, u), nil
	}
	return b, fmt.Errorf(`unknown escape \%c in a string`, c)
}

func (r *jsonReader) hex4() (rune, error) {
	var u rune
	for range 4 {
		c, err := r.byte()
		if err != nil {
			return 0, err
		}
		d, err := strconv.ParseUint(string(c), 16, 4)
		if err != nil {
			return 0, fmt.Errorf("%q is no hexadecimal digit", c)
		}
		u = u<<4 | rune(d)
	}
	return u, nil
}

func (r *jsonReader) number(c byte) (any, error) {
	b := append(r.buf[:0], c)
	for {
		next, err := r.in.Peek(1)
		if err != nil || !isNumberByte(next[0]) {
			break // an error comes back with the next byte
		}
		c, err = r.byte()
		if err != nil {
			return nil, err
		}
		b = append(b, c)
	}
	r.buf = b
	if i, err := strconv.ParseInt(string(b), 10, 64); err == nil && json.Valid(b) {
		return i, nil
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("%s is no number", excerpt(b))
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is out of range", excerpt(b))
	}
	if f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
		return int64(f), nil
	}
	return f, nil
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '+' || c == '-' || c == 'e' || c == 'E'
}

// appendJSON writes a value as jsonReader returns it, members in order of
// their names and without spaces: the form in which ovsdb-server quotes what it
// did not understand.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return strconv.AppendFloat(b, v, 'g', 15, 64)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, x)
		}
		return append(b, ']')
	case jsonObject:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, name)
			b = append(b, ':')
			b = appendJSON(b, v[name])
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("ovsdb: %T is no JSON value", v))
}
