package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Environment is what a command has around it.
type Environment struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Getenv func(string) string
}

// OSEnvironment is the process's own.
func OSEnvironment() Environment {
	return Environment{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
}

// DefaultEndpoint is where the API is looked for unless told otherwise.
const DefaultEndpoint = "http://127.0.0.1:9697"

// app is what the commands of one tree share.
type app struct {
	env Environment
	tty *os.File // standard error, if it is a terminal

	// Options, set when a command runs.
	endpoint         string
	isDefault        bool               // nobody named it
	options          map[string]*string // of the login
	cloud            string
	insecure, verify bool
	debug            bool
	timeout          time.Duration

	// Set by check.
	client  *http.Client
	session *session // nil: nobody logs in

	persistence persistence
}

func newApp(env Environment) *app {
	tty := terminal(env.Err)
	env.Err = plainWriter{env.Err} // messages repeat what servers and switches say
	return &app{env: env, tty: tty}
}

// NewCommand returns the command "l2gw" with all client commands. The caller
// may add commands to it before it passes it to [Run].
func NewCommand(env Environment) *cobra.Command {
	a := newApp(env)
	root := a.root("l2gw", "Bridge overlay networks with VLANs on switch ports")
	a.add(root, a.commands()...)
	root.AddCommand(a.man("man DIR"))
	return root
}

// NewOpenStackCommand returns the command "openstack", in which the client
// commands are below "l2gw", as with the openstack client and its plugin.
func NewOpenStackCommand(env Environment) *cobra.Command {
	a := newApp(env)
	root := a.root("openstack", "The l2gw commands under the name of the openstack client")
	a.add(root, group("l2gw", "Bridge overlay networks with VLANs on switch ports", a.commands()...))
	return root
}

func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.gatewayCreate("create NAME"), a.gatewayList("list"), a.gatewayShow("show GATEWAY"),
		a.gatewayUpdate("update GATEWAY"), a.gatewayDelete("delete GATEWAY..."),
		group("connection", "Connect networks to gateways",
			a.connectionCreate("create GATEWAY NETWORK"), a.connectionList("list"),
			a.connectionShow("show CONNECTION"), a.connectionDelete("delete CONNECTION..."),
		),
		group("device", "See the switches and what they hold, and what is done with them",
			a.deviceList("list"), a.deviceShow("show DEVICE"), a.deviceMACs("macs DEVICE"),
			a.deviceRelease("release DEVICE"), a.deviceResync("resync DEVICE"),
			a.deviceMode("pause DEVICE...", modePaused), a.deviceMode("observe DEVICE...", modeObserve), a.deviceMode("resume DEVICE...", modeRun),
		),
		group("agent", "See the agents", a.agentList("list"), a.agentShow("show AGENT")),
		a.status("status"), a.validate("validate [DEVICE...]"),
	}
}

// NewNeutronCommand returns the command "neutron-l2gw", which has the same
// commands under the names that the neutron client gave them.
func NewNeutronCommand(env Environment) *cobra.Command {
	a := newApp(env)
	root := a.root("neutron-l2gw", "Bridge overlay networks with VLANs on switch ports (old command names)")
	a.add(root,
		a.gatewayCreate("l2-gateway-create NAME"), a.gatewayList("l2-gateway-list"), a.gatewayShow("l2-gateway-show GATEWAY"),
		a.gatewayUpdate("l2-gateway-update GATEWAY"), a.gatewayDelete("l2-gateway-delete GATEWAY..."),
		a.connectionCreate("l2-gateway-connection-create GATEWAY NETWORK"), a.connectionList("l2-gateway-connection-list"),
		a.connectionShow("l2-gateway-connection-show CONNECTION"), a.connectionDelete("l2-gateway-connection-delete CONNECTION..."),
	)
	return root
}

// Join adds a command to root. If root has a group of its name, as the agent that
// runs has the name of the agents that are listed, the commands of the group go
// below it: the name alone, or with options, is the command itself.
func Join(root, c *cobra.Command) {
	for _, old := range root.Commands() {
		if old.Name() != c.Name() {
			continue
		}
		root.RemoveCommand(old)
		for _, sub := range old.Commands() {
			old.RemoveCommand(sub)
			sub.PersistentPreRunE = old.PersistentPreRunE
			c.AddCommand(sub)
		}
	}
	root.AddCommand(c)
}

// Run runs a command line and returns the exit code. Errors are told on
// standard error.
func Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	strict(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(wrongFlag)
	args, err := spellOut(root, args)
	if err == nil {
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	switch {
	case errors.Is(err, errInterrupted):
		exit = &exitError{exitInterrupted, err.Error()}
	case !ok:
		exit = &exitError{exitFailed, err.Error()}
	case exit.message == "":
		return exit.code
	}
	_, _ = fmt.Fprintln(root.ErrOrStderr(), exit.message)
	return exit.code
}

func (a *app) root(name, short string) *cobra.Command {
	root := group(name, short)
	root.SetIn(a.env.In)
	root.SetOut(a.env.Out)
	root.SetErr(a.env.Err)
	a.describeItself(root)
	flags := root.PersistentFlags()
	flags.StringVar(&a.endpoint, "endpoint", "", "URL of the API (env OS_ENDPOINT; default "+DefaultEndpoint+")")
	a.addLogin(root)
	spanVar(flags, &a.timeout, "timeout", time.Minute, time.Millisecond, "how long to wait for an answer of the API")
	return root
}

// add adds client commands, which look at the global options before they run;
// commands that others add to root have no use for an endpoint.
func (a *app) add(root *cobra.Command, commands ...*cobra.Command) {
	for _, c := range commands {
		c.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
			if err := checkFlags(c); err != nil {
				return err
			}
			return a.check(true)
		}
	}
	root.AddCommand(commands...)
}

// similar asks whether another command was meant.
func similar(c *cobra.Command, name string) string {
	c.SuggestionsMinimumDistance = 2
	if names := c.SuggestionsFor(name); len(names) > 0 {
		return ": did you mean " + strings.Join(names, " or ") + "?"
	}
	return ""
}

// group is a command that has commands.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.AddCommand(commands...)
	return c
}

// strict has a command and those below it refuse what they do not understand, those that
// others added as well: cobra describes a group that is given a wrong command, and is content.
func strict(c *cobra.Command) {
	for _, sub := range c.Commands() {
		strict(sub)
	}
	switch args := c.Args; {
	case c.Name() == "help" && c.HasParent():
		c.Args = func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if len(rest) > 0 && err == nil {
				err = noCommand(of, rest[0])
			}
			return err
		}
	case !c.Runnable() && c.HasSubCommands():
		// Alone it is no command, as with the openstack client; only the program describes itself then.
		c.Annotations = map[string]string{isGroup: ""}
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(c, args[0])
			}
			return nil
		}
		c.RunE = func(c *cobra.Command, _ []string) error {
			if !c.HasParent() {
				return c.Help()
			}
			return usage("%s: a command is missing\n\n%s", c.CommandPath(), strings.TrimSpace(help(c, 100)))
		}
	case args != nil:
		c.Args = func(c *cobra.Command, given []string) error {
			err := args(c, given)
			if _, ok := errors.AsType[*exitError](err); err == nil || ok {
				return err
			}
			return wrongUse(c, "%v", err)
		}
	}
}

// noCommand says that a group has no command of this name.
func noCommand(c *cobra.Command, name string) error {
	return usage("%s: there is no command %q%s\nSee '%s --help'.", c.CommandPath(), name, similar(c, name), c.CommandPath())
}
