package ovsdb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
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
	in *boundedReader
	d  *jsontext.Decoder
}

func newJSONReader(r io.Reader) *jsonReader {
	in := &boundedReader{in: bufio.NewReaderSize(r, 64<<10), max: maxJSONSize}
	// What is no UTF-8 is refused here, unlike by a session's decoder.
	return &jsonReader{in: in, d: jsontext.NewDecoder(in, jsontext.AllowDuplicateNames(true))}
}

// readJSON reads one JSON value.
func readJSON(b []byte) (any, error) { return newJSONReader(bytes.NewReader(b)).read() }

// read returns the next value. io.EOF means that the stream ended between values.
func (r *jsonReader) read() (any, error) {
	r.in.begin = r.d.InputOffset()
	return r.value()
}

func (r *jsonReader) value() (any, error) {
	if r.d.StackDepth() > maxJSONDepth {
		return nil, fmt.Errorf("the JSON text is nested more than %d deep", maxJSONDepth)
	}
	tok, err := r.d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		o := make(jsonObject)
		for r.d.PeekKind() != '}' {
			name, err := r.string()
			if err != nil {
				return nil, err
			}
			if o[name], err = r.value(); err != nil {
				return nil, err
			}
		}
		_, err := r.d.ReadToken()
		return o, err
	case '[':
		a := []any{}
		for r.d.PeekKind() != ']' {
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		_, err := r.d.ReadToken()
		return a, err
	case '"':
		return goodString(tok)
	case '0':
		return number(tok.String())
	case 't', 'f':
		return tok.Bool(), nil
	}
	return nil, nil
}

// string reads the name of a member.
func (r *jsonReader) string() (string, error) {
	tok, err := r.d.ReadToken()
	if err != nil {
		return "", err
	}
	return goodString(tok)
}

// goodString is a string as ovsdb-server allows it.
func goodString(tok jsontext.Token) (string, error) {
	s := tok.String()
	if strings.IndexByte(s, 0) >= 0 {
		return "", errors.New("a null character in a string")
	}
	return s, nil
}

func number(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is out of range", excerpt([]byte(text)))
	}
	if f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
		return int64(f), nil
	}
	return f, nil
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
