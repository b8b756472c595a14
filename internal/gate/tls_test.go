package gate

import (
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/certs"
)

// secured is TLS for a server at 127.0.0.1, and for its clients.
func secured(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := certs.Init(dir, certs.Options{}); err != nil {
		t.Fatal(err)
	}
	issued, err := certs.Issue(dir, "api", certs.Options{SANs: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(issued.CertFile, issued.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, &tls.Config{InsecureSkipVerify: true}
}

func TestOverTLSAnAnswerIsTheSame(t *testing.T) {
	server, client := secured(t)
	address, _, _ := serveOver(t, 10, server)
	for request, want := range refusals {
		c := tls.Client(dial(t, "127.0.0.1", address), client)
		refused(t, c, request, want.status, want.typ)
	}
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: client}}
	defer browser.CloseIdleConnections()
	for range 3 {
		resp, err := browser.Get("https://" + address + "/")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "ok, TLS true" {
			t.Errorf("%s, %v", b, err)
		}
		resp.Body.Close()
	}
}

func TestWhoDoesNotSpeakTLSIsToldSo(t *testing.T) {
	server, _ := secured(t)
	address, _, _ := serveOver(t, 10, server)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		c := dial(t, "127.0.0.1", address)
		message := refused(t, c, method+" /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 10_000), 400, "HTTPBadRequest")
		if !strings.Contains(message, "https://") {
			t.Errorf("%s: %s", method, message)
		}
		closed(t, c)
	}
	c := dial(t, "127.0.0.1", address)
	if _, err := c.Write([]byte("\x00\x01\x02 neither")); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(c); strings.Contains(string(b), "HTTP") {
		t.Errorf("what is no request is answered %q", b)
	}
}

func TestARequestOverTLSThatIsBeingAnsweredKeepsItsRoom(t *testing.T) {
	server, client := secured(t)
	address, entered, wait := serveOver(t, 1, server)
	working := tls.Client(dial(t, "127.0.0.1", address), client)
	if _, err := working.Write([]byte("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := tls.Client(dial(t, "127.0.0.1", address), client).Handshake(); err == nil {
		t.Error("there is room for another")
	}
	close(wait)
	if status := answer(t, working); status != 200 {
		t.Errorf("the first was answered %d", status)
	}
}
