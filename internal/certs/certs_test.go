package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func authority(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := Init(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestACertificateServesAtBothEndsUnderItsNames(t *testing.T) {
	dir := authority(t)
	issued, err := Issue(dir, "tor3", Options{SANs: []string{"tor3.example.org", "192.0.2.13"}, Days: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(issued.CertFile, issued.KeyFile); err != nil {
		t.Error(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(read(t, issued.CAFile))
	cert := read(t, issued.CertFile)
	for _, name := range []string{"tor3", "tor3.example.org", "192.0.2.13"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if cert.Subject.CommonName != "tor3" {
		t.Errorf("the common name is %q", cert.Subject.CommonName)
	}
	if left := time.Until(cert.NotAfter); left < 9*24*time.Hour || left > 11*24*time.Hour {
		t.Errorf("it is valid for %v", left)
	}
	if len(issued.Fingerprint) != 64 {
		t.Errorf("the fingerprint is %q", issued.Fingerprint)
	}
}

func TestNoCertificateOutlivesItsAuthority(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, Options{Days: 3}); err != nil {
		t.Fatal(err)
	}
	issued, err := Issue(dir, "tor3", Options{Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	if ca := read(t, issued.CAFile); read(t, issued.CertFile).NotAfter.After(ca.NotAfter) {
		t.Error("it does")
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := authority(t)
	if _, err := Issue(dir, "tor3", Options{}); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	if _, err := Init(dir, Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("a second authority: %v", err)
	}
	if _, err := Issue(dir, "tor3", Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("a second certificate: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "tor3-key.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := Issue(dir, "tor3", Options{}); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "tor3-cert.pem") {
		t.Errorf("a certificate without its key: %v", err)
	}
	delete(before, "tor3-key.pem")
	after := contents(t, dir)
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("files were left behind: %d, there were %d", len(after), len(before))
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestWhatCannotBeIsRefusedByName(t *testing.T) {
	dir := authority(t)
	for _, c := range []struct {
		dir, name string
		opts      Options
		err       error
		says      string
	}{
		{dir, "../tor3", Options{}, ErrInvalid, `"../tor3"`},
		{dir, "", Options{}, ErrInvalid, `""`},
		{dir, "tor3", Options{SANs: []string{"not a name"}}, ErrInvalid, `"not a name"`},
		{dir, "tor3", Options{Days: -1}, ErrInvalid, "-1"},
		{t.TempDir(), "tor3", Options{}, ErrNoAuthority, "l2gw certs init"},
	} {
		if _, err := Issue(c.dir, c.name, c.opts); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.name, err, c.says)
		}
	}
	if got := contents(t, dir); len(got) != 2 {
		t.Errorf("files were left behind: %d", len(got))
	}
}

func TestAnAuthorityWithAnotherKeyIsNotUsed(t *testing.T) {
	dir, other := authority(t), authority(t)
	key, err := os.ReadFile(filepath.Join(other, caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, caKeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Issue(dir, "tor3", Options{}); !errors.Is(err, ErrNoAuthority) || !strings.Contains(err.Error(), "not the key of") {
		t.Error(err)
	}
}
