package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"sync"
	"time"

	"l2gw/ovsdb"
)

const (
	expiryNotice = 30 * 24 * time.Hour
	expiryEvery  = 24 * time.Hour
)

// expiry warns of certificates that will soon be of no use: ours, those of the
// authorities, and those that switches showed.
type expiry struct {
	files ovsdb.TLSFiles
	log   *slog.Logger

	mu       sync.Mutex
	switches map[string]*x509.Certificate // by database, the last one shown
}

func newExpiry(files ovsdb.TLSFiles, log *slog.Logger) *expiry {
	return &expiry{files: files, log: log, switches: map[string]*x509.Certificate{}}
}

// run warns at once and then daily, until ctx ends.
func (e *expiry) run(ctx context.Context) error {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	for {
		e.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *expiry) look() {
	for option, name := range map[string]string{"--certificate": e.files.Certificate, "--ca-cert": e.files.CA} {
		if name == "" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			e.log.Warn("certificates cannot be read any more; going on with those that were read", "option", option, "error", err)
			continue
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
				e.warn(cert, option, name)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for database, cert := range e.switches {
		e.warn(cert, "database", database)
	}
}

// seen takes note of a certificate that a switch showed, and warns of a new one at once.
func (e *expiry) seen(database string, cert *x509.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.switches[database]; old == nil || !old.Equal(cert) {
		e.switches[database] = cert
		e.warn(cert, "database", database)
	}
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
