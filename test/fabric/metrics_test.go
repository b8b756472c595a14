package fabric

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"l2gw/test/product"
)

// served are the names of the metrics of L2GW at /metrics.
func served(t testing.TB, url string) (names []string) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (l2gw_\S+) `).FindAllStringSubmatch(string(body), -1) {
		names = append(names, m[1])
	}
	return names
}

// documented are the metrics in the tables of docs/operations.md, by whom they are
// of: a row is `name`, `name` | server, agent or both | what it means.
func documented(t testing.TB) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `l2gw_") || len(columns) < 3 {
			continue
		}
		of := columns[1]
		for _, m := range regexp.MustCompile("`(l2gw_[a-z_]+)`").FindAllStringSubmatch(columns[0], -1) {
			switch of {
			case "server", "agent":
				all[of] = append(all[of], m[1])
			case "both":
				all["server"], all["agent"] = append(all["server"], m[1]), append(all["agent"], m[1])
			}
		}
	}
	return all
}

func TestTheDocumentedMetricsAreThoseThatServersAndAgentsHave(t *testing.T) {
	l := newLab(t, 20)
	l.Start()
	l.connect()
	want := documented(t)
	writer, _ := l.Writer("one")
	for of, url := range map[string]string{"server": l.Servers[0].URL, "agent": writer.Monitor.URL} {
		product.Eventually(t, "the documented metrics of a "+of+" are those that it has", func() error {
			var problems []string
			got := served(t, url)
			for _, name := range want[of] {
				if !slices.Contains(got, name) {
					problems = append(problems, name+" is not there")
				}
			}
			for _, name := range got {
				if !slices.Contains(want[of], name) {
					problems = append(problems, name+" is not documented")
				}
			}
			if len(problems) > 0 {
				return fmt.Errorf("%s", strings.Join(problems, "\n"))
			}
			return nil
		})
	}
}
