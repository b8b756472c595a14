package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// key is where an ini file has the value of an option.
type key struct{ section, name string }

func (k key) String() string { return "[" + k.section + "] " + k.name }

// configuration is what ini files say.
type configuration interface {
	// values are all values of an option that may have several, in order, and otherwise
	// the last one alone. What that one has replaced need not even be readable. It is false if
	// they cannot be made out, which the files tell of.
	values(k key, several bool) ([]string, bool)
	// place is where the value is that counts.
	place(k key) string
}

// settings fill in the options that were not given on the command line: from
// the environment (L2GW_ and the option's name), and then from ini files.
type settings struct {
	keys   map[string]key // by name of the option
	getenv func(string) string
	files  configuration

	// Of options by name, set by apply:
	places map[string]string // where they were set; none has what the command line says
	failed map[string]bool   // those whose values cannot be used, and which are as if they were not set
}

// apply sets what was not given. The error names all that is wrong and where.
func (s *settings) apply(flags *pflag.FlagSet) error {
	s.places, s.failed = map[string]string{}, map[string]bool{}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		if value := s.getenv(variable(f.Name)); value != "" {
			s.places[f.Name] = "environment variable " + variable(f.Name)
			if err := set(flags, f, []string{value}, variable(f.Name)); err != nil {
				s.failed[f.Name] = true
				errs = append(errs, err)
			}
			return
		}
		k, ok := s.keys[f.Name]
		if !ok {
			return
		}
		_, several := f.Value.(pflag.SliceValue)
		values, ok := s.files.values(k, several)
		if !ok {
			s.failed[f.Name] = true
			return
		}
		if len(values) == 0 {
			return
		}
		s.places[f.Name] = s.files.place(k)
		if err := set(flags, f, values, k.String()); err != nil {
			s.failed[f.Name] = true
			errs = append(errs, about(err, f.Name))
		}
	})
	return errors.Join(errs...)
}

// optionError is what is wrong with an option, or with several together.
type optionError struct {
	error
	options []string // as the command line calls them
}

// about says of each of the errors that are joined in err which options it is about.
func about(err error, options ...string) error {
	var all []error
	for _, e := range separate(err) {
		all = append(all, &optionError{e, options})
	}
	return errors.Join(all...)
}

// separate undoes [errors.Join].
func separate(err error) (all []error) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() { // it has words of its own
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, separate(e)...)
	}
	return all
}

// locate adds to each error about options where they were set.
func (s *settings) locate(err error) error {
	var all []error
	for _, e := range separate(err) {
		if about, ok := errors.AsType[*optionError](e); ok {
			var places []string
			for _, name := range about.options {
				if place := s.places[name]; place != "" {
					places = append(places, place)
				}
			}
			if len(places) > 0 {
				e = fmt.Errorf("%w (%s)", e, strings.Join(places, ", "))
			}
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

// variable is the environment variable of an option.
func variable(option string) string {
	return "L2GW_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// kinds are what an option of a type takes.
var kinds = map[string]string{
	"bool": "true or false (also yes/no, on/off)", "int": "a whole number", "float64": "a number, such as 0.3", "duration": "a time, such as 30s or 5m",
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
		return fmt.Errorf("%s: %q is no value of --%s: it must be %s", from, value, f.Name, kinds[f.Value.Type()])
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
