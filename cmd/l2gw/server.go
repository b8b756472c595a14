package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"l2gw/internal/api"
	"l2gw/internal/controller"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/metrics"
	"l2gw/internal/store"
)

// serverOptions are what `l2gw serve` and `l2gw standalone` have in common.
type serverOptions struct {
	command   string // for messages
	listen    string
	anywhere  bool
	database  string // URL
	store     []store.Option
	inventory string // file
	name      string // of this server, as agents and people see it
	confirm   time.Duration
	alone     bool // there are no agents but the one in this process
	auth      authOptions
	policy    policyOptions
	door      doorOptions
	front     frontOptions
}

// server is the API and the controller over a store and an inventory.
type server struct {
	log        *slog.Logger
	id         string // holder of the lease
	listener   net.Listener
	store      *store.Store
	controller *controller.Controller
	figures    *metrics.Metrics
	http       *http.Server
	auth       *authentication
	draining   drain
}

// newServer opens what a server needs. The caller closes it.
func newServer(ctx context.Context, o serverOptions, state *stateDir, log *slog.Logger) (s *server, err error) {
	s = &server{log: log, figures: metrics.New(version)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	id, err := state.serverID()
	if err != nil {
		return s, err
	}
	s.id = o.name + "/" + id
	if err := o.front.clean(); err != nil {
		return s, err
	}
	proxies, err := o.door.proxies()
	if err != nil {
		return s, err
	}
	o.auth.keystone.Observe = s.figures.Keystone()
	if s.auth, err = o.auth.authentication(log); err != nil {
		return s, err
	}
	if s.auth.open() {
		s.auth.authenticate = api.NoAuthAt(o.hosts()...)
	}
	rules, err := o.policy.enforcer(log)
	if err != nil {
		return s, err
	}
	if s.listener, err = listenAPI(ctx, o, s.auth, log); err != nil {
		return s, err
	}
	if s.store, err = store.Open(ctx, o.database, append(o.store, store.WithLogger(log))...); err != nil {
		return s, err
	}
	source := inventory.NewFile(inventory.FileOptions{Path: o.inventory, LastGood: state.file("inventory.last-good.yaml"), Logger: log})
	collectGarbage()
	s.controller = controller.New(controller.Options{Store: datedLeases{s.store}, Inventory: source, Server: o.name, Logger: log, ConfirmAfter: o.confirm, Lease: controller.LeaseOptions{Holder: s.id, Alone: o.alone}})
	s.figures.Controller(s.controller.Figures)
	s.figures.Office(s.controller.Office)
	calls := api.New(api.Options{
		Store: s.store, Status: s.controller, Networks: s.controller, Devices: s.controller, Agents: s.controller, Commands: commander{s.controller},
		Authenticate: s.auth.authenticate, Challenge: s.auth.challenge, Policy: rules,
		Logger: log, Observe: s.figures.Request, TrustedProxies: proxies, BaseURL: o.front.publicURL,
	})
	if calls, err = o.front.stand(ctx, calls, s.listener.Addr(), proxies, s.figures.Request, log); err != nil {
		return s, err
	}
	s.http = newHTTPServer(watchable(calls, s.figures, s.draining.ready(readiness(s.store, s.controller, s.id)), log), log)
	if s.listener, err = o.door.listen(s.listener, s.http, log); err != nil {
		return s, err
	}
	return s, nil
}

// run adds the server's goroutines; they end with ctx.
func (s *server) run(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return s.controller.Run(ctx) })
	g.Go(func() error {
		s.auth.run(ctx)
		return nil
	})
	serveHTTP(ctx, g, s.http, func() error { return s.http.Serve(s.listener) })
}

// serveHTTP runs an HTTP server until ctx ends, and lets requests finish then.
func serveHTTP(ctx context.Context, g *errgroup.Group, server *http.Server, serve func() error) {
	g.Go(func() error {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(wait); err != nil {
			return server.Close() // who is slower than that is cut off
		}
		return nil
	})
}

func (s *server) close() {
	s.auth.close()
	if s.listener != nil {
		s.listener.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("closing the database", "error", err)
		}
	}
}

// listenAPI opens the API's port; without authentication only where nobody else can reach it.
func listenAPI(ctx context.Context, o serverOptions, a *authentication, log *slog.Logger) (net.Listener, error) {
	if err := o.door.check(); err != nil {
		return nil, err
	}
	if err := o.mayListen(a); err != nil {
		return nil, err
	}
	if local, _ := loopback("--listen", o.listen); !local && !a.open() && o.door.scheme() == "http" {
		log.Warn("tokens come over the network in plain text; set --api-certificate and --api-private-key, or let a proxy on this host speak TLS", "listen", o.listen)
	}
	var conf net.ListenConfig
	return conf.Listen(ctx, "tcp", o.listen)
}

// mayListen says why the API must not have this address, or nil.
func (o *serverOptions) mayListen(a *authentication) error {
	local, err := loopback("--listen", o.listen)
	if err != nil {
		return err
	}
	if !local && a.open() && !o.anywhere {
		return fmt.Errorf("--listen %q: %s has no authentication, so it listens on a loopback address only; "+
			"set --auth-strategy keystone or token, or, to let everybody who can reach this address do everything, add --listen-without-authentication", o.listen, o.command)
	}
	return nil
}

// hosts are the names under which browsers may reach a server that asks nobody who
// they are, beside those that always mean it.
func (o *serverOptions) hosts() (names []string) {
	if host, _, err := net.SplitHostPort(o.listen); err == nil && host != "" {
		names = append(names, host)
	}
	if u, err := url.Parse(o.front.publicURL); err == nil && u.Host != "" {
		names = append(names, u.Host)
	}
	return names
}

// loopback says whether only this host reaches HOST:PORT.
func loopback(option, address string) (bool, error) {
	name, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port)
	}
	if err != nil {
		return false, fmt.Errorf("%s %q: it must look like 127.0.0.1:9697: %w", option, address, err)
	}
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback(), nil
}

// hostName is this machine's, or another name if it has none.
func hostName(otherwise string) string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return otherwise
}

// ended is the error that a process ends with: none if it was told to.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// ignoreClosed drops the errors with which both ends of a stream end when the process stops.
func ignoreClosed(err error) error {
	if errors.Is(err, fabric.ErrClosed) {
		return nil
	}
	return ended(err)
}
