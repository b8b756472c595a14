package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/internal/certs"
)

// agentCheck is `l2gw agent --check-config` with an ini file.
type agentCheck struct {
	dir, file string
}

func newAgentCheck(t *testing.T) *agentCheck {
	dir := t.TempDir()
	return &agentCheck{dir, filepath.Join(dir, "l2gateway_agent.ini")}
}

func (c *agentCheck) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *agentCheck) run(t *testing.T, ini string, args ...string) (string, error) {
	t.Helper()
	c.write(t, filepath.Base(c.file), ini)
	cmd := newAgent("agent")
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors = true
	cmd.SetArgs(append([]string{"--config-file", c.file, "--check-config"}, args...))
	err := cmd.Execute()
	return out.String(), err
}

// line is the number of the line of a text that has part in it.
func line(t *testing.T, text, part string) int {
	t.Helper()
	before, _, ok := strings.Cut(text, part)
	if !ok {
		t.Fatalf("%q is not in %q", part, text)
	}
	return strings.Count(before, "\n") + 1
}

// Each mistake is told of with its file, line, section and option, and with what would be right.
func TestCheckingAnAgentsConfigurationFindsEachMistake(t *testing.T) {
	c := newAgentCheck(t)
	text := c.write(t, "text", "nothing of use\n")
	empty := c.write(t, "empty", "\n")
	issued, err := certs.Init(filepath.Join(c.dir, "pki"), certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ca := issued.CertFile
	base := "[l2gw]\nservers = 127.0.0.1:1\nstate_path = " + filepath.Join(c.dir, "state") + "\n[ovsdb]\novsdb_hosts = tor1:127.0.0.1:6640\n"
	if out, err := c.run(t, base); err != nil || strings.Contains(out, "warning") || strings.Contains(out, "unknown") {
		t.Fatalf("of a right configuration it says %v\n%s", err, out)
	}
	for _, m := range []struct {
		more string
		at   string // the option whose line is told, as in "[l2gw] pace"
		says string
	}{
		{"[l2gw]\nservers = server-1\n", "[l2gw] servers", `--servers: "server-1": it must look like server-1:9698`},
		{"[l2gw]\nservers = 127.0.0.1:1,127.0.0.1:1\n", "[l2gw] servers", "is there twice"},
		{"[l2gw]\nservers = 192.0.2.1:9698\n", "[l2gw] servers", "for loopback addresses only"},
		{"[l2gw]\nservers =\n", "", "--servers is missing ([l2gw] servers): it must look like"},
		{"[l2gw]\ncertificate = /nosuch/c.pem\n", "[l2gw] certificate", "belong together"},
		{"[l2gw]\ntoken_file = " + text + "\n", "[l2gw] token_file", "--fabric-ca-cert is missing"},
		{"[l2gw]\nca_cert = " + ca + "\n", "[l2gw] ca_cert", "give one of them"},
		{"[l2gw]\nca_cert = " + text + "\ntoken_file = " + text + "\n", "[l2gw] ca_cert", text},
		{"[l2gw]\nca_cert = " + ca + "\ntoken_file = /nosuch/token\n", "[l2gw] token_file", "/nosuch/token"},
		{"[l2gw]\nca_cert = " + ca + "\ntoken_file = " + empty + "\n", "[l2gw] token_file", "it is empty"},
		{"[l2gw]\nstate_path = " + text + "/state\n", "[l2gw] state_path", "--state-dir"},
		{"[l2gw]\nstate_path = $nowhere/state\n", "", "[l2gw] state_path"},
		{"[l2gw]\nhold_share = 2\n", "[l2gw] hold_share", "--hold-share 2: it must be more than 0 and at most 1"},
		{"[l2gw]\nhold_share = much\n", "[l2gw] hold_share", `"much" is no value of --hold-share: it must be a number, such as 0.3`},
		{"[l2gw]\nhold_minimum = -1\n", "[l2gw] hold_minimum", "--hold-minimum -1: it must be 0 or more"},
		{"[l2gw]\npace = -1\n", "[l2gw] pace", "--pace -1: it must be 0"},
		{"[l2gw]\npace = fast\n", "[l2gw] pace", `"fast" is no value of --pace: it must be a whole number`},
		{"[l2gw]\nmax_macs = -1\n", "[l2gw] max_macs", "--max-macs -1: it must be 0"},
		{"[l2gw]\nservice_nodes = 192.0.2.1,tor\n", "[l2gw] service_nodes", `--service-node "tor": it must be an IPv4 address`},
		{"[l2gw]\nmetrics_listen = 9699\n", "[l2gw] metrics_listen", `--metrics-listen "9699": it must look like`},
		{"[l2gw]\naudit_file = /nosuch/audit\n", "[l2gw] audit_file", "--audit: /nosuch cannot be written"},
		{"[l2gw]\naudit_file = " + c.dir + "\n", "[l2gw] audit_file", "is a folder"},
		{"[l2gw]\nlog_level = loud\n", "[l2gw] log_level", `--log-level "loud": it must be debug, info, warn or error`},
		{"[DEFAULT]\nlog_file = /nosuch/agent.log\n", "[DEFAULT] log_file", "--log-file: /nosuch cannot be written"},
		{"[DEFAULT]\ndebug = perhaps\n", "[DEFAULT] debug", `"perhaps" is no value of --debug: it must be true or false`},
		{"[ovsdb]\novsdb_hosts = tor1:127.0.0.1\n", "[ovsdb] ovsdb_hosts", "host and port are not to be made out"},
		{"[ovsdb]\novsdb_hosts = tor1:127.0.0.1:1,tor1:127.0.0.1:2\n", "[ovsdb] ovsdb_hosts", "the name tor1 is there twice"},
		{"[ovsdb]\novsdb_hosts = tor1:passive\n", "[ovsdb] ovsdb_hosts", "--ovsdb-listen does not say where"},
		{"[ovsdb]\novsdb_hosts = tor1:ssl:127.0.0.1:1\n", "[ovsdb] ovsdb_hosts", "ssl needs --private-key, --certificate and --ca-cert"},
		{"[ovsdb]\novsdb_hosts = tor1:passive\novsdb_listen = pssl:6640\n", "[ovsdb] ovsdb_listen", "pssl needs --private-key"},
		{"[ovsdb]\novsdb_listen = tcp:6640\n", "[ovsdb] ovsdb_listen", "it must look like pssl:6640"},
		{"[ovsdb]\novsdb_identity = tor1=dns:x\n", "[ovsdb] ovsdb_identity", "the kind is none of sha256"},
		{"[ovsdb]\nl2_gw_agent_cert_base_path = /x\n", "[ovsdb] l2_gw_agent_cert_base_path", "set all three, or none"},
		{"[ovsdb]\nl2_gw_agent_cert_base_path = /x\nl2_gw_agent_priv_key_base_path = /x\nl2_gw_agent_ca_cert_base_path = /x\n", "[ovsdb] l2_gw_agent_cert_base_path", "/x/tor1."},
		{"[ovsdb]\nsocket_timeout = -1\n", "[ovsdb] socket_timeout", "it must be 0 or more seconds"},
		{"[ovsdb]\nperiodic_interval = often\n", "[ovsdb] periodic_interval", `"often" is no value of --periodic-interval: it must be a whole number`},
		{"[ovsdb]\nmanager_table_listening_port = 0\nenable_manager = True\n", "[ovsdb] manager_table_listening_port", "it must be a port"},
		{"[ovsdb]\nenable_manager = perhaps\n", "[ovsdb] enable_manager", "it must be true or false"},
		{"no section\n", "", c.file + ":"},
	} {
		ini := base + m.more
		out, err := c.run(t, ini)
		if err == nil || !strings.Contains(err.Error(), m.says) {
			t.Errorf("of %q it says %v, want %s\n%s", m.more, err, m.says, out)
			continue
		}
		if m.at == "" {
			continue
		}
		_, name, _ := strings.Cut(m.at, " ")
		if place := fmt.Sprintf("%s:%d: %s", c.file, strings.Count(base, "\n")+line(t, m.more, "\n"+name+" =")+1, m.at); !strings.Contains(err.Error(), place) {
			t.Errorf("of %q it says %v, and not %s", m.more, err, place)
		}
	}
	if _, err := os.Stat(filepath.Join(c.dir, "state")); !os.IsNotExist(err) {
		t.Errorf("the state folder was made: %v", err)
	}
}

func TestCheckingAnAgentsConfigurationTellsAllMistakesAtOnceAndEachOnce(t *testing.T) {
	c := newAgentCheck(t)
	t.Setenv("L2GW_MAX_MACS", "-3")
	out, err := c.run(t, `
[l2gw]
servers = here, there:0, 127.0.0.1:1
pace = fast
hold_share = 7
service_nodes = a, b
audit_file = /nosuch/audit
state_path = $nowhere/x
[ovsdb]
ovsdb_hosts = tor1, tor2:192.0.2.2:port, tor3:192.0.2.3:6640
socket_timeout = -1
periodic_interval = -2
`, "--hold-minimum", "-4")
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	told := strings.Split(err.Error(), "\n")
	for _, want := range []string{
		`--servers: "here"`, `--servers: "there:0"`, `[l2gw] pace: "fast"`, "--hold-share 7", `--service-node "a"`, `--service-node "b"`, "--audit", "[l2gw] state_path",
		`--ovsdb-hosts: "tor1"`, `--ovsdb-hosts: "tor2:192.0.2.2:port"`, "[ovsdb] socket_timeout = -1", "[ovsdb] periodic_interval = -2",
		"--max-macs -3: it must be 0 (no limit) or more (environment variable L2GW_MAX_MACS)", "--hold-minimum -4: it must be 0 or more",
	} {
		n := 0
		for _, l := range told {
			if strings.Contains(l, want) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is told %d times in\n%v", want, n, err)
		}
	}
	if len(told) != 14 {
		t.Errorf("there are %d mistakes in\n%v", len(told), err)
	}
	for _, want := range []string{"127.0.0.1:1, in the clear", "tor3: tcp:192.0.2.3:6640", "warning          plain tcp"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not show %s:\n%s", want, out)
		}
	}
}
