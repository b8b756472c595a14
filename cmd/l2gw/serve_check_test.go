package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckingAConfigurationSaysEverythingThatIsWrongAndOpensNothing(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "server.ini")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(text string) (string, error) {
		write("server.ini", text)
		cmd := newServe()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors = true
		cmd.SetArgs([]string{"--config-file", conf, "--check-config"})
		err := cmd.Execute()
		return out.String(), err
	}
	_, err := check(`
[l2gw]
listen = 192.0.2.1:9697
fabric_listen = 192.0.2.1:9698
inventory = ` + dir + `/nosuch.yaml
max_connections = 3
api_certificate = x.pem
[database]
connection =
`)
	for _, want := range []string{"--max-connections 3", "--fabric-listen", "--inventory", "--database is missing", `--listen "192.0.2.1:9697"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %s: %v", want, err)
		}
	}
	state := filepath.Join(dir, "state")
	out, err := check(`
[l2gw]
inventory = ` + write("inventory.yaml", "networks: []\nhosts: []\nports: []\n") + `
state_path = ` + state + `
trusted_proxies = 192.0.2.1,192.0.2.128/25
misspelt = 1
[database]
connection = postgresql://l2gw:very-secret@db/l2gw
`)
	if err != nil || strings.Contains(out, "very-secret") {
		t.Errorf("%v in %s", err, out)
	}
	for _, want := range []string{"http://127.0.0.1:9697", "postgresql://l2gw@db/l2gw", "192.0.2.1, 192.0.2.128/25", "misspelt", "noauth"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not show %s: %s", want, out)
		}
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Errorf("the state folder was made: %v", err)
	}
	_, err = check("[l2gw]\ninventory = " + write("inventory.yaml", "networks: many\n") + "\n[database]\nconnection = postgresql://l2gw@db/l2gw\n")
	if err == nil || !strings.Contains(err.Error(), "inventory.yaml:1: ") {
		t.Errorf("of a wrong inventory it says %v", err)
	}
	rest := "inventory = " + write("inventory.yaml", "networks: []\nhosts: []\nports: []\n") + "\n[database]\nconnection = postgresql://l2gw@db/l2gw\n"
	refused := func(options, why string) {
		t.Helper()
		if out, err := check(options + rest); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("of %q it says %v, want %s\n%s", options, err, why, out)
		}
	}
	refused("[l2gw]\nproxy = true\n", "--proxy needs --neutron")
	refused("[neutron]\nendpoint_override = neutron:9696\n[l2gw]\n", "neutron's endpoint")
	refused("[neutron]\nendpoint_override = http://neutron:9696\n[l2gw]\npublic_url = cloud.example\n", `public URL "cloud.example"`)
	if out, err := check("[neutron]\nendpoint_override = http://u:very-secret@neutron:9696\n[l2gw]\nproxy = true\n" + rest); err != nil || !strings.Contains(out, "http://u:xxxxx@neutron:9696") {
		t.Errorf("%v in %s", err, out)
	}
}

// Whoever runs it before a restart must be able to trust it: each of these would
// stop the server, or was not meant so.
func TestCheckingAConfigurationFindsEachMistake(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inventory := write("inventory.yaml", "networks: []\nhosts: []\nports: []\n")
	token := write("token", "0123456789abcdef0123456789abcdef")
	text := write("text", "nothing of use\n")
	const keystone = "[keystone_authtoken]\nauth_type = password\nauth_url = http://keystone:5000\nwww_authenticate_uri = http://keystone:5000\n" +
		"username = neutron\nproject_name = service\nuser_domain_name = Default\nproject_domain_name = Default\n"
	// Each option has its own section here, so that a case may say it again: the last one counts.
	base := "[l2gw]\ninventory = " + inventory + "\nstate_path = " + filepath.Join(dir, "state") + "\n" +
		"[database]\nconnection = sqlite:///" + filepath.Join(dir, "l2gw.db") + "\n"
	check := func(more string) (string, error) {
		cmd := newServe()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors = true
		cmd.SetArgs([]string{"--config-file", write("server.ini", base+more), "--check-config"})
		err := cmd.Execute()
		return out.String(), err
	}
	if out, err := check(keystone + "password = secret-of-the-service\n"); err != nil || strings.Contains(out, "warning") || strings.Contains(out, "secret-of") {
		t.Fatalf("of a right configuration it says %v\n%s", err, out)
	}
	for more, why := range map[string]string{
		"[database]\nconnection = oracle://db/l2gw\n":                                                    `database URL: the scheme "oracle" is not supported`,
		"[database]\nconnection = l2gw\n":                                                                "this is no database URL",
		"[database]\nconnection = postgresql://db:port/l2gw\n":                                           "database URL: the port",
		"[database]\nconnection = postgresql://db\n":                                                     "it names no database",
		"[database]\nconnection = postgresql://db/l2gw?sslmode=maybe\n":                                  "sslmode",
		"[database]\nconnection = postgresql://db/l2gw?sslmode=verify-full&sslrootcert=/nosuch/ca.pem\n": "/nosuch/ca.pem",
		"[database]\nconnection = mysql+pymysql://db/l2gw?ssl_ca=/nosuch/ca.pem\n":                       "/nosuch/ca.pem",
		"[database]\nconnection = mysql+pymysql://db/l2gw?ssl_ca=" + text + "\n":                         text,
		"[database]\nconnection = mysql+pymysql://db/l2gw?colour=red\n":                                  "the option colour is not supported",
		"[database]\nconnection = sqlite:////nosuch/l2gw.db\n":                                           "/nosuch",
		"[database]\nconnection = sqlite:///" + text + "\n":                                              "no database of SQLite's",
		"[database]\nconnection = sqlite:///" + dir + "\n":                                               "it is no plain file",
		"[database]\nmax_pool_size = -1\n":                                                               "a pool of -1 connections",
		"[database]\nmax_retries = -2\n":                                                                 "-2 retries",
		"[database]\nmysql_wsrep_sync_wait = 16\n":                                                       "wsrep_sync_wait 16",
		"[database]\nconnection_parameters = %zz\n":                                                      "connection_parameters",
		"[database]\nmax_pool_size = many\n":                                                             `[database] max_pool_size: "many"`,
		"[quotas]\nquota_l2_gateway = -2\n":                                                              "l2_gateway",
		"[quotas]\ndefault_quota = -2\n":                                                                 "-2",
		"[quotas]\nquota_l2_gateway_connection = few\n":                                                  `[quotas] quota_l2_gateway_connection: "few"`,
		"[DEFAULT]\nauth_strategy = kerberos\n":                                                          `--auth-strategy "kerberos"`,
		"[DEFAULT]\nauth_strategy = keystone\n":                                                          "[keystone_authtoken]",
		"[DEFAULT]\nauth_strategy = token\n":                                                             "--token-file",
		"[l2gw]\ntoken_file = /nosuch/token\n":                                                           "--token-file",
		"[l2gw]\ntoken_file = " + text + "\n":                                                            "one token of 16",
		keystone:                                                                                         "password",
		keystone + "password = x\nauth_url = keystone\n":                                                 "auth_url",
		keystone + "password = x\ncafile = /nosuch/ca.pem\n":                                             "/nosuch/ca.pem",
		keystone + "password = x\ncertfile = /nosuch/cert.pem\n":                                         "certfile: open /nosuch/cert.pem",
		"[l2gw]\napi_certificate = /nosuch/c.pem\napi_private_key = /nosuch/k.pem\n":                     "/nosuch/c.pem",
		"[l2gw]\napi_certificate = " + text + "\napi_private_key = " + text + "\n":                       "--api-certificate",
		"[l2gw]\napi_private_key = /nosuch/k.pem\n":                                                      "go together",
		"[l2gw]\ncertificate = /nosuch/c.pem\nprivate_key = /nosuch/k.pem\nca_cert = /nosuch/ca.pem\nagents = " + text + "\n": "/nosuch",
		"[l2gw]\nagents = /nosuch/agents.yaml\n":                                                   "/nosuch/agents.yaml",
		"[l2gw]\nlisten = 127.0.0.1\n":                                                             `--listen "127.0.0.1"`,
		"[l2gw]\nlisten = 127.0.0.1:96970\n":                                                       `--listen "127.0.0.1:96970"`,
		"[l2gw]\nfabric_listen = 127.0.0.1:no-such-service\n":                                      "--fabric-listen",
		"[l2gw]\ntrusted_proxies = proxy\n":                                                        "--trusted-proxies",
		"[l2gw]\nlog_level = loud\n":                                                               `--log-level "loud"`,
		"[DEFAULT]\nlog_file = /nosuch/l2gw.log\n":                                                 "--log-file",
		"[DEFAULT]\nlog_file = " + dir + "\n":                                                      "is a folder",
		"[l2gw]\nstate_path = " + text + "/state\n":                                                "--state-dir",
		"[l2gw]\ninventory = " + text + "\n":                                                       "--inventory",
		"[oslo_policy]\npolicy_file = " + write("broken.yaml", "get_network: role:a and\n") + "\n": "broken.yaml",
		"[neutron]\nendpoint_override = http://n:9696\ncafile = /nosuch/ca.pem\n":                  "--neutron-cafile",
		"[neutron]\nendpoint_override = http://n:9696\ncertfile = /nosuch/c.pem\n":                 "--neutron-keyfile",
		"no section\n": "server.ini:",
	} {
		out, err := check(more)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("of %q it says %v, want %s\n%s", more, err, why, out)
		}
	}
	// One mistake does not hide another.
	if _, err := check("[quotas]\ndefault_quota = -2\n[database]\nconnection = l2gw\n"); err == nil || !strings.Contains(err.Error(), "-2") || !strings.Contains(err.Error(), "no database URL") {
		t.Errorf("of two mistakes it says %v", err)
	}
	for more, what := range map[string]string{
		"[l2gw]\ninventry = x\n":                             "[l2gw] inventry",
		"[keystone_authtoken]\npasword = x\n":                "[keystone_authtoken] pasword",
		"[oslo_policy]\npolicy_file = /nosuch/policy.yaml\n": "the policy file is not there",
		"[oslo_policy]\npolicy_dirs = /nosuch/policy.d\n":    "the policy folder is not there",
		"[oslo_policy]\npolicy_fil = x\n":                    "[oslo_policy] policy_fil",
		"[quotas]\nquota_l2gateway = 3\n":                    "[quotas] quota_l2gateway",
		"[l2-gw]\nlisten = 127.0.0.1:1\n":                    "[l2-gw]",
		"[database]\nsqlconnection = x\n":                    "[database] sqlconnection",
		"[quota]\nquota_l2_gateway = 3\n":                    "the section is called [quotas]",
		"[oslo-policy]\npolicy_file = x\n":                   "[oslo-policy]",
		"[keystone-authtoken]\nauth_type = password\n":       "[keystone-authtoken]",
		keystone + "password = x\ninsecure = true\n":         "certificate is not verified",
		"[l2gw]\ntoken_file = " + token + "\n":               "token",
	} {
		if out, err := check(more); err != nil || !strings.Contains(out, what) {
			t.Errorf("of %q it says %v, and does not show %s:\n%s", more, err, what, out)
		}
	}
	for _, made := range []string{"state", "l2gw.db"} {
		if _, err := os.Stat(filepath.Join(dir, made)); !os.IsNotExist(err) {
			t.Errorf("%s was made: %v", made, err)
		}
	}
}
