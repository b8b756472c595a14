package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"slices"
	"sync"
	"time"

	"l2gw/internal/keystone"
	"l2gw/internal/metrics"
	"l2gw/internal/pki"
	"l2gw/ovsdb"
)

const (
	expiryNotice = 30 * 24 * time.Hour
	expiryEvery  = 24 * time.Hour
)

// expiry warns of certificates that will soon be of no use: ours, those of the
// authorities, and those that others showed.
type expiry struct {
	log *slog.Logger

	mu    sync.Mutex
	files []pki.File
	peers map[peer]*x509.Certificate // the last one shown
}

// peer is who shows a certificate.
type peer struct{ kind, name string }

// The kinds of a peer.
const (
	peerDatabase = "database" // the switch of one
	peerAgent    = "agent"
	peerServer   = "server"
)

func newExpiry(log *slog.Logger) *expiry {
	return &expiry{log: log, peers: map[peer]*x509.Certificate{}}
}

// files of TLS, by the prefix that their options have.
func tlsFiles(prefix string, f ovsdb.TLSFiles) []pki.File {
	return []pki.File{
		{Option: "--" + prefix + "certificate", Path: f.Certificate},
		{Option: "--" + prefix + "ca-cert", Path: f.CA},
	}
}

// certificates are those files of a server that have its own certificates. Whose
// certificates Keystone and Neutron have is theirs to watch: our cafile may be the
// system's, in which some authority always expires.
func (o *serverOptions) certificates() []pki.File {
	api := o.door.files()
	return []pki.File{
		api.Certificate, api.CA, o.front.files().Certificate,
		{Option: "[" + keystone.Section + "] certfile", Path: o.auth.keystone.Certificate},
	}
}

// own adds files of ours.
func (e *expiry) own(files ...pki.File) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range files {
		if f.Path != "" && !slices.Contains(e.files, f) {
			e.files = append(e.files, f)
		}
	}
}

// watch adds the files of a plan.
func (e *expiry) watch(plan *switchPlan) {
	e.own(tlsFiles("", plan.tls)...)
	for _, h := range plan.hosts {
		if h.files != plan.tls {
			e.own(tlsFiles("", h.files)...)
		}
	}
}

// run warns at once and then daily, until ctx ends.
func (e *expiry) run(ctx context.Context) error {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	e.lookAtFiles() // peers are warned of when they show something
	for {
		select {
		case <-tick.C:
			e.look()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *expiry) look() {
	e.lookAtFiles()
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, cert := range e.peers {
		e.warn(cert, p.kind, p.name)
	}
}

func (e *expiry) lookAtFiles() {
	e.mu.Lock()
	files := slices.Clone(e.files)
	e.mu.Unlock()
	for _, f := range files {
		all, err := f.Certificates()
		if err != nil {
			e.log.Warn("certificates cannot be read any more; going on with those that were read", "option", f.Option, "error", err)
		}
		for _, cert := range all {
			e.warn(cert, f.Option, f.Path)
		}
	}
}

// seen takes note of a certificate that a switch showed.
func (e *expiry) seen(database string, cert *x509.Certificate) { e.shown(peerDatabase, database, cert) }

// maxPeers bounds how many peers' certificates are remembered.
const maxPeers = 4096

// shown takes note of a certificate that a peer showed, and warns of a new one at once.
func (e *expiry) shown(kind, name string, cert *x509.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := peer{kind, name}
	old := e.peers[p]
	if old == nil && len(e.peers) >= maxPeers || old != nil && old.Equal(cert) {
		return
	}
	e.peers[p] = cert
	e.warn(cert, kind, name)
}

// certificates tells until when all of them are valid, for metrics.
func (e *expiry) certificates() (all []metrics.Certificate) {
	e.mu.Lock()
	files := slices.Clone(e.files)
	for p, cert := range e.peers {
		all = append(all, metrics.Certificate{Kind: p.kind, Name: p.name, NotAfter: cert.NotAfter})
	}
	e.mu.Unlock()
	for _, f := range files {
		certs, _ := f.Certificates() // look tells of the error
		if len(certs) == 0 {
			continue
		}
		first := slices.MinFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		all = append(all, metrics.Certificate{Kind: "file", Name: f.Path, NotAfter: first.NotAfter})
	}
	return all
}

func (e *expiry) warn(cert *x509.Certificate, of ...any) {
	left := time.Until(cert.NotAfter)
	switch {
	case left > expiryNotice:
	case left > 0:
		e.log.Warn("a certificate expires soon; replace it", append(of, "certificate", pki.Describe(cert), "expires", cert.NotAfter.UTC(), "days", int(left.Hours()/24))...)
	default:
		e.log.Warn("a certificate has expired; replace it", append(of, "certificate", pki.Describe(cert), "expired", cert.NotAfter.UTC())...)
	}
}
