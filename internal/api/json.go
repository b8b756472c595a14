package api

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is how many lists and objects of a body may be inside one another;
// the API's own go to 6.
const maxNesting = 32

// parseBody reads one JSON value (RFC 8259) and nothing after it. What that leaves
// to chance is refused: a key that an object has twice, and half a surrogate pair,
// which is no character. Python's json takes NaN and Infinity, which are no JSON.
func parseBody(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	// The depth comes first: what is nested costs more to look at than to send.
	if nesting(data) > maxNesting {
		return nil, malformed("it is nested more than %d levels deep.", maxNesting)
	}
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, malformedBody()
	}
	if halfSurrogate(data) {
		return nil, malformed(`a \u escape is half of a surrogate pair.`)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	v, err := parseValue(decoder)
	if _, refused := err.(*duplicateKey); refused { //nolint:errorlint // nobody wraps it
		return nil, malformed("%v.", err)
	}
	if err != nil {
		return nil, malformedBody()
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, malformedBody()
	}
	return v, nil
}

// duplicateKey is a key that an object has twice.
type duplicateKey struct{ name string }

func (e *duplicateKey) Error() string {
	return "the key '" + str(e.name) + "' is given twice in one object"
}

// parseValue reads a value whose depth is known to be bounded.
func parseValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			v, err := parseValue(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = decoder.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			key, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string) // the grammar was checked
			if _, twice := object[name]; twice {
				return nil, &duplicateKey{name}
			}
			if object[name], err = parseValue(decoder); err != nil {
				return nil, err
			}
		}
		_, err = decoder.Token()
		return object, err
	}
	return token, nil
}

// nesting is the greatest depth of what may be JSON.
func nesting(data []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted:
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '[', c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']', c == '}':
			depth--
		}
	}
	return deepest
}

// halfSurrogate reports whether a string of valid JSON has an escape for a UTF-16
// surrogate without its other half.
func halfSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // the escaped character
		if data[i] != 'u' {
			continue
		}
		first := escaped(data[i+1:])
		i += 4
		if !utf16.IsSurrogate(first) {
			continue
		}
		rest := data[i+1:]
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' || utf16.DecodeRune(first, escaped(rest[2:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// escaped is what the four hexadecimal digits of a \u escape say.
func escaped(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 32) // valid JSON has no others
	return rune(n)
}
