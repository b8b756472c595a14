package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNesting is how many lists and objects of a body may be inside one another;
// the API's own go to 6.
const maxNesting = 32

// errNested is a body that goes deeper than maxNesting.
var errNested = errors.New("nested too deep")

// parseBody reads one JSON value (RFC 8259) and nothing after it. What that leaves
// to chance is refused as RFC 7493 has it: a key that an object has twice, and half
// a surrogate pair, which is no character. Python's json takes NaN and Infinity,
// which are no JSON.
func parseBody(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(data))
	v, err := parseValue(decoder)
	if err == nil {
		_, err = decoder.ReadToken()
	}
	var syntax *jsontext.SyntacticError
	switch {
	case err == io.EOF: //nolint:errorlint // a value that ends early is io.ErrUnexpectedEOF
		return v, nil
	case errors.Is(err, errNested):
		return nil, malformed("it is nested more than %d levels deep.", maxNesting)
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return nil, malformed("the key '%s' is given twice in one object.", str(syntax.JSONPointer.LastToken()))
	case isHalfSurrogate(data):
		return nil, malformed(`a \u escape is half of a surrogate pair.`)
	default:
		return nil, malformedBody()
	}
}

// parseValue reads a value whose numbers stay as they are written.
func parseValue(decoder *jsontext.Decoder) (any, error) {
	token, err := decoder.ReadToken()
	if err != nil {
		return nil, err
	}
	if decoder.StackDepth() > maxNesting {
		return nil, errNested
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return nil, nil
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), nil
	case jsontext.KindNumber:
		return json.Number(token.String()), nil
	case jsontext.KindBeginArray:
		list := []any{}
		for decoder.PeekKind() != jsontext.KindEndArray {
			v, err := parseValue(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = decoder.ReadToken()
		return list, err
	case jsontext.KindBeginObject:
		object := map[string]any{}
		for decoder.PeekKind() != jsontext.KindEndObject {
			name, err := decoder.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String() // before the next token takes its place
			if object[key], err = parseValue(decoder); err != nil {
				return nil, err
			}
		}
		_, err = decoder.ReadToken()
		return object, err
	default:
		return token.String(), nil
	}
}

// isHalfSurrogate reports whether a text that is no JSON would be, if each half of
// a surrogate pair were a character.
func isHalfSurrogate(data []byte) bool {
	return utf8.Valid(data) && jsontext.Value(data).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}
