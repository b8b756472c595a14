package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"l2gw/internal/agent"
	"l2gw/internal/cli"
	"l2gw/internal/emulator"
	"l2gw/internal/fabric"
	"l2gw/internal/store"
)

// standalone is server and agent in one process, with SQLite, an inventory from
// a file and, unless switches are named, an emulated one.
type standalone struct {
	server   serverOptions
	quotas   quotaOptions
	data     string
	switches switches
	emulated string
	logLevel string
}

func newStandalone() *cobra.Command {
	s := &standalone{}
	cmd := &cobra.Command{
		Use:   "standalone",
		Short: "Run server, agent and, unless switches are named, an emulated switch in one process",
		Args:  cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true // what goes wrong from here on is not a matter of usage
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.server.listen, "listen", "127.0.0.1:9697", "address of the API, HOST:PORT")
	f.BoolVar(&s.server.anywhere, "listen-without-authentication", false, "allow --listen on an address that others can reach: whoever can, may do everything")
	s.server.auth.addFlags(f)
	s.server.policy.addFlags(f)
	f.StringVar(&s.data, "data", "l2gw-data", "folder for the database; made if it is missing")
	f.StringVar(&s.server.database, "database", "", "URL of the database: sqlite:////PATH, postgresql://… or mysql+pymysql://… (default SQLite in DATA)")
	s.quotas.addFlags(f)
	f.StringVar(&s.server.inventory, "inventory", "", "YAML file with networks, hosts and ports (default DATA/inventory.yaml)")
	s.switches.addFlags(f)
	s.server.door.addFlags(f)
	f.StringVar(&s.emulated, "emulated-listen", "127.0.0.1:0", "address of the emulated switch's database, HOST:PORT")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func (s *standalone) run(ctx context.Context) error {
	log, err := newLogger(s.logLevel, os.Stderr)
	if err != nil {
		return err
	}
	plan, err := s.switches.plan()
	if err != nil {
		return err
	}
	state, err := openStateDir("--data", s.data)
	if err != nil {
		return err
	}
	defer state.close()
	s.server.command, s.server.name, s.server.alone = "standalone", hostName("standalone"), true
	s.server.store = []store.Option{s.quotas.defaults()}
	if s.server.database == "" {
		s.server.database = "sqlite:///" + state.file("l2gw.db")
	}
	if s.server.inventory == "" {
		s.server.inventory = state.file("inventory.yaml")
	}
	srv, err := newServer(ctx, s.server, state, log)
	if err != nil {
		return err
	}
	defer srv.close()

	if len(plan.hosts) == 0 {
		sw, err := emulator.Start(ctx, emulator.Options{Listen: s.emulated, Logger: log})
		if err != nil {
			return fmt.Errorf("emulated switch: %w", err)
		}
		defer func() { _ = sw.Close() }()
		plan.hosts = []ovsdbHost{{name: "emulated", endpoint: sw.Endpoint()}}
		go wipeOnSignal(ctx, sw, log)
		log.Info("emulated switch is up; look into it with `l2gw dump "+sw.Endpoint()+"`", "endpoint", sw.Endpoint())
	}
	conns := newConnections(log)
	defer conns.close()
	databases, err := conns.use(plan)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	ag, err := agent.New(agent.Options{
		Name: s.server.name, Version: version, Databases: databases, StateDir: state.file("agent"), Logger: log, Meter: srv.figures.Meter,
		Servers: []agent.Server{{Name: s.server.name, Dial: func(context.Context) (fabric.AgentStream, error) {
			toAgent, toServer := fabric.Pipe()
			g.Go(func() error {
				if err := srv.controller.Serve(ctx, toAgent, fabric.Peer{}); ignoreClosed(err) != nil {
					log.Warn("the stream between server and agent has ended", "error", err)
				}
				return nil
			})
			return toServer, nil
		}}},
	})
	if err != nil {
		return err
	}
	srv.figures.Databases(ag.Standings)
	srv.figures.Certificates(conns.expiry.certificates)
	log.Info("ready", "api", s.server.door.scheme()+"://"+srv.listener.Addr().String(), "auth", srv.auth.strategy, "database", store.Place(s.server.database),
		"inventory", s.server.inventory, "data", state.path, "version", version)

	srv.run(ctx, g)
	g.Go(func() error { return conns.expiry.run(ctx) })
	g.Go(func() error { return ag.Run(ctx) })
	if err := ended(g.Wait()); err != nil {
		return err
	}
	log.Info("stopped; switches stay as they are")
	return nil
}

// wipeOnSignal lets the emulated switch lose its database at each SIGUSR1, as a
// switch that was replaced does.
func wipeOnSignal(ctx context.Context, sw *emulator.Emulator, log *slog.Logger) {
	wipe := make(chan os.Signal, 1)
	signal.Notify(wipe, syscall.SIGUSR1)
	defer signal.Stop(wipe)
	for {
		select {
		case <-ctx.Done():
			return
		case <-wipe:
			if err := sw.Wipe(); err != nil {
				log.Error("the emulated switch cannot be wiped", "error", err)
				continue
			}
			log.Info("the emulated switch lost its database")
		}
	}
}
