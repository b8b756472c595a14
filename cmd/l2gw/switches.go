package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"l2gw/internal/agent"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// switches are the ways to switch databases: those that we dial, and those that
// dial in.
type switches struct {
	hosts      string
	listen     string
	identities []string
	tls        ovsdb.TLSFiles

	expiry   *expiry         // set by connect
	listener *ovsdb.Listener // nil if no switch dials in
}

func (s *switches) addFlags(f *pflag.FlagSet) {
	f.StringVar(&s.hosts, "ovsdb-hosts", "", "switch databases, name:host:port[,…]; name:ssl:host:port with TLS; name:passive for one that dials in")
	f.StringVar(&s.listen, "ovsdb-listen", "", "where switches dial in, pssl:PORT[:HOST] or ptcp:PORT[:HOST]")
	f.StringArrayVar(&s.identities, "ovsdb-identity", nil,
		"how the switch of a database is known: NAME=sha256:FINGERPRINT, NAME=cn:NAME or NAME=san:NAME of its certificate; "+
			"NAME=addr:IP for plain tcp (repeatable; any one of a database's is enough)")
	addTLSFlags(f, &s.tls)
}

// parse reads the options.
func (s *switches) parse() ([]ovsdbHost, identities, error) {
	hosts, err := parseOVSDBHosts(s.hosts)
	if err != nil {
		return nil, nil, err
	}
	ids, err := parseIdentities(s.identities)
	if err != nil {
		return nil, nil, err
	}
	var listen *ovsdb.Endpoint
	if s.listen != "" {
		e, err := ovsdb.ParseEndpoint(s.listen)
		if err != nil || !e.Passive || e.Network != "tcp" {
			return nil, nil, fmt.Errorf("--ovsdb-listen %q: it must look like pssl:6640, pssl:6640:192.0.2.1 or ptcp:6640:192.0.2.1", s.listen)
		}
		listen = &e
	}
	return hosts, ids, ids.check(hosts, listen)
}

// connect makes the connectors of all databases and starts to listen. The
// caller closes the listener.
func (s *switches) connect(hosts []ovsdbHost, ids identities, options vtep.Options, log *slog.Logger) ([]agent.DatabaseOptions, error) {
	s.expiry = newExpiry(s.tls, log)
	var all []agent.DatabaseOptions
	var passive, plain []string
	for _, h := range hosts {
		if h.endpoint == "" {
			passive = append(passive, h.name)
		} else if exposed(h.endpoint) {
			plain = append(plain, h.name)
		}
	}
	if len(plain) > 0 {
		log.Warn("plain tcp: whoever is on the way to these switches can read and change all; use ssl", "databases", strings.Join(plain, ","))
	}
	if len(passive) > 0 {
		if err := s.startListening(passive, ids, log); err != nil {
			return nil, err
		}
	}
	for _, h := range hosts {
		db := agent.DatabaseOptions{Name: h.name, VTEP: options}
		if h.endpoint == "" {
			db.Connect = s.listener.Database(h.name)
		} else {
			connect, err := dialer(h.endpoint, s.tls, func(cert *x509.Certificate) error {
				s.expiry.seen(h.name, cert)
				return ids.expect(h.name, cert)
			})
			if err != nil {
				s.close()
				return nil, fmt.Errorf("--ovsdb-hosts: %s: %w", h.name, err)
			}
			db.Connect = connect
		}
		all = append(all, db)
	}
	return all, nil
}

func (s *switches) close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
}

// exposed says whether an endpoint is plain tcp that leaves this host.
func exposed(endpoint string) bool {
	e, err := ovsdb.ParseEndpoint(endpoint)
	if err != nil || e.TLS || e.Network != "tcp" {
		return false
	}
	name, _, _ := net.SplitHostPort(e.Address)
	ip, err := netip.ParseAddr(name)
	return name != "localhost" && (err != nil || !ip.IsLoopback())
}

