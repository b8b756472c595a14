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
	for _, want := range []string{"http://127.0.0.1:9697", "postgresql://l2gw:xxxxx@db/l2gw", "192.0.2.1, 192.0.2.128/25", "misspelt", "noauth"} {
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
