package engine

import (
	"crypto/tls"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// managers makes ovsdb-server dial the targets of the database's own Manager table.
const managers = "db:hardware_vtep,Global,managers"

// setManager is what `vtep-ctl set-manager` does, with a short pause between
// attempts. Where the product is split, it is set for each agent.
func setManager(s *ovsdbd.Server, target string) {
	targets := []string{target}
	if product.Split() {
		targets = append(targets, strings.Replace(target, product.Dialled(0), product.Dialled(1), 1))
	}
	var ops, names []string
	for i, target := range targets {
		ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"m%d","row":{"target":%q,"max_backoff":1000}}`, i, target))
		names = append(names, fmt.Sprintf(`["named-uuid","m%d"]`, i))
	}
	s.Transact("hardware_vtep", strings.Join(ops, ",")+`,{"op":"update","table":"Global","where":[],"row":{"managers":["set",[`+strings.Join(names, ",")+`]]}}`)
}

// dialling is twoSwitches that dials target with these certificate options.
func dialling(t testing.TB, target string, args []string) *ovsdbd.Server {
	t.Helper()
	s := ovsdbd.Start(t, ovsdbd.Options{Remotes: []string{managers}, Args: args})
	fill(s)
	setManager(s, target)
	return s
}

func TestASwitchThatDialsInIsKnownByTheNameInItsCertificate(t *testing.T) {
	ca := newPKI(t)
	port := freePort(t)
	s := dialling(t, "ssl:127.0.0.1:"+port, ca.switches.valid("tor").args(ca.controllers))
	p := product.StartWith(t, inventoryFile, append(ca.controllers.valid("l2gw").args(ca.switches),
		"--ovsdb-hosts=tor:passive", "--ovsdb-listen=pssl:"+port+":127.0.0.1")...)
	connectA(t, p)
	waitFor(t, s, wantA())
	waitLog(t, p, "a switch dialled in", "database=tor", "peer=127.0.0.1:")

	// It comes back by itself after each end was away, and is filled again.
	s.Wipe()
	fill(s)
	setManager(s, "ssl:127.0.0.1:"+port)
	waitFor(t, s, wantA())
	p.Kill()
	s.Transact("hardware_vtep", `{"op":"delete","table":"Ucast_Macs_Remote","where":[]}`)
	p.Run()
	waitFor(t, s, wantA())
}

func TestASwitchThatDialsInOverPlainTCPIsKnownByItsAddressWithAWarning(t *testing.T) {
	port := freePort(t)
	s := dialling(t, "tcp:127.0.0.1:"+port, nil)
	p := product.StartWith(t, inventoryFile, "--ovsdb-hosts=tor:passive", "--ovsdb-listen=ptcp:"+port+":127.0.0.1", "--ovsdb-identity=tor=addr:127.0.0.1")
	connectA(t, p)
	waitFor(t, s, wantA())
	waitLog(t, p, "level=WARN", "plain tcp")
}

func TestASwitchThatDialsInFromAnotherAddressIsRefused(t *testing.T) {
	port := freePort(t)
	s := dialling(t, "tcp:127.0.0.1:"+port, nil)
	before := read(t, s)
	p := product.StartWith(t, inventoryFile, "--ovsdb-hosts=tor:passive", "--ovsdb-listen=ptcp:"+port+":127.0.0.1", "--ovsdb-identity=tor=addr:192.0.2.13")
	waitLog(t, p, "level=WARN", "is refused", "peer=127.0.0.1:", "--ovsdb-identity NAME=addr:127.0.0.1")
	waitFor(t, s, before)
}

// Each refusal is one line that says who, why, and what would let it in; the
// switches dial again about once a second and do not fill the log.
func TestASwitchThatDialsInUnderAFalseNameIsRefusedAndSaysWhy(t *testing.T) {
	ca := newPKI(t)
	strangers := newAuthority(t, "stranger CA")
	right, other := ca.switches.valid("tor"), ca.switches.valid("tor2")
	impostor := ca.switches.valid("tor")
	expired := ca.switches.issue("tor", time.Now().Add(-time.Hour))
	strange := strangers.valid("tor")
	port := freePort(t)
	ssl := "ssl:127.0.0.1:" + port
	p := product.StartWith(t, inventoryFile, append(ca.controllers.valid("l2gw").args(ca.switches),
		"--ovsdb-hosts=tor:passive", "--ovsdb-listen=pssl:"+port+":127.0.0.1", "--ovsdb-identity=tor=sha256:"+right.sha256)...)
	for _, c := range []struct {
		why    string
		target string
		args   []string
		says   []string
	}{
		{
			"a valid certificate with the name of another", ssl, impostor.args(ca.controllers),
			[]string{"has the name of database tor", "known by sha256:" + right.sha256, "--ovsdb-identity tor=sha256:" + impostor.sha256},
		},
		{
			"a valid certificate that nobody knows", ssl, other.args(ca.controllers),
			[]string{"no database is known by its certificate", "tor2", "--ovsdb-identity NAME=sha256:" + other.sha256},
		},
		{"expired", ssl, expired.args(ca.controllers), []string{"expired at 20", expired.sha256, "give the switch a new one"}},
		{"another authority", ssl, strange.args(ca.controllers), []string{"stranger CA", strange.sha256, "add that authority's certificate to --ca-cert"}},
		{"our certificate is not trusted", ssl, other.args(strangers), []string{"it seems not to take our certificate"}},
		{"plain tcp", "tcp:127.0.0.1:" + port, nil, []string{"its Manager target must be ssl, not tcp"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := dialling(t, c.target, c.args)
			before := read(t, s)
			says := append([]string{"level=WARN", "a switch that dialled in is refused", "peer=127.0.0.1:"}, c.says...)
			waitLog(t, p, says...)
			waitFor(t, s, before)
		})
	}
	t.Run("no certificate", func(t *testing.T) { // ovsdb-server does not dial without one
		c, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_, err = c.Read(make([]byte, 1)) // with TLS 1.3 the refusal comes after the handshake
			c.Close()
		}
		if err == nil {
			t.Error("it was let in")
		}
		waitLog(t, p, "level=WARN", "a switch that dialled in is refused", "start its ovsdb-server with --private-key")
	})
	s := dialling(t, ssl, right.args(ca.controllers))
	connectA(t, p)
	waitFor(t, s, wantA())
	if n := strings.Count(p.Log(), "--ovsdb-identity NAME=sha256:"+other.sha256); n > 2*p.Managers() {
		t.Errorf("one refusal was logged %d times", n)
	}
}

func TestOfTwoSessionsOfOneDatabaseTheNewerWins(t *testing.T) {
	ca := newPKI(t)
	port := freePort(t)
	args := ca.switches.valid("tor").args(ca.controllers)
	old := dialling(t, "ssl:127.0.0.1:"+port, args)
	p := product.StartWith(t, inventoryFile, append(ca.controllers.valid("l2gw").args(ca.switches),
		"--ovsdb-hosts=tor:passive", "--ovsdb-listen=pssl:"+port+":127.0.0.1")...)
	connectA(t, p)
	waitFor(t, old, wantA())
	// The switch freezes with its session open; its replacement has its certificate.
	old.Pause()
	next := dialling(t, "ssl:127.0.0.1:"+port, args)
	waitFor(t, next, wantA())
}

func TestOptionsForSwitchesThatContradictEachOtherAreNamed(t *testing.T) {
	fingerprint := strings.Repeat("ab", 32)
	for want, args := range map[string][]string{
		"--ovsdb-listen does not say where":         {"--ovsdb-hosts=tor:passive"},
		"dials in: name one, as in tor3:passive":    {"--ovsdb-listen=pssl:6640", "--ovsdb-hosts=tor:192.0.2.1:6640"},
		"it must look like pssl:6640":               {"--ovsdb-listen=tcp:127.0.0.1:6640", "--ovsdb-hosts=tor:passive"},
		"add --ovsdb-identity tor=addr:":            {"--ovsdb-listen=ptcp:6640", "--ovsdb-hosts=tor:passive"},
		"with TLS give sha256, cn or san":           {"--ovsdb-listen=pssl:6640", "--ovsdb-hosts=tor:passive", "--ovsdb-identity=tor=addr:192.0.2.1"},
		"over plain tcp have no certificates":       {"--ovsdb-listen=ptcp:6640", "--ovsdb-hosts=tor:passive", "--ovsdb-identity=tor=cn:tor"},
		"there are no certificates on tcp:":         {"--ovsdb-hosts=tor:192.0.2.1:6640", "--ovsdb-identity=tor=cn:tor"},
		"there is no database tor2":                 {"--ovsdb-hosts=tor:ssl:192.0.2.1:6640", "--ovsdb-identity=tor2=cn:tor"},
		"database a is known by it already":         {"--ovsdb-hosts=a:ssl:h:1,b:ssl:h:2", "--ovsdb-identity=a=sha256:" + fingerprint, "--ovsdb-identity=b=sha256:" + fingerprint},
		"has 64 hexadecimal digits":                 {"--ovsdb-hosts=a:ssl:h:1", "--ovsdb-identity=a=sha256:abc"},
		"the kind is none of sha256, cn, san, addr": {"--ovsdb-hosts=a:ssl:h:1", "--ovsdb-identity=a=md5:abc"},
		"that is no IP address":                     {"--ovsdb-hosts=a:passive", "--ovsdb-identity=a=addr:tor"},
		"the database or the value is missing":      {"--ovsdb-hosts=a:passive", "--ovsdb-identity=tor"},
		"pssl needs --private-key, --certificate":   {"--ovsdb-hosts=a:passive", "--ovsdb-listen=pssl:0:127.0.0.1"},
	} {
		cmd := exec.Command(product.Binary(t), append([]string{"standalone", "--listen=127.0.0.1:0", "--data=" + t.TempDir()}, args...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v: %s\nwant %q", args, err, out, want)
		}
	}
}
