package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"l2gw/internal/controller"
	"l2gw/internal/fabric"
	"l2gw/ovsdb"
)

// fabricOptions say where agents come in, and which.
type fabricOptions struct {
	listen string
	files  ovsdb.TLSFiles
	agents string // file with those that may come
}

func (o *fabricOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "fabric-listen", "127.0.0.1:9698", "where agents connect, HOST:PORT; with TLS unless it is a loopback address")
	addFabricTLSFlags(f, &o.files, "agents'")
	f.StringVar(&o.agents, "agents", "", "YAML file with the agents that may connect, and the databases that each may have")
}

// addFabricTLSFlags adds the files for the connections of servers and agents.
func addFabricTLSFlags(f *pflag.FlagSet, files *ovsdb.TLSFiles, peers string) {
	f.StringVar(&files.Key, "fabric-private-key", "", "PEM file with our private key, for connections of servers and agents")
	f.StringVar(&files.Certificate, "fabric-certificate", "", "PEM file with our certificate, for connections of servers and agents")
	f.StringVar(&files.CA, "fabric-ca-cert", "", "PEM file with the authority that signed the "+peers+" certificates")
}

// agentsListener is where agents come in.
type agentsListener struct {
	log      *slog.Logger
	listener net.Listener
	server   *http.Server
	secure   bool
}

// listenForAgents opens the port for agents.
func listenForAgents(ctx context.Context, o fabricOptions, ctl *controller.Controller, expiry *expiry, log *slog.Logger) (*agentsListener, error) {
	local, err := loopback("--fabric-listen", o.listen)
	if err != nil {
		return nil, err
	}
	secure := o.files != ovsdb.TLSFiles{}
	switch {
	case !secure && !local:
		return nil, fmt.Errorf("--fabric-listen %q: agents are spoken to in the clear on a loopback address only; "+
			"give --fabric-private-key, --fabric-certificate and --fabric-ca-cert", o.listen)
	case secure && o.agents == "":
		return nil, errors.New("--agents: with TLS, a file must say which agents may connect, and which databases each may have")
	}
	var agents *fabric.Agents // nil: whoever is on this host may be an agent
	if o.agents != "" {
		if agents, err = fabric.LoadAgents(o.agents); err != nil {
			return nil, fmt.Errorf("--agents: %w", err)
		}
		agents.Logger = log
	}
	path, handler := fabric.NewHandler(fabric.HandlerOptions{Serve: ctl.Serve, Authenticate: noted(agents.Authenticate, expiry), Logger: log})
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	l := &agentsListener{log: log, secure: secure}
	var conf *tls.Config
	if secure {
		if conf, err = o.files.Server(); err != nil {
			return nil, fmt.Errorf("--fabric-listen needs --fabric-private-key, --fabric-certificate and --fabric-ca-cert: %w", err)
		}
		conf.VerifyConnection = verifier(conf, nil)
		// One without a certificate may have a token: the list of agents decides.
		conf = fabric.ServerTLS(conf, true)
		expiry.own(tlsFiles("fabric-", o.files)...)
	}
	l.server = fabric.NewServer(mux, conf, log)
	l.server.ErrorLog = slog.NewLogLogger(&refusals{Handler: log.Handler(), log: log, files: o.files, seen: newLimited()}, slog.LevelInfo)
	var lc net.ListenConfig
	if l.listener, err = lc.Listen(ctx, "tcp", o.listen); err != nil {
		return nil, fmt.Errorf("--fabric-listen: %w", err)
	}
	return l, nil
}

// noted takes note of the certificates of agents that are let in.
func noted(authenticate func(*http.Request) (fabric.Peer, error), expiry *expiry) func(*http.Request) (fabric.Peer, error) {
	return func(r *http.Request) (fabric.Peer, error) {
		p, err := authenticate(r)
		if err == nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			expiry.shown(peerAgent, p.Agent, r.TLS.PeerCertificates[0])
		}
		return p, err
	}
}

// run adds the listener's goroutines; they end with ctx.
func (l *agentsListener) run(ctx context.Context, g *errgroup.Group) {
	serveHTTP(ctx, g, l.server, func() error {
		if l.secure {
			return l.server.ServeTLS(l.listener, "", "")
		}
		return l.server.Serve(l.listener)
	})
}

// refusals is a log for http.Server, which tells there, in words alone, whose
// handshake failed.
type refusals struct {
	slog.Handler
	log   *slog.Logger
	files ovsdb.TLSFiles
	seen  *limited
}

const failedHandshake = "http: TLS handshake error from "

// Handle implements slog.Handler.
func (h *refusals) Handle(_ context.Context, r slog.Record) error {
	rest, ok := strings.CutPrefix(strings.TrimSpace(r.Message), failedHandshake)
	address, reason, cut := strings.Cut(rest, ": ")
	if !ok || !cut {
		h.log.Debug("the server for agents says", "message", r.Message)
		return nil
	}
	if reason == "EOF" || strings.HasSuffix(reason, "connection reset by peer") {
		h.log.Debug("an agent gave up the connection", "peer", address, "reason", reason)
		return nil
	}
	who := address
	if name, _, err := net.SplitHostPort(address); err == nil {
		who = name
	}
	if n := h.seen.allow(who, reason); n > 0 {
		h.log.Warn("an agent is refused", "peer", address, "times", n, "reason", explainAgent(reason, h.files))
	}
	return nil
}

// explainAgent says what a person can do about an agent that TLS refused.
func explainAgent(reason string, files ovsdb.TLSFiles) string {
	var hint string
	switch {
	case strings.Contains(reason, "no authority of ours"):
		hint = "if it should be, add that authority's certificate to --fabric-ca-cert (" + files.CA + ")"
	case strings.Contains(reason, "expired at"), strings.Contains(reason, "not valid before"):
		hint = "give the agent a new one, and look at the clocks of both"
	case strings.Contains(reason, "does not look like a TLS handshake"), strings.Contains(reason, "HTTP request to an HTTPS server"):
		hint = "an agent that does not speak TLS: give it --fabric-ca-cert, and a certificate or a token"
	case strings.Contains(reason, "remote error"), strings.Contains(reason, "bad certificate"):
		hint = "it does not take our certificate: its --fabric-ca-cert must have the authority that signed --fabric-certificate (" +
			files.Certificate + "), and the certificate must have the name under which the agent knows this server"
	default:
		return reason
	}
	return reason + "; " + hint
}

// serverTLS is for an agent's connection to a server, which must have a
// certificate of the authority for the name or address that it is known by.
func serverTLS(files ovsdb.TLSFiles, address string, expiry *expiry) (*tls.Config, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--servers: %q: it must look like server-1:9698: %w", address, err)
	}
	files.Name = name
	conf, err := files.Client()
	if err != nil {
		return nil, fmt.Errorf("--fabric-private-key, --fabric-certificate and --fabric-ca-cert: %w", err)
	}
	conf.VerifyConnection = verifier(conf, func(cert *x509.Certificate) error {
		expiry.shown(peerServer, address, cert)
		return nil
	})
	return conf, nil
}
