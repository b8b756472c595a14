package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"l2gw/internal/keystone"
)

// Keystone returns what counts the questions about tokens. It is called once.
func (m *Metrics) Keystone() func(r keystone.Result, took time.Duration) {
	questions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "l2gw_keystone_questions_total",
		Help: "Questions about tokens, by result: cached (Keystone was not asked again); valid; refused; unavailable (Keystone cannot be asked, or will not tell).",
	}, []string{"result"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "l2gw_keystone_question_duration_seconds", Help: "How long Keystone took to tell about a token, the wait for a turn included.", Buckets: requestBuckets,
	})
	counters := map[keystone.Result]prometheus.Counter{}
	for _, r := range []keystone.Result{keystone.ResultCached, keystone.ResultValid, keystone.ResultRefused, keystone.ResultUnavailable} {
		counters[r] = questions.WithLabelValues(string(r))
	}
	m.registry.MustRegister(questions, seconds)
	return func(r keystone.Result, took time.Duration) {
		counters[r].Inc()
		if took > 0 {
			seconds.Observe(took.Seconds())
		}
	}
}
