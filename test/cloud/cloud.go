package cloud

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"l2gw/test/keystone"
	"l2gw/test/neutron"
	"l2gw/test/product"
)

// Cloud is one endpoint for networks and gateways, and who may do everything there.
type Cloud struct {
	Keystone *keystone.Server
	Admin    keystone.Credentials
	Server   *product.Serve
	Neutron  string // its own URL, behind the product and the exporter
}

// New stands one up, which ends with the test.
func New(t testing.TB) *Cloud {
	t.Helper()
	ks := keystone.Shared(t)
	c := &Cloud{Keystone: ks, Admin: ks.User(t, "cloud-admin", "cloud-admins", "admin")}
	c.Neutron = neutron.Start(t, neutron.Options{Config: "[DEFAULT]\nauth_strategy = keystone\n" + ks.AuthToken(ks.Service(), "")}).URL
	e := newExporter(t, c.Neutron)

	ini := filepath.Join(t.TempDir(), "l2gw.ini")
	product.WriteFile(t, ini, fmt.Sprintf("[DEFAULT]\nauth_strategy = keystone\n[l2gw]\nproxy = true\n[neutron]\nendpoint_override = %s\n", e.url)+
		ks.AuthToken(ks.Service(), ""))
	p := product.NewCloud(t, e.inventory(), product.CloudOptions{
		Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db"), ServerArgs: []string{"--config-file", ini},
	})
	c.Server = p.Servers[0]
	c.Server.Launch()
	e.file = p.Inventory
	token := ks.Token(t, c.Admin)
	e.known = func() (int, error) { return known(c.Server.URL, token) }
	ks.SetEndpoint(t, c.Server.URL)
	return c
}

// known is how many networks a server knows of.
func known(server, token string) (networks int, err error) {
	var state struct {
		Inventory struct{ Networks int } `json:"l2_gateway_inventory"`
	}
	err = get(server+"/v2.0/l2-gateway-inventory", token, &state)
	return state.Inventory.Networks, err
}

// Extensions are the aliases of the endpoint's extensions.
func (c *Cloud) Extensions(t testing.TB) (aliases []string) {
	t.Helper()
	var list struct{ Extensions []struct{ Alias string } }
	if err := get(c.Server.URL+"/v2.0/extensions", c.Keystone.Token(t, c.Admin), &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Extensions {
		aliases = append(aliases, e.Alias)
	}
	return aliases
}

func get(url, token string, out any) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", resp.Status, body)
	}
	return json.Unmarshal(body, out)
}
