package fabric

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"

	"github.com/google/go-cmp/cmp"
)

// seen is what a server of the first version shows of gateways and connections, by id.
func seen(t testing.TB, s *product.Serve) map[string]product.Object {
	t.Helper()
	all := map[string]product.Object{}
	for collection, fields := range map[string]string{
		"l2_gateways":            "fields=id&fields=name&fields=tenant_id&fields=devices&fields=created_at",
		"l2_gateway_connections": "fields=id&fields=l2_gateway_id&fields=network_id&fields=segmentation_id&fields=tenant_id&fields=created_at",
	} {
		status, body := s.Do("GET", "/v2.0/"+collection+"?"+fields, nil)
		list, ok := body[collection].([]any)
		if status != http.StatusOK || !ok {
			t.Fatalf("%s lists %s: %d %v", s.Name, collection, status, body)
		}
		for _, item := range list {
			object := item.(product.Object)
			all[object["id"].(string)] = object
		}
	}
	return all
}

func answers(t testing.TB, s *product.Serve, want int, method, path string, body any) product.Object {
	t.Helper()
	status, out := s.Do(method, path, body)
	if status != want {
		t.Errorf("%s: %s %s: %d %v, want %d", s.Name, method, path, status, out, want)
	}
	return out
}

func same(t testing.TB, when string, want, got map[string]product.Object) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-before +after):\n%s", when, diff)
	}
}

// again starts a server and waits until it is ready.
func again(s *product.Serve, program string) {
	s.Stop()
	s.Program = program
	s.Launch()
	s.Eventually(s.Name+" is ready", func() error {
		if status, body := s.Do("GET", "/readyz", nil); status != http.StatusOK {
			return fmt.Errorf("%d %v", status, body)
		}
		return nil
	})
}

// wellKept runs `l2gw db check`.
func wellKept(t testing.TB, database string) {
	t.Helper()
	if out, err := exec.Command(product.Binary(t), "db", "check", "--database", database).CombinedOutput(); err != nil {
		t.Errorf("l2gw db check: %v\n%s", err, out)
	}
}

// device is a gateway's, with one port.
func device(n int) product.Device {
	return product.Device{Name: "sw9", Interfaces: []product.Interface{{Name: fmt.Sprint("eth", n), VLANs: []int{100}}}}
}

// While servers are replaced one by one, those of the first version go on with the
// tables of this one: what they read and write counts, and they may start anew.
func TestServersOfTheFirstVersionGoOnWithTheTablesOfThisOne(t *testing.T) {
	for engine, server := range map[string]func(testing.TB) *sqlserver.Server{"PostgreSQL": sqlserver.PostgreSQL, "MariaDB": sqlserver.MariaDB} {
		t.Run(engine, func(t *testing.T) {
			c := product.NewCloud(t, inventory(1), product.CloudOptions{Servers: 2, Database: server(t).Database(t)})
			for _, s := range c.Servers {
				s.Program = firstBinary(t)
			}
			c.Start()
			replaced, old := c.Servers[0], c.Servers[1]
			var gateways []string
			for i := range 5 {
				gateways = append(gateways, old.CreateGateway(fmt.Sprint("before-", i), device(i)))
			}
			connection := old.Connect(gateways[0], netA, "")
			before := seen(t, old)

			again(replaced, "")
			same(t, "the new server shows", before, seen(t, replaced))
			same(t, "the old server shows", before, seen(t, old))

			// The old one writes, the new one reads.
			made := old.CreateGateway("by the old one", device(10))
			also := old.Connect(made, netA, "")
			answers(t, old, http.StatusOK, "PUT", "/v2.0/l2-gateways/"+gateways[1], product.Object{"l2_gateway": product.Object{"name": "renamed"}})
			answers(t, old, http.StatusNoContent, "DELETE", "/v2.0/l2-gateways/"+gateways[2], nil)
			same(t, "the new server shows what the old one wrote", seen(t, old), seen(t, replaced))
			// And the other way round.
			replaced.Disconnect(also)
			second := replaced.CreateGateway("by the new one", device(11))
			replaced.Connect(second, netA, "")
			same(t, "the old server shows what the new one wrote", seen(t, replaced), seen(t, old))
			// Both know what is taken.
			taken := product.Object{"l2_gateway_connection": product.Object{"l2_gateway_id": gateways[0], "network_id": netA}}
			answers(t, old, http.StatusConflict, "POST", "/v2.0/l2-gateway-connections", taken)
			answers(t, replaced, http.StatusConflict, "POST", "/v2.0/l2-gateway-connections", taken)
			answers(t, replaced, http.StatusConflict, "DELETE", "/v2.0/l2-gateways/"+second, nil)
			answers(t, old, http.StatusConflict, "DELETE", "/v2.0/l2-gateways/"+second, nil)
			// What the old one made counts.
			project := answers(t, replaced, http.StatusOK, "GET", "/v2.0/l2-gateways/"+made, nil)["l2_gateway"].(product.Object)["project_id"]
			answers(t, replaced, http.StatusOK, "PUT", fmt.Sprint("/v2.0/quotas/", project), product.Object{"quota": product.Object{"l2_gateway": len(gateways) + 1}})
			one := product.Object{"l2_gateway": product.Object{"name": "too many", "devices": []any{product.Object{"device_name": "sw9", "interfaces": []any{product.Object{"name": "e"}}}}}}
			answers(t, replaced, http.StatusConflict, "POST", "/v2.0/l2-gateways", one)

			// The old one may be started anew.
			again(old, old.Program)
			same(t, "the old server shows after its restart", seen(t, replaced), seen(t, old))
			old.Disconnect(connection)
			wellKept(t, c.Database)

			again(old, "")
			same(t, "the second new server shows", seen(t, replaced), seen(t, old))
		})
	}
}

// A single server keeps what it had when it is replaced.
func TestAFileOfTheFirstVersionIsUpgraded(t *testing.T) {
	c := product.NewCloud(t, inventory(1), product.CloudOptions{Servers: 1, Database: "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db")})
	s := c.Servers[0]
	s.Program = firstBinary(t)
	c.Start()
	for i := range 20 {
		s.Connect(s.CreateGateway(fmt.Sprint("gw", i%3), device(i)), netA, "")
	}
	before := seen(t, s)
	again(s, "")
	same(t, "it shows", before, seen(t, s))
	s.CreateGateway("after", device(50))
	wellKept(t, c.Database)
}
