package main

import (
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/internal/api"
	"l2gw/internal/certs"
	"l2gw/internal/pki"
)

func TestCertificatesTowardsNeutronAreRenewedWithoutARestart(t *testing.T) {
	dirs := [2]string{filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "renewed")}
	var theirs, ours [2]certs.Issued
	for i, dir := range dirs {
		if _, err := certs.Init(dir, certs.Options{Days: 30}); err != nil {
			t.Fatal(err)
		}
		theirs[i], ours[i] = issue(t, dir, "neutron"), issue(t, dir, "l2gw")
	}
	dir := t.TempDir()
	use := func(n int) {
		t.Helper()
		for name, from := range map[string]string{
			"neutron-cert": theirs[n].CertFile, "neutron-key": theirs[n].KeyFile, "ca": theirs[n].CAFile, "cert": ours[n].CertFile, "key": ours[n].KeyFile,
		} {
			b, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "new"), b, 0o600)
			}
			if err == nil {
				err = os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	use(0)
	file := func(name string) pki.File { return pki.File{Option: name, Path: filepath.Join(dir, name)} }
	files := pki.Files{CA: file("ca"), Certificate: file("neutron-cert"), Key: file("neutron-key")}
	secure, err := pki.Follow(files.Given(), files.Server, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	neutron := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, pki.Fingerprint(r.TLS.PeerCertificates[0]))
	}))
	neutron.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return secure.Get(), nil }}
	neutron.Config.ErrorLog = log.New(io.Discard, "", 0)
	neutron.StartTLS()
	defer neutron.Close()

	o := frontOptions{proxy: true, neutron: neutron.URL, cafile: file("ca").Path, certfile: file("cert").Path, keyfile: file("key").Path}
	h, err := o.stand(t.Context(), http.NotFoundHandler(), nil, nil, func(api.Request) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range ours {
		use(n)
		f := pki.File{Path: c.CertFile}
		all, err := f.Certificates()
		if err != nil {
			t.Fatal(err)
		}
		want := pki.Fingerprint(all[0])
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			var a *httptest.ResponseRecorder
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				a = httptest.NewRecorder()
				h.ServeHTTP(a, httptest.NewRequestWithContext(t.Context(), method, "/v2.0/ports", nil))
				if a.Code == http.StatusOK && a.Body.String() == want {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s with certificate %d: %d %s", method, n, a.Code, a.Body)
				}
			}
		}
	}
}

func TestFilesTowardsNeutronAreCheckedByOption(t *testing.T) {
	for want, o := range map[string]frontOptions{
		"--neutron-certfile and --neutron-keyfile go together": {certfile: "/cert.pem"},
		"--neutron-cafile: open /nosuch: no such file":         {cafile: "/nosuch"},
		"--neutron-cafile /dev/null: there is no certificate":  {cafile: "/dev/null"},
		"--neutron-certfile /dev/null and --neutron-keyfile":   {certfile: "/dev/null", keyfile: "/dev/null"},
	} {
		if err := o.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestThePublicURLHasNoSlashAtItsEndAndNoSecrets(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "",
		"https://cloud.example:9696":      "https://cloud.example:9696",
		"https://cloud.example/network//": "https://cloud.example/network",
		"cloud.example:9696":              "error",
		"ftp://cloud.example":             "error",
		"https://user:pw@cloud.example":   "error",
		"https://cloud.example/?x=1":      "error",
	} {
		o := frontOptions{publicURL: given}
		got := "error"
		if err := o.clean(); err == nil {
			got = o.publicURL
		}
		if got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
