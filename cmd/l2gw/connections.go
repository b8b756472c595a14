package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"l2gw/internal/agent"
	"l2gw/ovsdb"
)

// connections are the ways to the databases of a plan, which may be replaced by
// another one while they are in use.
type connections struct {
	log    *slog.Logger
	expiry *expiry

	mu       sync.Mutex
	listener *ovsdb.Listener // nil if no switch dials in
	listen   string
	plan     *switchPlan
	made     map[string]connection
}

// connection is one that was made, and of what.
type connection struct {
	host   ovsdbHost
	ids    []identity
	server *tls.Config // of a switch that dials in and has files of its own
	agent.DatabaseOptions
}

func newConnections(log *slog.Logger) *connections {
	return &connections{log: log, expiry: newExpiry(log), plan: &switchPlan{}, made: map[string]connection{}}
}

// use makes the connectors of a plan's databases; one that is as it was keeps
// its connector. After an error all is as before.
func (c *connections) use(plan *switchPlan) ([]agent.DatabaseOptions, error) {
	c.mu.Lock() // who dials in meanwhile waits
	defer c.mu.Unlock()
	made := map[string]connection{}
	var all []agent.DatabaseOptions
	for _, h := range plan.hosts {
		x := connection{host: h, ids: plan.ids[h.name]}
		x.DatabaseOptions = agent.DatabaseOptions{Name: h.name, VTEP: plan.options, Audit: plan.audit, Pace: plan.pace}
		if h.endpoint == "" && plan.manager && strings.HasPrefix(plan.listen, "pssl") {
			conf, err := serverConfig(h.files)
			if err != nil {
				return nil, fmt.Errorf("[ovsdb] ovsdb_hosts: %s: %w", h.name, err)
			}
			x.server = conf
		}
		made[h.name] = x
	}
	plan.warn(c.log)
	if passive := plan.passive(); len(passive) > 0 {
		if err := c.startListening(plan, passive); err != nil {
			return nil, err
		}
	}
	for _, h := range plan.hosts {
		x := made[h.name]
		if old, ok := c.made[h.name]; ok && old.same(x) {
			x = old
		} else if err := c.connect(plan, &x); err != nil {
			return nil, fmt.Errorf("--ovsdb-hosts: %s: %w", h.name, err)
		}
		made[h.name] = x
		all = append(all, x.DatabaseOptions)
	}
	c.plan, c.made = plan, made
	c.expiry.watch(plan)
	return all, nil
}

// same says whether a connection that was made will do for what is wanted now.
func (x connection) same(now connection) bool {
	return x.host == now.host && slices.Equal(x.ids, now.ids) && x.Audit == now.Audit && x.Pace == now.Pace && reflect.DeepEqual(x.VTEP, now.VTEP)
}

func (c *connections) connect(plan *switchPlan, x *connection) error {
	h := x.host
	if h.endpoint == "" {
		x.Connect = c.listener.Database(h.name)
		return nil
	}
	dial, err := dialer(h.endpoint, h.files, func(cert *x509.Certificate) error {
		c.expiry.seen(h.name, cert)
		return plan.ids.expect(h.name, cert)
	})
	if err != nil {
		return err
	}
	x.Connect = dial
	if plan.dial > 0 {
		x.Connect = timed{dial, plan.dial}
	}
	return nil
}

// timed gives a connector less time than it would take itself.
type timed struct {
	ovsdb.Connector
	limit time.Duration
}

// Connect implements ovsdb.Connector.
func (t timed) Connect(ctx context.Context) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	conn, err := t.Connector.Connect(limited)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("it has not answered within %v ([ovsdb] socket_timeout): %w", t.limit, err)
	}
	return conn, err
}

func (c *connections) close() {
	if c.listener != nil {
		_ = c.listener.Close()
	}
}

// startListening waits for switches to dial in, if it does not do so yet.
func (c *connections) startListening(plan *switchPlan, databases []string) error {
	if c.listener != nil {
		if c.listen != plan.listen {
			return fmt.Errorf("switches dial in at %s; to have them dial in at %s, restart the process", c.listen, plan.listen)
		}
		return nil
	}
	refused := newLimited()
	opts := ovsdb.ListenOptions{
		Logger: c.log, Identify: c.identify(newLimited()),
		Refused: func(p ovsdb.Peer, err error) {
			if n := refused.allow(host(p.Addr), withoutPort(err)); n > 0 {
				c.log.Warn("a switch that dialled in is refused", "peer", p.Addr, "times", n, "reason", explain(err, c.filesOf(p.Addr)))
			}
		},
	}
	switch {
	case !strings.HasPrefix(plan.listen, "pssl"):
	case plan.manager: // each has files of its own
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: c.configFor}
	default:
		conf, err := serverConfig(plan.tls)
		if err != nil {
			return fmt.Errorf("--ovsdb-listen: pssl needs --private-key, --certificate and --ca-cert: %w", err)
		}
		opts.TLS = conf
	}
	l, err := ovsdb.Listen(plan.listen, opts)
	if err != nil {
		return fmt.Errorf("--ovsdb-listen: %w", err)
	}
	c.listener, c.listen = l, plan.listen
	c.log.Info("waiting for switches that dial in", "listen", plan.listen, "databases", strings.Join(databases, ","))
	return nil
}

// serverConfig is for switches that dial in.
func serverConfig(files ovsdb.TLSFiles) (*tls.Config, error) {
	conf, err := files.Server()
	if err != nil {
		return nil, err
	}
	conf.VerifyConnection = verifier(conf, nil)
	return conf, nil
}

// identify tells which database a switch that dialled in is, by the plan of that moment.
func (c *connections) identify(arrived *limited) func(ovsdb.Peer) (string, error) {
	return func(p ovsdb.Peer) (string, error) {
		c.mu.Lock()
		plan := c.plan
		c.mu.Unlock()
		var databases []string
		for _, h := range plan.hosts {
			if h.endpoint == "" {
				databases = append(databases, h.name)
			}
		}
		find := plan.ids.identify
		if plan.manager {
			find = func(p ovsdb.Peer, databases []string) (string, error) {
				return plan.ids.identifyAddress(p.Addr, databases)
			}
		}
		name, err := find(p, databases)
		if err != nil {
			return "", err
		}
		if p.TLS != nil {
			c.expiry.seen(name, p.TLS.PeerCertificates[0])
		}
		if n := arrived.allow(name, host(p.Addr)); n > 0 {
			c.log.Info("a switch dialled in", "database", name, "peer", p.Addr, "times", n)
		}
		return name, nil
	}
}

// configFor is the TLS of the database whose switch dials in from there.
func (c *connections) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if x, ok := c.at(hello.Conn.RemoteAddr()); ok && x.server != nil {
		return x.server, nil
	}
	return nil, fmt.Errorf("no database of [ovsdb] ovsdb_hosts has the address %s", host(hello.Conn.RemoteAddr()))
}

func (c *connections) filesOf(peer net.Addr) ovsdb.TLSFiles {
	if x, ok := c.at(peer); ok {
		return x.host.files
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plan.tls
}

// at finds the database that is known by an address.
func (c *connections) at(peer net.Addr) (connection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.made {
		if slices.Contains(x.ids, identity{byAddress, host(peer)}) {
			return x, true
		}
	}
	return connection{}, false
}
