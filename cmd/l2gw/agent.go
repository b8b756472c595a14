package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"l2gw/internal/agent"
	"l2gw/internal/cli"
	"l2gw/internal/fabric"
	"l2gw/internal/health"
	"l2gw/internal/metrics"
)

// newAgent is `l2gw agent`, which is called neutron-l2gateway-agent as well.
func newAgent(name string) *cobra.Command {
	var check bool
	shown := &agentOptions{} // for parsing and for --help; what counts is read anew
	cmd := &cobra.Command{
		Use:   name,
		Short: "Run an agent: keep switch databases as the servers say",
		Long: "Run an agent: keep switch databases as the servers say.\n\n" +
			"Options come from the command line, then from the environment (L2GW_ and the option's name, as in\n" +
			"L2GW_OVSDB_HOSTS), then from --config-file and --config-dir. SIGHUP reads these files again: databases are\n" +
			"added and removed without a restart.",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			o, err := readAgentOptions(cmd.Flags())
			if check && o != nil {
				o.show(cmd.OutOrStdout())
				o.warn(cmd.OutOrStdout())
				return errors.Join(err, o.usable())
			}
			if err != nil {
				return err
			}
			return runAgent(cmd.Context(), o, cmd.Flags())
		},
	}
	shown.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&check, "check-config", false, "show what would be used and what is wrong with it, and end")
	return cmd
}

// agentProcess is a running agent.
type agentProcess struct {
	opts    *agentOptions
	log     *slog.Logger
	logFile *logFile // nil: standard error
	conns   *connections
	agent   *agent.Agent
}

func runAgent(ctx context.Context, o *agentOptions, given *pflag.FlagSet) error {
	log, logFile, err := o.common.logger()
	if err != nil {
		return err
	}
	defer logFile.close()
	state, err := openStateDir("--state-dir", o.stateDir)
	if err != nil {
		return err
	}
	defer state.close()
	audit, err := openAudit(o.audit)
	if err != nil {
		return err
	}
	if audit != nil {
		defer func() { _ = audit.Close() }()
	}
	conns := newConnections(log)
	defer conns.close()
	databases, err := conns.use(o.plan)
	if err != nil {
		return err
	}
	servers, err := o.dialServers(conns.expiry, log)
	if err != nil {
		return err
	}
	figures := metrics.New(version)
	var record io.Writer // a nil *agent.AuditFile in it would not be nil
	if audit != nil {
		record = audit
	}
	ag, err := agent.New(agent.Options{
		Name: o.host, Version: version, Servers: servers, Databases: databases, StateDir: state.path,
		HoldShare: o.holdShare, HoldMinimum: o.holdMinimum, Audit: record, Logger: log, Meter: figures.Meter,
	})
	if err != nil {
		return err
	}
	figures.Databases(ag.Standings)
	figures.Links(ag.Links, ag.Epoch)
	figures.Certificates(conns.expiry.certificates)
	p := &agentProcess{opts: o, log: log, logFile: logFile, conns: conns, agent: ag}
	if o.switches.legacy.maxConnections > 0 {
		log.Info("max_connection_retries is not used: a switch that is away is tried for ever", "max_connection_retries", o.switches.legacy.maxConnections)
	}
	g, ctx := errgroup.WithContext(ctx)
	if o.metrics != "" {
		if err := p.listenMetrics(ctx, g, figures); err != nil {
			return err
		}
	}
	log.Info("ready", "agent", o.host, "servers", strings.Join(o.addresses, ","), "tls", o.files.CA != "", "databases", o.plan.names(),
		"state", state.path, "version", version)
	g.Go(func() error { return conns.expiry.run(ctx) })
	g.Go(func() error { return ag.Run(ctx) })
	g.Go(func() error {
		p.follow(ctx, given, audit)
		return nil
	})
	if err := ended(g.Wait()); err != nil {
		return err
	}
	log.Info("stopped; switches stay as they are")
	return nil
}

// openAudit opens the record of transactions; nil if there is to be none.
func openAudit(path string) (*agent.AuditFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := agent.OpenAuditFile(path)
	if err != nil {
		return nil, fmt.Errorf("--audit: %w", err)
	}
	return f, nil
}

// dialServers are the ways to the servers.
func (o *agentOptions) dialServers(expiry *expiry, log *slog.Logger) (all []agent.Server, err error) {
	if o.token != "" {
		if _, err := readToken(o.token); err != nil {
			return nil, err
		}
	}
	for _, address := range o.addresses {
		d := fabric.DialerOptions{Server: address, Logger: log}
		if o.token != "" {
			d.Token = func() (string, error) { return readToken(o.token) }
		}
		if o.files.CA != "" {
			if d.TLS, err = serverTLS(o.files, address, expiry); err != nil {
				return nil, err
			}
		}
		all = append(all, agent.Server{Name: address, Dial: fabric.NewDialer(d)})
	}
	if o.files.CA != "" {
		expiry.own(tlsFiles("fabric-", o.files)...)
	}
	return all, nil
}

