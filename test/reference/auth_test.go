package reference

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/neutron"
	"l2gw/test/product"
)

// identityHeaders are what the transcript's second server believed. Ours believes
// Keystone: for who is in the headers it gets a token of a user with those roles.
var identityHeaders = []string{"X-User-Id", "X-Project-Id", "X-Roles"}

func TestWhoMayDoWhatIsAnsweredAsThePredecessorDid(t *testing.T) {
	all := readTranscript(t, "08-auth.txt")
	n := 0
	for n < len(all) && strings.HasPrefix(all[n].section, "noauth server") {
		n++
	}
	if n == 0 || n == len(all) {
		t.Fatalf("%d of %d requests are of the server without authentication", n, len(all))
	}
	t.Run("noauth", func(t *testing.T) {
		cloud := product.NewCloud(t, noNetworks, product.CloudOptions{Servers: 1, Database: engines["SQLite"](t)})
		cloud.Start()
		p := newPlayer(t, cloud.Servers[0].URL)
		for _, x := range all[:n] {
			p.play(x)
		}
		t.Logf("08: %d requests: %d answered the same, %d different as the contract allows", p.replayed, p.same, p.differ)
	})
	t.Run("keystone", func(t *testing.T) {
		identity := keystone.Shared(t)
		config := filepath.Join(t.TempDir(), "l2gw.conf")
		if err := os.WriteFile(config, []byte("[DEFAULT]\nauth_strategy = keystone\n"+identity.AuthToken(identity.Service(), "")), 0o600); err != nil {
			t.Fatal(err)
		}
		behind := neutron.Start(t, neutron.Options{Config: "[DEFAULT]\nauth_strategy = keystone\n" + identity.AuthToken(identity.Service(), "")})
		cloud := product.NewCloud(t, noNetworks, product.CloudOptions{
			Servers: 1, Database: engines["SQLite"](t), ServerArgs: []string{"--config-file", config, "--proxy", "--neutron", behind.URL},
		})
		known := &inventory{cloud: cloud}
		users := map[string]keystone.Credentials{
			"u1": identity.User(t, "u1", "padm", "admin"),
			"u2": identity.User(t, "u2", "pm", "member"),
			"u3": identity.User(t, "u3", "pm", "reader"),
			"u4": identity.User(t, "u4", "pm", "nothing-in-particular"), // Keystone gives no token of a project to who has no role there
		}
		tokens := map[string]string{}
		for name, user := range users {
			tokens[name] = identity.Token(t, user)
		}
		server := cloud.Servers[0]
		server.Header = http.Header{"X-Auth-Token": {tokens["u1"]}}
		cloud.Start()
		p := newPlayer(t, server.URL)
		p.names = map[string]string{"padm": users["u1"].ProjectID, "pm": users["u2"].ProjectID}
		p.admin = func(h http.Header) { h.Set("X-Auth-Token", tokens["u1"]) }
		p.identify = func(x exchange, h http.Header) {
			if user := h.Get("X-User-Id"); user != "" {
				h.Set("X-Auth-Token", tokens[user])
			}
			for _, name := range identityHeaders {
				h.Del(name)
			}
		}
		p.made = func(network object) {
			shown, _ := p.asAdmin("GET", "/v2.0/networks/"+fmt.Sprint(network["id"]), nil).body.(object)["network"].(object)
			known.add(t, shown) // with what only an administrator sees
		}
		for _, x := range all[n:] {
			p.play(x)
		}
		t.Logf("08: %d requests: %d answered the same, %d different as the contract allows", p.replayed, p.same, p.differ)
	})
}
