package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"l2gw/internal/agent"
	"l2gw/internal/api"
	"l2gw/internal/controller"
	"l2gw/internal/emulator"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/metrics"
	"l2gw/internal/store"
	"l2gw/internal/vtep"
)

// standalone is server and agent in one process, with SQLite, an inventory from
// a file and, unless switches are named, an emulated one.
type standalone struct {
	listen    string
	anywhere  bool
	data      string
	database  string
	inventory string
	switches  switches
	emulated  string
	service   []string
	maxMACs   int
	logLevel  string
}

func newStandalone() *cobra.Command {
	s := &standalone{}
	cmd := &cobra.Command{
		Use:   "standalone",
		Short: "Run server, agent and, unless switches are named, an emulated switch in one process",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true // what goes wrong from here on is not a matter of usage
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9697", "address of the API, HOST:PORT")
	f.BoolVar(&s.anywhere, "listen-without-authentication", false, "allow --listen on an address that others can reach: whoever can, may do everything")
	f.StringVar(&s.data, "data", "l2gw-data", "folder for the database; made if it is missing")
	f.StringVar(&s.database, "database", "", "URL of the database: sqlite:////PATH, postgresql://… or mysql+pymysql://… (default SQLite in DATA)")
	f.StringVar(&s.inventory, "inventory", "", "YAML file with networks, hosts and ports (default DATA/inventory.yaml)")
	s.switches.addFlags(f)
	f.StringVar(&s.emulated, "emulated-listen", "127.0.0.1:0", "address of the emulated switch's database, HOST:PORT")
	f.StringSliceVar(&s.service, "service-node", nil, "IPv4 address of a VTEP that replicates broadcasts for switches that cannot (repeatable)")
	f.IntVar(&s.maxMACs, "max-macs", 0, "how many remote MACs a switch database takes; 0: no known limit")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func (s *standalone) run(ctx context.Context) error {
	log, err := newLogger(s.logLevel)
	if err != nil {
		return err
	}
	hosts, ids, err := s.switches.parse()
	if err != nil {
		return err
	}
	options, err := s.vtepOptions()
	if err != nil {
		return err
	}
	listener, err := s.listenAPI(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	unlock, err := lockData(s.data)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := filepath.Abs(s.data)
	if err != nil {
		return err
	}
	database := s.database
	if database == "" {
		database = "sqlite:///" + filepath.Join(data, "l2gw.db")
	}
	st, err := store.Open(ctx, database)
	if err != nil {
		return err
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Warn("closing the database", "error", err)
		}
	}()

	if len(hosts) == 0 {
		sw, err := emulator.Start(ctx, emulator.Options{Listen: s.emulated, Logger: log})
		if err != nil {
			return fmt.Errorf("emulated switch: %w", err)
		}
		defer func() { _ = sw.Close() }()
		hosts = []ovsdbHost{{"emulated", sw.Endpoint()}}
		go wipeOnSignal(ctx, sw, log)
		log.Info("emulated switch is up; look into it with `ovsdb-client dump "+sw.Endpoint()+" hardware_vtep`", "endpoint", sw.Endpoint())
	}
	databases, err := s.switches.connect(hosts, ids, options, log)
	if err != nil {
		return err
	}
	defer s.switches.close()
	host, err := os.Hostname()
	if err != nil {
		host = "standalone"
	}
	figures := metrics.New(version)
	ag, err := agent.New(agent.Options{Name: host, Version: version, Databases: databases, Logger: log, Meter: figures.Meter})
	if err != nil {
		return err
	}
	path := s.inventory
	if path == "" {
		path = filepath.Join(data, "inventory.yaml")
	}
	source := inventory.NewFile(inventory.FileOptions{
		Path: path, LastGood: filepath.Join(data, "inventory.last-good.yaml"), Logger: log,
	})
	ctl := controller.New(controller.Options{Store: st, Inventory: source, Server: host, Logger: log})
	figures.Databases(ag.Standings)
	figures.Controller(ctl.Figures)
	calls := api.New(api.Options{Store: st, Status: ctl, Networks: ctl, Devices: ctl, Logger: log, Observe: figures.Request})
	server := &http.Server{
		Handler:           watchable(calls, figures, readiness(st, ctl), log),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      90 * time.Second, // more than a comparison of a switch may take
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("ready", "api", "http://"+listener.Addr().String(), "data", data, "inventory", path, "version", version)

	toAgent, toServer := fabric.Pipe()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.switches.expiry.run(ctx) })
	g.Go(func() error { return ctl.Run(ctx) })
	g.Go(func() error { return ignoreClosed(ctl.Serve(ctx, toAgent)) })
	g.Go(func() error { return ignoreClosed(ag.Run(ctx, toServer)) })
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(wait)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped; switches stay as they are")
	return nil
}

// ignoreClosed drops the errors with which both ends of a stream end when the process stops.
func ignoreClosed(err error) error {
	if errors.Is(err, fabric.ErrClosed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listenAPI opens the API's port; without authentication only where nobody else can reach it.
func (s *standalone) listenAPI(ctx context.Context) (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: it must look like 127.0.0.1:9697: %w", s.listen, err)
	}
	if ip := net.ParseIP(host); !s.anywhere && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen %q: standalone has no authentication, so it listens on a loopback address only; "+
			"to let everybody who can reach this address do everything, add --listen-without-authentication", s.listen)
	}
	var conf net.ListenConfig
	return conf.Listen(ctx, "tcp", s.listen)
}

func (s *standalone) vtepOptions() (vtep.Options, error) {
	o := vtep.Options{MaxMACs: s.maxMACs}
	for _, text := range s.service {
		ip, err := parseIPv4(text)
		if err != nil {
			return o, fmt.Errorf("--service-node %q: %w", text, err)
		}
		o.ServiceNodes = append(o.ServiceNodes, ip)
	}
	if s.maxMACs < 0 {
		return o, fmt.Errorf("--max-macs %d: it must be 0 (no limit) or more", s.maxMACs)
	}
	return o, nil
}

// lockData makes the data folder and sees to it that no other process uses it.
func lockData(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("--data %s: another process works in this folder", dir)
	}
	return func() { f.Close() }, nil
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
