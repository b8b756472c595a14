package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"l2gw/internal/certs"
	"l2gw/internal/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACertificateIsNamedByAllThatIsInIt(t *testing.T) {
	cert := &x509.Certificate{
		Raw: []byte("x"), Subject: pkix.Name{CommonName: "tor id:2fb42159"}, DNSNames: []string{"leaf-1.example", "spine id:77"},
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, URIs: []*url.URL{{Scheme: "spiffe", Host: "lab", Path: "/tor"}},
	}
	const fingerprint = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // printf x | sha256sum
	if got := pki.Fingerprint(cert); got != fingerprint {
		t.Error(got)
	}
	if got := pki.Describe(cert); got != `CN "tor id:2fb42159", SAN "leaf-1.example, spine id:77, 192.0.2.1, spiffe://lab/tor", sha256:`+fingerprint {
		t.Error(got)
	}
	if got := pki.CommonName(cert); got != "tor" {
		t.Error(got)
	}
	for name, has := range map[string]bool{"tor": true, "TOR": true, "tor id:2fb42159": false, "to": false, "": false, "leaf-1.example": false} {
		if pki.HasCommonName(cert, name) != has {
			t.Errorf("common name %q: %t", name, !has)
		}
	}
	for name, has := range map[string]bool{"leaf-1.EXAMPLE": true, "spine": true, "192.0.2.1": true, "spiffe://lab/tor": true, "tor": false, "": false} {
		if pki.HasAlternativeName(cert, name) != has {
			t.Errorf("alternative name %q: %t", name, !has)
		}
	}
	if nameless := (&x509.Certificate{}); pki.HasCommonName(nameless, "") || pki.Describe(nameless) == "" {
		t.Error("a certificate without a name is taken for one with the name \"\"")
	}
}

// authority makes one in a folder of its own.
func authority(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "pki")
	if _, err := certs.Init(dir, certs.Options{Days: 30}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func issue(t *testing.T, dir, name string) certs.Issued {
	t.Helper()
	c, err := certs.Issue(dir, name, certs.Options{Days: 30, SANs: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// put replaces a file at once, as who renews certificates should.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// end is one end of TLS with files of its own.
type end struct {
	t   *testing.T
	dir string

	mu   sync.Mutex
	told []string
}

func newEnd(t *testing.T) *end { return &end{t: t, dir: t.TempDir()} }

// has gives it a certificate, and an authority to believe in.
func (e *end) has(own certs.Issued, ca string) {
	e.t.Helper()
	put(e.t, e.files().Certificate.Path, read(e.t, own.CertFile))
	put(e.t, e.files().Key.Path, read(e.t, own.KeyFile))
	put(e.t, e.files().CA.Path, read(e.t, ca))
}

func (e *end) files() pki.Files {
	return pki.Files{
		CA:          pki.File{Option: "--ca", Path: filepath.Join(e.dir, "ca.pem")},
		Certificate: pki.File{Option: "--cert", Path: filepath.Join(e.dir, "cert.pem")},
		Key:         pki.File{Option: "--key", Path: filepath.Join(e.dir, "key.pem")},
	}
}

func (e *end) tell(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		err = errors.New("good")
	}
	e.told = append(e.told, err.Error())
}

func (e *end) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.told
	e.told = nil
	return all
}

func (e *end) follow(read func() (*tls.Config, error)) *pki.Followed[*tls.Config] {
	e.t.Helper()
	f, err := pki.Follow(e.files().Given(), read, e.tell)
	if err != nil {
		e.t.Fatal(err)
	}
	return f
}

// serve runs a server, which says who asks, and returns its URL.
func (e *end) serve() string {
	f := e.follow(func() (*tls.Config, error) {
		c, err := e.files().Server()
		if err == nil {
			c.NextProtos = []string{"h2", "http/1.1"}
		}
		return c, err
	})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName+" by "+r.Proto)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.Get(), nil }}
	s.StartTLS()
	e.t.Cleanup(s.Close)
	return s.URL
}

