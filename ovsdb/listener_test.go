package ovsdb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
	"l2gw/test/ports"
)

// authority makes certificates as ovs-pki does: the only name is DNS:NAME, and
// there are no addresses.
type authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	ca   string // file
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.ca = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue writes a certificate and its key and returns the files; ca is the one that peers must have.
func (a *authority) issue(name, ca string) TLSFiles {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return TLSFiles{Certificate: a.write(name+"-cert.pem", "CERTIFICATE", der), Key: a.write(name+"-key.pem", "PRIVATE KEY", keyDER), CA: ca}
}

func clientTLS(t testing.TB, f TLSFiles) *tls.Config {
	t.Helper()
	conf, err := f.Client()
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func serverArgs(f TLSFiles) []string {
	return []string{"--private-key=" + f.Key, "--certificate=" + f.Certificate, "--ca-cert=" + f.CA}
}

func freePort(t testing.TB) string { return freePortOn(t, "127.0.0.1") }

func freePortOn(t testing.TB, host string) string {
	t.Helper()
	port, err := ports.Free(host)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestAServerIsReachedOverTLS(t *testing.T) {
	switches, controllers, strangers := newAuthority(t, "switch CA"), newAuthority(t, "controller CA"), newAuthority(t, "stranger CA")
	port := freePort(t)
	ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"pssl:" + port + ":127.0.0.1"}, Args: serverArgs(switches.issue("switch", controllers.ca))})
	endpoint := "ssl:127.0.0.1:" + port
	good := controllers.issue("controller", switches.ca)

	c := runClient(t, clientOptions(t, endpoint, clientTLS(t, good)))
	waitSynced(t, c, 1)
	if _, err := c.Transact(testContext(t), insertSwitch("x", 1)); err != nil {
		t.Error(err)
	}
	named := good
	named.Name = "switch"
	waitSynced(t, runClient(t, clientOptions(t, endpoint, clientTLS(t, named))), 1)

	wrongName, wrongCA := good, good
	wrongName.Name, wrongCA.CA = "other", strangers.ca
	for _, c := range []struct {
		why   string
		files TLSFiles
		want  string
	}{
		{"the server's name is another", wrongName, "not other"},
		{"the server's CA is another", wrongCA, "unknown authority"},
		{"our certificate is a stranger's", strangers.issue("controller", switches.ca), "tls: "},
	} {
		client := runClient(t, clientOptions(t, endpoint, clientTLS(t, c.files)))
		waitFor(t, client, c.why, func(s State, _ *Snapshot) bool { return s.Err != nil && strings.Contains(s.Err.Error(), c.want) })
		if s := client.State(); s.Session != 0 {
			t.Errorf("%s: there was a session", c.why)
		}
	}
}

func TestNewCertificateFilesAreUsedForTheNextSession(t *testing.T) {
	switches, controllers := newAuthority(t, "switch CA"), newAuthority(t, "controller CA")
	port := freePort(t)
	d := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"pssl:" + port + ":127.0.0.1"}, Args: serverArgs(switches.issue("switch", controllers.ca))})
	files := newAuthority(t, "wrong CA").issue("controller", switches.ca)
	c := runClient(t, clientOptions(t, "ssl:127.0.0.1:"+port, clientTLS(t, files)))
	waitFor(t, c, "refusal", func(s State, _ *Snapshot) bool { return s.Err != nil })
	right := controllers.issue("controller", switches.ca)
	for from, to := range map[string]string{right.Certificate: files.Certificate, right.Key: files.Key} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	waitSynced(t, c, 1)
	_ = d
}

func TestBadCertificateFilesAreNamed(t *testing.T) {
	a := newAuthority(t, "CA")
	good := a.issue("x", a.ca)
	missing, empty, mixed := good, good, good
	missing.Certificate = "/nonexistent/cert.pem"
	empty.CA = good.Key
	mixed.Key = a.issue("y", a.ca).Key
	for want, f := range map[string]TLSFiles{"/nonexistent/cert.pem": missing, "no PEM block CERTIFICATE": empty, "does not match": mixed} {
		if _, err := f.Client(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
}

// listen starts a Listener on a port of its own and a client of the named database.
func listen(t *testing.T, endpoint string, opts ListenOptions, name string) (*Listener, *Client) {
	t.Helper()
	l, err := Listen(endpoint, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	o := clientOptions(t, "tcp:127.0.0.1:1", nil)
	o.Connect = l.Database(name)
	return l, runClient(t, o)
}

func byAddress(Peer) (string, error) { return "switch-1", nil }

func TestAServerMayDialIn(t *testing.T) {
	l, c := listen(t, "ptcp:0:127.0.0.1", ListenOptions{Identify: byAddress}, "switch-1")
	d := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"db:hardware_vtep,Global,managers"}})
	d.Transact(vtepDB, fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"tcp:%s","max_backoff":1000}},
		{"op":"insert","table":"Global","row":{"managers":["named-uuid","m"]}}`, l.Addr()))
	waitSynced(t, c, 1)
	if _, err := c.Transact(testContext(t), insertSwitch("x", 1)); err != nil {
		t.Error(err)
	}
	waitFor(t, c, "Manager.is_connected", func(_ State, s *Snapshot) bool {
		for m := range s.Table("Manager").All() {
			return m.Get("is_connected") == true
		}
		return false
	})
	d.Kill()
	waitFor(t, c, "disconnection", func(s State, _ *Snapshot) bool { return s.Phase != Synced })
	d.Run()
	waitSynced(t, c, 2)
}

func TestAServerMayDialInOverTLSAndIsKnownByItsCertificate(t *testing.T) {
	switches, controllers := newAuthority(t, "switch CA"), newAuthority(t, "controller CA")
	conf, err := controllers.issue("controller", switches.ca).Server()
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan string, 100)
	l, c := listen(t, "pssl:0:127.0.0.1", ListenOptions{TLS: conf, Identify: func(p Peer) (string, error) {
		name := p.TLS.PeerCertificates[0].Subject.CommonName
		if name != "ps1" {
			refused <- name
			return "", errors.New("not a switch of ours")
		}
		return name, nil
	}}, "ps1")
	start := func(files TLSFiles) {
		d := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"db:hardware_vtep,Global,managers"}, Args: serverArgs(files)})
		d.Transact(vtepDB, fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"ssl:%s","max_backoff":1000}},
			{"op":"insert","table":"Global","row":{"managers":["named-uuid","m"]}}`, l.Addr()))
	}
	start(switches.issue("ps2", controllers.ca))
	if got := <-refused; got != "ps2" {
		t.Errorf("%s was refused", got)
	}
	if s := c.State(); s.Session != 0 {
		t.Error("a switch under another's name was let in")
	}
	start(switches.issue("ps1", controllers.ca))
	waitSynced(t, c, 1)
}

