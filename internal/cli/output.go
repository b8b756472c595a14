package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"l2gw/internal/python"
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
	maxWidth   int
	fitWidth   bool
	prefix     string
	quote      string
	sort       []string
	descending bool
	many       bool // a list, not one object
}

var (
	listFormats = []string{"csv", "json", "table", "value", "yaml"}
	showFormats = []string{"json", "shell", "table", "value", "yaml"}
	quotes      = []string{"all", "minimal", "none", "nonnumeric"}
)

func (f *form) flags(a *app, c *cobra.Command, many bool) {
	f.many = many
	formats := showFormats
	if many {
		formats = listFormats
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.format = "table"
	flags.VarP(&choice{&f.format, formats}, "format", "f", "the output format")
	flags.StringArrayVarP(&f.columns, "column", "c", nil, "a column to show; can be repeated")
	flags.BoolVar(&f.long, "long", false, "show more columns")
	flags.BoolVar(&f.noIndent, "noindent", false, "json: all on one line")
	width, _ := strconv.Atoi(a.env.Getenv("CLIFF_MAX_TERM_WIDTH"))
	flags.IntVar(&f.maxWidth, "max-width", width, "table: the most columns of the terminal to use, <1 for any number (env CLIFF_MAX_TERM_WIDTH)")
	fit, _ := strconv.Atoi(a.env.Getenv("CLIFF_FIT_WIDTH"))
	flags.BoolVar(&f.fitWidth, "fit-width", fit != 0, "table: no wider than the terminal (env CLIFF_FIT_WIDTH=1)")
	flags.BoolVar(&f.printEmpty, "print-empty", false, "table: print the head even if there are no rows")
	if many {
		f.quote = "nonnumeric"
		flags.Var(&choice{&f.quote, quotes}, "quote", "csv: what to quote")
		flags.StringArrayVar(&f.sort, "sort-column", nil, "a column to sort by; can be repeated")
		flags.BoolVar(&f.descending, "sort-descending", false, "sort the other way round")
		flags.Bool("sort-ascending", false, "sort upwards, as is done anyway")
	} else {
		flags.StringVar(&f.prefix, "prefix", "", "shell: what to put before each name")
	}
	markForm(c, flags)
	if many {
		c.MarkFlagsMutuallyExclusive("sort-ascending", "sort-descending")
	}
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// choice is an option with few values.
type choice struct {
	value *string
	of    []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}
func (c *choice) Type() string { return strings.Join(c.of, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("invalid choice: '%s' (choose from '%s')", s, strings.Join(c.of, "', '"))
	}
	*c.value = s
	return nil
}

// check finds what is wrong with the options before anything is done.
func check[T any](f *form, columns []column[T]) error {
	_, err := pick(f, columns)
	return err
}

// pick returns the columns to show: those asked for by name, in their own order,
// as the openstack client does.
func pick[T any](f *form, all []column[T]) ([]column[T], error) {
	var out []column[T]
	for _, c := range all {
		if len(f.columns) == 0 && (!c.long || f.long) || slices.ContainsFunc(f.columns, func(s string) bool { return sameColumn(s, c.name) }) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		names := make([]string, len(all))
		for i, c := range all {
			names[i] = c.name
		}
		return nil, fmt.Errorf("No recognized column names in %s. Recognized columns are %s.", //nolint:staticcheck,revive // the openstack client's words
			python.Repr(texts(f.columns)), python.Repr(texts(names)))
	}
	return out, nil
}

// sameColumn compares without regard to case, and a space is as good as an underscore.
func sameColumn(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, " ", "_"), strings.ReplaceAll(b, " ", "_"))
}

// listing makes c a command that prints a row for each of what find finds.
func listing[T any](a *app, c *cobra.Command, columns []column[T], find func(context.Context, []string) ([]T, error)) *cobra.Command {
	var f form
	f.flags(a, c, true)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := check(&f, columns); err != nil {
			return err
		}
		all, err := find(c.Context(), args)
		if err != nil {
			return err
		}
		return printList(a, &f, all, columns)
	}
	return c
}

