package hostile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nasty are values to put in the place of others, as they stand in a body.
var nasty = []string{
	`null`, `true`, `false`, `0`, `-1`, `1.5`, `5.0`, `1e400`, `-1e-400`, `99999999999999999999`, `4095`, `4096`, `-0`, `NaN`, `-Infinity`, `0x10`, `012`,
	`""`, `" "`, `"5 "`, `"-1"`, `"4095"`, `"5.0"`, `"0x5"`, `"５"`, `"true"`, `"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udfff\ud800"`, `"\ufffe"`, `"\u202e"`, `"\n"`, `"😀"`,
	`"' OR '1'='1"`, `"'; DROP TABLE gateways; --"`, `"$(id)"`, `"../../etc/passwd"`, `"{{7*7}}"`, `"%s%n"`,
	`"` + strings.Repeat("x", 256) + `"`, `"` + strings.Repeat("ü", 255) + `"`, `"` + strings.Repeat("x", 100_000) + `"`, "\"\xff\xfe\"", "\"\x00\"", "\"\xed\xa0\x80\"",
	`[]`, `{}`, `[[]]`, `[null]`, `[{}]`, `{"a": 1}`, `{"": ""}`, `{"name": {"name": {}}}`, `["x", 5, null]`, `[5]`, `["5", "5"]`, `[[["5"]]]`,
	strings.Repeat("[", 31) + strings.Repeat("]", 31), strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat("}", 40),
}

// placeholder stands for a nasty value until a body has become text.
const placeholder = "@@nasty@@"

// mutations are the bodies that differ from v in one place each: at every value,
// every nasty one; at every object, keys that are missing, unknown, odd or there
// twice; at every list, items that are repeated or too many.
func mutations(v any) (all []string) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	visit(v, func(with func(any) any, at any) {
		holed := text(with(placeholder))
		for _, n := range nasty {
			all = append(all, strings.Replace(holed, `"`+placeholder+`"`, n, 1))
		}
		switch at := at.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(at)) {
				less := maps.Clone(at)
				delete(less, key)
				all = append(all, text(with(less)))
				// The same key twice: the first as it was, the second nasty.
				twice := strings.TrimSuffix(text(at), "}") + `,"` + key + `":null}`
				all = append(all, strings.Replace(holed, `"`+placeholder+`"`, twice, 1))
				renamed := maps.Clone(less)
				renamed[strings.ToUpper(key)] = at[key]
				all = append(all, text(with(renamed)))
			}
			for _, key := range []string{`foo`, ``, `\u0000`, `id`, `status`, `__proto__`, `l2_gateway; DROP TABLE gateways`, strings.Repeat("k", 10_000)} {
				more := strings.TrimSuffix(text(at), "}") + `,"` + key + `":"x"}`
				all = append(all, strings.Replace(holed, `"`+placeholder+`"`, more, 1))
			}
		case []any:
			for _, times := range []int{2, 3000} {
				many := make([]any, 0, times*len(at))
				for range times {
					many = append(many, at...)
				}
				all = append(all, text(with(many)))
			}
		}
	})
	return all
}

// visit calls f for v and all that is in it; with returns the whole with another
// value in this place.
func visit(v any, f func(with func(any) any, at any)) {
	var walk func(with func(any) any, at any)
	walk = func(with func(any) any, at any) {
		f(with, at)
		switch at := at.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(at)) {
				walk(func(inner any) any {
					changed := maps.Clone(at)
					changed[key] = inner
					return with(changed)
				}, at[key])
			}
		case []any:
			for i := range at {
				walk(func(inner any) any {
					changed := slices.Clone(at)
					changed[i] = inner
					return with(changed)
				}, at[i])
			}
		}
	}
	walk(func(v any) any { return v }, v)
}

// parse is a body that the test itself has written.
func parse(format string, args ...any) (v any) {
	if err := json.Unmarshal(fmt.Appendf(nil, format, args...), &v); err != nil {
		panic(err)
	}
	return v
}
