package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"l2gw/internal/api"
	"l2gw/internal/cli"
	"l2gw/internal/oslo/policy"
)

// policyOptions say where an operator's rules are: [oslo_policy] of ini files.
type policyOptions struct {
	file               string
	dirs               []string
	defaultRule        string
	scope, newDefaults bool
	folders            []string // in which files are looked for that are not named by an absolute path
}

// policyKeys are those of policyOptions that ini files have.
var policyKeys = map[string]key{
	"policy-file":          {"oslo_policy", "policy_file"},
	"policy-dir":           {"oslo_policy", "policy_dirs"},
	"policy-default-rule":  {"oslo_policy", "policy_default_rule"},
	"enforce-scope":        {"oslo_policy", "enforce_scope"},
	"enforce-new-defaults": {"oslo_policy", "enforce_new_defaults"},
}

func init() { maps.Copy(serveKeys, policyKeys) }

func (o *policyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.file, "policy-file", "", "YAML or JSON file with rules about who may do what, over the built-in ones; followed as it changes (default policy.yaml beside the files of --config-file and in --config-dir)")
	f.StringArrayVar(&o.dirs, "policy-dir", nil, "folder of such files, read after --policy-file in their names' order (repeatable; default policy.d beside them)")
	f.StringVar(&o.defaultRule, "policy-default-rule", "default", "the rule that is asked where there is none of a name")
	f.BoolVar(&o.scope, "enforce-scope", false, "refuse tokens of a scope that a rule is not meant for")
	f.BoolVar(&o.newDefaults, "enforce-new-defaults", false, "leave out what rules allowed in older versions")
}

// enforcer reads the rules.
func (o policyOptions) enforcer(log *slog.Logger) (*policy.Enforcer, error) {
	found := func(name string) (string, bool) {
		if filepath.IsAbs(name) {
			return name, exists(name)
		}
		for _, dir := range o.folders {
			if path := filepath.Join(dir, name); exists(path) {
				return path, true
			}
		}
		return name, false
	}
	options := policy.Options{DefaultRule: o.defaultRule, EnforceScope: o.scope, EnforceNewDefaults: o.newDefaults, Logger: log}
	if o.file != "" {
		path, ok := found(o.file)
		if !ok && !exists(path) {
			log.Warn("the policy file is not there; the built-in rules hold until it is: what it should allow is refused, and what it should refuse is allowed to administrators",
				"option", "--policy-file, [oslo_policy] policy_file", "file", path, "searched", o.folders)
		}
		options.File = path
	} else {
		for _, name := range []string{"policy.json", "policy.yaml"} {
			if path, ok := found(name); ok {
				options.File = path
			}
		}
		if options.File == "" && len(o.folders) > 0 {
			options.File = filepath.Join(o.folders[0], "policy.yaml") // should it come
		}
	}
	dirs := o.dirs
	if len(dirs) == 0 && len(o.folders) > 0 {
		dirs = []string{"policy.d"}
	}
	for _, dir := range dirs {
		path, ok := found(dir)
		if !ok && len(o.dirs) > 0 && !exists(path) {
			log.Warn("the policy folder is not there; no rule of it holds until it is", "option", "--policy-dir, [oslo_policy] policy_dirs", "folder", path, "searched", o.folders)
		}
		if !ok && !filepath.IsAbs(path) && len(o.folders) > 0 && len(o.dirs) == 0 {
			path = filepath.Join(o.folders[0], path)
		}
		options.Dirs = append(options.Dirs, path)
	}
	return policy.New(api.Rules(), options)
}

// read are the files that rules were read from.
func (o policyOptions) read(rules *policy.Enforcer) (files []string) {
	for _, r := range rules.Rules() {
		if r.FromFile() && !slices.Contains(files, r.Origin.File) {
			files = append(files, r.Origin.File)
		}
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// folders are those in which oslo.config looks for further files: of --config-dir,
// then those of the files of --config-file, the last first.
func (o *commonOptions) folders() []string {
	list := slices.Clone(o.configDirs)
	for _, f := range slices.Backward(o.configFiles) {
		if dir := filepath.Dir(f); !slices.Contains(list, dir) {
			list = append(list, dir)
		}
	}
	return list
}

// newPolicy is for operators: what the rules are and what they mean.
func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "See who may do what, and why",
		Long: "See who may do what, and why.\n\n" +
			"These commands read the files that a server with the same options reads; they do not ask a server.",
	}
	cmd.AddCommand(newPolicyShow(), newPolicyCheck(), newPolicySample())
	return cmd
}

