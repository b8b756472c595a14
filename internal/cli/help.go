package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// isGroup marks commands that do nothing by themselves.
const isGroup = "l2gw_group"

// ofForm marks the options that say how the outcome is printed.
const ofForm = "l2gw_output_formatter"

// useLine is a command with its arguments.
func useLine(c *cobra.Command) string {
	return strings.Replace(c.UseLine(), "[flags]", "[options]", 1)
}

// help describes a command. The options that all commands have are told once, with
// the program: they are many, and hardly anybody needs them.
func help(c *cobra.Command, columns int) string {
	var b strings.Builder
	b.WriteString(cmp.Or(c.Long, c.Short) + "\n\n")
	if c.HasAvailableSubCommands() {
		if _, ok := c.Annotations[isGroup]; !ok && c.Runnable() {
			fmt.Fprintf(&b, "usage: %s\n", useLine(c))
		}
		fmt.Fprintf(&b, "usage: %s COMMAND\n\ncommands:\n", c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s  %s\n", c.Commands()[0].NamePadding(), sub.Name(), sub.Short)
			}
		}
	} else {
		fmt.Fprintf(&b, "usage: %s\n", useLine(c))
	}
	own, form := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, set := range []*pflag.FlagSet{own, form} {
		set.SortFlags = false
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return // whoever reads this knows it
		}
		if _, ok := f.Annotations[ofForm]; ok {
			form.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	part := func(title string, set *pflag.FlagSet) {
		if set.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s:\n%s", title, set.FlagUsagesWrapped(columns))
		}
	}
	part("options", own)
	part("output formatters", form)
	switch {
	case c.HasParent():
		fmt.Fprintf(&b, "\n'%s --help' tells of the options that all commands have, those of the login among them.\n", c.Root().Name())
	case c.HasAvailableSubCommands():
		fmt.Fprintf(&b, "\n'%s COMMAND --help' tells more of a command.\n", c.Root().Name())
	}
	return b.String()
}

// markForm marks options of set and adds them to those of a command.
func markForm(c *cobra.Command, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) { f.Annotations = map[string][]string{ofForm: nil} })
	c.Flags().AddFlagSet(set)
}

// describeItself has a program and all its commands describe themselves so.
func (a *app) describeItself(root *cobra.Command) {
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		n := 100
		if tty := terminal(a.env.Out); tty != nil {
			n = columns(tty)
		}
		_, _ = fmt.Fprint(c.OutOrStdout(), help(c, n))
	})
}
