package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var iniLine = regexp.MustCompile(`^(?:# )?(?:\[(\w+)\]|(\w+) = .*)$`)

// Who looks for an option finds it in the packaged file, in its section, and what
// stands there is an option.
func TestThePackagedServerFileHasEveryOptionOfTheServer(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "packaging", "server.ini"))
	if err != nil {
		t.Fatal(err)
	}
	section, shown := "", map[key]bool{}
	for line := range strings.Lines(string(text)) {
		if m := iniLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && m[1] != "" {
			section = m[1]
		} else if m != nil {
			shown[key{section, m[2]}] = true
		}
	}
	known := map[key]bool{}
	for _, keys := range []map[string]key{serveKeys, commonKeys, databaseKeys} {
		for k := range maps.Values(keys) {
			known[k] = true
			if !shown[k] && k.section != "database" { // whose own page has them
				t.Errorf("packaging/server.ini does not show %s", k)
			}
		}
	}
	for k := range shown {
		if !known[k] && k.section != "keystone_authtoken" {
			t.Errorf("packaging/server.ini has %s, which is no option of the server", k)
		}
	}
}

// Every option that `l2gw serve --help` shows is explained in the documentation, by
// its own name or by that in ini files.
func TestEveryOptionOfTheServerIsDocumented(t *testing.T) {
	var docs strings.Builder
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/deploy/*.md", "../../packaging/server.ini"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			docs.Write(text)
		}
	}
	keys := map[string]key{}
	for _, some := range []map[string]key{serveKeys, commonKeys, databaseKeys} {
		maps.Copy(keys, some)
	}
	newServe().Flags().VisitAll(func(f *pflag.Flag) {
		name := f.Name
		if k, ok := keys[name]; ok {
			name = k.name
		}
		if !f.Hidden && !strings.Contains(docs.String(), "--"+f.Name) && !strings.Contains(docs.String(), name+" = ") && !strings.Contains(docs.String(), "`"+name+"`") {
			t.Errorf("nothing explains --%s", f.Name)
		}
	})
}
