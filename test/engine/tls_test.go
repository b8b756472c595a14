package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
	"l2gw/test/ports"
	"l2gw/test/product"
)

// authority makes certificates as ovs-pki(8) does: common name and DNS name are
// "NAME id:UNIQUE", and there are no addresses and no extended key usages.
type authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

// pair are the files of a certificate, and its fingerprint.
type pair struct{ key, cert, sha256 string }

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, filepath.Join(a.dir, "cacert.pem"), "CERTIFICATE", der)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue makes a certificate that is valid until then.
func (a *authority) issue(name string, until time.Time) pair {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		a.t.Fatal(err)
	}
	full := fmt.Sprintf("%s id:%x", name, serial)
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: full}, DNSNames: []string{full},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
	}, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	stem := filepath.Join(a.dir, fmt.Sprintf("%s-%x", name, serial))
	return pair{
		key: writePEM(a.t, stem+"-privkey.pem", "PRIVATE KEY", keyDER), cert: writePEM(a.t, stem+"-cert.pem", "CERTIFICATE", der),
		sha256: hex.EncodeToString(sum[:]),
	}
}

func (a *authority) valid(name string) pair { return a.issue(name, time.Now().AddDate(0, 6, 0)) }

// args are a certificate's options, the same for ovsdb-server and for us; ca is
// the authority of the other end.
func (p pair) args(ca *authority) []string {
	return []string{"--private-key=" + p.key, "--certificate=" + p.cert, "--ca-cert=" + ca.file}
}

// pki are two authorities, as ovs-pki makes them: one for switches, one for controllers.
type pki struct{ switches, controllers *authority }

func newPKI(t testing.TB) pki {
	return pki{newAuthority(t, "OVS switchca CA"), newAuthority(t, "OVS controllerca CA")}
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := ports.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// sslSwitch is twoSwitches behind TLS.
func sslSwitch(t testing.TB, p pair, ca *authority) (s *ovsdbd.Server, port string) {
	t.Helper()
	port = freePort(t)
	s = ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{"pssl:" + port + ":127.0.0.1"}, Args: p.args(ca)})
	fill(s)
	return s, port
}

// waitDevices waits until what is told of the database's devices has all of these.
func waitDevices(t testing.TB, p *product.Product, says ...string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("the devices tell %q", says), func() error {
		_, out := p.Do("GET", "/v2.0/l2-gateway-devices", nil)
		for _, s := range says {
			if !strings.Contains(fmt.Sprint(out), s) {
				return fmt.Errorf("%v", out)
			}
		}
		return nil
	})
}

// waitLog waits for a line of the log that has all of these.
func waitLog(t testing.TB, p *product.Product, says ...string) (line string) {
	t.Helper()
	product.Eventually(t, fmt.Sprintf("the log has a line with %q", says), func() error {
		for line = range strings.Lines(p.Log()) {
			all := true
			for _, s := range says {
				all = all && strings.Contains(line, s)
			}
			if all {
				return nil
			}
		}
		return errors.New("there is none")
	})
	return line
}

func TestASwitchIsProgrammedOverTLSWithCertificatesAsOVSMakesThem(t *testing.T) {
	ca := newPKI(t)
	cert := ca.switches.valid("switch")
	s, port := sslSwitch(t, cert, ca.controllers)
	p := product.StartWith(t, inventoryFile, append(ca.controllers.valid("controller").args(ca.switches),
		"--ovsdb-hosts=tor:ssl:127.0.0.1:"+port, "--ovsdb-identity=tor=sha256:"+strings.ToUpper(cert.sha256))...)
	connectA(t, p)
	waitFor(t, s, wantA())
}

func TestWithTheRealOVSPKI(t *testing.T) {
	if _, err := exec.LookPath("ovs-pki"); err != nil {
		t.Fatalf("ovs-pki is needed: run `make deps` (%v)", err)
	}
	dir := t.TempDir()
	pki := func(args ...string) {
		cmd := exec.Command("ovs-pki", append([]string{"-b", "--dir=" + filepath.Join(dir, "pki"), "--log=" + filepath.Join(dir, "log")}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ovs-pki %v: %v: %s", args, err, out)
		}
	}
	pki("init")
	pki("req+sign", "tor", "switch")
	pki("req+sign", "l2gw", "controller")
	args := func(name, ca string) []string {
		return []string{
			"--private-key=" + filepath.Join(dir, name+"-privkey.pem"), "--certificate=" + filepath.Join(dir, name+"-cert.pem"),
			"--ca-cert=" + filepath.Join(dir, "pki", ca, "cacert.pem"),
		}
	}
	port := freePort(t)
	s := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{managers}, Args: args("tor", "controllerca")})
	fill(s)
	setManager(s, "ssl:127.0.0.1:"+port)
	p := product.StartWith(t, inventoryFile, append(args("l2gw", "switchca"), "--ovsdb-hosts=tor:passive", "--ovsdb-listen=pssl:"+port+":127.0.0.1")...)
	connectA(t, p)
	waitFor(t, s, wantA())
}

