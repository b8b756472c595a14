package fabric

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/internal/certs"
	"l2gw/ovsdb"
)

const secret = "correct horse battery staple"

func sha(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func agentsFile(t testing.TB, text string) *Agents {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agents.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := LoadAgents(path)
	if err != nil {
		t.Fatal(err)
	}
	a.Logger = quiet
	return a
}

func token(s string) func() (string, error) { return func() (string, error) { return s, nil } }

// Each error must say what is wrong in words that help; who is refused by the
// server must be told apart from who has trouble with the network.
func TestWhoMayNotComeInIsToldWhy(t *testing.T) {
	dir, other := authority(t, "server", "rack7", "rack8"), authority(t, "server", "rack7")
	if _, err := certs.Issue(dir, "old", certs.Options{Days: 1, Now: func() time.Time { return time.Now().AddDate(0, 0, -3) }}); err != nil {
		t.Fatal(err)
	}
	list := agentsFile(t, `
agents:
- name: rack7
  databases: [tor1]
- name: lab
  token_sha256: `+sha(secret)+`
  databases: ["*"]
`)
	o := HandlerOptions{Serve: echo(nil), Authenticate: list.Authenticate}
	strict, open, plain := serve(t, o, serverTLS(t, dir, false)), serve(t, o, serverTLS(t, dir, true)), serve(t, o, nil)
	bare := serve(t, HandlerOptions{Serve: echo(nil)}, serverTLS(t, dir, true))
	foreign := clientTLS(t, dir, "")
	// Shown although the server names another authority, as ovsdb.TLSFiles does.
	foreign.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c := pair(t, other, "rack7")
		return &c, nil
	}
	tls12 := func(c *tls.Config) *tls.Config { c.MaxVersion = tls.VersionTLS12; return c }

	for _, c := range []struct {
		name    string
		site    *site
		tls     *tls.Config
		token   string
		refused bool
		says    string // "": it is let in
	}{
		{"its own certificate", strict, clientTLS(t, dir, "rack7"), "", false, ""},
		{"its own certificate, where tokens are in use", open, clientTLS(t, dir, "rack7"), "", false, ""},
		{"a token", open, clientTLS(t, dir, ""), secret, false, ""},
		{"a token on loopback", plain, nil, secret, false, ""},
		{"the authority of somebody else", strict, foreign, "", true, "does not take our certificate"},
		{"the same in TLS 1.2", strict, tls12(foreign.Clone()), "", true, "does not take our certificate"},
		{"the same, where tokens are in use", open, foreign, "", true, "does not take our certificate"},
		{"an expired certificate", strict, clientTLS(t, dir, "old"), "", true, "expired certificate"},
		{"the same in TLS 1.2", strict, tls12(clientTLS(t, dir, "old")), "", true, "expired certificate"},
		{"another's name", strict, clientTLS(t, dir, "rack8"), "", true, `CN "rack8"`},
		{"no certificate", strict, clientTLS(t, dir, ""), "", true, "certificate required"},
		{"no certificate, where tokens are in use", open, clientTLS(t, dir, ""), "", true, "neither a certificate nor a token"},
		{"no certificate and no list", bare, clientTLS(t, dir, ""), "", true, "no certificate"},
		{"a token and no list", bare, clientTLS(t, dir, ""), secret, true, "no list of agents"},
		{"a wrong token", open, clientTLS(t, dir, ""), "Tr0ub4dor&3", true, "known by its token"},
		{"the token of one and the certificate of another", open, clientTLS(t, dir, "rack7"), secret, true, "that of agent rack7"},
		{"neither, on loopback with a list", plain, nil, "", true, "neither a certificate nor a token"},
		{"a server of somebody else", strict, clientTLS(t, other, "rack7"), "", false, "certificate signed by unknown authority"},
		{"plaintext to a TLS port", strict, nil, "", false, "if it speaks TLS on this port"},
		{"TLS to a plaintext port", plain, clientTLS(t, dir, "rack7"), "", false, "it does not speak TLS on this port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			d := DialerOptions{Server: c.site.address, TLS: c.tls, Logger: quiet}
			if c.token != "" {
				d.Token = token(c.token)
			}
			s, err := NewDialer(d)(ctx)
			if c.says == "" {
				if err != nil {
					t.Fatalf("it is not let in: %v", err)
				}
				s.Close()
				return
			}
			if err == nil {
				s.Close()
				t.Fatal("it is let in")
			}
			if _, refused := errors.AsType[*RefusedError](err); refused != c.refused || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.site.address) {
				t.Errorf("%v; want %q, refused: %v", err, c.says, c.refused)
			}
			if c.token != "" && strings.Contains(err.Error(), c.token) {
				t.Errorf("the token is in the error: %v", err)
			}
		})
	}
}

func TestWhatCannotBeDialledIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, c := range []struct {
		o    DialerOptions
		says string
	}{
		{DialerOptions{Server: l.Addr().String()}, "connection refused"},
		{DialerOptions{Server: "server1"}, "server1:9698"},
		{DialerOptions{Server: "server1:9698", Token: func() (string, error) { return "", errors.New("no such file") }}, "the token: no such file"},
	} {
		c.o.Logger = quiet
		if _, err := NewDialer(c.o)(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.o.Server, err, c.says)
		}
	}
}

// Who is taken off the list must not stay for as long as the stream lasts.
func TestAnAgentThatIsTakenOffTheListLosesItsStream(t *testing.T) {
	list := agentsFile(t, "agents:\n- {name: lab, token_sha256: "+sha(secret)+", databases: [tor1]}\n")
	s := serve(t, HandlerOptions{Serve: echo(nil), Authenticate: list.Authenticate, Recheck: 10 * time.Millisecond}, nil)
	open := func() AgentStream { return dial(t, DialerOptions{Server: s.address, Token: token(secret)}) }
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	a := open()
	rewrite(t, list, "agents:\n- {name: lab, token_sha256: "+sha(secret)+", databases: [tor1, tor2]}\n")
	_, err := a.Recv(ctx)
	if _, refused := errors.AsType[*RefusedError](err); refused || !errors.Is(err, ErrClosed) {
		t.Errorf("with other databases: %v", err)
	}
	a = open()
	rewrite(t, list, "agents: []\n")
	_, err = a.Recv(ctx)
	if _, refused := errors.AsType[*RefusedError](err); !refused {
		t.Errorf("off the list: %v", err)
	}
}

// rewrite replaces the list's file as editors and orchestrators do.
func rewrite(t testing.TB, a *Agents, text string) {
	t.Helper()
	next := a.path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, a.path); err != nil {
		t.Fatal(err)
	}
}

// The files of switches serve agents, too, with tokens in use and without.
func TestTheTLSFilesOfSwitchesFitAgents(t *testing.T) {
	dir := authority(t, "server", "rack7")
	files := func(name string) ovsdb.TLSFiles {
		return ovsdb.TLSFiles{
			Certificate: filepath.Join(dir, name+"-cert.pem"), Key: filepath.Join(dir, name+"-key.pem"), CA: filepath.Join(dir, certs.CAFile),
		}
	}
	client, err := files("rack7").Client()
	if err != nil {
		t.Fatal(err)
	}
	bare := client.Clone()
	bare.GetClientCertificate = nil
	list := agentsFile(t, "agents:\n- {name: rack7, databases: []}\n- {name: lab, token_sha256: "+sha(secret)+", databases: []}\n")
	for _, tokens := range []bool{false, true} {
		server, err := files("server").Server()
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, HandlerOptions{Serve: echo(nil), Authenticate: list.Authenticate}, ServerTLS(server, tokens))
		dial(t, DialerOptions{Server: s.address, TLS: client})
		a, err := NewDialer(DialerOptions{Server: s.address, TLS: bare, Token: token(secret), Logger: quiet})(t.Context())
		if _, refused := errors.AsType[*RefusedError](err); tokens != (err == nil) || tokens == refused {
			t.Errorf("with tokens in use: %v, a token without a certificate: %v", tokens, err)
		}
		if err == nil {
			a.Close()
		}
	}
}

func ExampleServerTLS() {
	c := ServerTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, true)
	fmt.Println(c.ClientAuth, c.NextProtos)
	// Output: VerifyClientCertIfGiven [h2]
}
