package cli_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"l2gw/internal/cli"

	"github.com/spf13/cobra"
)

// The agent that runs and the agents that are listed share a name.
func TestACommandThatRunsTakesInTheGroupOfItsName(t *testing.T) {
	var out, errs bytes.Buffer
	var ran []string
	root := cli.NewCommand(cli.Environment{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	agent := &cobra.Command{Use: "agent", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		servers, _ := c.Flags().GetString("servers")
		ran = append(ran, servers)
		return nil
	}}
	agent.Flags().String("servers", "", "")
	cli.Join(root, agent)
	other := &cobra.Command{Use: "serve", RunE: func(*cobra.Command, []string) error { ran = append(ran, "serve"); return nil }}
	cli.Join(root, other)
	for _, line := range [][]string{{"agent"}, {"agent", "--servers", "a:1"}, {"serve"}} {
		if code := cli.Run(context.Background(), root, line); code != 0 {
			t.Errorf("%q ended with %d: %s", line, code, &errs)
		}
	}
	if len(ran) != 3 || ran[0] != "" || ran[1] != "a:1" || ran[2] != "serve" {
		t.Errorf("ran %q", ran)
	}
	// The group's commands are there, and look at their options first.
	if code := cli.Run(context.Background(), root, []string{"agent", "list", "--endpoint", "nonsense"}); code != 2 ||
		!bytes.Contains(errs.Bytes(), []byte(`--endpoint "nonsense" is not a URL`)) {
		t.Errorf("agent list ended with %d: %s", code, &errs)
	}
	if len(ran) != 3 {
		t.Errorf("agent list ran the agent: %q", ran)
	}
}

// Who mistypes the command that looks after the database must not be told that it was done.
func TestCommandsOfOthersRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	for line, want := range map[string]string{
		"db":            "l2gw db: a command is missing",
		"db chekc":      `l2gw db: there is no command "chekc": did you mean check?`,
		"db check now":  `l2gw db check: error: unknown command "now" for "l2gw db check"`,
		"help frob":     `l2gw: there is no command "frob"`,
		"help db chekc": `l2gw db: there is no command "chekc": did you mean check?`,
		"completion sh": `l2gw completion: there is no command "sh"`,
	} {
		var out, errs bytes.Buffer
		root := cli.NewCommand(cli.Environment{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		db := &cobra.Command{Use: "db", Short: "Look after the database"}
		db.AddCommand(&cobra.Command{Use: "check", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }})
		cli.Join(root, db)
		if code := cli.Run(t.Context(), root, strings.Fields(line)); code != 2 || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%s: %d %q %q", line, code, &out, &errs)
		}
		out.Reset()
		if code := cli.Run(t.Context(), root, []string{"help", "db"}); code != 0 || !strings.Contains(out.String(), "usage: l2gw db COMMAND") {
			t.Errorf("help db: %d %q", code, &out)
		}
	}
}
