package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// fetch gets what stands beside the API.
func fetch(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metrics are the values of /metrics, by name and labels as they stand there. Where
// the product is split, they are those of the server, with the databases' of the
// agent that writes to tor, if one does.
func metrics(t testing.TB, p *product.Product) map[string]float64 {
	t.Helper()
	server, agents := p.Monitors()
	all := metricsAt(t, server)
	var of map[string]float64
	for _, a := range agents {
		if m := metricsAt(t, a); of == nil || m[ofTor("granted")] == 1 {
			of = m
		}
	}
	for name, v := range of {
		if strings.HasPrefix(name, "l2gw_database_") {
			all[name] = v
		}
	}
	return all
}

// metricsAt are those of one process.
func metricsAt(t testing.TB, url string) map[string]float64 {
	t.Helper()
	status, body := fetch(t, url+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		if err != nil {
			t.Fatalf("/metrics: %q: %v", line, err)
		}
		all[line[:at]] = v
	}
	return all
}

// ofTor is the series of a metric of database tor.
func ofTor(name string) string { return "l2gw_database_" + name + `{database="tor"}` }

// waitMetrics waits until these series have these values.
func waitMetrics(t testing.TB, p *product.Product, want map[string]float64) {
	t.Helper()
	product.Eventually(t, "the metrics are as they should", func() error {
		got := metrics(t, p)
		for name, v := range want {
			if x, ok := got[name]; !ok || x != v {
				return fmt.Errorf("%s is %v, want %v", name, x, v)
			}
		}
		return nil
	})
}

// readyz is the answer of /readyz: its status and the reasons by check, "" for one that holds.
func readyz(t testing.TB, p *product.Product) (int, map[string]string) {
	t.Helper()
	status, body := fetch(t, p.URL+"/readyz")
	var report struct {
		Ready  bool
		Checks []struct {
			Name, Reason string
			OK           bool
		}
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatalf("/readyz: %v in %q", err, body)
	}
	if report.Ready != (status == http.StatusOK) {
		t.Errorf("/readyz: %d with %s", status, body)
	}
	reasons := map[string]string{}
	for _, c := range report.Checks {
		if c.OK != (c.Reason == "") {
			t.Errorf("/readyz: %+v", c)
		}
		reasons[c.Name] = c.Reason
	}
	return status, reasons
}

func TestTheMetricsTellOfASwitchThatGoesAwayAndComesBack(t *testing.T) {
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	connectA(t, p)
	well := map[string]float64{
		ofTor("connected"): 1, ofTor("granted"): 1, ofTor("locked"): 1, ofTor("in_sync"): 1, ofTor("pending_seconds"): 0,
		ofTor("sessions_total"): 1, ofTor("wanted_bindings"): 1, ofTor("wanted_networks"): 1, ofTor("wanted_hosts"): 2,
		ofTor("refused_rows"): 0,
		`l2gw_database_rows{database="tor",table="Ucast_Macs_Remote"}`: 2,
		`l2gw_database_rows{database="tor",table="Logical_Switch"}`:    1,
		"l2gw_intent_read": 1, "l2gw_inventory_known": 1, "l2gw_inventory_readable": 1, "l2gw_inventory_networks": 2, "l2gw_inventory_hosts": 4,
		`l2gw_bindings{status="ACTIVE"}`: 1, `l2gw_bindings{status="PENDING"}`: 0,
		`l2gw_api_requests_total{method="POST",route="/v2.0/l2-gateway-connections",status="201"}`:    1,
		`l2gw_api_request_duration_seconds_count{method="POST",route="/v2.0/l2-gateway-connections"}`: 1,
	}
	waitMetrics(t, p, well)
	before := metrics(t, p)
	for _, name := range []string{
		ofTor("operations_total"), `l2gw_database_transactions_total{database="tor",result="done"}`,
		ofTor("transaction_duration_seconds_count"), ofTor("lag_seconds_count"), "l2gw_intent_revision",
	} {
		if before[name] == 0 {
			t.Errorf("%s is 0 after a connection was made", name)
		}
	}

	s.Stop()
	waitMetrics(t, p, map[string]float64{
		ofTor("connected"): 0, ofTor("in_sync"): 0, ofTor("locked"): 0, ofTor("wanted_bindings"): 1,
	})
	// It is told; the process goes on taking what users want.
	product.Eventually(t, "/readyz tells of the switch", func() error {
		status, reasons := readyz(t, p)
		if status != http.StatusOK || !strings.HasPrefix(reasons["database tor"], "not connected: ") {
			return fmt.Errorf("%d %v", status, reasons)
		}
		return nil
	})
	gw := p.CreateGateway("gw-b", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	b := p.Connect(gw, netB, "200")
	product.Eventually(t, "the change that the switch lacks grows old", func() error {
		if got := metrics(t, p); got[ofTor("pending_seconds")] == 0 || got[`l2gw_bindings{status="PENDING"}`] != 1 {
			return fmt.Errorf("pending for %v s, %v bindings pending", got[ofTor("pending_seconds")], got[`l2gw_bindings{status="PENDING"}`])
		}
		return nil
	})

	s.Run()
	p.WaitStatus(b, "ACTIVE")
	waitMetrics(t, p, map[string]float64{
		ofTor("connected"): 1, ofTor("in_sync"): 1, ofTor("pending_seconds"): 0, ofTor("sessions_total"): 2, ofTor("wanted_bindings"): 2,
		`l2gw_database_rows{database="tor",table="Logical_Switch"}`: 2, `l2gw_bindings{status="ACTIVE"}`: 2,
	})
	if after := metrics(t, p); after[ofTor("operations_total")] <= before[ofTor("operations_total")] ||
		after[ofTor("lag_seconds_count")] <= before[ofTor("lag_seconds_count")] {
		t.Error("catching up was not counted")
	}
	if _, reasons := readyz(t, p); reasons["database tor"] != "" {
		t.Errorf("/readyz: %v", reasons)
	}
}

func TestTheMetricsTellOfRowsThatASwitchRefuses(t *testing.T) {
	s := startSwitch(t, ovsdbd.Options{Schema: editSchema(t, func(tables map[string]any) {
		tables["Logical_Switch"].(map[string]any)["maxRows"] = 1
	})})
	fill(s)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	_, a := connectA(t, p)
	gw := p.CreateGateway("gw-b", product.Device{Name: "ps2", Interfaces: []product.Interface{{Name: "eth1"}}})
	b := p.Connect(gw, netB, "200")
	product.Eventually(t, "the refusal is counted", func() error {
		got := metrics(t, p)
		if got[ofTor("refused_rows")] == 0 || got[ofTor("refusals_total")] == 0 || got[ofTor("in_sync")] != 0 ||
			got[`l2gw_database_transactions_total{database="tor",result="refused"}`] == 0 {
			return fmt.Errorf("refused now %v, ever %v, in sync %v, connection %v",
				got[ofTor("refused_rows")], got[ofTor("refusals_total")], got[ofTor("in_sync")], p.Connection(b))
		}
		return nil
	})
	if status, reasons := readyz(t, p); status != http.StatusOK || !strings.HasPrefix(reasons["database tor"], "not in sync") {
		t.Errorf("/readyz: %d %v", status, reasons)
	}

	logged(t, p, "the rows of a network are not as they should be", "database=tor", "network_id="+netB, b, "the switch refuses")

	// The other network makes room.
	p.Disconnect(a)
	p.WaitStatus(b, "ACTIVE")
	waitMetrics(t, p, map[string]float64{
		ofTor("refused_rows"): 0, ofTor("in_sync"): 1, `l2gw_bindings{status="ACTIVE"}`: 1,
	})
	logged(t, p, "the rows of a network are as they should be again", "network_id="+netB, b)
}

func TestTheMetricsTellWhoHoldsTheLock(t *testing.T) {
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	waitMetrics(t, p, map[string]float64{ofTor("locked"): 1, ofTor("in_sync"): 1})
	second := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	waitMetrics(t, second, map[string]float64{ofTor("connected"): 1, ofTor("locked"): 0, ofTor("in_sync"): 0})
	p.Stop()
	waitMetrics(t, second, map[string]float64{ofTor("locked"): 1, ofTor("in_sync"): 1})
}

func TestAnInventoryThatCannotBeReadIsToldAndOneThatNeverWasMakesUnready(t *testing.T) {
	p := product.Start(t, inventoryFile)
	p.Eventually("the process is ready", func() error {
		if status, reasons := readyz(t, p); status != http.StatusOK {
			return fmt.Errorf("%d %v", status, reasons)
		}
		return nil
	})
	p.WriteInventory("networks: 7\n")
	p.Eventually("the broken inventory is told", func() error {
		status, reasons := readyz(t, p)
		if status != http.StatusOK || !strings.Contains(reasons["inventory readable"], "what was known stays in force") {
			return fmt.Errorf("%d %v", status, reasons)
		}
		return nil
	})
	waitMetrics(t, p, map[string]float64{"l2gw_inventory_known": 1, "l2gw_inventory_readable": 0, "l2gw_inventory_networks": 2})

	// A process that never read one.
	p.Stop()
	if err := os.RemoveAll(p.Data); err != nil {
		t.Fatal(err)
	}
	p.Launch()
	p.Eventually("the process tells that it has no inventory", func() error {
		status, reasons := readyz(t, p)
		if status != http.StatusServiceUnavailable || !strings.Contains(reasons["inventory known"], "inventory.yaml") ||
			reasons["store"] != "" || reasons["intent"] != "" {
			return fmt.Errorf("%d %v", status, reasons)
		}
		return nil
	})
	if status, body := fetch(t, p.URL+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	p.WriteInventory(inventoryFile)
	p.Eventually("the process is ready", func() error {
		if status, reasons := readyz(t, p); status != http.StatusOK {
			return fmt.Errorf("%d %v", status, reasons)
		}
		return nil
	})
}

func TestTheMetricsOfARunningProcessAreNamedAsPrometheusWantsThem(t *testing.T) {
	p := product.Start(t, inventoryFile)
	_, body := fetch(t, p.URL+"/metrics")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range problems {
		t.Errorf("%s: %s", x.Metric, x.Text)
	}
}

// logged waits until a line of the log has all of this, and returns it.
func logged(t testing.TB, p *product.Product, all ...string) (found string) {
	t.Helper()
	product.Eventually(t, "the log tells of it", func() error {
		for line := range strings.Lines(p.Log()) {
			if !slices.ContainsFunc(all, func(s string) bool { return !strings.Contains(line, s) }) {
				found = line
				return nil
			}
		}
		return fmt.Errorf("no line with %q", all)
	})
	return found
}

func TestAChangeIsFollowedInTheLogFromTheRequestIntoTheSwitchAndOut(t *testing.T) {
	s := twoSwitches(t)
	p := product.Start(t, inventoryFile, "tor:"+s.Endpoint())
	_, connection := connectA(t, p)
	made := logged(t, p, "intent changed", "action=create", "resource=l2_gateway_connection", connection)
	_, request, ok := strings.Cut(strings.TrimSpace(made), "request_id=")
	if !ok {
		t.Fatalf("no request id in %q", made)
	}
	logged(t, p, "msg=request", "method=POST", "request_id="+request)
	where := []string{"database=tor", "network_id=" + netA, "device=ps1", "interface=eth1", "vlan=100"}
	logged(t, p, append(where, "level=INFO", "the switch holds a binding", "connection_id="+connection, "status=ACTIVE")...)
	p.Disconnect(connection)
	logged(t, p, "msg=request", "method=DELETE", "path=/v2.0/l2-gateway-connections/"+connection)
	logged(t, p, append(where, "level=INFO", "the switch has let go of a binding")...)

	// A port that is not there.
	gw := p.CreateGateway("gw-x", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth9"}}})
	c := p.Connect(gw, netB, "200")
	logged(t, p, "level=WARN", "a binding is not as it should be", "connection_id="+c, "interface=eth9", "status=DOWN", "port eth9 is not on switch ps1")
}
