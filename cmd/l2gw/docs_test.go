package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// top is the folder of the project, from here.
const top = "../.."

// pages are those of the documentation.
func pages(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/deploy/*.md"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			page, err := filepath.Rel(top, file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page)
		}
	}
	return all
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	span    = regexp.MustCompile("`([^`\n]+)`")
)

// anchor is the name by which links find a heading.
func anchor(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case strings.ContainsRune("`.,:;()[]/'\"?!…", r):
			return -1
		}
		return r
	}
	return strings.Map(keep, strings.ToLower(heading))
}

func TestEveryLinkOfTheDocumentationLeadsSomewhere(t *testing.T) {
	links := 0
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			path, place, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s: the link to %s: %v", page, m[1], err)
				continue
			}
			if place == "" {
				continue
			}
			found := slices.ContainsFunc(heading.FindAllStringSubmatch(read(t, target), -1), func(h []string) bool { return anchor(h[1]) == place })
			if !found {
				t.Errorf("%s: the link to %s: %s has no such heading", page, m[1], target)
			}
		}
	}
	if links < 40 {
		t.Errorf("only %d links were found", links)
	}
}

// code are the lines and words of a page that one would type: in backquotes,
// between fences, and indented.
func code(text string) (all []string) {
	fenced := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			continue
		case fenced || strings.HasPrefix(line, "    "):
			all = append(all, strings.TrimSpace(line))
		}
		for _, m := range span.FindAllStringSubmatch(line, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// foreign are options of other programs that the documentation shows.
var foreign = map[string]string{
	"--remote":             "ovsdb-server",
	"--unshallow":          "git fetch",
	"--or-show":            "openstack",
	"--service":            "openstack",
	"--system":             "useradd",
	"--home-dir":           "useradd",
	"--shell":              "useradd",
	"--now":                "systemctl",
	"--password-prompt":    "openstack",
	"--url":                "openstack",
	"--file":               "pg_dump",
	"--single-transaction": "mariadb-dump",
	"--routines":           "mariadb-dump",
}

// What a reader types, this program knows: its commands, and their options.
func TestTheDocumentationShowsCommandsAndOptionsThatExist(t *testing.T) {
	root := command("l2gw")
	root.InitDefaultCompletionCmd("x")
	options := map[string]bool{"--help": true, "--version": true}
	for _, c := range []*cobra.Command{root, command("neutron-l2gw"), command("openstack")} {
		add := func(f *pflag.Flag) { options["--"+f.Name] = options["--"+f.Name] || !f.Hidden }
		c.PersistentFlags().VisitAll(add)
		everyFlag(c, add)
	}
	typed := regexp.MustCompile(`^(?:\$ )?(?:sudo )?(?:bin/)?l2gw ([a-z]+)(?: ([a-z]+))?`)
	option := regexp.MustCompile(`(?:^|[\s(\[])(--[a-z][a-z0-9-]*[a-z0-9])(?:[^a-z0-9-]|$)`)
	commands := 0
	for _, page := range pages(t) {
		for _, line := range code(read(t, page)) {
			if m := typed.FindStringSubmatch(line); m != nil {
				commands++
				c, rest, err := root.Find(m[1:2])
				if err == nil && m[2] != "" && c.HasSubCommands() && !c.Runnable() {
					c, rest, err = root.Find(m[1:])
				}
				if err != nil || c == root || c.HasSubCommands() && len(rest) > 0 {
					t.Errorf("%s: %q: there is no such command", page, line)
				}
			}
			for _, m := range option.FindAllStringSubmatch(line, -1) {
				if !options[m[1]] && foreign[m[1]] == "" {
					t.Errorf("%s: %q: there is no option %s", page, line, m[1])
				}
			}
		}
	}
	if commands < 40 {
		t.Errorf("only %d commands were found", commands)
	}
}

// The targets of the Makefile are those that the documentation tells of.
func TestTheDocumentationKnowsTheMakefile(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## ([a-z-]+): `).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[m[1]] = false
	}
	typed := regexp.MustCompile(`^(?:sudo )?(?:[A-Z0-9_]+=\S+ )*make ([a-z-]+)`)
	for _, page := range pages(t) {
		for _, line := range code(read(t, page)) {
			if _, ok := targets[line]; ok { // "`make test-split`, `test-chaos`"
				targets[line] = true
			}
			if m := typed.FindStringSubmatch(line); m != nil {
				if _, ok := targets[m[1]]; !ok {
					t.Errorf("%s: %q: the Makefile has no such target", page, line)
				}
				targets[m[1]] = true
			}
		}
	}
	for target, told := range targets {
		if !told {
			t.Errorf("nothing tells of `make %s`", target)
		}
	}
}

// Who sets an alarm on a line of the log copies it from the tables of operations.md:
// each must be one that the program writes.
func TestTheLogLinesThatAreDocumentedAreWritten(t *testing.T) {
	var source strings.Builder
	for _, folder := range []string{"cmd", "internal", "ovsdb"} {
		err := filepath.WalkDir(filepath.Join(top, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			source.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, log, found := strings.Cut(read(t, "docs/operations.md"), "\n## Log\n")
	if !found {
		t.Fatal("docs/operations.md has no chapter about the log")
	}
	messages := 0
	for line := range strings.Lines(log) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range span.FindAllStringSubmatch(cells[1], -1) {
			messages++
			for part := range strings.SplitSeq(m[1], "…") {
				if !strings.Contains(source.String(), strings.TrimSpace(part)) {
					t.Errorf("docs/operations.md: nothing writes the log line %q", m[1])
				}
			}
		}
	}
	if messages < 15 {
		t.Errorf("only %d messages were found", messages)
	}
}

// A newcomer finds every package in the table of architecture.md.
func TestEveryPackageHasItsPlaceInTheArchitecture(t *testing.T) {
	page := read(t, "docs/architecture.md")
	folders, err := filepath.Glob(filepath.Join(top, "internal", "*"))
	if err != nil || len(folders) < 10 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		if name := "`internal/" + filepath.Base(folder) + "`"; !strings.Contains(page, name) {
			t.Errorf("docs/architecture.md does not tell of %s", name)
		}
	}
}
