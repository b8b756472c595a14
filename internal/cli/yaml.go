package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// yamlWidth is the column after which PyYAML folds a text, at the next space.
const yamlWidth = 80

// yamlWriter writes what PyYAML's safe_dump writes for the same value: block style, keys in
// order, ASCII alone, texts plain or in the quotes that PyYAML would choose.
type yamlWriter struct {
	b      []byte
	column int
}

func (w *yamlWriter) put(s string) {
	w.b = append(w.b, s...)
	w.column += utf8.RuneCountInString(s)
}

func (w *yamlWriter) line(indent int) {
	w.b = append(w.b, '\n')
	w.b = append(w.b, strings.Repeat(" ", indent)...)
	w.column = indent
}

// appendYAML appends v as a document without markers.
func appendYAML(b []byte, v any) []byte {
	w := &yamlWriter{b: b}
	w.node(machine(v), 0)
	return append(w.b, '\n')
}

// node writes v, whose first character stands where the writer is; indent is where
// the lines of a collection begin.
func (w *yamlWriter) node(v any, indent int) {
	switch v := v.(type) {
	case dict:
		if len(v) == 0 {
			w.put("{}")
			return
		}
		sorted := slices.Clone(v)
		slices.SortStableFunc(sorted, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
		for i, p := range sorted {
			if i > 0 {
				w.line(indent)
			}
			w.text(p.key, indent+2, true)
			w.put(":")
			w.value(machine(p.value), indent, indent+2, indent)
		}
	case list:
		if len(v) == 0 {
			w.put("[]")
			return
		}
		for i, x := range v {
			if i > 0 {
				w.line(indent)
			}
			w.put("- ")
			switch x := machine(x).(type) {
			case string:
				w.text(x, indent+2, false)
			default:
				w.node(x, indent+2)
			}
		}
	case nil:
		w.put("null")
	case bool:
		w.put(fmt.Sprint(v))
	case string:
		w.text(v, indent+2, false)
	default:
		w.put(fmt.Sprint(v))
	}
}

// value writes what follows the colon of a key: a collection on lines of its own
// (a list as deep as its key), everything else behind it.
func (w *yamlWriter) value(v any, key, mapping, sequence int) {
	switch v := v.(type) {
	case dict:
		if len(v) > 0 {
			w.line(mapping)
			w.node(v, mapping)
			return
		}
	case list:
		if len(v) > 0 {
			w.line(sequence)
			w.node(v, sequence)
			return
		}
	case string:
		w.put(" ")
		w.text(v, key+2, false)
		return
	}
	w.put(" ")
	w.node(v, mapping)
}

// text writes a scalar; indent is where its further lines begin. A key has none.
func (w *yamlWriter) text(s string, indent int, key bool) {
	plain, single := yamlStyles(s)
	switch {
	case plain && !yamlMeansMore(s):
		w.fold(s, indent, !key)
	case single && (!key || !strings.Contains(s, "\n")):
		w.put("'")
		w.fold(strings.ReplaceAll(s, "'", "''"), indent, !key)
		w.put("'")
	default:
		w.double(s, indent, !key)
	}
}

// fold writes a text that needs no escapes. A single space beyond the width becomes a
// new line, and a line break an empty line more, as both are read back.
func (w *yamlWriter) fold(s string, indent int, split bool) {
	for i := 0; i < len(s); {
		n := 1
		switch s[i] {
		case ' ':
			for i+n < len(s) && s[i+n] == ' ' {
				n++
			}
			if n == 1 && split && w.column > yamlWidth && i > 0 && i+n < len(s) {
				w.line(indent)
			} else {
				w.put(s[i : i+n])
			}
		case '\n':
			for i+n < len(s) && s[i+n] == '\n' {
				n++
			}
			w.b = append(w.b, strings.Repeat("\n", n)...)
			w.line(indent)
		default:
			for i+n < len(s) && s[i+n] != ' ' && s[i+n] != '\n' {
				n++
			}
			w.put(s[i : i+n])
		}
		i += n
	}
}

// double writes a text in double quotes.
func (w *yamlWriter) double(s string, indent int, split bool) {
	w.put(`"`)
	runes := []rune(s)
	start := 0
	for end := 0; end <= len(runes); end++ {
		special := end < len(runes) && (runes[end] == '"' || runes[end] == '\\' || runes[end] < ' ' || runes[end] > '~')
		if end == len(runes) || special {
			w.put(string(runes[start:end]))
			start = end
			if special {
				w.put(yamlEscape(runes[end]))
				start++
			}
		}
		if split && end > 0 && end < len(runes)-1 && (runes[end] == ' ' || start >= end) && w.column+(end-start) > yamlWidth {
			if start < end {
				w.put(string(runes[start:end]))
				start = end
			}
			w.put(`\`)
			w.line(indent)
			if runes[start] == ' ' {
				w.put(`\`)
			}
		}
	}
	w.put(`"`)
}

var yamlEscapes = map[rune]string{
	0: `\0`, 7: `\a`, 8: `\b`, '\t': `\t`, '\n': `\n`, 11: `\v`, 12: `\f`, '\r': `\r`, 27: `\e`,
	'"': `\"`, '\\': `\\`, 0x85: `\N`, 0xa0: `\_`, 0x2028: `\L`, 0x2029: `\P`,
}

func yamlEscape(r rune) string {
	switch s, ok := yamlEscapes[r]; {
	case ok:
		return s
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	default:
		return fmt.Sprintf(`\U%08X`, r)
	}
}

// yamlStyles reports whether a text can be written without quotes, and in single ones.
func yamlStyles(s string) (plain, single bool) {
	if s == "" {
		return false, true // alone it would be null
	}
	blank := func(i int) bool { return i < 0 || i >= len(s) || strings.IndexByte("\x00 \t\r\n", s[i]) >= 0 }
	plain, single = true, true
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") || strings.Trim(s, " \n") != s {
		plain = false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			plain = false
			if i > 0 && s[i-1] == ' ' {
				single = false
			}
			if i+1 < len(s) && s[i+1] == ' ' {
				single = false
			}
		case c < ' ' || c > '~':
			return false, false
		case i == 0 && strings.IndexByte("#,[]{}&*!|>'\"%@`", c) >= 0,
			i == 0 && (c == '?' || c == '-') && blank(1),
			c == ':' && blank(i+1),
			c == '#' && blank(i-1):
			plain = false
		}
	}
	return plain, single
}

// yamlMeansMore reports whether a text without quotes would be read as something else
// than a text (YAML 1.1).
func yamlMeansMore(s string) bool {
	return strings.IndexByte("yYnNtTfFoO-+0123456789.<~=", s[0]) >= 0 && yamlImplicit().MatchString(s)
}

var yamlImplicit = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join([]string{
		`yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF`,
		`[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?`,
		`\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?`,
		`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*`,
		`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
		`[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+`,
		`<<|=|~|null|Null|NULL`,
		`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
		`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?`,
	}, "|") + `)$`)
})
