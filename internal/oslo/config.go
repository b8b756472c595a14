package oslo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Config is what a list of files says. It is not safe for use by several
// goroutines: reading notes what is read and what is wrong.
type Config struct {
	files   []map[option][]value // the last file first
	order   []option             // as they first appear
	aliases map[option][]option
	given   map[option]string // defaults that others may refer to
	lookup  func(string) (string, bool)

	steps int // substitutions for the value that is being read
	read  map[option]bool
	errs  []error
}

// option names an option: its group, "DEFAULT" if none, and its name with underscores.
type option struct{ group, name string }

// value is a value as it is written.
type value struct {
	text string
	from Origin
}

// Origin says where a value was found. The environment has no line, a default neither.
type Origin struct {
	File string
	Line int
}

func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Option is an option that a file sets.
type Option struct {
	Group, Name string
	Origin
}

// Load reads the files in the given order, then the *.conf files of each
// directory by name. What comes later wins. A ~ at the beginning of a path is the home directory.
//
// The error names each file that cannot be read and each line that is wrong; errors.As
// finds a [ParseError] in it, errors.Is [os.ErrNotExist] and such. There is no Config then.
func Load(files, dirs []string) (*Config, error) {
	c := &Config{
		aliases: map[option][]option{}, given: map[option]string{}, read: map[option]bool{},
	}
	var errs []error
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, expandHome(f))
	}
	for _, d := range dirs {
		found, err := confFiles(expandHome(d))
		if err != nil {
			errs = append(errs, fmt.Errorf("configuration directory: %w", err))
		}
		paths = append(paths, found...)
	}
	for _, p := range paths {
		if err := c.add(p); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// confFiles are the files that oslo.config reads of a --config-dir: *.conf, sorted, no hidden ones.
func confFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".conf") && !strings.HasPrefix(name, ".") {
			found = append(found, filepath.Join(dir, name))
		}
	}
	return found, nil
}

func expandHome(path string) string {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, path[1:])
}

func (c *Config) add(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	all, err := parse(path, f)
	if err != nil {
		return err
	}
	c.take(path, all)
	return nil
}

func (c *Config) take(path string, all []assignment) {
	values := map[option][]value{}
	for _, a := range all {
		// The name is taken as it is: oslo.config does not find an option that a file writes with a hyphen.
		o := option{groupOf(a.section), a.name}
		if !c.isSet(o) && values[o] == nil {
			c.order = append(c.order, o)
		}
		values[o] = append(values[o], value{a.value, Origin{path, a.line}})
	}
	c.files = slices.Insert(c.files, 0, values)
}

func (c *Config) isSet(o option) bool {
	return slices.ContainsFunc(c.files, func(f map[option][]value) bool { return len(f[o]) > 0 })
}

// UseEnvironment lets the environment win over files, as oslo.config does: OS_GROUP__NAME sets
// an option of a group. lookup is [os.LookupEnv] outside of tests.
func (c *Config) UseEnvironment(lookup func(string) (string, bool)) { c.lookup = lookup }

// Deprecated tells of a further, older name of an option. oldGroup or oldName may be "": then it
// has not changed. In one file the new name wins; in a later file the old one wins over both.
func (c *Config) Deprecated(group, name, oldGroup, oldName string) {
	if oldGroup == "" {
		oldGroup = group
	}
	if oldName == "" {
		oldName = name
	}
	o := key(group, name)
	c.aliases[o] = append(c.aliases[o], option{groupOf(oldGroup), oldName})
}

// Default gives the default of an option that values of other options may refer to by $name.
func (c *Config) Default(group, name, text string) { c.given[key(group, name)] = text }

func key(group, name string) option { return option{groupOf(group), nameOf(name)} }

// names are the names of an option, the newest first. They are read from now on.
func (c *Config) names(o option) []option {
	names := append([]option{o}, c.aliases[o]...)
	for _, n := range names {
		c.read[n] = true
	}
	return names
}

func (c *Config) environment(names []option) (value, bool) {
	if c.lookup == nil {
		return value{}, false
	}
	for _, n := range names {
		variable := "OS_" + strings.ToUpper(n.group) + "__" + strings.ToUpper(n.name)
		if text, ok := c.lookup(variable); ok {
			return value{text, Origin{File: "environment variable " + variable}}, true
		}
	}
	return value{}, false
}

// values are all values of an option, those of the first file first, or nil.
func (c *Config) values(o option) []value {
	names := c.names(o)
	if v, ok := c.environment(names); ok {
		return []value{v}
	}
	var found []value
	for _, f := range c.files {
		for _, n := range names {
			if vs := f[n]; len(vs) > 0 {
				found = append(slices.Clone(vs), found...)
			}
		}
	}
	return found
}

// value is the one that counts of an option that has one value: of the last
// file that sets it the last one, under its newest name there.
func (c *Config) value(o option) (value, bool) {
	names := c.names(o)
	if v, ok := c.environment(names); ok {
		return v, true
	}
	for _, f := range c.files {
		for _, n := range names {
			if vs := f[n]; len(vs) > 0 {
				return vs[len(vs)-1], true
			}
		}
	}
	return value{}, false
}

// Err is all that was wrong with the values that were read so far, each once, or nil.
// errors.As finds a [ValueError] in it.
func (c *Config) Err() error { return errors.Join(c.errs...) }

// Unread are the options that files set and nobody has asked for, as they appear:
// options of other programs that share the file, or misspelt ones.
func (c *Config) Unread() []Option {
	var list []Option
	for _, o := range c.order {
		if c.read[o] {
			continue
		}
		for _, f := range c.files {
			if vs := f[o]; len(vs) > 0 {
				list = append(list, Option{o.group, o.name, vs[len(vs)-1].from})
				break
			}
		}
	}
	return list
}
