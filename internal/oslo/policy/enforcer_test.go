package policy

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var builtIn = []Rule{
	{Name: "context_is_admin", Check: "role:admin or is_admin:True"},
	{Name: "admin_only", Check: "rule:context_is_admin"},
	{Name: "create_l2_gateway", Check: "rule:admin_only", Description: "Create a gateway"},
	{Name: "get_l2_gateway", Check: "rule:admin_only", Description: "Show and list gateways"},
}

var (
	admin  = map[string]any{"roles": []string{"admin"}}
	reader = map[string]any{"roles": []string{"reader"}}
)

// log is what was logged.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileReplacesRulesAndFoldersReplaceTheFiles(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir+"/policy.yaml", "# ours\nget_l2_gateway: role:reader\ncreate_l2_gateway: role:file\n")
	write(t, dir+"/policy.d/20-b.yaml", "create_l2_gateway: role:b\n")
	write(t, dir+"/policy.d/10-a.json", "{\n\t\"create_l2_gateway\": \"role:a\",\n\t\"mine\": [[\"role:x\", \"role:y\"], \"role:z\"]\n}\n")
	write(t, dir+"/policy.d/.hidden.yaml", "create_l2_gateway: role:hidden\n")
	write(t, dir+"/policy.d/inner/z.yaml", "create_l2_gateway: role:inner\n")
	e, err := New(builtIn, Options{File: file, Dirs: []string{dir + "/policy.d", dir + "/nowhere"}, Logger: new(log).logger()})
	if err != nil {
		t.Fatal(err)
	}
	if !e.Allows("get_l2_gateway", nil, reader) || e.Allows("create_l2_gateway", nil, admin) || !e.Allows("create_l2_gateway", nil, map[string]any{"roles": []any{"B"}}) {
		t.Error("the last file's rule does not count")
	}
	var got []string
	for _, r := range e.Rules() {
		from := "built-in"
		if r.FromFile() {
			from = strings.TrimPrefix(r.Origin.String(), dir+"/")
		}
		got = append(got, r.Name+" = "+r.Check+" ("+from+")")
	}
	want := `context_is_admin = role:admin or is_admin:True (built-in)
admin_only = rule:context_is_admin (built-in)
create_l2_gateway = role:b (policy.d/20-b.yaml:1)
get_l2_gateway = role:reader (policy.yaml:2)
mine = [["role:x","role:y"],["role:z"]] (policy.d/10-a.json:3)`
	if strings.Join(got, "\n") != want {
		t.Errorf("rules:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
	}
}

func TestWhatIsNotThereIsAskedOfTheDefaultRuleOrRefused(t *testing.T) {
	e, err := New(builtIn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Allows("unheard_of", nil, admin) {
		t.Error("without a default rule something is allowed")
	}
	e, err = New(append([]Rule{{Name: "fallback", Check: "rule:admin_only"}}, builtIn...), Options{DefaultRule: "fallback"})
	if err != nil {
		t.Fatal(err)
	}
	if !e.Allows("unheard_of", nil, admin) || e.Allows("unheard_of", nil, reader) {
		t.Error("the default rule does not count")
	}
}

func TestRulesThatCannotBeObeyedStopTheStartAndSayWhere(t *testing.T) {
	for content, want := range map[string]string{
		"a: role:x\ncreate_l2_gateway: role:admin and\n":                  `policy.yaml:2: rule "create_l2_gateway": "role:admin and": there is nothing after "and"`,
		"create_l2_gateway: http://example.org/\n":                        "checks that ask another server are not supported",
		"create_l2_gateway: rule:create_l2_gateway\n":                     `policy.yaml:1: rule "create_l2_gateway": rules refer to each other in a circle: create_l2_gateway → create_l2_gateway`,
		"context_is_admin: rule:admin_only\n":                             `circle: context_is_admin → admin_only → context_is_admin`,
		"b: not (rule:c)\nc: rule:b or role:x\n":                          `policy.yaml:1: rule "b": rules refer to each other in a circle: b → c → b`,
		"create_l2_gateway: rule:admin_onlly\n":                           `policy.yaml:1: rule "create_l2_gateway": "rule:admin_onlly": there is no rule "admin_onlly"; is admin_only meant?`,
		"create_l2_gateway: role:a\nb: role:b\ncreate_l2_gateway: role:c": `policy.yaml:3: rule "create_l2_gateway" is there twice, first in line 1`,
		`{"b": "role:a", "b": "role:b"}`:                                  `rule "b" is there twice`,
		"create_l2_gateway:\n":                                            `policy.yaml:1: rule "create_l2_gateway": it has no expression`,
		"create_l2_gateway: !\n":                                          "! in quotes to allow nobody",
		"create_l2_gateway: !!str\n":                                      `put it into quotes: "!"`,
		"create_l2_gateway: true\n":                                       "must be a text or a list, not a truth value",
		"create_l2_gateway: 5\n":                                          "not a number",
		"create_l2_gateway: {a: b}\n":                                     "not a map",
		"create_l2_gateway: [[role:a, [role:b]]]\n":                       "must be a text, not a list",
		"create_l2_gateway: [role:a and role:b]\n":                        "each text is a single check",
		"create_l2_gateway: [null]\n":                                     "texts and lists of texts",
		"- role:a\n":                                                      "policy.yaml:1: it must be rules by their names",
		"role:a\n":                                                        "it must be rules by their names",
		"a: [b\n":                                                         "policy.yaml: ",
		"a: role:b\n---\nc: role:d\n":                                     "more than one document",
		"create_l2_gateway: role:a role:b":                                `"role:b" follows "role:a"`,
		"create_l2_gateway: " + strings.Repeat("(", 300) + "role:a" + strings.Repeat(")", 300): "more than 200 parentheses",
	} {
		file := write(t, t.TempDir()+"/policy.yaml", content)
		_, err := New(builtIn, Options{File: file, Logger: new(log).logger()})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v; want %q", content, err, want)
		}
		var ruleErr *RuleError
		var fileErr *FileError
		if err != nil && !errors.As(err, &ruleErr) && !errors.As(err, &fileErr) {
			t.Errorf("%q: %T", content, err)
		}
	}
}

