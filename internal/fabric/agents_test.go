package fabric

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw/internal/pki"
)

// request is one as the server sees it; cert nil is plaintext.
func request(address string, cert *x509.Certificate, token string) *http.Request {
	r := &http.Request{RemoteAddr: address, Header: http.Header{}}
	if cert != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func certificate(cn string, names ...string) *x509.Certificate {
	return &x509.Certificate{
		Raw: []byte(cn), Subject: pkix.Name{CommonName: cn}, DNSNames: names, NotAfter: time.Now().Add(time.Hour),
	}
}

func TestAgentsAreKnownByAnyOfTheirMarks(t *testing.T) {
	list := agentsFile(t, `
agents:
- name: rack7
  databases: [tor1, tor2]
- name: rack8
  certificate: [r8.example, r8.lab.example]
  databases: ["*"]
- name: rack9
  fingerprint: `+pki.Fingerprint(certificate("nine"))+`
  token_sha256: [`+sha("one")+`, `+strings.ToUpper(sha("two"))+`]
  databases: []
`)
	for _, c := range []struct {
		name  string
		r     *http.Request
		agent string
		bases []string
	}{
		{"its name", request("192.0.2.7:5", certificate("rack7"), ""), "rack7", []string{"tor1", "tor2"}},
		{"its name as ovs-pki writes it", request("192.0.2.7:5", certificate("rack7 id:1234"), ""), "rack7", []string{"tor1", "tor2"}},
		{"its name as an alternative one", request("192.0.2.7:5", certificate("other", "RACK7"), ""), "rack7", []string{"tor1", "tor2"}},
		{"a name in the list", request("192.0.2.8:5", certificate("r8.lab.example"), ""), "rack8", nil},
		{"a fingerprint", request("192.0.2.9:5", certificate("nine"), ""), "rack9", []string{}},
		{"a token over TLS", &http.Request{
			RemoteAddr: "192.0.2.9:5", TLS: &tls.ConnectionState{}, Header: http.Header{"Authorization": {"Bearer two"}},
		}, "rack9", []string{}},
		{"a token on loopback", request("[::1]:5", nil, "one"), "rack9", []string{}},
	} {
		p, err := list.Authenticate(c.r)
		if err != nil || p.Agent != c.agent || !slices.Equal(p.Databases, c.bases) || (p.Databases == nil) != (c.bases == nil) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
	expired := certificate("rack7")
	expired.NotAfter = time.Now().Add(-time.Minute)
	basic := request("127.0.0.1:5", nil, "")
	basic.Header.Set("Authorization", "Basic "+secret)
	for _, c := range []struct {
		name string
		r    *http.Request
		says string
	}{
		{"the name of one who is known otherwise", request("192.0.2.8:5", certificate("rack8"), ""), "set fingerprint: " + pki.Fingerprint(certificate("rack8"))},
		{"the names of two", request("192.0.2.8:5", certificate("rack7", "r8.example"), ""), "several agents in the list (rack7, rack8)"},
		{"a certificate that has expired since", request("192.0.2.7:5", expired, ""), "expired at"},
		{"plaintext from elsewhere", request("192.0.2.7:5", nil, ""), "without TLS"},
		{"a token in plaintext from elsewhere", request("192.0.2.7:5", nil, "one"), "without TLS"},
		{"a wrong token", request("127.0.0.1:5", nil, secret), "token_sha256"},
		{"something else than a token", basic, "Bearer"},
	} {
		p, err := list.Authenticate(c.r)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v; want %q", c.name, p, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the token is in the error: %v", c.name, err)
		}
	}
}

func TestWithoutAListOnlyTheAuthorityAndLoopbackCount(t *testing.T) {
	var none *Agents
	for _, c := range []struct {
		r     *http.Request
		agent string
		says  string
	}{
		{request("127.0.0.1:5", nil, ""), "", ""},
		{request("192.0.2.7:5", certificate("rack7 id:1234", "r7.example"), ""), "rack7", ""},
		{request("192.0.2.7:5", certificate("", "r7.example"), ""), "r7.example", ""},
		{request("192.0.2.7:5", certificate(""), ""), "", "no name"},
		{request("192.0.2.7:5", nil, ""), "", "without TLS"},
		{request("127.0.0.1:5", nil, secret), "", "no list of agents"},
	} {
		p, err := none.Authenticate(c.r)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.r.RemoteAddr, err, c.says)
		}
		if p.Agent != c.agent || p.Databases != nil {
			t.Errorf("the peer is %+v, want %q", p, c.agent)
		}
	}
}

func TestAListThatChangesIsReadAgainAndABrokenOneIsNot(t *testing.T) {
	list := agentsFile(t, "agents:\n- {name: rack7, databases: [tor1]}\n")
	known := func(name string) bool {
		_, err := list.Authenticate(request("192.0.2.7:5", certificate(name), ""))
		return err == nil
	}
	if !known("rack7") || known("rack8") {
		t.Fatal("the list is not what was written")
	}
	rewrite(t, list, "agents:\n- {name: rack8, databases: [tor1, tor2]}\n")
	if known("rack7") || !known("rack8") {
		t.Error("the new list is not in force")
	}
	rewrite(t, list, "agents:\n- {name: rack9\n")
	if !known("rack8") || known("rack9") {
		t.Error("the last good list is not in force")
	}
	if err := os.Remove(list.path); err != nil {
		t.Fatal(err)
	}
	if !known("rack8") {
		t.Error("without a file, the last good list is not in force")
	}
	rewrite(t, list, "agents:\n- {name: rack10, databases: []}\n")
	if !known("rack10") || known("rack8") {
		t.Error("the list that is whole again is not in force")
	}
}

func TestFaultsInAListAreToldWithTheirLines(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "must begin with agents:"},
		{"agents: [", "line 1"},
		{"agent:\n- name: a\n", `line 1: the file has no field "agent"`},
		{"agents:\n  name: a\n", "line 2: agents must be a list"},
		{"agents:\n- rack7\n", "line 2: an agent must be a mapping"},
		{"agents:\n- databases: [a]\n", "line 2: the agent has no name"},
		{"agents:\n- name: a\n", "line 2: agent a has no databases"},
		{"agents:\n- name: a\n  databases: tor1\n", "line 3: databases must be a list"},
		{"agents:\n- name: a\n  token: " + secret + "\n", `line 3: an agent has no field "token"`},
		{"agents:\n- name: a\n  token_sha256: " + secret + "\n  databases: []\n", "line 3: token_sha256 must be the SHA-256"},
		{"agents:\n- name: a\n  fingerprint: ab:cd\n  databases: []\n", `line 3: fingerprint "abcd"`},
		{"agents:\n- name: a\n  name: b\n", "line 3"},
		{"agents:\n- name: a\n  certificate:\n  databases: []\n", "line 3: certificate must be a text"},
		{"agents:\n- name: a\n  databases: []\n- name: a\n  databases: []\n", "line 4: this name of an agent is on line 2 already"},
		{"agents:\n- {name: a, token_sha256: " + sha("x") + ", databases: []}\n- {name: b, token_sha256: " + sha("x") + ", databases: []}\n", "line 3: this token_sha256 is on line 2 already"},
	} {
		path := filepath.Join(t.TempDir(), "agents.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadAgents(path)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q:\n%v, want %q", c.text, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the token is in the error: %v", err)
		}
	}
	if _, err := LoadAgents(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}
