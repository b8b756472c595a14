package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"l2gw/internal/certs"
	"l2gw/ovsdb"
)

// options reads the options of a command line and of ini files with these contents.
func options(t testing.TB, files []string, args ...string) (*agentOptions, error) {
	t.Helper()
	for _, contents := range files {
		path := filepath.Join(t.TempDir(), "file.ini")
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config-file", path)
	}
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	(&agentOptions{}).addFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return readAgentOptions(flags)
}

func TestTheCommandLineWinsOverTheEnvironmentAndThatOverFilesOfWhichTheLastWins(t *testing.T) {
	neutron := "[DEFAULT]\nhost = from-neutron\ndebug = True\n"
	first := "[l2gw]\nservers = 127.0.0.1:1\nstate_path = /s/$host\nservice_nodes = 192.0.2.1, 192.0.2.2\n[ovsdb]\nperiodic_interval = 20\n"
	second := "[l2gw]\nservers = 127.0.0.1:2,[::1]:2\nmax_macs = 7\nhold_share = 0.5\n[DEFAULT]\nhost=from-second\n"
	t.Setenv("L2GW_MAX_MACS", "8")
	t.Setenv("L2GW_PACE", "9")
	o, err := options(t, []string{neutron, first, second}, "--pace=10", "--verbose", "--log-config-append", "x")
	if err != nil {
		t.Fatal(err)
	}
	if o.host != "from-second" || o.switches.pace != 10 || o.plan.options.MaxMACs != 8 || o.holdShare != 0.5 || !o.common.debug ||
		strings.Join(o.addresses, " ") != "127.0.0.1:2 [::1]:2" || len(o.plan.options.ServiceNodes) != 2 || o.plan.audit.Seconds() != 20 || o.stateDir != "/s/from-second" {
		t.Errorf("%+v, plan %+v", o, o.plan)
	}
	var out strings.Builder
	o.show(&out)
	for _, says := range []string{"from-second", "127.0.0.1:2, in the clear", "/s/from-second", "every 20s", "10 operations per second"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("%q is not told:\n%s", says, &out)
		}
	}
}

func TestAValueThatALaterOneReplacesNeedNotBeReadable(t *testing.T) {
	o, err := options(t, []string{"[l2gw]\nservers = 127.0.0.1:1\nstate_path = $nowhere/x\n", "[l2gw]\nstate_path = /s\n"})
	if err != nil {
		t.Fatal(err)
	}
	if o.stateDir != "/s" {
		t.Errorf("the state folder is %q", o.stateDir)
	}
	if _, err := options(t, []string{"[l2gw]\nservers = 127.0.0.1:1\nstate_path = $nowhere/x\n"}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("one that counts: %v", err)
	}
}

func TestTheAgentsFileOfNetworkingL2GWIsUsedAsItIs(t *testing.T) {
	const file = `
[l2gw]
servers = 127.0.0.1:9698
[ovsdb]
# ovsdb_hosts = 'ovsdb1:10.20.1.1:6632'
ovsdb_hosts = 'tor1:192.0.2.1:6632,tor2:[2001:db8::2]:6632'
l2_gw_agent_priv_key_base_path = /etc/l2gw/keys
l2_gw_agent_cert_base_path = /etc/l2gw/certs
l2_gw_agent_ca_cert_base_path = /etc/l2gw/cas
enable_manager = %MANAGER%
manager_table_listening_port = 6655
socket_timeout = 3
max_connection_retries = 10
`
	o, err := options(t, []string{strings.Replace(file, "%MANAGER%", "False", 1)})
	if err != nil {
		t.Fatal(err)
	}
	two := o.plan.hosts[1]
	if want := (ovsdbHost{"tor2", "ssl:[2001:db8::2]:6632", ovsdb.TLSFiles{
		Key: "/etc/l2gw/keys/tor2.key", Certificate: "/etc/l2gw/certs/tor2.cert", CA: "/etc/l2gw/cas/tor2.ca_cert",
	}}); two != want || len(o.plan.hosts) != 2 || o.plan.dial.Seconds() != 3 {
		t.Errorf("the databases are %+v", o.plan.hosts)
	}
	if o, err = options(t, []string{strings.Replace(file, "%MANAGER%", "yes", 1)}); err != nil {
		t.Fatal(err)
	}
	if o.plan.listen != "pssl:6655" || o.plan.hosts[0].endpoint != "" || join(o.plan.ids["tor2"]) != "addr:2001:db8::2" {
		t.Errorf("%+v", o.plan)
	}
}

