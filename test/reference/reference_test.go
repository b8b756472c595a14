package reference

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"l2gw/test/neutron"
	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// inventory is the file from which a server knows the networks that Neutron has made.
type inventory struct {
	cloud    *product.Cloud
	networks []string
}

const noNetworks = "networks: []\nhosts: []\nports: []\n"

// add writes a network into the file and waits until the server knows it.
func (v *inventory) add(t *testing.T, network object) {
	t.Helper()
	segments, _ := network["segments"].([]any)
	if segments == nil {
		segments = []any{network}
	}
	var list []string
	for _, s := range segments {
		s := s.(object)
		segment := fmt.Sprintf("{network_type: %v, segmentation_id: %v", s["provider:network_type"], s["provider:segmentation_id"])
		if s["provider:physical_network"] != nil {
			segment += fmt.Sprintf(", physical_network: %v", s["provider:physical_network"])
		}
		list = append(list, segment+"}")
	}
	v.networks = append(v.networks, fmt.Sprintf("- {id: %v, name: %v, segments: [%s]}\n", network["id"], network["name"], strings.Join(list, ", ")))
	v.cloud.WriteInventory("hosts: []\nports: []\nnetworks:\n" + strings.Join(v.networks, ""))
	server := v.cloud.Servers[0]
	server.Eventually(fmt.Sprintf("the server knows %d networks", len(v.networks)), func() error {
		_, out := server.Do("GET", "/v2.0/l2-gateway-inventory", nil)
		if state, _ := out["l2_gateway_inventory"].(object); state == nil || state["networks"] != float64(len(v.networks)) {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
}

func newPlayer(t *testing.T, url string) *player {
	return &player{
		t: t, url: url, ids: map[string]string{}, used: map[string]bool{},
		identify: func(exchange, http.Header) {},
		admin:    func(http.Header) {},
		made:     func(object) {},
	}
}

// engines make an empty database for a server to keep the intent in.
var engines = map[string]func(*testing.T) string{
	"SQLite":     func(t *testing.T) string { return "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db") },
	"PostgreSQL": func(t *testing.T) string { return sqlserver.PostgreSQL(t).Database(t) },
	"MariaDB":    func(t *testing.T) string { return sqlserver.MariaDB(t).Database(t) },
}

func TestEveryRequestOfTheTranscriptsIsAnsweredAsThePredecessorDidOrAsTheContractSays(t *testing.T) {
	behind := neutron.Start(t, neutron.Options{Config: "[ml2_type_vlan]\nnetwork_vlan_ranges = external:100:200\n"})
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			cloud := product.NewCloud(t, noNetworks, product.CloudOptions{
				Servers: 1, Database: database(t), ServerArgs: []string{"--proxy", "--neutron", behind.URL},
			})
			cloud.Start()
			known := &inventory{cloud: cloud}
			p := newPlayer(t, cloud.Servers[0].URL)
			p.made = func(network object) {
				t.Cleanup(func() { p.asAdmin("DELETE", "/v2.0/networks/"+fmt.Sprint(network["id"]), nil) }) // its VNI is wanted again
				known.add(t, network)
			}
			for _, file := range []string{"01-l2-gateways.txt", "02-l2-gateways-errors.txt", "03-connections.txt"} {
				before := *p
				for _, x := range readTranscript(t, file) {
					p.play(x)
				}
				t.Logf("%s: %d requests: %d answered the same, %d different as the contract allows", file[:2],
					p.replayed-before.replayed, p.same-before.same, p.differ-before.differ)
			}
		})
	}
}

func TestTheContractHasEverySentenceThatAllowsADifference(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	contract := regexp.MustCompile(`\s+`).ReplaceAllString(string(text), " ")
	for at, d := range differences {
		if d.allows == "" || !strings.Contains(contract, d.allows) {
			t.Errorf("%s: the contract has no sentence %q", at, d.allows)
		}
	}
}
