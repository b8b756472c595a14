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

	"l2gw/internal/pki"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// switches are the options about switch databases: those that we dial, and
// those that dial in.
type switches struct {
	hosts      string
	listen     string
	identities []string
	tls        ovsdb.TLSFiles
	service    []string
	maxMACs    int
	pace       int

	legacy legacy // of an agent
}

func (s *switches) addFlags(f *pflag.FlagSet) {
	f.StringVar(&s.hosts, "ovsdb-hosts", "", "switch databases, name:host:port[,…]; name:ssl:host:port with TLS; name:passive for one that dials in")
	f.StringVar(&s.listen, "ovsdb-listen", "", "where switches dial in, pssl:PORT[:HOST] or ptcp:PORT[:HOST]")
	f.StringArrayVar(&s.identities, "ovsdb-identity", nil,
		"how the switch of a database is known: NAME=sha256:FINGERPRINT, NAME=cn:NAME or NAME=san:NAME of its certificate; "+
			"NAME=addr:IP for plain tcp (repeatable; any one of a database's is enough)")
	addTLSFlags(f, &s.tls)
	f.StringSliceVar(&s.service, "service-node", nil, "IPv4 address of a VTEP that replicates broadcasts for switches that cannot (repeatable)")
	f.IntVar(&s.maxMACs, "max-macs", 0, "how many remote MACs a switch database takes; 0: no known limit")
}

// switchPlan is what the options come to: which databases there are, where they
// are and how their switches are known.
type switchPlan struct {
	hosts   []ovsdbHost
	ids     identities
	listen  string // "" if no switch dials in
	manager bool   // switches that dial in are known by their addresses, with TLS as well
	tls     ovsdb.TLSFiles
	options vtep.Options
	pace    int           // operations per second; 0: no limit
	audit   time.Duration // 0: as the agent does
	dial    time.Duration // how long a switch may take to answer; 0: as ovsdb does
}

// plan reads the options. The error names all that is wrong with them; what can be made
// out is returned with it.
func (s *switches) plan() (*switchPlan, error) {
	p := &switchPlan{listen: s.listen, tls: s.tls, pace: s.pace}
	usual := "tcp"
	if s.legacy.ssl() {
		usual = "ssl"
	}
	var hostsErr, idsErr, optionsErr error
	p.hosts, hostsErr = parseOVSDBHosts(s.hosts, usual)
	for i := range p.hosts {
		p.hosts[i].files = s.tls
	}
	p.ids, idsErr = parseIdentities(s.identities)
	p.options, optionsErr = s.vtepOptions()
	err := errors.Join(about(hostsErr, "ovsdb-hosts"), about(idsErr, "ovsdb-identity"), optionsErr, s.legacy.change(p))
	if p.manager {
		return p, err
	}
	var listen *ovsdb.Endpoint
	if s.listen != "" {
		e, parseErr := ovsdb.ParseEndpoint(s.listen)
		if parseErr != nil || !e.Passive || e.Network != "tcp" {
			return p, errors.Join(err, about(fmt.Errorf("--ovsdb-listen %q: it must look like pssl:6640, pssl:6640:192.0.2.1 or ptcp:6640:192.0.2.1", s.listen), "ovsdb-listen"))
		}
		listen = &e
	}
	if hostsErr == nil && idsErr == nil { // else they may not be what does not fit together
		err = errors.Join(err, about(p.ids.check(p.hosts, listen), "ovsdb-hosts", "ovsdb-listen", "ovsdb-identity"))
	}
	return p, err
}

func (s *switches) vtepOptions() (vtep.Options, error) {
	o := vtep.Options{MaxMACs: s.maxMACs}
	var errs []error
	for _, text := range s.service {
		ip, err := parseIPv4(text)
		if err != nil {
			errs = append(errs, about(fmt.Errorf("--service-node %q: %w", text, err), "service-node"))
			continue
		}
		o.ServiceNodes = append(o.ServiceNodes, ip)
	}
	if s.maxMACs < 0 {
		errs = append(errs, about(fmt.Errorf("--max-macs %d: it must be 0 (no limit) or more", s.maxMACs), "max-macs"))
	}
	return o, errors.Join(errs...)
}

// plain are the databases that are spoken to over plain tcp beyond this host.
func (p *switchPlan) plain() (names []string) {
	for _, h := range p.hosts {
		if exposed(h.endpoint) {
			names = append(names, h.name)
		}
	}
	return names
}

// passive are the databases whose switches dial in.
func (p *switchPlan) passive() (names []string) {
	for _, h := range p.hosts {
		if h.endpoint == "" {
			names = append(names, h.name)
		}
	}
	return names
}

// warn tells of what on the way to switches anybody can read and change.
func (p *switchPlan) warn(log *slog.Logger) {
	if plain := p.plain(); len(plain) > 0 {
		log.Warn("plain tcp: whoever is on the way to these switches can read and change all; use ssl", "databases", strings.Join(plain, ","))
	}
	if len(p.passive()) > 0 && !strings.HasPrefix(p.listen, "pssl") {
		log.Warn("plain tcp: switches that dial in are known by their addresses only, and whoever is on the way can read and change all; use pssl", "listen", p.listen)
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
	s := "its certificate (" + pki.Describe(e.cert) + ") "
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
