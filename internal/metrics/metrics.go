package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"l2gw/internal/agent"
	"l2gw/internal/api"
)

// Limits of one scrape, so that a slow or hostile reader holds up nobody else.
const (
	maxScrapes    = 4
	scrapeTimeout = 10 * time.Second
)

// Buckets in seconds. A change takes less than a millisecond on a fast switch,
// and minutes if the switch was away.
var (
	transactionBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	lagBuckets         = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
	requestBuckets     = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30}
)

// Metrics are those of one process, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry

	transactions       *prometheus.CounterVec
	operations         *prometheus.CounterVec
	refusals           *prometheus.CounterVec
	transactionSeconds *prometheus.HistogramVec
	lag                *prometheus.HistogramVec

	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
}

// New returns the metrics of a program of this version: those of the process,
// and the others once they are told where to read.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "l2gw_database_transactions_total",
			Help: "Transactions sent to the switch database, by result: done; stale (the database had changed, planned again); refused; failed (session or lock lost, no answer).",
		}, []string{"database", "result"}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "l2gw_database_operations_total",
			Help: "Operations in the transactions that were sent, whatever became of them.",
		}, []string{"database"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "l2gw_database_refusals_total",
			Help: "Times that a row or binding was found to be refused by the switch, and left out for a while.",
		}, []string{"database"}),
		transactionSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "l2gw_database_transaction_duration_seconds",
			Help: "From the sending of a transaction to its effects being seen.", Buckets: transactionBuckets,
		}, []string{"database"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "l2gw_database_lag_seconds",
			Help: "From when the first of several changes was heard of, from users, inventory or switch, to the switch holding them all. Time that the switch was away counts.", Buckets: lagBuckets,
		}, []string{"database"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "l2gw_api_requests_total", Help: "Requests of the API that were answered.",
		}, []string{"method", "route", "status"}),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "l2gw_api_request_duration_seconds", Help: "Time to answer a request of the API.", Buckets: requestBuckets,
		}, []string{"method", "route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "l2gw_build_info", Help: "What was built, in labels; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.transactions, m.operations, m.refusals, m.transactionSeconds, m.lag, m.requests, m.requestSeconds,
	)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // the rest is still worth having
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	})
}

// Request counts a request of the API.
func (m *Metrics) Request(r api.Request) {
	m.requests.WithLabelValues(r.Method, r.Route, strconv.Itoa(r.Status)).Inc()
	m.requestSeconds.WithLabelValues(r.Method, r.Route).Observe(r.Took.Seconds())
}

// Meter counts what happens on a database. All its series are there from the
// start, so that the first event is an increase.
func (m *Metrics) Meter(database string) agent.Meter {
	x := &meter{
		results: map[agent.Result]prometheus.Counter{}, operations: m.operations.WithLabelValues(database),
		refusals: m.refusals.WithLabelValues(database),
		seconds:  m.transactionSeconds.WithLabelValues(database), lag: m.lag.WithLabelValues(database),
	}
	for _, r := range []agent.Result{agent.ResultDone, agent.ResultStale, agent.ResultRefused, agent.ResultFailed} {
		x.results[r] = m.transactions.WithLabelValues(database, string(r))
	}
	return x
}

// meter has the series of one database at hand: looking them up takes longer than counting.
type meter struct {
	results              map[agent.Result]prometheus.Counter
	operations, refusals prometheus.Counter
	seconds, lag         prometheus.Observer
}

func (m *meter) Transaction(r agent.Result, operations int, took time.Duration) {
	m.results[r].Inc()
	m.operations.Add(float64(operations))
	m.seconds.Observe(took.Seconds())
}

func (m *meter) Refused(subjects int) { m.refusals.Add(float64(subjects)) }

func (m *meter) Confirmed(lag time.Duration) { m.lag.Observe(lag.Seconds()) }
