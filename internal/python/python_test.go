package python_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"unicode"

	"l2gw/internal/python"
	"l2gw/test/process"

	"pgregory.net/rapid"
)

// program says which characters Python does not know, as pairs of the first and the
// last of a row, and then of each value how it is written.
const program = `
import json, sys, unicodedata

def made(v):
    if isinstance(v, list):
        return [made(x) for x in v]
    if isinstance(v, dict):
        if "text" in v: return bytes.fromhex(v["text"]).decode("utf-8", "surrogateescape")
        if "float" in v: return float(v["float"])
        return {made(key): made(value) for key, value in v["items"]}
    return v

rows, last = [], None
for c in range(0x110000):
    if unicodedata.category(chr(c)) == "Cn":
        if last == c - 1: rows[-1][1] = c
        else: rows.append([c, c])
        last = c
print(json.dumps(rows), flush=True)
for line in sys.stdin:
    v = made(json.loads(line))
    print(json.dumps([s.encode("utf-8", "surrogateescape").hex() for s in (repr(v), str(v))]), flush=True)
`

// interpreter is a real Python.
type interpreter struct {
	*process.Conversation
	unknown [][2]rune
}

func startPython(t *testing.T) *interpreter {
	t.Helper()
	p := &interpreter{Conversation: process.Converse(t, exec.Command("/usr/bin/python3", "-c", program))}
	if err := p.Hear(&p.unknown); err != nil {
		t.Fatal(err)
	}
	return p
}

// knows says whether a character is in Python's version of Unicode and in Go's.
func (p *interpreter) knows(r rune) bool {
	for _, row := range p.unknown {
		if row[0] <= r && r <= row[1] {
			return false
		}
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C)
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// compare writes the same value with both.
func (p *interpreter) compare(t fataler, v both) {
	t.Helper()
	var written [2]string
	if err := p.Ask(v.theirs, &written); err != nil {
		t.Fatalf("Python says nothing of %#v: %v", v.theirs, err)
	}
	for i, got := range []string{python.Repr(v.ours), python.Str(v.ours)} {
		want, err := hex.DecodeString(written[i])
		if err != nil {
			t.Fatalf("%v", err)
		}
		if got != string(want) {
			t.Fatalf("%#v: %s is\n%q, but Python's is\n%q", v.ours, []string{"repr", "str"}[i], got, want)
		}
	}
}

// both is a value, and what tells Python of it.
type both struct{ ours, theirs any }

func text(s string) both { return both{s, map[string]string{"text": hex.EncodeToString([]byte(s))}} }

func float(f float64) both {
	return both{f, map[string]string{"float": fmt.Sprint(f)}}
}

func TestEveryCharacterIsWrittenAsPythonWritesIt(t *testing.T) {
	p := startPython(t)
	var row strings.Builder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if (r < 0xd800 || r > 0xdfff) && p.knows(r) {
			row.WriteRune(r)
		}
		if r%0x400 == 0x3ff && row.Len() > 0 {
			p.compare(t, text(row.String()))
			row.Reset()
		}
	}
}

func TestValuesAreWrittenAsPythonWritesThem(t *testing.T) {
	p := startPython(t)
	texts := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("ab '\"\\\n\r\t\x00\x1b\x7f\u0085\u00a0\u00adé€\u200b\u2028\ufeff漢🚀\U000e0001")), 0, 8, -1),
		rapid.StringOfN(rapid.Rune().Filter(p.knows), 0, 8, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }), // no UTF-8
	)
	scalars := rapid.OneOf(
		rapid.Map(texts, text),
		rapid.Map(rapid.Bool(), func(b bool) both { return both{b, b} }),
		rapid.Map(rapid.Int(), func(n int) both { return both{n, n} }),
		rapid.Map(rapid.Uint64(), func(n uint64) both { return both{n, n} }),
		rapid.Map(rapid.Float64(), float),
		rapid.Map(rapid.Custom(func(t *rapid.T) float64 {
			return float64(rapid.IntRange(-9999, 9999).Draw(t, "digits")) * math.Pow10(rapid.IntRange(-9, 20).Draw(t, "exponent"))
		}), float),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`), func(s string) both { return both{json.Number(s), json.Number(s)} }),
		rapid.SampledFrom([]both{{nil, nil}, {(*int)(nil), nil}, {new("x"), text("x").theirs}, {[]string{"a"}, []any{text("a").theirs}}}),
	)
	var value func(depth int) *rapid.Generator[both]
	value = func(depth int) *rapid.Generator[both] {
		if depth == 0 {
			return scalars
		}
		inner := rapid.Deferred(func() *rapid.Generator[both] { return value(depth - 1) })
		return rapid.OneOf(
			scalars,
			rapid.Map(rapid.SliceOfN(inner, 0, 4), func(all []both) both {
				ours, theirs := make([]any, len(all)), make([]any, len(all))
				for i, v := range all {
					ours[i], theirs[i] = v.ours, v.theirs
				}
				return both{ours, theirs}
			}),
			rapid.Custom(func(t *rapid.T) both {
				keys := rapid.SliceOfNDistinct(texts, 0, 4, rapid.ID).Draw(t, "keys")
				ours, theirs := python.Dict{}, [][2]any{}
				for _, key := range keys {
					v := inner.Draw(t, "value")
					ours = append(ours, python.Item{Key: key, Value: v.ours})
					theirs = append(theirs, [2]any{text(key).theirs, v.theirs})
				}
				return both{ours, map[string]any{"items": theirs}}
			}),
		)
	}
	values := value(3)
	rapid.Check(t, func(t *rapid.T) { p.compare(t, values.Draw(t, "value")) })
	for _, f := range []float64{0, math.Copysign(0, -1), 1e16, 1e16 - 2, 1e-4, 9.9e-5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		p.compare(t, float(f))
	}
}

type (
	colour string
	place  struct{ x, y int }
	cell   struct{ shown, value any }
)

func (p place) String() string { return fmt.Sprintf("%d/%d", p.x, p.y) }

func (c cell) Python() any { return c.value }

func TestTypesOfGoAreWrittenAsWhatTheyAreToPython(t *testing.T) {
	for want, v := range map[string]any{
		`{'a': 1, 'b': [None, True]}`:     map[string]any{"b": []any{nil, true}, "a": 1},
		`{'x': ['1'], 'y': []}`:           map[string][]string{"y": nil, "x": {"1"}},
		`{2: 'two'}`:                      map[int]string{2: "two"},
		`['red', {'k': 1.0}]`:             []any{colour("red"), cell{"one", python.Dict{{Key: "k", Value: 1.0}}}},
		`[3/4, -7, 200]`:                  []any{place{3, 4}, int8(-7), uint8(200)},
		`['it\'s "\x1b[31m"', "it's \\"]`: []string{"it's \"\x1b[31m\"", `it's \`},
	} {
		if got := python.Repr(v); got != want {
			t.Errorf("%#v: %s, want %s", v, got, want)
		}
	}
	for want, v := range map[string]any{"red": colour("red"), "it's": cell{nil, "it's"}, "3/4": &place{3, 4}, "blue": new(colour("blue")), "None": (*colour)(nil), "1.5": json.Number("1.50"), "1e400": json.Number("1e400")} {
		if got := python.Str(v); got != want {
			t.Errorf("%#v: %s, want %s", v, got, want)
		}
	}
}