// client is one whose connections are kept.
func (e *end) client(http2 bool) *http.Client {
	transport := pki.NewTransport(&http.Transport{ForceAttemptHTTP2: http2}, e.follow(e.files().Client))
	e.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask says as whom the client is known, and the server's certificate.
func ask(c *http.Client, url string) (client, server string, err error) {
	a, err := c.Get(url)
	if err != nil {
		return "", "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	return string(body), a.TLS.PeerCertificates[0].Subject.CommonName, err
}

// until asks until it is answered so.
func until(t *testing.T, c *http.Client, url, client, server string) {
	t.Helper()
	var asClient, asServer string
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if asClient, asServer, err = ask(c, url); err == nil && asClient == client && asServer == server {
			return
		}
	}
	t.Fatalf("the client is %q and the server %q, want %q and %q; %v", asClient, asServer, client, server, err)
}

func TestAuthorityAndCertificatesOfBothEndsAreRenewedByFilesAlone(t *testing.T) {
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(protocol, func(t *testing.T) {
			old, renewed := authority(t), authority(t)
			s1, c1, s2, c2 := issue(t, old, "server-1"), issue(t, old, "client-1"), issue(t, renewed, "server-2"), issue(t, renewed, "client-2")
			server, client := newEnd(t), newEnd(t)
			server.has(s1, c1.CAFile)
			client.has(c1, s1.CAFile)
			url, c := server.serve(), client.client(http2)
			until(t, c, url, "client-1 by "+protocol, "server-1")

			// An idle connection of before would go on for ever.
			server.has(s2, c2.CAFile)
			client.has(c2, s2.CAFile)
			until(t, c, url, "client-2 by "+protocol, "server-2")
			stranger := newEnd(t)
			stranger.has(c1, s2.CAFile)
			if _, _, err := ask(stranger.client(http2), url); err == nil {
				t.Error("a client of the authority of before is let in")
			}
			for _, e := range []*end{server, client} {
				if heard := e.heard(); !slices.Contains(heard, "good") {
					t.Errorf("it was told %q", heard)
				}
			}
		})
	}
}

func TestFilesThatCannotBeUsedChangeNothingAndAreToldOfOnce(t *testing.T) {
	dir := authority(t)
	s, c1, c2 := issue(t, dir, "server"), issue(t, dir, "client-1"), issue(t, dir, "client-2")
	server, client := newEnd(t), newEnd(t)
	server.has(s, c1.CAFile)
	client.has(c1, s.CAFile)
	files := client.files()
	f := client.follow(files.Client)
	before := f.Get()
	for _, fault := range []struct {
		file pki.File
		data []byte // nil: it is gone
		want string
	}{
		{files.Key, read(t, c2.KeyFile), "--cert " + files.Certificate.Path + " and --key " + files.Key.Path + ": tls: private key does not match"},
		{files.Key, []byte("nothing"), "--cert " + files.Certificate.Path + " and --key "},
		{files.Certificate, nil, "--cert: open " + files.Certificate.Path + ": no such file"},
		{files.CA, []byte("half a cert"), "--ca " + files.CA.Path + ": there is no certificate in PEM form in it"},
		{files.CA, nil, "--ca: open " + files.CA.Path},
	} {
		good := read(t, fault.file.Path)
		if fault.data == nil {
			if err := os.Remove(fault.file.Path); err != nil {
				t.Fatal(err)
			}
		} else {
			put(t, fault.file.Path, fault.data)
		}
		for range 3 {
			if f.Get() != before {
				t.Errorf("%s: what was good is not in force any more", fault.want)
			}
		}
		if heard := client.heard(); len(heard) != 1 || !strings.Contains(heard[0], fault.want) {
			t.Errorf("it was told %q, want once %q", heard, fault.want)
		}
		put(t, fault.file.Path, good)
		if before = f.Get(); f.Get() != before {
			t.Error("what did not change is read again")
		}
		if heard := client.heard(); len(heard) != 1 || heard[0] != "good" {
			t.Errorf("it was told %q after the fault's end", heard)
		}
	}
	// A handshake with what is left in force.
	url, c := server.serve(), client.client(false)
	put(t, files.CA.Path, nil)
	put(t, server.files().Certificate.Path, nil)
	c.CloseIdleConnections()
	until(t, c, url, "client-1 by HTTP/1.1", "server")
}

