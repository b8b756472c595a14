package metrics

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"l2gw"
	"l2gw/internal/agent"
	"l2gw/internal/api"
	"l2gw/internal/controller"
	"l2gw/internal/keystone"
)

// scrape is what a reader gets.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// full has a value in every metric.
func full() *Metrics {
	m := New("1.2.3")
	m.Databases(func() []agent.Standing {
		return []agent.Standing{
			{
				Name: "tor1", Connected: true, Granted: true, Locked: true, InSync: true, Sessions: 2, Rows: map[string]int{"Logical_Switch": 3},
				Bindings: 4, Networks: 5, Hosts: 6, Refused: 7, Waiting: 8, Missed: 9,
			},
			{Name: "tor2", Pending: 1500 * time.Millisecond},
		}
	})
	m.Controller(func() controller.Figures {
		return controller.Figures{
			Revision: 12, IntentRead: true, InventoryKnown: true, Networks: 2, Hosts: 70_000, Learned: 3,
			Bindings: map[l2gw.Status]int{l2gw.StatusActive: 10, l2gw.StatusError: 1},
			Reports:  map[l2gw.MACReportKind]int{l2gw.MACConflict: 2},
		}
	})
	x := m.Meter("tor1")
	x.Transaction(agent.ResultDone, 1000, 20*time.Millisecond)
	x.Transaction(agent.ResultRefused, 3, 2*time.Second)
	x.Refused(2)
	x.Confirmed(3 * time.Millisecond)
	m.Meter("tor2")
	m.Request(api.Request{Method: "POST", Route: "/v2.0/l2-gateways", Status: 201, Took: 4 * time.Millisecond})
	return m
}

func TestWhatHappenedAndHowThingsStandIsRead(t *testing.T) {
	got := scrape(t, full())
	for _, want := range []string{
		`l2gw_database_connected{database="tor1"} 1`,
		`l2gw_database_connected{database="tor2"} 0`,
		`l2gw_database_granted{database="tor1"} 1`,
		`l2gw_database_locked{database="tor1"} 1`,
		`l2gw_database_in_sync{database="tor1"} 1`,
		`l2gw_database_in_sync{database="tor2"} 0`,
		`l2gw_database_sessions_total{database="tor1"} 2`,
		`l2gw_database_pending_seconds{database="tor1"} 0`,
		`l2gw_database_pending_seconds{database="tor2"} 1.5`,
		`l2gw_database_rows{database="tor1",table="Logical_Switch"} 3`,
		`l2gw_database_wanted_bindings{database="tor1"} 4`,
		`l2gw_database_wanted_networks{database="tor1"} 5`,
		`l2gw_database_wanted_hosts{database="tor1"} 6`,
		`l2gw_database_refused_rows{database="tor1"} 7`,
		`l2gw_database_waiting_logical_switches{database="tor1"} 8`,
		`l2gw_database_last_audit_operations{database="tor1"} 9`,
		`l2gw_database_transactions_total{database="tor1",result="done"} 1`,
		`l2gw_database_transactions_total{database="tor1",result="refused"} 1`,
		`l2gw_database_transactions_total{database="tor2",result="failed"} 0`,
		`l2gw_database_operations_total{database="tor1"} 1003`,
		`l2gw_database_refusals_total{database="tor1"} 2`,
		`l2gw_database_transaction_duration_seconds_bucket{database="tor1",le="0.025"} 1`,
		`l2gw_database_transaction_duration_seconds_count{database="tor1"} 2`,
		`l2gw_database_lag_seconds_bucket{database="tor1",le="0.005"} 1`,
		`l2gw_database_lag_seconds_count{database="tor2"} 0`,
		`l2gw_intent_revision 12`,
		`l2gw_intent_read 1`,
		`l2gw_inventory_known 1`,
		`l2gw_inventory_readable 0`,
		`l2gw_inventory_networks 2`,
		`l2gw_inventory_hosts 70000`,
		`l2gw_bindings{status="ACTIVE"} 10`,
		`l2gw_bindings{status="ERROR"} 1`,
		`l2gw_bindings{status="DOWN"} 0`,
		`l2gw_learned_macs 3`,
		`l2gw_learned_mac_problems{kind="conflict"} 2`,
		`l2gw_learned_mac_problems{kind="frozen"} 0`,
		`l2gw_api_requests_total{method="POST",route="/v2.0/l2-gateways",status="201"} 1`,
		`l2gw_api_request_duration_seconds_count{method="POST",route="/v2.0/l2-gateways"} 1`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	for _, prefix := range []string{`l2gw_build_info{goversion="go`, "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(got, "\n"+prefix) {
			t.Errorf("there is no %s", prefix)
		}
	}
}

func TestNamesAndUnitsAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, full()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestAllSeriesOfADatabaseAreThereBeforeAnythingHappens(t *testing.T) {
	m := New("dev")
	m.Meter("tor1")
	got := scrape(t, m)
	for _, want := range []string{
		`l2gw_database_transactions_total{database="tor1",result="stale"} 0`,
		`l2gw_database_operations_total{database="tor1"} 0`,
		`l2gw_database_refusals_total{database="tor1"} 0`,
		`l2gw_database_lag_seconds_count{database="tor1"} 0`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestQuestionsAboutTokensAreCountedAndThoseOfTheCacheTakeNoTime(t *testing.T) {
	m := New("dev")
	observe := m.Keystone()
	observe(keystone.ResultCached, 0)
	observe(keystone.ResultCached, 0)
	observe(keystone.ResultRefused, time.Millisecond)
	got := scrape(t, m)
	for _, want := range []string{
		`l2gw_keystone_questions_total{result="cached"} 2`,
		`l2gw_keystone_questions_total{result="refused"} 1`,
		`l2gw_keystone_questions_total{result="unavailable"} 0`,
		`l2gw_keystone_questions_total{result="valid"} 0`,
		`l2gw_keystone_question_duration_seconds_count 1`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

func BenchmarkMeter(b *testing.B) {
	x := New("dev").Meter("tor1")
	b.ReportAllocs()
	for b.Loop() {
		x.Transaction(agent.ResultDone, 2, time.Millisecond)
		x.Confirmed(time.Millisecond)
	}
}

func BenchmarkScrape(b *testing.B) {
	m := full()
	for b.Loop() {
		rec := httptest.NewRecorder()
		m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		_, _ = io.Copy(io.Discard, rec.Body)
	}
}
