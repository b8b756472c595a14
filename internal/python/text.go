package python

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote is a text as repr writes it: in single quotes unless only those are in it,
// and what cannot be printed as an escape. A byte that is no UTF-8 is written as
// Python does that of a file's name, '\udc80' to '\udcff' (PEP 383).
func Quote(s string) string { return string(appendQuoted(make([]byte, 0, len(s)+2), s)) }

func appendQuoted(b []byte, s string) []byte {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b = append(b, quote)
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		whole := s[i : i+width]
		i += width
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == utf8.RuneError && width == 1:
			b = fmt.Appendf(b, `\udc%02x`, whole[0])
		case unicode.IsPrint(r):
			b = append(b, whole...)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return append(b, quote)
}
