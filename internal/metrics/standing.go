package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"l2gw"
	"l2gw/internal/agent"
	"l2gw/internal/controller"
)

// collector reads something at each scrape.
type collector struct {
	all  []*prometheus.Desc
	read func(chan<- prometheus.Metric)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.all {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) { c.read(ch) }

func (c *collector) desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	c.all = append(c.all, d)
	return d
}

func gauge[N int | int64 | float64](ch chan<- prometheus.Metric, d *prometheus.Desc, v N, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
}

func flag(ch chan<- prometheus.Metric, d *prometheus.Desc, is bool, labels ...string) {
	v := 0
	if is {
		v = 1
	}
	gauge(ch, d, v, labels...)
}

// Databases adds how an agent's databases stand. It is called once.
func (m *Metrics) Databases(standings func() []agent.Standing) {
	c := &collector{}
	database := func(name, help string, labels ...string) *prometheus.Desc {
		return c.desc("l2gw_database_"+name, help, append([]string{"database"}, labels...)...)
	}
	connected := database("connected", "1 if a session with the switch database is up and in sync with it.")
	granted := database("granted", "1 if the controller lets this process write to the switch database.")
	locked := database("locked", "1 if this process holds the OVSDB lock of the switch database, or the switch has no locks.")
	inSync := database("in_sync", "1 if the switch holds all that it should, and nothing else has been heard of since.")
	sessions := database("sessions_total", "Sessions with the switch database that came up; each but the first is a reconnect.")
	pending := database("pending_seconds", "Age of the oldest change that was heard of and that the switch does not hold yet; 0: there is none.")
	rows := database("rows", "Rows that the switch database has, whoever wrote them, as last seen.", "table")
	bindings := database("wanted_bindings", "Bindings (port and VLAN) that the switch database must hold.")
	networks := database("wanted_networks", "Networks that are bound on the switch database.")
	hosts := database("wanted_hosts", "Hosts of the networks that are bound on the switch database, those behind its own ports included.")
	refused := database("refused_rows", "Rows and bindings that the switch refuses at present; all else is written.")
	waiting := database("waiting_logical_switches", "Logical switches that are not wanted and whose local rows the switch has yet to withdraw.")
	missed := database("last_audit_operations", "Operations that the last look at the whole switch database found to be needed; after a reconnect, what had to be caught up with.")
	held := database("held_removals", "Removals of rows that wait for an operator's release, or for a second look at the inventory.")
	denied := database("denied", "1 if a server does not let the agent have the switch database.")
	mode := database("mode", "1 for what is done with the switch database: run; observe (differences are told, nothing is written); paused.", "mode")
	c.read = func(ch chan<- prometheus.Metric) {
		for _, s := range standings() {
			flag(ch, connected, s.Connected, s.Name)
			flag(ch, granted, s.Granted, s.Name)
			flag(ch, locked, s.Locked, s.Name)
			flag(ch, inSync, s.InSync, s.Name)
			ch <- prometheus.MustNewConstMetric(sessions, prometheus.CounterValue, float64(s.Sessions), s.Name)
			gauge(ch, pending, s.Pending.Seconds(), s.Name)
			for table, n := range s.Rows {
				gauge(ch, rows, n, s.Name, table)
			}
			gauge(ch, bindings, s.Bindings, s.Name)
			gauge(ch, networks, s.Networks, s.Name)
			gauge(ch, hosts, s.Hosts, s.Name)
			gauge(ch, refused, s.Refused, s.Name)
			gauge(ch, waiting, s.Waiting, s.Name)
			gauge(ch, missed, s.Missed, s.Name)
			gauge(ch, held, s.Held, s.Name)
			flag(ch, denied, len(s.Denied) > 0, s.Name)
			for name, is := range map[string]l2gw.Mode{"run": l2gw.ModeRun, "observe": l2gw.ModeObserve, "paused": l2gw.ModePaused} {
				flag(ch, mode, s.Mode == is, s.Name, name)
			}
		}
	}
	m.registry.MustRegister(c)
}

// Controller adds how much of what the controller knows. It is called once.
func (m *Metrics) Controller(figures func() controller.Figures) {
	c := &collector{}
	revision := c.desc("l2gw_intent_revision", "Revision of the users' intent that the controller works on; it grows with each change.")
	read := c.desc("l2gw_intent_read", "1 once the controller has read the users' intent.")
	known := c.desc("l2gw_inventory_known", "1 once a complete inventory has been read, be it the last good one.")
	readable := c.desc("l2gw_inventory_readable", "1 if the inventory is known and can be read now; else what was known stays in force.")
	networks := c.desc("l2gw_inventory_networks", "Networks of the inventory.")
	hosts := c.desc("l2gw_inventory_hosts", "Hosts of all networks of the inventory; one per MAC and network.")
	bindings := c.desc("l2gw_bindings", "Bindings (port and VLAN of a connection), by status.", "status")
	learned := c.desc("l2gw_learned_macs", "MACs that switches learned behind their ports and that other switches are told of.")
	reports := c.desc("l2gw_learned_mac_problems", "Problems of learned MACs: conflict (the inventory knows the MAC elsewhere), frozen (it moved too often), over-limit (a database learned too many on a network).", "kind")
	c.read = func(ch chan<- prometheus.Metric) {
		f := figures()
		gauge(ch, revision, f.Revision)
		flag(ch, read, f.IntentRead)
		flag(ch, known, f.InventoryKnown)
		flag(ch, readable, f.InventoryReadable)
		gauge(ch, networks, f.Networks)
		gauge(ch, hosts, f.Hosts)
		for _, s := range []l2gw.Status{
			l2gw.StatusError, l2gw.StatusDown, l2gw.StatusDegraded, l2gw.StatusPending, l2gw.StatusBuild, l2gw.StatusActive,
		} {
			gauge(ch, bindings, f.Bindings[s], string(s))
		}
		gauge(ch, learned, f.Learned)
		for _, k := range []l2gw.MACReportKind{l2gw.MACConflict, l2gw.MACFrozen, l2gw.MACOverLimit} {
			gauge(ch, reports, f.Reports[k], string(k))
		}
	}
	m.registry.MustRegister(c)
}
