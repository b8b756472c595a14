package fabric

import (
	"fmt"
	"testing"

	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// tappedLab is a lab of one switch that each agent reaches through a tap of its
// own. The agents write slowly, so that one can be stopped in the middle.
func tappedLab(t testing.TB, hosts int, lockless bool) (*lab, *record) {
	t.Helper()
	l := &lab{t: t, switches: map[string]*ovsdbd.Server{"one": ovsdbd.Start(t, ovsdbd.Options{})}}
	l.fill("one")
	l.switches["one"].LogMessages()
	l.Cloud = product.NewCloud(t, inventory(hosts), product.CloudOptions{Servers: 2, Agents: 2})
	r := &record{}
	for i, a := range l.Agents {
		name := a.Name
		l.Agents[i] = l.NewAgent(name, append(l.PKI.Issue(name+"-again").FabricArgs(),
			"--pace=400", "--ovsdb-hosts=one:"+tap(t, r, name, l.switches["one"].TCP, lockless))...)
	}
	l.WriteAgents(`
agents:
- {name: agent-1, certificate: agent-1-again, databases: ['*']}
- {name: agent-2, certificate: agent-2-again, databases: ['*']}
`)
	l.Start()
	return l, r
}

// begin binds net-a on ps1 and waits until some of its rows are there.
func (l *lab) begin() (connection string) {
	l.t.Helper()
	api := &l.Servers[0].API
	gw := api.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	connection = api.Connect(gw, netA, "100")
	product.Eventually(l.t, "some rows are written", func() error {
		if n := l.rows("one"); n == 0 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	return connection
}

// An agent that stands still for longer than any term, in the middle of its
// work, and then goes on as if nothing had happened, writes no row any more.
// What it would write is wrong by then: most of its hosts are gone.
func TestAnAgentThatStoodStillWhileAnotherTookOverWritesNothing(t *testing.T) {
	for name, lockless := range map[string]bool{"by the lock": false, "by expiry, on a switch without locks": true} {
		t.Run(name, func(t *testing.T) {
			const hosts = 5_000
			l, r := tappedLab(t, hosts, lockless)
			first, others := l.Writer("one")
			second := others[0]
			connection := l.begin()
			first.Pause()
			if n := l.rows("one"); n >= hosts {
				t.Fatalf("all %d rows were there before it was stopped", n)
			}
			product.Eventually(t, "the other agent writes", func() error {
				if r.count(second.Name, "committed") == 0 {
					return fmt.Errorf("it does not")
				}
				return nil
			})
			l.Servers[0].Disconnect(connection)
			product.Eventually(t, "all rows are gone", func() error {
				if n := l.rows("one"); n > 0 {
					return fmt.Errorf("there are %d", n)
				}
				return nil
			})
			first.Continue()
			// It has come to when it beats again, and is told how things stand.
			product.Eventually(t, "the first agent has a stream again", func() error {
				return linked(first, l)
			})
			connection = l.Servers[1].Connect(gateway(l), netA, "101")
			l.Servers[1].WaitStatus(connection, "BUILD") // seen by the second agent
			product.Eventually(t, "the second agent goes on writing", func() error {
				if n := l.rows("one"); n < 500 {
					return fmt.Errorf("%d rows", n)
				}
				return nil
			})
			for _, e := range r.after(first.Name, second.Name) {
				if e.what == "committed" {
					t.Error("the first agent wrote after the second one had begun to")
					break
				}
			}
			checkHistory(t, l.switches["one"], r, first.Name, second.Name, lockless)
			if !lockless && r.count(first.Name, "stolen") == 0 {
				t.Error("the switch did not tell the first agent that its lock was stolen")
			}
			t.Logf("%s: %d commits, then %v; %s: %d commits", first.Name, r.count(first.Name, "committed"), r.after(first.Name, second.Name), second.Name, r.count(second.Name, "committed"))
		})
	}
}

// linked says whether the agent has streams with all servers.
func linked(a *product.Agent, l *lab) error {
	for _, s := range l.Servers {
		if a.Monitor.Metric(`l2gw_agent_stream_connected{server="`+s.Fabric+`"}`) != 1 {
			return fmt.Errorf("none with %s", s.Name)
		}
	}
	return nil
}

// gateway is the id of the only one.
func gateway(l *lab) string {
	_, out := l.Servers[0].Do("GET", "/v2.0/l2-gateways", nil)
	return out["l2_gateways"].([]any)[0].(product.Object)["id"].(string)
}
