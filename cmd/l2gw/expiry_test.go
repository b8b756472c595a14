package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"l2gw/internal/certs"
	"l2gw/ovsdb"
)

// text is a log that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

func TestAServerWatchesTheCertificatesThatItShows(t *testing.T) {
	s := serverOptions{
		door:  doorOptions{certificate: "/api.pem", key: "/api.key", ca: "/clients.pem"},
		front: frontOptions{cafile: "/etc/ssl/certs/ca-certificates.crt", certfile: "/neutron.pem", keyfile: "/neutron.key"},
	}
	s.auth.keystone.Certificate = "/keystone.pem"
	e := newExpiry(slog.New(slog.DiscardHandler))
	e.own(s.certificates()...)
	var got []string
	for _, f := range e.files {
		got = append(got, f.String())
	}
	want := []string{"--api-certificate /api.pem", "--api-ca-cert /clients.pem", "--neutron-certfile /neutron.pem", "[keystone_authtoken] certfile /keystone.pem"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if e.own((&serverOptions{}).certificates()...); len(e.files) != len(want) {
		t.Errorf("a server without certificates watches %v", e.files[len(want):])
	}
}

// In the bubble the clock stands at the year 2000, and moves when everybody waits.
func TestACertificateIsToldOfDailyFromThirtyDaysBeforeItExpires(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	made := func(issued certs.Issued, err error) certs.Issued {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}
	now := func() time.Time { return start }
	made(certs.Init(dir, certs.Options{Now: now}))
	ours := made(certs.Issue(dir, "l2gw", certs.Options{Days: 32, Now: now}))
	theirs := made(certs.Issue(dir, "tor", certs.Options{Days: 31, Now: now}))
	data, err := os.ReadFile(theirs.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var log text
	synctest.Test(t, func(t *testing.T) {
		e := newExpiry(slog.New(slog.NewTextHandler(&log, nil)))
		e.own(tlsFiles("", ovsdb.TLSFiles{Certificate: ours.CertFile, Key: ours.KeyFile, CA: ours.CAFile})...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.run(ctx) }()
		e.seen("tor", cert)
		e.seen("tor", cert)
		synctest.Wait()
		for _, day := range []struct{ ours, theirs int }{{0, 0}, {0, 1}, {1, 2}, {2, 3}} {
			if n := strings.Count(log.String(), "--certificate="); n != day.ours {
				t.Errorf("%v: there are %d lines of ours, want %d", time.Now(), n, day.ours)
			}
			if n := strings.Count(log.String(), "database=tor"); n != day.theirs {
				t.Errorf("%v: there are %d lines of the switch's, want %d", time.Now(), n, day.theirs)
			}
			time.Sleep(expiryEvery)
			synctest.Wait()
		}
		time.Sleep(31 * expiryEvery)
		synctest.Wait()
		if !strings.Contains(log.String(), "a certificate has expired") {
			t.Error("it is not told that it has expired")
		}
		cancel()
		<-done
	})
	if strings.Contains(log.String(), "--ca-cert") {
		t.Error("the authority is good for ten years")
	}
}
