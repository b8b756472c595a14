package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// iniLine is a section, or an option with its value; those behind a # are the defaults.
var iniLine = regexp.MustCompile(`^(# )?(?:\[(\w+)\]|(\w+) = (.*?))(?:\s+# .*)?$`)

// packagedFile is a file of packaging/, and whose options it shows.
type packagedFile struct {
	name    string
	command *cobra.Command
	options []map[string]key // by name of the option
	leftOut func(key) bool   // what its own page of the documentation has
	others  []string         // sections that are read whole
}

func packagedFiles() []packagedFile {
	return []packagedFile{
		{
			"server.ini", newServe(),
			[]map[string]key{serveKeys, commonKeys, databaseKeys},
			func(k key) bool { return k.section == "database" },
			[]string{"keystone_authtoken"},
		},
		{
			"l2gateway_agent.ini", newAgent("agent"),
			[]map[string]key{agentKeys, commonKeys},
			func(k key) bool { return k.name == "max_connection_retries" }, // which is not used
			nil,
		},
	}
}

// Who looks for an option finds it in the packaged file, in its section, and what
// stands there is an option; behind a # it has its default.
func TestThePackagedFilesHaveEveryOption(t *testing.T) {
	for _, file := range packagedFiles() {
		text, err := os.ReadFile(filepath.Join("..", "..", "packaging", file.name))
		if err != nil {
			t.Fatal(err)
		}
		known := map[key]*pflag.Flag{}
		for _, keys := range file.options {
			for option, k := range keys {
				known[k] = file.command.Flags().Lookup(option)
			}
		}
		section, shown := "", map[key]bool{}
		for line := range strings.Lines(string(text)) {
			m := iniLine.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				continue
			}
			if m[2] != "" {
				section = m[2]
				continue
			}
			k, value := key{section, m[3]}, m[4]
			shown[k] = true
			option, ok := known[k]
			if !ok && !slices.Contains(file.others, section) {
				t.Errorf("packaging/%s has %s, which is no option", file.name, k)
			}
			if m[1] == "" || option == nil || slices.Contains([]string{"", "[]", "0"}, option.DefValue) {
				continue // there is no default to show
			}
			if !strings.EqualFold(value, option.DefValue) {
				t.Errorf("packaging/%s says that %s is %s unless told; it is %s", file.name, k, value, option.DefValue)
			}
		}
		for k := range known {
			if !shown[k] && !file.leftOut(k) {
				t.Errorf("packaging/%s does not show %s", file.name, k)
			}
		}
	}
}

// Every option that `l2gw serve --help` and its like show is explained in the
// documentation, by its own name or by that in ini files.
func TestEveryOptionIsDocumented(t *testing.T) {
	var docs strings.Builder
	for _, page := range append(pages(t), "packaging/server.ini", "packaging/l2gateway_agent.ini") {
		docs.WriteString(read(t, page))
	}
	keys := map[string]key{}
	for _, some := range []map[string]key{agentKeys, serveKeys, commonKeys, databaseKeys} {
		maps.Copy(keys, some)
	}
	for _, command := range []*cobra.Command{newServe(), newAgent("agent"), newStandalone(), newDump(), newDB(), newCerts()} {
		everyFlag(command, func(f *pflag.Flag) {
			name := f.Name
			if k, ok := keys[name]; ok {
				name = k.name
			}
			byOption := regexp.MustCompile(`--` + f.Name + `\b[^-]`)
			if !f.Hidden && !byOption.MatchString(docs.String()) && !strings.Contains(docs.String(), name+" = ") && !strings.Contains(docs.String(), "`"+name+"`") {
				t.Errorf("nothing explains --%s of `l2gw %s`", f.Name, command.Name())
			}
		})
	}
}

// everyFlag visits the options of a command and of those below it.
func everyFlag(c *cobra.Command, visit func(*pflag.Flag)) {
	c.LocalFlags().VisitAll(visit)
	for _, sub := range c.Commands() {
		everyFlag(sub, visit)
	}
}
