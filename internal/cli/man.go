package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// man writes a manual page for each command of the tree, section 1.
func (a *app) man(use string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: "Write manual pages, one for each command, into a folder", Args: arguments(1, 1), Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // for all to read
				return err
			}
			return writeMan(args[0], c.Root())
		},
	}
}

func writeMan(dir string, c *cobra.Command) error {
	if c.Hidden {
		return nil
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(c)), 0o644); err != nil { //nolint:gosec // for all to read
		return err
	}
	for _, sub := range c.Commands() {
		if err := writeMan(dir, sub); err != nil {
			return err
		}
	}
	return nil
}

// manPage is the manual page of a command in the language of man(7).
func manPage(c *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s %s\" \"L2GW\"\n", roff(strings.ToUpper(name)), roff(c.Root().Name()), roff(c.Root().Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(useLine(c)))
	if c.Long != "" {
		b.WriteString(".SH DESCRIPTION\n")
		for paragraph := range strings.SplitSeq(c.Long, "\n\n") {
			b.WriteString(roff(paragraph) + "\n.PP\n")
		}
	}
	options := func(title string, flags *pflag.FlagSet) {
		if !flags.HasAvailableFlags() {
			return
		}
		fmt.Fprintf(&b, ".SH %s\n", title)
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			value, about := pflag.UnquoteUsage(f)
			line := "--" + f.Name
			if f.Shorthand != "" {
				line = "-" + f.Shorthand + ", " + line
			}
			if value != "" {
				line += " " + value
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(line), roff(about))
		})
	}
	options("OPTIONS", c.NonInheritedFlags())
	options("GLOBAL OPTIONS", c.InheritedFlags())
	var also []string
	if c.HasParent() {
		also = append(also, strings.ReplaceAll(c.Parent().CommandPath(), " ", "-"))
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			also = append(also, strings.ReplaceAll(sub.CommandPath(), " ", "-"))
		}
	}
	if len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, page := range also {
			end := ","
			if i == len(also)-1 {
				end = ""
			}
			fmt.Fprintf(&b, ".BR %s (1)%s\n", roff(page), end)
		}
	}
	return b.String()
}

// roff is a text in which no character means anything to man.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
