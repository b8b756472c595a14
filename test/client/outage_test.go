package client

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"l2gw/test/keystone"
	"l2gw/test/product"
)

// Both clients hear the same of tokens that are no good any more, and of a Keystone
// that cannot be asked; and both go on when it is back.
func TestBothClientsAreToldOfExpiredTokensAndOfAKeystoneThatIsAway(t *testing.T) {
	ks := keystone.Shared(t)
	door := ks.Door(t, false)
	ini := filepath.Join(t.TempDir(), "l2gw.conf")
	// Each request asks Keystone, so that what is tested is Keystone's word and not the cache's.
	config := ks.AuthToken(ks.Service(), door.URL(), "token_cache_time = -1", "http_request_max_retries = 0")
	if err := os.WriteFile(ini, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := product.NewCloud(t, inventory, product.CloudOptions{
		Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"),
		ServerArgs: []string{"--config-file", ini, "--auth-strategy", "keystone"},
	})
	c.Servers[0].Launch()
	url := c.Servers[0].URL
	ks.SetEndpoint(t, url)
	admin := ks.User(t, "outage-admin", "outage", "admin")
	login := environment(ks.Environment(admin))
	python, our := newRealClient(t), newOurClient(t)
	clients := map[string]func(order) outcome{"the real client": python.run, "our client": func(o order) outcome { return our.run("openstack", o) }}
	list := words("l2gw list -f value").args
	with := func(token string) order {
		return order{Args: append([]string{"--os-auth-type", "admin_token", "--os-endpoint", url, "--os-token", token}, list...)}
	}
	succeeds := func(t *testing.T, name, what string, o order) {
		t.Helper()
		product.Eventually(t, name+" is answered "+what, func() error {
			if got := clients[name](o); got.Code != 0 {
				return errors.New(got.Stderr)
			}
			return nil
		})
	}
	fails := func(t *testing.T, name string, o order, says string) {
		t.Helper()
		if got := clients[name](o); got.Code != 1 || !strings.Contains(got.Stderr, says) {
			t.Errorf("%s: exit code %d, %q; want 1 and %q", name, got.Code, got.Stderr, says)
		}
	}

	t.Run("expired", func(t *testing.T) {
		var brief order
		for life := 8 * time.Second; ; life *= 2 { // a busy machine needs longer
			began, refused := time.Now(), ""
			brief = with(ks.TokenFor(t, admin, life))
			for name := range clients {
				if got := clients[name](brief); got.Code != 0 {
					refused = name + ": " + got.Stderr
				}
			}
			if refused == "" {
				break
			}
			if took := time.Since(began); took < life-time.Second || life > product.Patience {
				t.Fatalf("a token of %v is no good after %v to %s", life, took, refused)
			}
		}
		product.Eventually(t, "the token expires", func() error {
			if got := our.run("openstack", brief); !strings.Contains(got.Stderr, "requires authentication") {
				return errors.New("it is still good: " + got.Stderr)
			}
			return nil
		})
		for name := range clients {
			fails(t, name, brief, "requires authentication")
		}
	})
	t.Run("away", func(t *testing.T) {
		token := ks.Token(t, admin)
		for name := range clients {
			succeeds(t, name, "before", with(token))
		}
		door.Close()
		for name := range clients {
			fails(t, name, with(token), "Keystone is not available")
		}
		door.Open()
		for name := range clients {
			succeeds(t, name, "when Keystone is back", with(token))
			succeeds(t, name, "when it logs in", order{Args: list, Env: login})
		}
		ks.Revoke(t, token)
		for name := range clients {
			fails(t, name, with(token), "requires authentication")
		}
	})
}
