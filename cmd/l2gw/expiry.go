package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"l2gw/internal/metrics"
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
	files []file
	peers map[peer]*x509.Certificate // the last one shown
}

// file is a PEM file with certificates, and the option that names it.
type file struct{ option, path string }

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
func tlsFiles(prefix string, f ovsdb.TLSFiles) []file {
	return []file{{"--" + prefix + "certificate", f.Certificate}, {"--" + prefix + "ca-cert", f.CA}}
}

// own adds files of ours.
func (e *expiry) own(files ...file) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range files {
		if f.path != "" && !slices.Contains(e.files, f) {
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
		all, err := f.read()
		if err != nil {
			e.log.Warn("certificates cannot be read any more; going on with those that were read", "option", f.option, "error", err)
		}
		for _, cert := range all {
			e.warn(cert, f.option, f.path)
		}
	}
}

// read returns the certificates of a file.
func (f file) read() (all []*x509.Certificate, err error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, cert)
		}
	}
	return all, nil
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
		certs, _ := f.read() // look tells of the error
		if len(certs) == 0 {
			continue
		}
		first := slices.MinFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		all = append(all, metrics.Certificate{Kind: "file", Name: f.path, NotAfter: first.NotAfter})
	}
	return all
}

func (e *expiry) warn(cert *x509.Certificate, of ...any) {
	left := time.Until(cert.NotAfter)
	switch {
	case left > expiryNotice:
	case left > 0:
		e.log.Warn("a certificate expires soon; replace it", append(of, "certificate", describe(cert), "expires", cert.NotAfter.UTC(), "days", int(left.Hours()/24))...)
	default:
		e.log.Warn("a certificate has expired; replace it", append(of, "certificate", describe(cert), "expired", cert.NotAfter.UTC())...)
	}
}
