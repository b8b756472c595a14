package policy

import (
	"math"
	"reflect"
	"strings"
	"unicode"

	"l2gw/internal/python"
)

// text is a value as Python's str writes it: rules compare these.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return python.Str(fromJSON(v))
}

// pythonic is a value as Python's repr writes it. Keys of a map come in their
// order; Python's come in that of their insertion.
func pythonic(v any) string { return python.Repr(fromJSON(v)) }

// fromJSON makes whole numbers of what encoding/json makes floats of: Python reads
// an int there. Lists and maps are copied.
func fromJSON(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = fromJSON(x)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = fromJSON(x)
		}
		return m
	}
	return v
}

// lower is Python's str.lower, but for a Greek sigma at the end of a word. Go's own makes
// an "i" of "İ" (U+0130), which would make another's role out of a look-alike.
func lower(s string) string {
	if !strings.ContainsRune(s, 'İ') {
		return strings.ToLower(s)
	}
	return strings.ToLower(strings.ReplaceAll(s, "İ", "i\u0307"))
}

// equalLower says whether a string is, in lower case, the one that is in lower case already.
func equalLower(s, lowered string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 0x80 {
			return lower(s) == lowered
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if i >= len(lowered) || c != lowered[i] {
			// What follows cannot mend it: only what is beyond ASCII changes its length.
			return false
		}
	}
	return len(s) == len(lowered)
}

// blank is what Python's \s matches: what Go takes for a space and four separators.
func blank(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// truth is Python's bool(value), of what credentials are.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case bool:
		return v
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return r.Len() > 0
	default:
		return !r.IsZero()
	}
}