func TestEmptyFilesHaveNoRules(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "{}", "---\n", "null\n"} {
		e, err := New(builtIn, Options{File: write(t, t.TempDir()+"/policy.yaml", content)})
		if err != nil || !e.Allows("create_l2_gateway", nil, admin) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestAFileNeedNotBeThereButMustBeReadable(t *testing.T) {
	file := t.TempDir() + "/policy.yaml"
	if _, err := New(builtIn, Options{File: file}); err != nil {
		t.Error(err)
	}
	if _, err := New(builtIn, Options{File: filepath.Dir(file)}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

func TestOddRulesAreToldOnceWithWhatMayBeMeant(t *testing.T) {
	var l log
	file := write(t, t.TempDir()+"/policy.yaml", "create_l2_gatway: role:member\ncreate-l2-gateway: role:member\ncreate_floatingip: role:member\nupdate_floatingip: rule:nowhere\n")
	e, err := New(builtIn, Options{File: file, Logger: l.logger()})
	if err != nil {
		t.Fatal(err)
	}
	e.Allows("create_l2_gateway", nil, admin)
	for _, want := range []string{"rule=create_l2_gatway from=" + file + ":1 near=create_l2_gateway", "rule=create-l2-gateway", `there is no rule \"nowhere\"`} {
		if strings.Count(l.String(), want) != 1 {
			t.Errorf("%q is not in\n%s", want, l.String())
		}
	}
	if strings.Contains(l.String(), "rule=create_floatingip") {
		t.Errorf("a rule for another service is told:\n%s", l.String())
	}
}

func TestAnOlderNameAndAnOlderExpressionGoOn(t *testing.T) {
	rules := append([]Rule{{Name: "get_device", Check: "role:reader", Deprecated: &Deprecated{Name: "get_l2_device", Check: "role:observer", Reason: "names"}}}, builtIn...)
	observer, operator := map[string]any{"roles": []string{"observer"}}, map[string]any{"roles": []string{"operator"}}
	for _, c := range []struct {
		content                    string
		newOnly                    bool
		reader, observer, operator bool
	}{
		{"", false, true, true, false},
		{"", true, true, false, false},
		{"get_l2_device: role:operator", false, false, false, true},
		{"get_l2_device: rule:get_device", true, true, false, false},
		{"get_device: role:operator\nget_l2_device: role:observer", false, false, false, true},
	} {
		var l log
		e, err := New(rules, Options{File: write(t, t.TempDir()+"/p.yaml", c.content), EnforceNewDefaults: c.newOnly, Logger: l.logger()})
		if err != nil {
			t.Fatal(err)
		}
		got := [...]bool{e.Allows("get_device", nil, reader), e.Allows("get_device", nil, observer), e.Allows("get_device", nil, operator)}
		if got != [...]bool{c.reader, c.observer, c.operator} {
			t.Errorf("%q, new defaults only %t: %v", c.content, c.newOnly, got)
		}
	}
}

func TestScopesCountIfTheyAreEnforced(t *testing.T) {
	rules := []Rule{{Name: "act", Check: "@", Scopes: []string{"system", "domain"}}}
	for scope, credentials := range map[string]map[string]any{
		"system": {"system_scope": "all"}, "domain": {"domain_id": "d", "system_scope": ""}, "project": {"project_id": "p", "domain_id": nil},
	} {
		for _, enforced := range []bool{true, false} {
			e, err := New(rules, Options{EnforceScope: enforced})
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Allows("act", nil, credentials); got != (!enforced || scope != "project") {
				t.Errorf("%s, enforced %t: %t", scope, enforced, got)
			}
		}
	}
}

func TestChangedFilesAreReadWithinTwoSecondsAndBrokenOnesAreToldOnce(t *testing.T) {
	file := t.TempDir() + "/policy.yaml"
	synctest.Test(t, func(t *testing.T) {
		var l log
		dir := filepath.Dir(file) + "/policy.d"
		e, err := New(builtIn, Options{File: file, Dirs: []string{dir}, Logger: l.logger()})
		if err != nil {
			t.Fatal(err)
		}
		version := time.Unix(1700000000, 0)
		change := func(path, content string) {
			t.Helper()
			write(t, path, content)
			version = version.Add(time.Second) // as a clock of a second's fineness would have it
			if err := os.Chtimes(path, version, version); err != nil {
				t.Fatal(err)
			}
		}
		readers := func(want bool) {
			t.Helper()
			time.Sleep(checkEvery) // no real time: the bubble's
			if got := e.Allows("get_l2_gateway", nil, reader); got != want {
				t.Errorf("readers may: %t, want %t", got, want)
			}
		}
		readers(false)
		change(file, "get_l2_gateway: role:reader\n")
		if e.Allows("get_l2_gateway", nil, reader) {
			t.Error("files are looked at more often than needed")
		}
		readers(true)
		change(file, "get_l2_gateway: role:reader or\n")
		for range 3 {
			readers(true)
		}
		if n := strings.Count(l.String(), "there is nothing after"); n != 1 || !strings.Contains(l.String(), file+":1") {
			t.Errorf("told %d times:\n%s", n, l.String())
		}
		change(file, "get_l2_gateway: role:admin\n")
		readers(false)
		change(dir+"/a.yaml", "get_l2_gateway: role:reader\n")
		readers(true)
		if err := os.Remove(dir + "/a.yaml"); err != nil {
			t.Fatal(err)
		}
		readers(false)
		change(file, "get_l2_gateway: role:reader\n")
		readers(true)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		readers(true)
		readers(true)
		if n := strings.Count(l.String(), "a restart lets go of its rules"); n != 1 {
			t.Errorf("told %d times that the file is gone:\n%s", n, l.String())
		}
		change(file, "get_l2_gateway: '!'\n")
		readers(false)
		change(file, "get_l2_gateway: role:reader\n")
		if err := e.Reload(); err != nil || !e.Allows("get_l2_gateway", nil, reader) {
			t.Error(err)
		}
		change(file, "get_l2_gateway: [\n")
		if err := e.Reload(); err == nil || !e.Allows("get_l2_gateway", nil, reader) {
			t.Error(err)
		}
	})
}

func TestSeveralMayAskWhileFilesChange(t *testing.T) {
	file := write(t, t.TempDir()+"/policy.yaml", "get_l2_gateway: role:reader\n")
	e, err := New(builtIn, Options{File: file, Logger: new(log).logger()})
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for range 500 {
				if !e.Allows("create_l2_gateway", nil, admin) {
					t.Error("an administrator was refused")
				}
				e.next.Store(0)
			}
		})
	}
	for i := range 50 {
		write(t, file, "get_l2_gateway: role:reader\n"+strings.Repeat("#", i))
		if err := e.Reload(); err != nil {
			t.Error(err)
		}
	}
	g.Wait()
}

func BenchmarkAllows(b *testing.B) {
	e, err := New(append([]Rule{{Name: "show", Check: "rule:admin_only or (role:reader and project_id:%(project_id)s)"}}, builtIn...), Options{File: b.TempDir() + "/policy.yaml"})
	if err != nil {
		b.Fatal(err)
	}
	target := map[string]any{"project_id": "p1"}
	for name, credentials := range map[string]map[string]any{
		"admin":  {"roles": []string{"member", "reader", "admin"}, "project_id": "p0", "is_admin": false},
		"member": {"roles": []string{"member", "reader"}, "project_id": "p1", "is_admin": false},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !e.Allows("show", target, credentials) {
					b.Fatal("refused")
				}
			}
		})
	}
}