// What a dialled switch shows must be a certificate of the authority, in force,
// and, where it is pinned, that switch's.
func TestADialledSwitchThatIsNotWhoItShouldBeIsNotWrittenTo(t *testing.T) {
	ca := newPKI(t)
	stranger := newAuthority(t, "stranger CA")
	pinned := ca.switches.valid("other")
	for name, c := range map[string]struct {
		shows    pair
		identity string
		says     []string
	}{
		"another switch, pinned by fingerprint": {
			ca.switches.valid("tor"), "sha256:" + pinned.sha256, []string{"this is another switch", "known by sha256:" + pinned.sha256},
		},
		"another switch, pinned by name": {ca.switches.valid("tor2"), "cn:tor", []string{"this is another switch", "known by cn:tor", "tor2"}},
		"an authority that is not ours":  {stranger.valid("tor"), "cn:tor", []string{"stranger CA", "no authority of ours"}},
		"expired":                        {ca.switches.issue("tor", time.Now().Add(-time.Hour)), "cn:tor", []string{"expired at 20"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, port := sslSwitch(t, c.shows, ca.controllers)
			before := read(t, s)
			p := product.StartWith(t, inventoryFile, append(ca.controllers.valid("controller").args(ca.switches),
				"--ovsdb-hosts=tor:ssl:127.0.0.1:"+port, "--ovsdb-identity=tor="+c.identity)...)
			gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
			conn := p.Connect(gw, netA, "100")
			waitDevices(t, p, append(c.says, "sha256:"+c.shows.sha256)...)
			waitReason(t, p, conn, "PENDING", "not connected: tor")
			waitFor(t, s, before)
		})
	}
}

func TestCertificatesOfBothEndsAreReplacedWithoutARestart(t *testing.T) {
	ca, old := newPKI(t), newPKI(t)
	s, port := sslSwitch(t, ca.switches.valid("tor"), ca.controllers)
	ours := old.controllers.valid("l2gw")
	p := product.StartWith(t, inventoryFile, append(ours.args(old.switches), "--ovsdb-hosts=tor:ssl:127.0.0.1:"+port)...)
	waitDevices(t, p, "no authority of ours")
	fresh := ca.controllers.valid("l2gw")
	for to, from := range map[string]string{ours.key: fresh.key, ours.cert: fresh.cert, old.switches.file: ca.switches.file} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	connectA(t, p)
	waitFor(t, s, wantA())
}

func TestCertificatesThatExpireSoonAreToldOfAtTheStart(t *testing.T) {
	ca := newPKI(t)
	theirs := ca.switches.issue("tor", time.Now().Add(12*24*time.Hour))
	_, port := sslSwitch(t, theirs, ca.controllers)
	ours := ca.controllers.issue("l2gw", time.Now().Add(10*24*time.Hour))
	p := product.StartWith(t, inventoryFile, append(ours.args(ca.switches), "--ovsdb-hosts=tor:ssl:127.0.0.1:"+port)...)
	waitLog(t, p, "level=WARN", "expires soon", "--certificate="+ours.cert, ours.sha256, "days=9")
	waitLog(t, p, "level=WARN", "expires soon", "database=tor", theirs.sha256, "days=11")
	connectA(t, p)
	if n := strings.Count(p.Log(), "expires soon"); n != 2*p.Managers() {
		t.Errorf("there are %d warnings, want 2 of each process: the authority is good for a year", n)
	}
}

// From nothing but what `l2gw certs` makes, with the commands that it prints.
func TestALabIsBuiltWithTheCommandsThatCertsPrints(t *testing.T) {
	c := &commands{t, product.Binary(t), os.Environ()}
	dir := filepath.Join(t.TempDir(), "my pki")
	c.prints(`(?s).*fingerprint  sha256:[0-9a-f]{64}\n.*l2gw certs issue '.*my pki' tor1`, "certs", "init", dir)
	c.refused("is not overwritten", "certs", "init", dir)
	c.run("certs", "issue", dir, "l2gw")
	out := c.run("certs", "issue", dir, "tor", "--san", "192.0.2.11", "--days", "90")
	c.refused("is not overwritten", "certs", "issue", dir, "tor")
	c.refused(`name "a/b"`, "certs", "issue", dir, "a/b")
	_, after, _ := strings.Cut(out, "fingerprint  ")
	sum, _, _ := strings.Cut(after, "\n")
	if !strings.Contains(out, "--ovsdb-identity tor="+sum) || !strings.Contains(out, "vtep-ctl set-manager ssl:") {
		t.Errorf("the commands are not there: %s", out)
	}
	args := func(name string) []string {
		return []string{
			"--private-key=" + filepath.Join(dir, name+"-key.pem"), "--certificate=" + filepath.Join(dir, name+"-cert.pem"),
			"--ca-cert=" + filepath.Join(dir, "cacert.pem"),
		}
	}
	port, dial := freePort(t), freePort(t)
	s := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{managers, "pssl:" + port + ":127.0.0.1"}, Args: args("tor")})
	fill(s)
	p := product.StartWith(t, inventoryFile, append(args("l2gw"), "--ovsdb-hosts=tor:ssl:127.0.0.1:"+port, "--ovsdb-identity=tor="+sum)...)
	connectA(t, p)
	p.Stop()
	setManager(s, "ssl:127.0.0.1:"+dial)
	p = product.StartWith(t, inventoryFile, append(args("l2gw"), "--ovsdb-hosts=tor:passive", "--ovsdb-listen=pssl:"+dial+":127.0.0.1", "--ovsdb-identity=tor="+sum)...)
	connectA(t, p)
	waitFor(t, s, wantA())
}
