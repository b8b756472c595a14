package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// key is where an ini file has the value of an option.
type key struct{ section, name string }

func (k key) String() string { return "[" + k.section + "] " + k.name }

// configuration is what ini files say: all values of an option that may have
// several, in order, and otherwise the last one alone. What that one has replaced
// need not even be readable.
type configuration func(section, name string, several bool) []string

// settings fill in the options that were not given on the command line: from
// the environment (L2GW_ and the option's name), and then from ini files.
type settings struct {
	keys   map[string]key // by name of the option
	getenv func(string) string
	files  configuration
}

// apply sets what was not given. The error names what is wrong and where.
func (s settings) apply(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if failed != nil || f.Changed {
			return
		}
		if value := s.getenv(variable(f.Name)); value != "" {
			failed = set(flags, f, []string{value}, variable(f.Name))
			return
		}
		if k, ok := s.keys[f.Name]; ok {
			_, several := f.Value.(pflag.SliceValue)
			if values := s.files(k.section, k.name, several); len(values) > 0 {
				failed = set(flags, f, values, k.String())
			}
		}
	})
	return failed
}

// variable is the environment variable of an option.
func variable(option string) string {
	return "L2GW_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// set gives an option its value; from says where that was found.
func set(flags *pflag.FlagSet, f *pflag.Flag, values []string, from string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var all []string
		for _, v := range values {
			for one := range strings.SplitSeq(v, ",") {
				if one = strings.TrimSpace(one); one != "" {
					all = append(all, one)
				}
			}
		}
		if err := list.Replace(all); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		f.Changed = true
		return nil
	}
	value := strings.TrimSpace(values[len(values)-1])
	switch f.Value.Type() {
	case "bool":
		switch strings.ToLower(value) {
		case "yes", "on":
			value = "true"
		case "no", "off":
			value = "false"
		}
	case "string":
	default:
		if value == "" { // an option that was left empty
			return nil
		}
	}
	if err := flags.Set(f.Name, value); err != nil {
		return fmt.Errorf("%s: %q is no value of --%s (%s)", from, value, f.Name, f.Value.Type())
	}
	return nil
}

// repeat gives another set the options that were given on the command line.
func repeat(from, to *pflag.FlagSet) error {
	var failed error
	from.Visit(func(f *pflag.Flag) {
		t := to.Lookup(f.Name)
		if t == nil || failed != nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			failed = t.Value.(pflag.SliceValue).Replace(slices.Clone(list.GetSlice()))
			t.Changed = true
			return
		}
		failed = to.Set(f.Name, f.Value.String())
	})
	return failed
}
