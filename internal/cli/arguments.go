package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// arguments demands between least and most arguments (most < 0: any number).
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usage("usage: %s\nSee '%s --help'.", useLine(c), c.CommandPath())
		}
		return nil
	}
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
