package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"

	"l2gw/test/process"

	"pgregory.net/rapid"
)

// cliff is the library that writes the openstack client's formats, in a process of its own.
type cliff struct{ *process.Conversation }

func startCliff(t *testing.T) *cliff {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "testdata/write_with_cliff.py")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return &cliff{process.Converse(t, cmd)}
}

// write is what cliff writes for rows, or why it does not.
func (c *cliff) write(t *rapid.T, f form, names []string, rows [][]any) (text, failure string) {
	options := []string{}
	switch {
	case f.format == "json" && f.noIndent:
		options = append(options, "--noindent")
	case f.format == "csv":
		options = append(options, "--quote", f.quote)
	case f.format == "shell":
		options = append(options, "--prefix", f.prefix)
	case f.format == "table" && f.printEmpty:
		options = append(options, "--print-empty")
	}
	all := make(list, len(rows))
	for i, row := range rows {
		all[i] = list(row)
	}
	line := appendJSON(nil, dict{
		{"list", f.many}, {"format", f.format}, {"names", texts(names)}, {"rows", all}, {"options", texts(options)},
	}, -1)
	var body struct{ Text, Error string }
	if err := c.Ask(json.RawMessage(line), &body); err != nil {
		t.Fatalf("cliff: %v", err)
	}
	return body.Text, body.Error
}

// words are what YAML, shells and people read as something else than a text.
var words = []string{
	"", " ", "yes", "No", "on", "null", "~", "0x1f", "0o17", "017", "1_000", "1e3", "1.", ".5", "-.inf", "12:30:45", "2026-11-21",
	"2026-11-21T00:06:25Z", "- a", "? b", "a: b", "a #b", "#", "%x", "@", "`", "!t", "&a", "*a", "|", ">", "---", "...", "=", "<<", "{}", "[]",
	"'", `"`, `\`, "it's", `a"b`, `it's "both"`, "a\nb", "a\n b", "a \nb", "\n", "a\n\n\nb", "trailing ", " leading", "tab\there", "a\rb", "a\r\nb", "$HOME", "東京", "Büro", "скат",
	"🚀", "e\u0301", "\u200b", "\ufeffx", "\u0085", "\u2028", "a\u00a0b", "ﬀ", "\u05d0",
}

// known reports whether a character was in Unicode already in all versions that the
// libraries know.
func known(r rune) bool {
	return r < 0x10000 && r != 0xcf3 && r != 0xece && (unicode.IsGraphic(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
}

func textGen(forTable bool) *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.SampledFrom(words),
		rapid.StringOfN(rapid.RuneFrom([]rune("abc XYZ019:#-_.,'\"\\{}[]&*!|>%@`~=+/?\n")), 0, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("äßΩжあ漢字한글 ")), 0, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("abcdefg  ")), 60, 220, -1), // longer than a line
		rapid.StringOfN(rapid.RuneFrom([]rune("abc é'漢 ")), 60, 220, -1),
		rapid.StringOfN(rapid.RuneFrom(nil, unicode.Latin, unicode.Cyrillic, unicode.Hebrew, unicode.Thai, unicode.Hangul, unicode.Katakana, unicode.Cc, unicode.Zs, unicode.Sc).Filter(known), 0, 8, -1),
		rapid.StringOfN(rapid.Rune().Filter(known), 0, 8, -1),
	)
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), "")
		if forTable { // what would move the cursor is shown as something else
			s = strings.NewReplacer("\uFFFD", "").Replace(printable(s))
		}
		return s
	})
}

// keyGen makes names of attributes and what else is a key in what we print.
var keyGen = rapid.OneOf(rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_ :.-]{0,40}`), rapid.SampledFrom([]string{"yes", "12", "Größe", "it's"}))

func valueGen(forTable bool, depth int) *rapid.Generator[any] {
	text := textGen(forTable)
	kinds := []*rapid.Generator[any]{
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-1<<40, 1<<40), func(n int) any { return n }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	}
	if depth > 0 {
		inner := valueGen(forTable, depth-1)
		kinds = append(
			kinds,
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(all []any) any { return list(all) }),
			rapid.Custom(func(t *rapid.T) any {
				d := dict{}
				for _, key := range rapid.SliceOfNDistinct(keyGen, 0, 3, rapid.ID).Draw(t, "keys") {
					d = append(d, pair{key, inner.Draw(t, "value")})
				}
				return d
			}),
		)
	}
	return rapid.OneOf(kinds...)
}

// TestFormatsAreThoseOfTheOpenstackClient writes rows of anything with cliff, PyYAML
// and prettytable, and with ours.
func TestFormatsAreThoseOfTheOpenstackClient(t *testing.T) {
	for _, many := range []bool{true, false} {
		formats := showFormats
		if many {
			formats = listFormats
		}
		for _, format := range formats {
			t.Run(fmt.Sprintf("%s of many=%t", format, many), func(t *testing.T) {
				c := startCliff(t)
				value := valueGen(format == "table", 2)
				rapid.Check(t, func(t *rapid.T) { compareWithCliff(t, c, format, many, value) })
			})
		}
	}
}

// escapedMore reports whether ours escapes what theirs does not, on purpose.
func escapedMore(v any) bool {
	_, isText := v.(string)
	return strings.ContainsAny(machineText(v), "\\$`") || !isText && strings.Contains(machineText(v), `"`)
}

func compareWithCliff(t *rapid.T, c *cliff, format string, many bool, value *rapid.Generator[any]) {
	f := form{format: format, many: many, quote: rapid.SampledFrom(quotes).Draw(t, "quote")}
	f.noIndent = rapid.Bool().Draw(t, "noindent")
	f.printEmpty = many && rapid.Bool().Draw(t, "print-empty")
	f.prefix = rapid.SampledFrom([]string{"", "gw_"}).Draw(t, "prefix")
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ID", "Name", "Segmentation ID", "status", "a:b-c", "Größe", "yes"}), 1, 4, rapid.ID).Draw(t, "names")
	number := 1
	if many {
		number = rapid.IntRange(0, 3).Draw(t, "rows")
	}
	rows := make([][]any, number)
	for i := range rows {
		rows[i] = rapid.SliceOfN(value, len(names), len(names)).Draw(t, "row")
	}
	if format == "shell" && slices.ContainsFunc(rows[0], escapedMore) {
		return
	}
	want, failure := c.write(t, f, names, rows)
	if strings.Contains(failure, "single empty field record must be quoted") {
		return // theirs ends here; ours has an empty line
	}
	if failure != "" {
		t.Fatalf("cliff cannot write %v: %s", rows, failure)
	}
	var got string
	if many {
		got = f.list(Environment{}, names, slices.Clone(rows))
	} else {
		d := make(dict, len(names))
		for i, name := range names {
			d[i] = pair{name, rows[0][i]}
		}
		got = f.one(Environment{}, d)
	}
	if got != want {
		t.Fatalf("%+v\n%q\ntheirs:\n%s\nours:\n%s\n%q\n%q", f, rows, want, got, want, got)
	}
}