func TestWhatCannotBeMeantIsRefusedWithItsNameAndWhatWouldBeRight(t *testing.T) {
	const servers = "[l2gw]\nservers = 127.0.0.1:1\n"
	for says, ini := range map[string]string{
		"--servers is missing ([l2gw] servers)":          "",
		`--servers: "a": it must look like`:              "[l2gw]\nservers = a\n",
		"is there twice":                                 "[l2gw]\nservers = 127.0.0.1:1,127.0.0.1:1\n",
		`[ovsdb] periodic_interval: "often" is no value`: servers + "[ovsdb]\nperiodic_interval = often\n",
		"[ovsdb] socket_timeout = -1":                    servers + "[ovsdb]\nsocket_timeout = -1\n",
		"set all three, or none":                         servers + "[ovsdb]\nl2_gw_agent_cert_base_path = /x\n",
		"is known by its address":                        servers + "[ovsdb]\nenable_manager = True\novsdb_hosts = a:tor.example.org:6632\n",
		"have the same address":                          servers + "[ovsdb]\nenable_manager = True\novsdb_hosts = a:192.0.2.1:1,b:192.0.2.1:2\n",
		"--hold-share 2":                                 servers + "hold_share = 2\n",
		"--pace -1":                                      servers + "pace = -1\n",
		"for loopback addresses only":                    "[l2gw]\nservers = 192.0.2.1:9698\n",
		"--fabric-ca-cert is missing":                    servers + "token_file = /x\n",
		`--metrics-listen "here": it must look like`:     servers + "metrics_listen = here\n",
	} {
		if _, err := options(t, []string{ini}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
}

func TestCheckingTheConfigurationTellsWhatAStartWouldLack(t *testing.T) {
	o, err := options(t, []string{`[l2gw]
servers = 127.0.0.1:1
hold_shar = 0.5
agents = /etc/l2gw/agents.yaml
ca_cert = /nowhere/ca.pem
token_file = /nowhere/token
audit_file = /nowhere/audit
[ovsdb]
ovsdb_host = tor0:192.0.2.1:6640
ovsdb_hosts = tor1:192.0.2.1:6640,
  tor2:ssl:192.0.2.2:6640
[oslo_messaging_rabbit]
rabbit_qos = 1
`})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	o.show(&out)
	for _, want := range []string{"[l2gw] hold_shar (", "[ovsdb] ovsdb_host (", "tor1: tcp:192.0.2.1:6640\n", "tor2: ssl:192.0.2.2:6640,"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	// What other programs, or servers, understand is not misspelt.
	for _, other := range []string{"rabbit_qos", "[l2gw] agents"} {
		if strings.Contains(out.String(), other) {
			t.Errorf("%q is shown:\n%s", other, out.String())
		}
	}
	err = o.usable()
	for _, want := range []string{"--fabric-ca-cert: ", "--token-file: ", "--audit: ", "--ovsdb-hosts: tor2: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told of: %v", want, err)
		}
	}
}

// Two switches dial in; each is met with the files that bear its database's name.
func TestASwitchThatDialsInMeetsTheFilesOfItsOwnDatabase(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Init(dir, certs.Options{}); err != nil {
		t.Fatal(err)
	}
	issued, err := certs.Issue(dir, "tor1", certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"tor1.key": issued.KeyFile, "tor1.cert": issued.CertFile, "tor1.ca_cert": issued.CAFile} {
		if err := os.Symlink(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	s := switches{hosts: "tor1:127.0.0.1:1", legacy: legacy{keys: dir, certificates: dir, authorities: dir, manager: true, port: 1}}
	plan, err := s.plan()
	if err != nil {
		t.Fatal(err)
	}
	plan.listen = "pssl:0:127.0.0.1"
	var log text
	c := newConnections(slog.New(slog.NewTextHandler(&log, nil)))
	defer c.close()
	if _, err := c.use(plan); err != nil {
		t.Fatal(err)
	}
	conf, err := plan.hosts[0].files.Client()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", c.listener.Addr().String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "tor1" {
		t.Errorf("it is met with the certificate of %s", got)
	}
}
