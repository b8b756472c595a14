package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificate is one whose expiry is told: that of a file of ours (the first of
// it to expire), or the one that a peer showed last.
type Certificate struct {
	Kind     string // file, database (its switch's), agent or server
	Name     string // path of the file, or name of the peer
	NotAfter time.Time
}

// Certificates adds until when certificates are valid. It is called once.
func (m *Metrics) Certificates(all func() []Certificate) {
	c := &collector{}
	expiry := c.desc("l2gw_certificate_expiry_timestamp_seconds",
		"Until when a certificate is valid, in Unix time: of a file of ours (the first of it to expire), or of the switch, agent or server that showed it last.", "kind", "name")
	c.read = func(ch chan<- prometheus.Metric) {
		for _, x := range all() {
			gauge(ch, expiry, x.NotAfter.Unix(), x.Kind, x.Name)
		}
	}
	m.registry.MustRegister(c)
}
