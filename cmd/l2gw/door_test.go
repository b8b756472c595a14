package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/internal/certs"
)

func TestTrustedProxiesAreAddressesAndNetworks(t *testing.T) {
	o := doorOptions{trusted: []string{"192.0.2.1", "198.51.100.7/24", "2001:db8::/32", "::1"}}
	got, err := o.proxies()
	if err != nil || len(got) != 4 || got[0].String() != "192.0.2.1/32" || got[1].String() != "198.51.100.0/24" || got[3].String() != "::1/128" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"lb1", "192.0.2.1/33", "", "192.0.2.1:80"} {
		o := doorOptions{trusted: []string{bad}}
		if _, err := o.proxies(); err == nil || !strings.Contains(err.Error(), "--trusted-proxies") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestWhatIsWrongWithTheDoorIsSaidByOption(t *testing.T) {
	for want, o := range map[string]doorOptions{
		"--api-certificate is missing":                        {connections: 100, ca: "/ca.pem"},
		"--max-connections 5: it must be from 16 to 100000":   {connections: 5},
		"--api-certificate and --api-private-key go together": {connections: 100, certificate: "x.pem"},
		"--api-certificate: open /nosuch: no such file":       {connections: 100, certificate: "/nosuch", key: "/nosuch"},
	} {
		if err := o.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// issue makes a certificate for 127.0.0.1 of an authority in the folder.
func issue(t *testing.T, dir, name string) certs.Issued {
	t.Helper()
	c, err := certs.Issue(dir, name, certs.Options{Days: 30, SANs: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheAPISpeaksTLSWithTheCertificateThatTheFilesHaveNow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := certs.Init(dir, certs.Options{Days: 30}); err != nil {
		t.Fatal(err)
	}
	first, second := issue(t, dir, "first"), issue(t, dir, "second")
	o := doorOptions{connections: 100, certificate: first.CertFile, key: first.KeyFile}
	served := serveBehind(t, &o)
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(first.CAFile)
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	// shown is the serial number of the certificate that a client is shown.
	shown := func(config *tls.Config) (string, error) {
		config.RootCAs = roots
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + served)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); string(b) != "HTTP/1.1, TLS true" {
			t.Errorf("body: %s", b)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.String(), nil
	}
	before, err := shown(&tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute) // so that it differs on file systems with coarse times as well
	for from, to := range map[string]string{second.CertFile: first.CertFile, second.KeyFile: first.KeyFile} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(to, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := shown(&tls.Config{}); err != nil || after == before {
		t.Errorf("after the files changed: %s, %v; before %s", after, err, before)
	}
	if resp, err := http.Get("http://" + served); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("in the clear: %s", resp.Status)
		}
	}
	mutual := doorOptions{connections: 100, certificate: first.CertFile, key: first.KeyFile, ca: first.CAFile}
	served = serveBehind(t, &mutual)
	if _, err := shown(&tls.Config{}); err == nil {
		t.Error("a client without a certificate is let in where it must have one")
	}
	own, err := tls.LoadX509KeyPair(second.CertFile, second.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shown(&tls.Config{Certificates: []tls.Certificate{own}}); err != nil {
		t.Errorf("a client with a certificate: %v", err)
	}
}

// serveBehind runs a server behind a door and returns its address.
func serveBehind(t *testing.T, o *doorOptions) string {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+", TLS "+map[bool]string{true: "true", false: "false"}[r.TLS != nil])
	}), quiet)
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := o.listen(inner, server, quiet)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Shutdown(context.WithoutCancel(t.Context()))
		<-done
	})
	return inner.Addr().String()
}