func TestANewConnectionOfAPeerReplacesTheOlder(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	l, c := listen(t, "ptcp:0:127.0.0.1", ListenOptions{Identify: byAddress}, "switch-1")
	// The test plays the switch: it joins a connection to the listener with one to the server.
	join := func() net.Conn {
		in, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		out, err := net.Dial("unix", d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		go pump(in, out)
		go pump(out, in)
		t.Cleanup(func() { in.Close(); out.Close() })
		return in
	}
	join()
	waitSynced(t, c, 1)
	join()
	waitSynced(t, c, 2)
}

func pump(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

func TestAListenerLeavesNothingBehind(t *testing.T) {
	l, err := Listen("ptcp:0:127.0.0.1", ListenOptions{Identify: byAddress})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got, err := l.Database("switch-1").Connect(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Database("other").Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waits := make(chan error)
	go func() {
		_, err := l.Database("other").Connect(context.Background())
		waits <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waits; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestASocketThatNobodyListensOnIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: file, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as of a process that was killed
	dead.Close()
	l, err := Listen("punix:"+file, ListenOptions{Identify: byAddress})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if second, err := Listen("punix:"+file, ListenOptions{Identify: byAddress}); err == nil {
		second.Close()
		t.Error("a socket that is listened on was taken away")
	}
	nc, err := Dial(testContext(t), "unix:"+file, nil)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestIPv6IsSpokenBothWays(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Logf("nothing is tested: this machine has no ::1 (%v)", err)
		return
	}
	l.Close()
	switches, controllers := newAuthority(t, "switch CA"), newAuthority(t, "controller CA")
	files, ours := switches.issue("switch", controllers.ca), controllers.issue("controller", switches.ca)
	conf, err := ours.Server()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"tcp", "ssl"} {
		t.Run("dialled by "+kind, func(t *testing.T) {
			port := freePortOn(t, "::1")
			ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"p" + kind + ":" + port + ":[::1]"}, Args: serverArgs(files)})
			c := runClient(t, clientOptions(t, kind+":[::1]:"+port, clientTLS(t, ours)))
			waitSynced(t, c, 1)
			if s := c.State(); s.Peer != "[::1]:"+port {
				t.Errorf("the peer is %s", s.Peer)
			}
		})
		t.Run("listened to by "+kind, func(t *testing.T) {
			l, c := listen(t, "p"+kind+":0:[::1]", ListenOptions{TLS: conf, Identify: byAddress}, "switch-1")
			d := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"db:hardware_vtep,Global,managers"}, Args: serverArgs(files)})
			d.Transact(vtepDB, fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"%s:%s","max_backoff":1000}},
				{"op":"insert","table":"Global","row":{"managers":["named-uuid","m"]}}`, kind, l.Addr()))
			waitSynced(t, c, 1)
		})
		t.Run("served by "+kind, func(t *testing.T) {
			serverConf, err := files.Server()
			if err != nil {
				t.Fatal(err)
			}
			s := serverOf(t, ovsdbd.VTEPSchema, ServerOptions{TLS: serverConf})
			waitSynced(t, runClient(t, clientOptions(t, kind+":"+listenOn(t, s, "p"+kind+":0:[::1]"), clientTLS(t, ours))), 1)
		})
	}
}

// One that waits for an endpoint that does not answer once held up the others.
func TestADialerServesSeveralAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing of TLS
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := newAuthority(t, "CA")
	d, err := Dialer(clientTLS(t, a.issue("x", a.ca)), "ssl:"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := d.Connect(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(dialTimeout / 2))
	for range 3 {
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
			break
		}
		defer nc.Close()
	}
	cancel()
	wg.Wait()
}
