package reference

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// inventory has the networks that the transcripts connect, by their ids there.
const inventory = `
networks:
- {id: fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65, name: n1, vni: 10683}
- {id: 3cbc0213-4d80-4d95-9d32-2cbf6f6cbb1f, name: n2, vni: 10684}
- {id: 7f574bd2-ac22-417b-b4bf-abefd19cbc17, name: mn, vni: 10685}
hosts: []
ports: []
`

func newPlayer(t *testing.T, url string) *player {
	return &player{
		t: t, url: url, ids: map[string]string{}, used: map[string]bool{},
		identify: func(exchange, http.Header) {},
		admin:    func(http.Header) {},
	}
}

// engines make an empty database for a server to keep the intent in.
var engines = map[string]func(*testing.T) string{
	"SQLite":     func(t *testing.T) string { return "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db") },
	"PostgreSQL": func(t *testing.T) string { return sqlserver.PostgreSQL(t).Database(t) },
	"MariaDB":    func(t *testing.T) string { return sqlserver.MariaDB(t).Database(t) },
}

func TestEveryRequestOfTheTranscriptsIsAnsweredAsThePredecessorDidOrAsTheContractSays(t *testing.T) {
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			cloud := product.NewCloud(t, inventory, product.CloudOptions{Servers: 1, Database: database(t)})
			cloud.Start()
			p := newPlayer(t, cloud.Servers[0].URL)
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