// policyCommand adds to a command the options about files, and reads them.
func policyCommand(cmd *cobra.Command, run func(out io.Writer, rules *policy.Enforcer, args []string) error) *cobra.Command {
	var (
		o      policyOptions
		common commonOptions
	)
	o.addFlags(cmd.Flags())
	cmd.Flags().StringArrayVar(&common.configFiles, "config-file", nil, "ini file with the section oslo_policy, such as /etc/neutron/neutron.conf (repeatable)")
	cmd.Flags().StringArrayVar(&common.configDirs, "config-dir", nil, "folder of *.conf files (repeatable)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		if err := common.fill(cmd.Flags(), policyKeys); err != nil {
			return err
		}
		o.folders = common.folders()
		rules, err := o.enforcer(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		if err != nil {
			return err
		}
		return written(cmd, func(out io.Writer) error { return run(out, rules, args) })
	}
	return cmd
}

// written has write print, and says so if that cannot be written: a file that a disk had
// no room for must not pass for a policy.
func written(cmd *cobra.Command, write func(io.Writer) error) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	return errors.Join(write(out), out.Flush())
}

// shownRule is a rule as `l2gw policy show` writes it.
type shownRule struct {
	Name        string `json:"name" yaml:"name"`
	Check       string `json:"check" yaml:"check"`
	Origin      string `json:"origin" yaml:"origin"`
	Default     string `json:"default,omitempty" yaml:"default,omitempty"`
	Parsed      string `json:"parsed" yaml:"parsed"`
	Description string `json:"description" yaml:"description"`
}

func shownRules(all []policy.Effective) []shownRule {
	list := make([]shownRule, 0, len(all))
	for _, r := range all {
		s := shownRule{Name: r.Name, Check: r.Check, Origin: "built-in", Parsed: r.Parsed, Description: r.Description}
		if r.FromFile() {
			s.Origin, s.Default = r.Origin.String(), r.Default
		}
		list = append(list, s)
	}
	return list
}

func newPolicyShow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "show [RULE...]",
		Short:   "Show the rules that count, where each is from and what it is about",
		Example: "  l2gw policy show --config-file /etc/neutron/neutron.conf\n  l2gw policy show create_l2_gateway -f yaml",

		ValidArgsFunction: builtInRules,
	}
	cmd.Flags().StringVarP(&format, "format", "f", "table", "table, yaml or json")
	return policyCommand(cmd, func(out io.Writer, rules *policy.Enforcer, args []string) error {
		all := shownRules(rules.Rules())
		for _, name := range args {
			if !slices.ContainsFunc(all, func(r shownRule) bool { return r.Name == name }) {
				return fmt.Errorf("there is no rule %q", name)
			}
		}
		if len(args) > 0 {
			all = slices.DeleteFunc(all, func(r shownRule) bool { return !slices.Contains(args, r.Name) })
		}
		return writeRules(out, format, all)
	})
}