// startListening waits for the named databases' switches to dial in.
func (s *switches) startListening(databases []string, ids identities, log *slog.Logger) error {
	refused := newLimited()
	arrived := newLimited()
	opts := ovsdb.ListenOptions{
		Logger: log,
		Identify: func(p ovsdb.Peer) (string, error) {
			name, err := ids.identify(p, databases)
			if err != nil {
				return "", err
			}
			if p.TLS != nil {
				s.expiry.seen(name, p.TLS.PeerCertificates[0])
			}
			if n := arrived.allow(name, host(p.Addr)); n > 0 {
				log.Info("a switch dialled in", "database", name, "peer", p.Addr, "times", n)
			}
			return name, nil
		},
		Refused: func(p ovsdb.Peer, err error) {
			if n := refused.allow(host(p.Addr), withoutPort(err)); n > 0 {
				log.Warn("a switch that dialled in is refused", "peer", p.Addr, "times", n, "reason", explain(err, s.tls))
			}
		},
	}
	if strings.HasPrefix(s.listen, "pssl") {
		conf, err := s.tls.Server()
		if err != nil {
			return fmt.Errorf("--ovsdb-listen: pssl needs --private-key, --certificate and --ca-cert: %w", err)
		}
		conf.VerifyConnection = verifier(conf, nil)
		opts.TLS = conf
	} else {
		log.Warn("plain tcp: switches that dial in are known by their addresses only, and whoever is on the way can read and change all; use pssl", "listen", s.listen)
	}
	l, err := ovsdb.Listen(s.listen, opts)
	if err != nil {
		return fmt.Errorf("--ovsdb-listen: %w", err)
	}
	s.listener = l
	log.Info("waiting for switches that dial in", "listen", s.listen, "databases", strings.Join(databases, ","))
	return nil
}

// withoutPort is what an error says, always the same of the same fault: those
// of the network name the peer's port.
func withoutPort(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// verifier checks a peer as conf does, says whose certificate it is that fails,
// and then asks admit, if it is not nil.
func verifier(conf *tls.Config, admit func(*x509.Certificate) error) func(tls.ConnectionState) error {
	verify := conf.VerifyConnection
	return func(state tls.ConnectionState) error {
		err := verify(state)
		if len(state.PeerCertificates) == 0 {
			return err
		}
		cert := state.PeerCertificates[0]
		if err != nil {
			return &certificateError{cert, err}
		}
		if admit == nil {
			return nil
		}
		return admit(cert)
	}
}

// certificateError is a certificate that is not valid here, and why.
type certificateError struct {
	cert *x509.Certificate
	err  error
}

func (e *certificateError) Unwrap() error { return e.err }

func (e *certificateError) Error() string {
	s := "its certificate (" + describe(e.cert) + ") "
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.err, &authority):
		return s + fmt.Sprintf("is signed by %q, which is no authority of ours", e.cert.Issuer)
	case errors.As(e.err, &invalid) && invalid.Reason == x509.Expired && time.Now().After(e.cert.NotAfter):
		return s + "expired at " + e.cert.NotAfter.UTC().Format(time.RFC3339)
	case errors.As(e.err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(e.cert.NotBefore):
		return s + "is not valid before " + e.cert.NotBefore.UTC().Format(time.RFC3339)
	case errors.As(e.err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return s + "is not made for this end of a connection (extended key usage)"
	}
	return s + "is not valid: " + e.err.Error()
}

// explain says what a person can do about a peer that was refused.
func explain(err error, files ovsdb.TLSFiles) string {
	text := err.Error()
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var hint string
	switch {
	case errors.As(err, &authority):
		hint = "if it should be, add that authority's certificate to --ca-cert (" + files.CA + ")"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		hint = "give the switch a new one, and look at the clocks of both"
	case strings.Contains(text, "didn't provide a certificate"):
		hint = "start its ovsdb-server with --private-key, --certificate and --ca-cert"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		hint = "it does not speak TLS: its Manager target must be ssl, not tcp"
	case strings.Contains(text, "unsupported versions"):
		hint = "it must speak TLS 1.2 or 1.3"
	case strings.Contains(text, "remote error"), strings.Contains(text, "bad record MAC"):
		// OpenSSL tells of it before it switches to the keys of TLS 1.3, so that it cannot be read.
		hint = "it seems not to take our certificate: its --ca-cert must have the authority that signed --certificate (" + files.Certificate + ")"
	default:
		return text
	}
	return text + "; " + hint
}