func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("--token-file %s: it is empty", path)
	}
	return token, nil
}

// follow reads the options again at each SIGHUP, until ctx ends.
func (p *agentProcess) follow(ctx context.Context, given *pflag.FlagSet, audit *agent.AuditFile) {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		err := p.logFile.reopen()
		if audit != nil {
			err = errors.Join(err, audit.Reopen())
		}
		if err != nil {
			p.log.Warn("a file cannot be opened anew; going on with the one before", "error", err)
		}
		if err := p.reload(given); err != nil {
			p.log.Error("the configuration cannot be used; what was in force stays so", "error", err)
		}
	}
}

// reload takes in databases that came, went or changed. What else changed needs
// a restart, and is said.
func (p *agentProcess) reload(given *pflag.FlagSet) error {
	now, err := readAgentOptions(given)
	if err != nil {
		return err
	}
	databases, err := p.conns.use(now.plan)
	if err != nil {
		return err
	}
	if err := p.agent.SetDatabases(databases); err != nil {
		return err
	}
	if others := p.opts.otherwise(now); len(others) > 0 {
		p.log.Warn("the configuration was read again; some of what changed needs a restart", "options", strings.Join(others, ","))
	}
	p.opts.plan = now.plan
	now.common.warn(p.log)
	p.log.Info("the configuration was read again", "databases", now.plan.names())
	return nil
}

// otherwise are the options that differ and that a restart alone takes in.
func (o *agentOptions) otherwise(now *agentOptions) (names []string) {
	for name, same := range map[string]bool{
		"servers": slices.Equal(o.addresses, now.addresses), "fabric-*": o.files == now.files, "token-file": o.token == now.token,
		"state-dir": o.stateDir == now.stateDir, "host": o.host == now.host, "hold-share": o.holdShare == now.holdShare,
		"hold-minimum": o.holdMinimum == now.holdMinimum, "audit": o.audit == now.audit, "metrics-listen": o.metrics == now.metrics,
		"log-file": o.common.logFile == now.common.logFile, "log-level": o.common.logLevel == now.common.logLevel && o.common.debug == now.common.debug,
	} {
		if !same {
			names = append(names, "--"+name)
		}
	}
	slices.Sort(names)
	return names
}

func (p *switchPlan) names() string {
	var all []string
	for _, h := range p.hosts {
		all = append(all, h.name)
	}
	return strings.Join(all, ",")
}

// listenMetrics serves what monitoring reads.
func (p *agentProcess) listenMetrics(ctx context.Context, g *errgroup.Group, m *metrics.Metrics) error {
	var conf net.ListenConfig
	l, err := conf.Listen(ctx, "tcp", p.opts.metrics)
	if err != nil {
		return fmt.Errorf("--metrics-listen: %w", err)
	}
	server := &http.Server{
		Handler:           watchable(http.NotFoundHandler(), m, p.checks, p.log),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 120 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	serveHTTP(ctx, g, server, func() error { return server.Serve(l) })
	return nil
}

// checks are what /readyz tells. An agent does its work with no server as well,
// and another may serve its switches, so that nothing makes it unready.
func (p *agentProcess) checks() (all []health.Check) {
	all = append(all, health.Check{Name: "controller", Run: func(context.Context) error {
		for _, l := range p.agent.Links() {
			if l.Obeyed {
				return nil
			}
		}
		return errors.New("no server that is connected is the controller; switches are kept as they should be by what was heard last")
	}})
	for _, l := range p.agent.Links() {
		all = append(all, health.Check{Name: "server " + l.Server, Run: func(context.Context) error {
			if !l.Connected {
				return errors.New("not connected")
			}
			return nil
		}})
	}
	for _, s := range p.agent.Standings() {
		all = append(all, health.Check{Name: "database " + s.Name, Run: func(context.Context) error { return standingTrouble(s) }})
	}
	return all
}

// standingTrouble says what a database of this agent lacks, or nil.
func standingTrouble(s agent.Standing) error {
	for _, server := range slices.Sorted(maps.Keys(s.Denied)) {
		return errors.New("server " + server + ": " + s.Denied[server])
	}
	switch {
	case !s.Connected:
		return errors.New("not connected")
	case s.Held > 0:
		return fmt.Errorf("%d removals are held; see `l2gw device show`", s.Held)
	case s.Granted && s.Locked && !s.InSync:
		return errors.New("not in sync")
	}
	return nil
}
