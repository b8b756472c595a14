package keystone

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw/test/ports"
)

// Door is a way to a Keystone that a test may close and look through without
// touching what other tests use.
type Door struct {
	// CA is a file with the authority that signed the door's certificate; "" without TLS.
	CA string

	t       testing.TB
	addr    string
	secure  *tls.Config
	handler http.Handler
	fault   atomic.Pointer[http.HandlerFunc]

	mu       sync.Mutex
	server   *http.Server
	requests []Request
}

// Request is one that came through a door.
type Request struct {
	Method, Path, Query string
	Header              http.Header
}

// Door opens one, with TLS or without; it closes at the end of the test.
func (s *Server) Door(t testing.TB, secure bool) *Door {
	t.Helper()
	target, err := url.Parse("http://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	port, err := ports.Free("127.0.0.1") // also while it is closed
	if err != nil {
		t.Fatal(err)
	}
	d := &Door{t: t, addr: net.JoinHostPort("127.0.0.1", port)}
	d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.requests = append(d.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone()})
		d.mu.Unlock()
		if f := d.fault.Load(); f != nil {
			(*f)(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	if secure {
		d.secure, d.CA = certificate(t)
	}
	d.Open()
	t.Cleanup(func() {
		d.Close()
		transport.CloseIdleConnections()
	})
	return d
}

// URL is the identity endpoint behind the door, with /v3.
func (d *Door) URL() string {
	if d.secure != nil {
		return "https://" + d.addr + "/v3"
	}
	return "http://" + d.addr + "/v3"
}

// Open lets requests through again, at the same address.
func (d *Door) Open() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return
	}
	var conf net.ListenConfig
	listener, err := conf.Listen(context.Background(), "tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.secure != nil {
		listener = tls.NewListener(listener, d.secure)
	}
	d.server = &http.Server{Handler: d.handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go d.server.Serve(listener) //nolint:errcheck // it ends when it is closed
}

// Close ends all connections and refuses new ones.
func (d *Door) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		d.server.Close()
		d.server = nil
	}
}

// Break answers every request with f instead of Keystone; nil mends it.
func (d *Door) Break(f http.HandlerFunc) {
	if f == nil {
		d.fault.Store(nil)
		return
	}
	d.fault.Store(&f)
}

// Requests are those that came so far.
func (d *Door) Requests() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Request(nil), d.requests...)
}

// Validations is how often a token was asked about.
func (d *Door) Validations() int {
	n := 0
	for _, r := range d.Requests() {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/auth/tokens") {
			n++
		}
	}
	return n
}

// certificate makes an authority, whose certificate it writes to a file, and a
// certificate for 127.0.0.1 that it signed.
func certificate(t testing.TB) (config *tls.Config, file string) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityDER, authorityKey := sign(authority, nil, nil)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "keystone"}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	leafDER, leafKey := sign(leaf, authority, authorityKey)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}},
	}, file
}
