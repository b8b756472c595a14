package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// column is one thing to show of a T.
type column[T any] struct {
	name string
	// value is a string, a number, a bool, nil, a list, a dict, or a cell.
	value func(T) any
	// long hides it unless --long or -c asks for it.
	long bool
}

// cell is a value that people read in another form than programs.
type cell struct {
	human string
	value any
}

// dict is a mapping whose keys keep their order.
type dict []pair

type pair struct {
	key   string
	value any
}

// list is a sequence.
type list []any

func texts(all []string) list {
	out := make(list, len(all))
	for i, s := range all {
		out[i] = s
	}
	return out
}

// joined is a list that people see on one line.
func joined(all []string) cell { return cell{strings.Join(all, ", "), texts(all)} }

// form is how the user wants to see the outcome (cliff's options).
type form struct {
	format  string
	columns []string
	long    bool

	noIndent   bool
	printEmpty bool
	prefix     string
	quote      string
	sort       []string
	descending bool
	many       bool // a list, not one object
}

func (f *form) flags(c *cobra.Command, many bool) {
	f.many = many
	other := "shell"
	if many {
		other = "csv"
	}
	flags := c.Flags()
	flags.StringVarP(&f.format, "format", "f", "table", "the output format: table, json, yaml, value or "+other)
	flags.StringArrayVarP(&f.columns, "column", "c", nil, "a column to show; can be repeated")
	flags.BoolVar(&f.long, "long", false, "show more columns")
	flags.BoolVar(&f.noIndent, "noindent", false, "json: all on one line")
	flags.BoolVar(&f.printEmpty, "print-empty", false, "table: print the head even if there are no rows")
	if many {
		flags.StringVar(&f.quote, "quote", "nonnumeric", "csv: what to quote: all, minimal, none or nonnumeric")
		flags.StringArrayVar(&f.sort, "sort-column", nil, "a column to sort by; can be repeated")
		flags.BoolVar(&f.descending, "sort-descending", false, "sort the other way round")
		flags.Bool("sort-ascending", false, "sort upwards, as is done anyway")
	} else {
		flags.StringVar(&f.prefix, "prefix", "", "shell: what to put before each name")
	}
}

// check finds what is wrong with the options before anything is done.
func check[T any](f *form, columns []column[T]) error {
	formats := []string{"table", "json", "yaml", "value", "shell"}
	if f.many {
		formats[4] = "csv"
	}
	if !slices.Contains(formats, f.format) {
		return usage("-f %q is not a format: it must be one of %s", f.format, strings.Join(formats, ", "))
	}
	if quotes := []string{"all", "minimal", "none", "nonnumeric"}; f.many && !slices.Contains(quotes, f.quote) {
		return usage("--quote %q is not known: it must be one of %s", f.quote, strings.Join(quotes, ", "))
	}
	_, err := pick(f, columns)
	return err
}

// pick returns the columns to show: those asked for by name, in their own order,
// as the openstack client does.
func pick[T any](f *form, all []column[T]) ([]column[T], error) {
	var out []column[T]
	for _, c := range all {
		if len(f.columns) == 0 && (!c.long || f.long) || slices.ContainsFunc(f.columns, func(s string) bool { return strings.EqualFold(s, c.name) }) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		names := make([]string, len(all))
		for i, c := range all {
			names[i] = c.name
		}
		return nil, usage("No recognized column names in %q. Recognized columns are %q.", f.columns, names)
	}
	return out, nil
}

// printList prints a row for each x.
func printList[T any](w io.Writer, f *form, all []T, columns []column[T]) error {
	columns, err := pick(f, columns)
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	rows := make([][]any, len(all))
	for i, x := range all {
		for _, c := range columns {
			rows[i] = append(rows[i], c.value(x))
		}
	}
	f.sortRows(names, rows)
	switch f.format {
	case "json", "yaml":
		out := make(list, len(rows))
		for i, row := range rows {
			d := make(dict, len(row))
			for j, v := range row {
				d[j] = pair{names[j], v}
			}
			out[i] = d
		}
		return f.writeTree(w, out)
	case "value":
		for _, row := range rows {
			fields := make([]string, len(row))
			for j, v := range row {
				fields[j] = machineText(v)
			}
			if _, err := fmt.Fprintln(w, strings.Join(fields, " ")); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return f.writeCSV(w, names, rows)
	}
	if len(rows) == 0 && !f.printEmpty {
		_, err = fmt.Fprintln(w)
		return err
	}
	return writeTable(w, names, rows, true)
}

// printOne prints a row for each column of x.
func printOne[T any](w io.Writer, f *form, x T, columns []column[T]) error {
	columns, err := pick(f, columns)
	if err != nil {
		return err
	}
	// The openstack client shows the fields of one object in the order of their names.
	slices.SortStableFunc(columns, func(a, b column[T]) int { return strings.Compare(a.name, b.name) })
	d := make(dict, len(columns))
	for i, c := range columns {
		d[i] = pair{c.name, c.value(x)}
	}
	switch f.format {
	case "json", "yaml":
		return f.writeTree(w, d)
	case "value":
		for _, p := range d {
			if _, err := fmt.Fprintln(w, machineText(p.value)); err != nil {
				return err
			}
		}
		return nil
	case "shell":
		for _, p := range d {
			name := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(f.prefix + p.key))
			value := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(machineText(p.value))
			if _, err := fmt.Fprintf(w, "%s=\"%s\"\n", name, value); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([][]any, len(d))
	for i, p := range d {
		rows[i] = []any{p.key, p.value}
	}
	return writeTable(w, []string{"Field", "Value"}, rows, false)
}

// writeTable draws cliff's frame. In a list, columns of numbers are to the right.
func writeTable(w io.Writer, names []string, rows [][]any, many bool) error {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	header := make(table.Row, len(names))
	var configs []table.ColumnConfig
	for i, name := range names {
		header[i] = name
		align := text.AlignLeft
		if many && numbers(rows, i) {
			align = text.AlignRight
		}
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align})
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i, v := range row {
			cells[i] = printable(humanText(v))
		}
		t.AppendRow(cells)
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// numbers reports whether a column is one of numbers, by its first row.
func numbers(rows [][]any, column int) bool {
	if len(rows) == 0 {
		return false
	}
	_, ok := rows[0][column].(int)
	return ok
}

// printable keeps names from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// plainWriter keeps messages from moving the cursor.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.w, printable(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *form) sortRows(names []string, rows [][]any) {
	var by []int
	for _, name := range f.sort {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			by = append(by, i)
		}
	}
	if by == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b []any) int {
		for _, i := range by {
			c := compareValues(a[i], b[i])
			if f.descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}
