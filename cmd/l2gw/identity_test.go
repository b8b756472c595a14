package main

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"

	"l2gw/internal/pki"
	"l2gw/ovsdb"
)

func TestADatabaseThatDialsInIsFoundByItsIdentity(t *testing.T) {
	cert := func(raw, cn string, san ...string) *x509.Certificate {
		return &x509.Certificate{Raw: []byte(raw), Subject: pkix.Name{CommonName: cn}, DNSNames: san}
	}
	a := cert("a", "x")
	ids, err := parseIdentities([]string{
		"pinned=sha256:" + pki.Fingerprint(a), "named=cn:leaf-1", "named=san:leaf-1.example.org", "named=cn:leaf-2", "at=addr:192.0.2.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	databases := []string{"pinned", "named", "tor", "at"}
	for _, c := range []struct {
		why  string
		cert *x509.Certificate
		want string // the database, or a part of the error
	}{
		{"fingerprint", a, "pinned"},
		{"common name", cert("b", "leaf-1"), "named"},
		{"another of its names", cert("b", "LEAF-2"), "named"},
		{"alternative name", cert("b", "x", "y", "leaf-1.example.org"), "named"},
		{"the database's name", cert("b", "tor"), "tor"},
		{"as ovs-pki writes it", cert("b", "tor id:2fb42159", "tor id:2fb42159"), "tor"},
		{"a name that only begins so", cert("b", "tor2"), "no database is known"},
		{"no name", cert("b", ""), "no database is known"},
		{"only an id", cert("b", " id:2fb42159"), "no database is known"},
		{"an address in the certificate is no address", cert("b", "192.0.2.1", "192.0.2.1"), "no database is known"},
		{"the name of one that is known otherwise", cert("b", "pinned"), "has the name of database pinned, but that is known by sha256:"},
		{"two databases", cert("b", "tor", "leaf-1.example.org"), "several databases (named, tor)"},
	} {
		got, err := ids.identify(ovsdb.Peer{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.cert}}}, databases)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	for address, want := range map[string]string{"192.0.2.1": "at", "::ffff:192.0.2.1": "at", "192.0.2.2": ""} {
		got, err := ids.identify(ovsdb.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 50000}}, databases)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v, want %q", address, got, err, want)
		}
	}
}
