package cli

import (
	"fmt"
	"strconv"
	"strings"

	"l2gw/internal/python"
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
func machineText(v any) string { return python.Str(v) }

// Python is what programs see of a cell.
func (c cell) Python() any { return c.value }

// Python is a dict in the same order.
func (d dict) Python() any {
	items := make(python.Dict, len(d))
	for i, p := range d {
		items[i] = python.Item{Key: p.key, Value: p.value}
	}
	return items
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
