package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// machine is v as programs see it.
func machine(v any) any {
	if c, ok := v.(cell); ok {
		return c.value
	}
	return v
}

// humanText is v in a table.
func humanText(v any) string {
	if c, ok := v.(cell); ok {
		return c.human
	}
	return machineText(v)
}

// machineText is v as the openstack client prints values, which is Python's str.
func machineText(v any) string {
	if s, ok := machine(v).(string); ok {
		return s
	}
	return pythonText(machine(v))
}

// pythonText is v as Python's repr writes it.
func pythonText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return pythonString(v)
	case list:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = pythonText(machine(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case dict:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = pythonText(p.key) + ": " + pythonText(machine(p.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// pythonString is a text as Python's repr writes it: in single quotes unless only
// they are in it, and what cannot be printed as an escape.
func pythonString(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, quote))
}

// appendJSON writes v as Python's json does: ASCII alone, and a space after each
// comma and colon. indent < 0 is all on one line, otherwise how deep v stands.
func appendJSON(b []byte, v any, indent int) []byte {
	open := func(mark byte, n, i int) {
		if i == 0 {
			b = append(b, mark)
		} else {
			b = append(b, ',')
		}
		switch {
		case indent >= 0:
			b = append(b, '\n')
			b = append(b, strings.Repeat("  ", indent+1)...)
		case i > 0:
			b = append(b, ' ')
		}
	}
	shut := func(mark byte) {
		if indent >= 0 {
			b = append(b, '\n')
			b = append(b, strings.Repeat("  ", indent)...)
		}
		b = append(b, mark)
	}
	inner := indent
	if indent >= 0 {
		inner++
	}
	switch v := machine(v).(type) {
	case dict:
		if len(v) == 0 {
			return append(b, "{}"...)
		}
		for i, p := range v {
			open('{', len(v), i)
			b = appendJSONString(b, p.key)
			b = append(b, ": "...)
			b = appendJSON(b, p.value, inner)
		}
		shut('}')
	case list:
		if len(v) == 0 {
			return append(b, "[]"...)
		}
		for i, x := range v {
			open('[', len(v), i)
			b = appendJSON(b, x, inner)
		}
		shut(']')
	case nil:
		b = append(b, "null"...)
	case bool:
		b = strconv.AppendBool(b, v)
	case string:
		b = appendJSONString(b, v)
	default:
		b = fmt.Append(b, v)
	}
	return b
}

func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r < ' ' || r > '~' && r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		case r >= 0x10000:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = append(b, byte(r))
		}
	}
	return append(b, '"')
}