// showing makes c a command that prints the one that find finds, or makes.
func showing[T any](a *app, c *cobra.Command, columns []column[T], find func(context.Context, []string) (T, error)) *cobra.Command {
	var f form
	f.flags(a, c, false)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := check(&f, columns); err != nil {
			return err
		}
		one, err := find(c.Context(), args)
		if err != nil {
			return err
		}
		return printOne(a, &f, one, columns)
	}
	return c
}

// showingAll is showing with all columns, as with --long.
func showingAll[T any](a *app, c *cobra.Command, columns []column[T], find func(context.Context, []string) (T, error)) *cobra.Command {
	all := slices.Clone(columns)
	for i := range all {
		all[i].long = false
	}
	return showing(a, c, all, find)
}

// printList prints a row for each x.
func printList[T any](a *app, f *form, all []T, columns []column[T]) error {
	shown, err := pick(f, columns)
	if err != nil {
		return err
	}
	// Rows are sorted by columns that are not shown, too.
	every := make([]string, len(columns))
	rows := make([][]any, len(all))
	for i, c := range columns {
		every[i] = c.name
		for k, x := range all {
			rows[k] = append(rows[k], c.value(x))
		}
	}
	for _, name := range f.sortRows(every, rows) {
		_, _ = fmt.Fprintf(a.env.Err, "Could not sort on field '%s'; unsortable types\n", name)
	}
	names := make([]string, len(shown))
	places := make([]int, len(shown))
	for i, c := range shown {
		names[i], places[i] = c.name, slices.Index(every, c.name)
	}
	for k, row := range rows {
		short := make([]any, len(places))
		for i, place := range places {
			short[i] = row[place]
		}
		rows[k] = short
	}
	_, err = io.WriteString(a.env.Out, f.list(a.env, names, rows))
	return err
}

func (f *form) list(env Environment, names []string, rows [][]any) string {
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
		if f.format == "yaml" {
			return string(appendYAML(nil, out))
		}
		return f.json(out)
	case "value":
		var b strings.Builder
		for _, row := range rows {
			for j, v := range row {
				if j > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(machineText(v))
			}
			b.WriteByte('\n')
		}
		return b.String()
	case "csv":
		return f.csv(names, rows)
	}
	return f.table(env, names, rows)
}

func (f *form) json(v any) string {
	indent := 0
	if f.noIndent {
		indent = -1
	}
	return string(append(appendJSON(nil, v, indent), '\n'))
}

// printOne prints a row for each column of x.
func printOne[T any](a *app, f *form, x T, columns []column[T]) error {
	columns, err := pick(f, columns)
	if err != nil {
		return err
	}
	// The openstack client shows the fields of one object in the order of their names.
	slices.SortStableFunc(columns, func(a, b column[T]) int { return cmp.Compare(a.name, b.name) })
	d := make(dict, len(columns))
	for i, c := range columns {
		d[i] = pair{c.name, c.value(x)}
	}
	_, err = io.WriteString(a.env.Out, f.one(a.env, d))
	return err
}

func (f *form) one(env Environment, d dict) string {
	var b []byte
	switch f.format {
	case "json":
		return f.json(d)
	case "yaml":
		for _, p := range d {
			b = appendYAML(b, dict{p})
		}
		return string(b)
	case "value":
		for _, p := range d {
			b = fmt.Appendln(b, machineText(p.value))
		}
		return string(b)
	case "shell":
		for _, p := range d {
			name := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_", ":", "_").Replace(p.key))
			// More than the openstack client escapes: eval must not run what a name says.
			value := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(machineText(p.value))
			b = fmt.Appendf(b, "%s%s=\"%s\"\n", f.prefix, name, value)
		}
		return string(b)
	}
	rows := make([][]any, len(d))
	for i, p := range d {
		rows[i] = []any{p.key, p.value}
	}
	return f.table(env, []string{"Field", "Value"}, rows)
}

// compareValues orders numbers by size, texts by their characters, and nothing last.
func compareValues(a, b any) int {
	a, b = machine(a), machine(b)
	x, okX := a.(int)
	y, okY := b.(int)
	switch {
	case okX && okY:
		return cmp.Compare(x, y)
	case a == nil || b == nil:
		return cmp.Compare(truth(a == nil), truth(b == nil))
	}
	return cmp.Compare(machineText(a), machineText(b))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
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