func TestAFaultThatIsNotInTheFilesIsOverWithoutTheirChange(t *testing.T) {
	var broken error
	n := 0
	var told []error
	path := filepath.Join(t.TempDir(), "x")
	put(t, path, []byte("a"))
	f, err := pki.Follow([]pki.File{{Option: "--x", Path: path}}, func() (int, error) { n++; return n, broken }, func(err error) { told = append(told, err) })
	if err != nil || f.Get() != 1 {
		t.Fatal(n, err)
	}
	broken = errors.New("permission denied")
	put(t, path, []byte("b"))
	for range 2 {
		if v := f.Get(); v != 1 || len(told) != 1 {
			t.Errorf("%d, told %q", v, told)
		}
	}
	broken = nil // chmod leaves the time of the file as it is
	if v := f.Get(); v == 1 || f.Get() != v || len(told) != 2 || told[1] != nil {
		t.Errorf("%d, told %q", v, told)
	}
}

// A disk that hangs holds up the one who reads, and no other handshake and no other request.
func TestWhileOneReadsTheOthersGoOnWithWhatThereWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	put(t, path, []byte("a"))
	reads, disk := make(chan struct{}, 9), make(chan struct{}, 9)
	disk <- struct{}{} // the first reading
	f, err := pki.Follow([]pki.File{{Option: "--x", Path: path}}, func() (*tls.Config, error) {
		reads <- struct{}{}
		<-disk
		return &tls.Config{}, nil
	}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	<-reads
	first := f.Get()
	put(t, path, []byte("changed"))
	got := make(chan *tls.Config)
	go func() { got <- f.Get() }()
	<-reads
	for range 3 {
		if f.Get() != first {
			t.Error("it is in force before it is read")
		}
	}
	disk <- struct{}{}
	second := <-got
	if second == first || f.Get() != second || len(reads) != 0 {
		t.Errorf("what was read is not in force, or it was read %d times more", len(reads))
	}

	// A request that fails has the next one look; others do not wait for that.
	answer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer answer.Close()
	transport := pki.NewTransport(&http.Transport{}, f)
	c := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	if _, err := c.Get("http://127.0.0.1:1"); err == nil {
		t.Fatal("there is a server on port 1")
	}
	put(t, path, []byte("changed again"))
	slow := make(chan error)
	ask := func() error {
		a, err := c.Get(answer.URL)
		if err == nil {
			err = a.Body.Close()
		}
		return err
	}
	go func() { slow <- ask() }()
	<-reads
	for range 3 {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
	disk <- struct{}{}
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

func TestWhatIsMissingAtFirstIsAnErrorWithTheOption(t *testing.T) {
	nothing := pki.Files{CA: pki.File{Option: "--ca"}, Certificate: pki.File{Option: "--cert"}, Key: pki.File{Option: "--key"}}
	if c, err := nothing.Client(); err != nil || c.RootCAs != nil || c.Certificates != nil || len(nothing.Given()) != 0 {
		t.Errorf("a client needs no files: %v, %v", c, err)
	}
	if _, err := nothing.Server(); err == nil || !strings.Contains(err.Error(), "--cert is missing") {
		t.Error(err)
	}
	alone := nothing
	alone.Key.Path = "/key.pem"
	if _, err := alone.Client(); err == nil || err.Error() != "--cert and --key go together" {
		t.Error(err)
	}
	absent := nothing
	absent.CA.Path = "/nosuch/ca.pem"
	if _, err := pki.Follow(absent.Given(), absent.Client, func(error) { t.Error("the first reading is told of by its error") }); err == nil ||
		!strings.Contains(err.Error(), "--ca: open /nosuch/ca.pem") {
		t.Error(err)
	}
}

// The name is checked, of addresses as well, by the authorities that are in force.
func TestAServerMustHaveTheNameThatWasAskedFor(t *testing.T) {
	dir := authority(t)
	s, c := issue(t, dir, "server"), issue(t, dir, "client")
	server, client := newEnd(t), newEnd(t)
	server.has(s, c.CAFile)
	client.has(c, s.CAFile)
	url := server.serve()
	if _, _, err := ask(client.client(false), url); err != nil {
		t.Error(err)
	}
	if _, _, err := ask(client.client(false), strings.Replace(url, "127.0.0.1", "localhost", 1)); err == nil || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("by a name that is not in the certificate: %v", err)
	}
}
