package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"l2gw/internal/agent"
	"l2gw/internal/controller"
)

// Office adds how a server stands as the controller. It is called once.
func (m *Metrics) Office(figures func() controller.OfficeFigures) {
	c := &collector{}
	leading := c.desc("l2gw_lease_leading", "1 if this server is the controller: it feeds the agents. Of all servers of a database, one is.")
	epoch := c.desc("l2gw_lease_epoch", "Epoch in which this server is the controller; 0: it is not.")
	leased := c.desc("l2gw_lease_remaining_seconds", "For how long no other server can become the controller; negative: since when one may, because the database does not answer. 0 if this server is not the controller.")
	agents := c.desc("l2gw_server_streams", "Agents that are connected to this server.")
	writing := c.desc("l2gw_store_write_queue", "Switch databases of which something waits to be written to SQL.")
	c.read = func(ch chan<- prometheus.Metric) {
		f := figures()
		flag(ch, leading, f.Leading)
		gauge(ch, epoch, float64(f.Epoch))
		gauge(ch, leased, f.Leased.Seconds())
		gauge(ch, agents, f.Agents)
		gauge(ch, writing, f.Writing)
	}
	m.registry.MustRegister(c)
}

// Links adds how an agent stands with the servers. It is called once.
func (m *Metrics) Links(links func() []agent.LinkStanding, seen func() uint64) {
	c := &collector{}
	connected := c.desc("l2gw_agent_stream_connected", "1 if the agent has a stream with the server.", "server")
	obeyed := c.desc("l2gw_agent_stream_obeyed", "1 if the server is the controller, which the agent does as it is told by.", "server")
	epoch := c.desc("l2gw_agent_epoch", "The highest epoch of a controller that the agent has heard of.")
	c.read = func(ch chan<- prometheus.Metric) {
		for _, l := range links() {
			flag(ch, connected, l.Connected, l.Server)
			flag(ch, obeyed, l.Obeyed, l.Server)
		}
		gauge(ch, epoch, float64(seen()))
	}
	m.registry.MustRegister(c)
}