// builtInRules are what shells offer; those of files may be named as well.
func builtInRules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, r := range api.Rules() {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func writeRules(out io.Writer, format string, all []shownRule) error {
	switch format {
	case "json":
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(all)
	case "yaml":
		e := yaml.NewEncoder(out)
		e.SetIndent(2)
		return e.Encode(all)
	case "table":
		w := table.NewWriter()
		w.AppendHeader(table.Row{"Rule", "Check", "Origin", "Description"})
		for _, r := range all {
			w.AppendRow(table.Row{r.Name, cmp.Or(r.Check, `""`), r.Origin, r.Description})
		}
		w.SetStyle(table.StyleDefault)
		w.Style().Format.Header = 0
		fmt.Fprintln(out, w.Render())
		return nil
	}
	return fmt.Errorf("--format %q: it must be table, yaml or json", format)
}

func newPolicyCheck() *cobra.Command {
	var (
		who    api.Caller
		target []string
	)
	cmd := &cobra.Command{
		Use:   "check ACTION",
		Short: "Tell whether somebody may do something, and which rules decided",
		Long: "Tell whether somebody may do something, and which rules decided.\n\n" +
			"What it is done to belongs to the caller's project, unless --target says otherwise.\n" +
			"The exit code is 0 if it is allowed, else 1.",
		Example: "  l2gw policy check create_l2_gateway --user-roles admin,member\n" +
			"  l2gw policy check get_l2_gateway --user-roles reader --project P1 --target project_id=P2",
		Args:              cli.Arguments(1, 1),
		ValidArgsFunction: builtInRules,
	}
	f := cmd.Flags()
	f.StringSliceVar(&who.Roles, "user-roles", nil, "the caller's roles")
	f.StringVar(&who.User, "user", "", "the caller's id")
	f.StringVar(&who.UserDomain, "user-domain", "", "the id of the caller's domain")
	f.StringVar(&who.Project, "project", "", "the id of the project that the caller's token is for")
	f.StringVar(&who.ProjectDomain, "project-domain", "", "the id of that project's domain")
	f.StringVar(&who.Domain, "domain", "", "the id of the domain that the caller's token is for")
	f.StringVar(&who.System, "system-scope", "", `"all" if the caller's token is for the system`)
	f.StringSliceVar(&who.ServiceRoles, "service-roles", nil, "the roles of the service on whose way the request comes")
	f.StringArrayVar(&target, "target", nil, "an attribute of what it is done to, NAME=VALUE (repeatable)")
	return policyCommand(cmd, func(out io.Writer, rules *policy.Enforcer, args []string) error {
		attributes, err := targetOf(who.Project, target)
		if err != nil {
			return err
		}
		d := rules.Explain(args[0], attributes, who.Credentials())
		writeDecision(out, args[0], d)
		if !d.Allowed {
			return fmt.Errorf("%s is not allowed", args[0])
		}
		return nil
	})
}

// targetOf makes attributes of NAME=VALUE.
func targetOf(project string, given []string) (map[string]any, error) {
	target := map[string]any{}
	if project != "" {
		target["project_id"], target["tenant_id"] = project, project
	}
	for _, s := range given {
		name, text, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--target %q: it must look like project_id=P1", s)
		}
		var value any = text
		switch strings.ToLower(text) {
		case "true", "false":
			value = strings.EqualFold(text, "true")
		case "null", "none":
			value = nil
		}
		target[name] = value
		switch name { // two names of the same
		case "project_id":
			target["tenant_id"] = value
		case "tenant_id":
			target["project_id"] = value
		}
	}
	return target, nil
}

func writeDecision(out io.Writer, action string, d policy.Decision) {
	fmt.Fprintf(out, "%s: %s\n", action, yesOrNo(d.Allowed))
	for _, s := range d.Steps {
		note := ""
		if s.Note != "" {
			note = "  (" + s.Note + ")"
		}
		fmt.Fprintf(out, "%s%s: %s%s\n", strings.Repeat("  ", s.Depth+1), s.Check, yesOrNo(s.Result), note)
	}
	if d.Rule.FromFile() {
		fmt.Fprintf(out, "%s is from %s\n", d.Rule.Name, d.Rule.Origin)
	}
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newPolicySample() *cobra.Command {
	return &cobra.Command{
		Use:     "sample",
		Short:   "Print a policy.yaml with the built-in rules, all of them commented out",
		Example: "  l2gw policy sample > /etc/l2gw/policy.yaml",
		Args:    cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return written(cmd, func(out io.Writer) error {
				writeSample(out, api.Rules())
				return nil
			})
		},
	}
}

func writeSample(out io.Writer, rules []policy.Rule) {
	fmt.Fprint(out, "# Who may do what. Take away the # before a rule and change it; a server reads\n"+
		"# this file again within seconds. `l2gw policy show` tells what counts.\n")
	for _, r := range rules {
		fmt.Fprintf(out, "\n# %s\n#%q: %q\n", r.Description, r.Name, r.Check)
	}
}
