package client

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

// guarded is a server that asks Keystone who calls.
func guarded(t testing.TB, ks *keystone.Server, more ...string) product.API {
	t.Helper()
	ini := filepath.Join(t.TempDir(), "l2gw.conf")
	if err := os.WriteFile(ini, []byte(ks.AuthToken(ks.Service(), "", more...)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := product.NewCloud(t, inventory, product.CloudOptions{
		Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"),
		ServerArgs: []string{"--config-file", ini, "--auth-strategy", "keystone"},
	})
	c.Servers[0].Launch()
	return c.Servers[0].API
}

// environment is a list of NAME=VALUE as a map.
func environment(list []string) map[string]string {
	m := map[string]string{}
	for _, e := range list {
		name, value, _ := strings.Cut(e, "=")
		m[name] = value
	}
	return m
}

// with adds variables to each step.
func with(env map[string]string, steps ...step) []step {
	out := make([]step, len(steps))
	for i, st := range steps {
		all := map[string]string{}
		for _, m := range []map[string]string{env, st.env} {
			for key, value := range m {
				all[key] = value
			}
		}
		st.env = all
		out[i] = st
	}
	return out
}

func without(env map[string]string, names ...string) map[string]string {
	m := map[string]string{}
	for key, value := range env {
		m[key] = value
	}
	for _, name := range names {
		delete(m, name)
	}
	return m
}

// TestBothClientsSayTheSameWithKeystone is a session of an administrator, and what
// others are told. Both sides use one server in turn, which the catalog names.
func TestBothClientsSayTheSameWithKeystone(t *testing.T) {
	t.Parallel()
	ks := keystone.Shared(t)
	python, our := newRealClient(t), newOurClient(t)
	theirs := &side{t: t, name: "the real client", api: guarded(t, ks), run: python.run, seen: map[string]string{}}
	theirs.relay = newRelay(t, theirs.api.URL)
	theirs.url = theirs.relay.URL
	ours := &side{t: t, name: "our client", api: guarded(t, ks), seen: map[string]string{}}
	ours.url = ours.api.URL
	ours.run = func(o order) outcome { return our.run("openstack", o) }
	admin := ks.User(t, "client-admin", "client-admins", "admin")
	// The catalog names one address, behind which is the server of who has his turn.
	var turn atomic.Pointer[url.URL]
	named := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(turn.Load()) }})
	t.Cleanup(named.Close)
	ks.SetEndpoint(t, named.URL)
	for _, s := range []*side{theirs, ours} {
		s.token = func() string { return ks.Token(t, admin) }
		to, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		s.enter = func() { turn.Store(to) }
	}

	env := environment(ks.Environment(admin))
	member := environment(ks.Environment(ks.User(t, "client-member", "client", "member")))
	reader := environment(ks.Environment(ks.User(t, "client-reader", "client", "reader")))
	credential := environment(ks.Environment(ks.ApplicationCredential(t, admin, "client")))
	clouds := ks.CloudsYAML(t, map[string]keystone.Credentials{"ours": admin, "theirs": ks.User(t, "client-cloud", "client", "member")})

	steps := with(
		env,
		words("l2gw list"),
		words("l2gw create cligw --device name=ps1,interface_names=eth1"),
		words("l2gw create cligw2 --device name=ps1,interface_names=eth2|100#200;eth3|300 -f json"),
		words("l2gw list --project nosuch"),
		words("l2gw show cligw"),
		words("l2gw show {gateway cligw} -f yaml"),
		words("l2gw update cligw --name renamed -f shell"),
		words("l2gw update renamed --name cligw -f value"),
		words("l2gw connection create cligw clinet --default-segmentation-id 77"),
		words("l2gw connection list"),
		words("l2gw connection show {connection 0} -f json"),
		words("l2gw delete cligw"),
	)
	// Nobody else may do anything, and learns of nothing.
	for _, who := range []map[string]string{member, reader} {
		steps = append(steps, with(
			who,
			words("l2gw list"),
			words("l2gw show cligw"),
			words("l2gw show 00000000-0000-0000-0000-000000000000"),
			words("l2gw create x --device name=ps1,interface_names=eth7"),
			words("l2gw update cligw --name x"),
			words("l2gw delete cligw"),
			words("l2gw connection list"),
			words("l2gw connection create cligw clinet"),
			words("l2gw connection delete {connection 0}"),
		)...)
	}
	// Ways to log in.
	token := ks.Token(t, admin)
	expired := ks.Token(t, admin)
	ks.Revoke(t, expired)
	identity := env["OS_AUTH_URL"]
	names := words("l2gw list -f value -c Name")
	way := func(env map[string]string, more ...string) {
		steps = append(steps, step{args: append(append([]string{}, more...), names.args...), env: env})
	}
	way(map[string]string{"OS_AUTH_URL": identity, "OS_TOKEN": token, "OS_AUTH_TYPE": "token", "OS_PROJECT_NAME": admin.Project, "OS_PROJECT_DOMAIN_NAME": "Default", "OS_IDENTITY_API_VERSION": "3"})
	way(map[string]string{"OS_AUTH_URL": identity, "OS_TOKEN": expired, "OS_AUTH_TYPE": "token", "OS_PROJECT_NAME": admin.Project, "OS_PROJECT_DOMAIN_NAME": "Default"})
	way(map[string]string{}, "--os-auth-type", "admin_token", "--os-endpoint", "{url}", "--os-token", token)
	way(map[string]string{}, "--os-auth-type", "admin_token", "--os-endpoint", "{url}", "--os-token", expired)
	way(credential)
	way(map[string]string{"OS_CLIENT_CONFIG_FILE": clouds, "OS_CLOUD": "ours"})
	way(map[string]string{"OS_CLIENT_CONFIG_FILE": clouds}, "--os-cloud", "ours")
	way(map[string]string{"OS_CLIENT_CONFIG_FILE": clouds}, "--os-cloud", "theirs")
	way(map[string]string{"OS_CLIENT_CONFIG_FILE": clouds}, "--os-cloud", "nosuch")
	way(map[string]string{}, "--os-auth-url", identity, "--os-username", admin.User, "--os-password", admin.Password,
		"--os-project-name", admin.Project, "--os-user-domain-id", "default", "--os-project-domain-id", "default")
	way(map[string]string{}, "--os-auth-url", identity, "--os-user-id", admin.UserID, "--os-password", admin.Password, "--os-project-id", admin.ProjectID)
	way(env, "--os-password", "wrong")
	way(env, "--os-username", "nobody")
	way(env, "--os-project-name", "nosuch")
	way(env, "--os-region-name", "nowhere")
	way(env, "--os-interface", "internal")
	way(env, "--os-auth-url", "http://127.0.0.1:1/v3")
	way(without(env, "OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_NAME"))
	way(without(env, "OS_AUTH_URL"), "--os-auth-type", "password")
	steps = append(steps, with(
		env,
		words("l2gw connection delete {connection 0}"),
		words("l2gw delete cligw cligw2"),
		words("l2gw list"),
	)...)
	compare(t, theirs, ours, nil, steps)

	// Their --project looks for a parameter that no server has, and lists all.
	other := ks.User(t, "client-other", "client-project", "member").ProjectID
	for _, owner := range []string{"client-project", other, "client-project --project-domain default", "client-project --project-domain Default"} {
		run := func(line string) string {
			t.Helper()
			got := our.run("openstack", order{Args: strings.Fields("l2gw " + line), Env: env})
			if got.Code != 0 {
				t.Errorf("%s: %s", line, got.Stderr)
			}
			return strings.TrimSpace(got.Stdout)
		}
		if got := run("create x --device name=ps1,interface_names=eth1 -f value -c Tenant --project " + owner); got != other {
			t.Errorf("create --project %s: %q, want %q", owner, got, other)
		}
		if got := run("list -f value -c Tenant --project " + owner); got != other {
			t.Errorf("list --project %s: %q, want %q", owner, got, other)
		}
		run("delete x")
	}
}
