package cli

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// wide knows the characters that take two columns of a terminal.
var wide = &runewidth.Condition{StrictEmojiNeutral: true}

// width is how many columns of a terminal a text takes: as the openstack client counts
// them, character by character and whatever the locale.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r >= ' ' && r <= '~':
		return 1
	case r == 0x34f, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x2063:
		return 0 // joiners, marks of direction, separators
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0 // accents
	case wide.RuneWidth(r) == 2:
		return 2
	}
	return 1
}

// truncate is as much of a text as n columns hold.
func truncate(s string, n int) string {
	for i, r := range s {
		if n -= runeWidth(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// grid is a table of texts, which may have several lines.
type grid struct {
	names []string
	rows  [][]string
	right []bool // columns of numbers
}

// widths are those of the widest line in each column.
func (g *grid) widths() []int {
	w := make([]int, len(g.names))
	for i, name := range g.names {
		w[i] = width(name)
		for _, row := range g.rows {
			for line := range strings.SplitSeq(row[i], "\n") {
				w[i] = max(w[i], width(line))
			}
		}
	}
	return w
}

// fit makes columns narrower so that the table is no wider than most (0: any),
// none below least: those that have more than their share give.
func (g *grid) fit(most, least int) []int {
	w := g.widths()
	total := 1
	for _, x := range w {
		total += x + 3
	}
	if most <= 0 || total <= most || len(w) == 0 {
		return w
	}
	left := max(0, most-1-3*len(w))
	share := left / len(w)
	var wide []int
	for i, x := range w {
		if x <= share {
			left -= x
		} else {
			wide = append(wide, i)
		}
	}
	each := left / len(wide)
	for k, i := range wide {
		to := each
		if k == len(wide)-1 {
			to = left
		}
		left -= each
		w[i] = max(width(g.names[i]), min(w[i], max(least, to)))
	}
	return w
}

// String draws the frame of the openstack client, with columns of these widths.
func (g *grid) draw(widths []int) string {
	var b strings.Builder
	rule := func() {
		for _, w := range widths {
			b.WriteByte('+')
			b.WriteString(strings.Repeat("-", w+2))
		}
		b.WriteString("+\n")
	}
	row := func(texts []string) {
		lines := make([][]string, len(texts))
		height := 1
		for i, s := range texts {
			for line := range strings.SplitSeq(s, "\n") {
				lines[i] = append(lines[i], wrap(line, widths[i])...)
			}
			height = max(height, len(lines[i]))
		}
		for y := range height {
			for i := range texts {
				line := ""
				if y < len(lines[i]) {
					line = lines[i][y]
				}
				pad := strings.Repeat(" ", max(0, widths[i]-width(line)))
				if g.right[i] {
					line = pad + line
				} else {
					line += pad
				}
				b.WriteString("| " + line + " ")
			}
			b.WriteString("|\n")
		}
	}
	rule()
	row(g.names)
	rule()
	for _, r := range g.rows {
		row(r)
	}
	rule()
	return b.String()
}

// wrap breaks a line at spaces, and where there are none within the width, anywhere.
func wrap(line string, columns int) []string {
	if width(line) <= columns || columns < 1 {
		return []string{line}
	}
	var out []string
	last := ""
	for word := range strings.FieldsSeq(line) {
		for {
			joined := word
			if last != "" {
				joined = last + " " + word
			}
			if width(joined) <= columns {
				last = joined
				break
			}
			if width(word) <= columns {
				out, last = append(out, last), word
				break
			}
			part := truncate(joined, columns)
			if part == "" { // one character is wider than all the column
				part = string([]rune(joined)[0])
			}
			if len(part) <= len(last) { // no room behind the space
				out, last = append(out, last), ""
				continue
			}
			out, word, last = append(out, part), joined[len(part):], ""
		}
	}
	return append(out, last)
}

// width is how wide a table may be, 0 if that does not matter.
func (f *form) width(env Environment) int {
	if f.maxWidth > 0 {
		return f.maxWidth
	}
	if tty := terminal(env.Out); f.fitWidth && tty != nil {
		return columns(tty)
	}
	return 0
}

// table draws names and rows; in a list, columns of numbers are to the right.
func (f *form) table(env Environment, names []string, rows [][]any) string {
	if len(rows) == 0 && !f.printEmpty {
		return "\n"
	}
	g := &grid{names: names, right: make([]bool, len(names))}
	least := 16
	if f.many {
		least = 8
		for i := range names {
			g.right[i] = len(rows) > 0 && isNumber(rows[0][i])
		}
	}
	for _, row := range rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = printable(strings.NewReplacer("\r\n", "\n", "\r", " ").Replace(humanText(v)))
		}
		g.rows = append(g.rows, texts)
	}
	return g.draw(g.fit(f.width(env), least))
}

func isNumber(v any) bool {
	_, ok := machine(v).(int)
	return ok
}

func isBool(v any) bool {
	_, ok := v.(bool) // not that of a cell: the openstack client writes its text
	return ok
}

// csv writes a list as Python's csv does, with a backslash where nothing is quoted.
func (f *form) csv(names []string, rows [][]any) string {
	var b strings.Builder
	line := func(fields []any) {
		for i, v := range fields {
			if i > 0 {
				b.WriteByte(',')
			}
			s := machineText(v)
			if machine(v) == nil {
				s = ""
			}
			special := strings.ContainsAny(s, ",\"\n")
			switch {
			case f.quote == "none":
				s = strings.NewReplacer(",", `\,`, `"`, `\"`, `\`, `\\`, "\n", "\\\n").Replace(s)
			case f.quote == "all", f.quote == "nonnumeric" && !isNumber(v) && !isBool(v),
				f.quote == "minimal" && (special || s == "" && len(fields) == 1):
				s = `"` + strings.NewReplacer(`"`, `""`, `\`, `\\`).Replace(s) + `"`
			default:
				s = strings.ReplaceAll(s, `\`, `\\`)
			}
			b.WriteString(s)
		}
		b.WriteByte('\n')
	}
	line(texts(names))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// sortRows sorts as far as values can be compared: texts with texts, numbers with
// numbers. It returns the names of columns of which they cannot.
func (f *form) sortRows(names []string, rows [][]any) (unsortable []string) {
	for _, name := range slices.Backward(f.sort) {
		i := slices.Index(names, name)
		if i < 0 {
			i = slices.IndexFunc(names, func(n string) bool { return sameColumn(n, name) })
		}
		if i < 0 {
			continue
		}
		if !sortable(rows, i) {
			unsortable = append(unsortable, names[i])
			continue
		}
		slices.SortStableFunc(rows, func(a, b []any) int {
			c := compareValues(a[i], b[i])
			if f.descending {
				c = -c
			}
			return c
		})
	}
	return unsortable
}

func sortable(rows [][]any, column int) bool {
	var texts, numbers int
	for _, row := range rows {
		switch machine(row[column]).(type) {
		case string:
			texts++
		case int, bool:
			numbers++
		case nil:
		default:
			return len(rows) < 2
		}
	}
	return texts == 0 || numbers == 0
}
