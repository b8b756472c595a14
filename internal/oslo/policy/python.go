package policy

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// text is a value as Python's str writes it: rules compare these.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case nil:
		return "None"
	}
	return pythonic(v)
}

// pythonic is a value as Python's repr writes it. Keys of a map come in their
// order; Python's come in that of their insertion.
func pythonic(v any) string {
	switch v := v.(type) {
	case string:
		return quoted(v)
	case bool, nil:
		return text(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10) // from JSON, where Python reads an int
		}
		return pythonFloat(v)
	case fmt.Stringer:
		return v.String()
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Array:
		parts := make([]string, r.Len())
		for i := range parts {
			parts[i] = pythonic(r.Index(i).Interface())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		parts := map[string]string{}
		for k, x := range r.Seq2() {
			parts[text(k.Interface())] = pythonic(k.Interface()) + ": " + pythonic(x.Interface())
		}
		list := make([]string, 0, len(parts))
		for _, k := range slices.Sorted(maps.Keys(parts)) {
			list = append(list, parts[k])
		}
		return "{" + strings.Join(list, ", ") + "}"
	case reflect.Pointer:
		if r.IsNil() {
			return "None"
		}
		return text(r.Elem().Interface())
	case reflect.String:
		return r.String()
	default:
		return fmt.Sprint(v)
	}
}

// quoted is a string between the quotes that Python would take.
func quoted(s string) string {
	q := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		q = '"'
	}
	var b strings.Builder
	b.WriteRune(q)
	for _, r := range s {
		switch {
		case r == q || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(q)
	return b.String()
}

// pythonFloat is the shortest decimal that reads back the same, always with a point or an exponent.
func pythonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
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
