package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"l2gw/internal/api"
)

// runPolicy runs `l2gw policy …` and returns what it printed and its error.
func runPolicy(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newPolicy()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SilenceErrors = true
	err := cmd.Execute()
	return out.String(), err
}

func TestExamplesOfThePolicyPageAreTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/deploy/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	files, commands := 0, 0
	for i, block := range strings.Split(string(page), "```") {
		kind, content, _ := strings.Cut(block, "\n")
		switch {
		case i%2 == 0: // outside
		case kind == "yaml":
			files++
			if err := os.WriteFile("policy.yaml", []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		case kind == "console":
			for _, example := range strings.Split("\n"+content, "\n$ l2gw policy ")[1:] {
				commands++
				line, want, _ := strings.Cut(example, "\n")
				want = strings.TrimSuffix(want, "\n") + "\n"
				got, err := runPolicy(t, strings.Fields(line)...)
				if got != want || (err == nil) != strings.Contains(strings.SplitN(want, "\n", 2)[0], "yes") {
					t.Errorf("l2gw policy %s: %v\n%s\nwant:\n%s", line, err, got, want)
				}
			}
		}
	}
	if files < 4 || commands < 6 {
		t.Errorf("only %d files and %d commands were found", files, commands)
	}
}

func TestTheSampleIsAPolicyFileOfAllBuiltInRules(t *testing.T) {
	sample, err := runPolicy(t, "sample")
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/policy.yaml"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(sample, "\n#\"", "\n\"")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runPolicy(t, "show", "--policy-file", file, "-f", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules []shownRule
	if err := yaml.Unmarshal([]byte(out), &rules); err != nil {
		t.Fatal(err)
	}
	if len(rules) != len(api.Rules()) {
		t.Errorf("%d rules, want %d", len(rules), len(api.Rules()))
	}
	for _, r := range rules {
		if r.Check != r.Default || !strings.HasPrefix(r.Origin, file+":") {
			t.Errorf("%+v", r)
		}
	}
}

func TestPolicyFilesAreFoundBesideIniFiles(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"one.conf": "[DEFAULT]\n", "two.conf": "[DEFAULT]\npolicy_file = other.json\n",
		"policy.yaml": "create_l2_gateway: role:beside\n", "other.json": `{"create_l2_gateway": "role:named"}`, "policy.d/x.yaml": "get_l2_gateway: role:folder\n",
	} {
		if err := os.MkdirAll(dir+"/policy.d", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for ini, want := range map[string]string{"one.conf": "policy.yaml", "two.conf": "other.json"} {
		out, err := runPolicy(t, "show", "--config-file", dir+"/"+ini, "create_l2_gateway", "get_l2_gateway")
		if err != nil || !strings.Contains(out, dir+"/"+want+":1") || !strings.Contains(out, dir+"/policy.d/x.yaml:1") {
			t.Errorf("%s: %v\n%s", ini, err, out)
		}
	}
}

func TestPolicyCommandsSayWhatIsWrong(t *testing.T) {
	file := t.TempDir() + "/policy.yaml"
	if err := os.WriteFile(file, []byte("create_l2_gateway: role:admin role:member\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`rule "create_l2_gateway"`:        {"show", "--policy-file", file},
		`there is no rule "x"`:            {"show", "x"},
		`--format "xml"`:                  {"show", "-f", "xml"},
		`it must look like project_id=P1`: {"check", "get_l2_gateway", "--target", "x"},
		"get_l2_gateway is not allowed":   {"check", "get_l2_gateway", "--user-roles", "member"},
		"ACTION is missing":               {"check"},
	} {
		if _, err := runPolicy(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}

func TestPolicyCommandsSayThatAConfiguredFileIsMissing(t *testing.T) {
	cmd := newPolicy()
	var said bytes.Buffer
	cmd.SetOut(io.Discard)
	cmd.SetErr(&said)
	cmd.SetArgs([]string{"check", "get_l2_gateway", "--user-roles", "admin", "--policy-file", "/nosuch/policy.yaml", "--policy-dir", "/nosuch/policy.d"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the policy file is not there; the built-in rules hold until it is", "/nosuch/policy.yaml", "the policy folder is not there", "/nosuch/policy.d"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q: %s", want, &said)
		}
	}
}

func TestAServerDoesNotStartWithRulesThatItCannotUnderstand(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/policy.yaml", []byte("# ours\ncreate_l2_gateway: role:admin or\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newServe()
	cmd.SetArgs([]string{
		"--policy-file", dir + "/policy.yaml", "--listen", "127.0.0.1:0", "--fabric-listen", "127.0.0.1:0",
		"--database", "sqlite:///" + dir + "/l2gw.db", "--inventory", dir + "/inventory.yaml", "--state-dir", dir + "/state",
	})
	cmd.SilenceErrors = true
	want := dir + `/policy.yaml:2: rule "create_l2_gateway": "role:admin or": there is nothing after "or"`
	if err := cmd.ExecuteContext(t.Context()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestShellsOfferTheRules(t *testing.T) {
	for _, command := range []string{"show", "check"} {
		if out, err := runPolicy(t, "__complete", command, ""); err != nil || !strings.Contains("\n"+out, "\ncreate_l2_gateway\n") {
			t.Errorf("%s: %v %q", command, err, out)
		}
	}
}

// A file that the disk has no room for must not pass for a policy.
func TestAPolicyThatCannotBeWrittenIsAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"sample"}, {"show"}, {"show", "-f", "json"}, {"check", "get_l2_gateway", "--user-roles", "admin"}} {
		cmd := newPolicy()
		cmd.SetArgs(args)
		cmd.SetOut(full)
		cmd.SetErr(io.Discard)
		cmd.SilenceErrors = true
		if err := cmd.Execute(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("l2gw policy %q: %v", args, err)
		}
	}
}
