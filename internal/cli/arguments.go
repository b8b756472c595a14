package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Arguments is for commands that others add: between least and most arguments, by the
// names that Use has for them (most < 0: any number).
func Arguments(least, most int) cobra.PositionalArgs { return arguments(least, most) }

// arguments demands between least and most arguments (most < 0: any number).
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		for _, arg := range args {
			if !utf8.ValidString(arg) {
				return wrongUse(c, "the argument %q is not UTF-8", arg)
			}
		}
		if len(args) < least {
			return wrongUse(c, "%s is missing", strings.TrimSuffix(strings.Fields(c.Use)[1+len(args)], "..."))
		}
		if most >= 0 && len(args) > most {
			hint := ""
			if most > 0 {
				hint = ": put what has spaces in quotes"
			}
			return wrongUse(c, "%q is one argument too many%s", args[most], hint)
		}
		return nil
	}
}

// names demands arguments that can stand in a path of the API, where something has its
// name and no id.
func names(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := arguments(least, most)(c, args); err != nil {
			return err
		}
		for _, arg := range args {
			if arg == "" || arg == "." || arg == ".." {
				return wrongUse(c, "%q is no name", arg)
			}
		}
		return nil
	}
}

// wrongUse is a command line that a command does not understand.
func wrongUse(c *cobra.Command, format string, args ...any) error {
	return usage("usage: %s\n%s: error: %s\nSee '%s --help'.", useLine(c), c.CommandPath(), fmt.Sprintf(format, args...), c.CommandPath())
}

// wrongFlag says what is wrong with an option.
func wrongFlag(c *cobra.Command, err error) error {
	e, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return wrongUse(c, "%v", err)
	}
	cause := e.Unwrap().Error()
	if _, ok := errors.AsType[*strconv.NumError](e); ok {
		cause = "it must be a whole number"
		if e.GetFlag().Value.Type() == "bool" {
			cause = "it must be true or false, or be left out"
		}
	}
	return wrongUse(c, "--%s %q: %s", e.GetFlag().Name, e.GetValue(), cause)
}

// exclusive is what cobra says of options that exclude one another.
var exclusive = regexp.MustCompile(`^if any flags in the group \[(\S+) (\S+)\] are set`)

// checkFlags finds what is wrong with options that are right one by one.
func checkFlags(c *cobra.Command) error {
	if err := c.ValidateFlagGroups(); err != nil {
		if both := exclusive.FindStringSubmatch(err.Error()); both != nil {
			return wrongUse(c, "--%s and --%s exclude one another", both[1], both[2])
		}
		return wrongUse(c, "%v", err)
	}
	var wrong error
	c.Flags().Visit(func(f *pflag.Flag) {
		if text := f.Value.String(); !utf8.ValidString(text) {
			wrong = wrongUse(c, "--%s %q is not UTF-8", f.Name, text)
		}
	})
	return wrong
}

// span is an option that is a time.
type span struct {
	value *time.Duration
	least time.Duration
}

func (s *span) String() string {
	if s.value == nil {
		return ""
	}
	return s.value.String()
}

func (s *span) Type() string { return "duration" }

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("it must be a time such as 30s or 5m")
	case d < s.least:
		return fmt.Errorf("it must be at least %s", s.least)
	}
	*s.value = d
	return nil
}

// spanVar adds an option that is a time of at least that.
func spanVar(f *pflag.FlagSet, p *time.Duration, name string, value, least time.Duration, about string) {
	*p = value
	f.Var(&span{p, least}, name, about)
}

// spellOut writes options that were shortened to what no other option begins with
// in full, as the openstack client understands them.
func spellOut(root *cobra.Command, args []string) ([]string, error) {
	out := slices.Clone(args)
	c := root
	for i := 0; i < len(out); i++ {
		arg := out[i]
		switch {
		case arg == "--" || arg == cobra.ShellCompRequestCmd || arg == cobra.ShellCompNoDescRequestCmd:
			return out, nil
		case strings.HasPrefix(arg, "--"):
			name, value, joined := strings.Cut(arg[2:], "=")
			flag, err := findFlag(c, name)
			if err != nil {
				return nil, err
			}
			if flag == nil {
				continue // the parser will say so
			}
			out[i] = "--" + flag.Name
			if joined {
				out[i] += "=" + value
			} else if flag.NoOptDefVal == "" {
				i++
			}
		case len(arg) == 2 && arg[0] == '-':
			if flag := shorthand(c, arg[1:]); flag != nil && flag.NoOptDefVal == "" {
				i++
			}
		case !strings.HasPrefix(arg, "-"):
			for _, sub := range c.Commands() {
				if sub.Name() == arg || sub.HasAlias(arg) {
					c = sub
					break
				}
			}
		}
	}
	return out, nil
}

func shorthand(c *cobra.Command, letter string) *pflag.Flag {
	if flag := c.Flags().ShorthandLookup(letter); flag != nil {
		return flag
	}
	return c.InheritedFlags().ShorthandLookup(letter)
}

// findFlag returns the option of this name, or the only one that begins so, or nil.
func findFlag(c *cobra.Command, name string) (*pflag.Flag, error) {
	if name == "" {
		return nil, nil
	}
	var exact *pflag.Flag
	var found []*pflag.Flag
	seen := map[string]bool{}
	for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags(), c.InheritedFlags()} {
		set.VisitAll(func(flag *pflag.Flag) {
			switch {
			case flag.Name == name:
				exact = flag
			case strings.HasPrefix(flag.Name, name) && !flag.Hidden && !seen[flag.Name]:
				seen[flag.Name] = true
				found = append(found, flag)
			}
		})
	}
	switch {
	case exact != nil || strings.HasPrefix("help", name):
		return exact, nil
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		names := make([]string, len(found))
		for i, flag := range found {
			names[i] = "--" + flag.Name
		}
		slices.Sort(names)
		return nil, usage("%s: error: ambiguous option: --%s could match %s", c.CommandPath(), name, strings.Join(names, ", "))
	}
	return nil, nil
}
