package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"l2gw/internal/keystone"
	"l2gw/internal/store"
)

// serve is a server: API and, for whichever of several has the lease, the
// controller that feeds the agents.
type serve struct {
	server   serverOptions
	database databaseOptions
	fabric   fabricOptions
	stateDir string
	common   commonOptions
}

// serveKeys are the options that ini files have.
var serveKeys = map[string]key{
	"listen":             {"l2gw", "listen"},
	"database":           {"database", "connection"},
	"inventory":          {"l2gw", "inventory"},
	"state-dir":          {"l2gw", "state_path"},
	"fabric-listen":      {"l2gw", "fabric_listen"},
	"fabric-private-key": {"l2gw", "private_key"},
	"fabric-certificate": {"l2gw", "certificate"},
	"fabric-ca-cert":     {"l2gw", "ca_cert"},
	"agents":             {"l2gw", "agents"},
	"server-name":        {"DEFAULT", "host"},
}

func newServe() *cobra.Command {
	s := &serve{}
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server: the API, and the controller on one server at a time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if err := s.common.fill(cmd.Flags(), s.database.and(serveKeys), section{keystone.Section, s.server.auth.read}); err != nil {
				return err
			}
			s.server.policy.folders = s.common.folders()
			if check {
				return s.check(cmd.OutOrStdout())
			}
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.server.listen, "listen", "127.0.0.1:9697", "address of the API, HOST:PORT")
	f.BoolVar(&s.server.anywhere, "listen-without-authentication", false, "allow --listen on an address that others can reach: whoever can, may do everything")
	f.StringVar(&s.server.database, "database", "", "URL of the database: postgresql://…, mysql+pymysql://… or sqlite:////PATH (a single server)")
	f.StringVar(&s.server.inventory, "inventory", "", "YAML file with networks, hosts and ports")
	f.StringVar(&s.stateDir, "state-dir", "/var/lib/l2gw/server", "folder for this server's identity and the last good inventory; made if it is missing")
	f.StringVar(&s.server.name, "server-name", "", "this server's name, as agents and people see it (default the host's)")
	f.DurationVar(&s.server.confirm, "confirm-after", time.Minute, "after what time a further reading of the inventory lets go of the removals that are held")
	f.Lookup("confirm-after").Hidden = true // for tests, which have no minute
	s.database.addTuning(f)
	s.server.front.addFlags(f)
	s.fabric.addFlags(f)
	s.server.auth.addFlags(f)
	s.server.policy.addFlags(f)
	s.server.door.addFlags(f)
	s.common.addFlags(f)
	f.BoolVar(&check, "check-config", false, "show what would be used and what is wrong with it, and end")
	return cmd
}

func (s *serve) run(ctx context.Context) error {
	log, logFile, err := s.common.logger()
	if err != nil {
		return err
	}
	defer logFile.close()
	s.server.command = "serve"
	if s.server.name == "" {
		s.server.name = hostName("server")
	}
	for option, value := range map[string]string{"--database": s.server.database, "--inventory": s.server.inventory} {
		if value == "" {
			return fmt.Errorf("%s is missing", option)
		}
	}
	if err := s.database.use(&s.server, log); err != nil {
		return err
	}
	state, err := openStateDir("--state-dir", s.stateDir)
	if err != nil {
		return err
	}
	defer state.close()
	srv, err := newServer(ctx, s.server, state, log)
	if err != nil {
		return err
	}
	defer srv.close()
	expiry := newExpiry(log)
	expiry.own(s.server.certificates()...)
	srv.figures.Certificates(expiry.certificates)
	agents, err := listenForAgents(ctx, s.fabric, srv.controller, expiry, log)
	if err != nil {
		return err
	}
	defer agents.listener.Close()
	log.Info("ready", "api", s.server.door.scheme()+"://"+srv.listener.Addr().String(), "auth", srv.auth.strategy, "database", store.Place(s.server.database),
		"inventory", s.server.inventory, "agents", agents.listener.Addr(), "tls", agents.secure,
		"server", s.server.name, "server_id", srv.id, "state", state.path, "version", version)

	ctx, stop := srv.draining.after(ctx, s.server.front.drain, log, func() { srv.http.SetKeepAlivesEnabled(false) })
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	srv.run(ctx, g)
	agents.run(ctx, g)
	g.Go(func() error { return expiry.run(ctx) })
	g.Go(func() error {
		reopenOnHangup(ctx, logFile, log)
		return nil
	})
	if err := ended(g.Wait()); err != nil {
		return err
	}
	log.Info("stopped; switches stay as they are")
	return nil
}
