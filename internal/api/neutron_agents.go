package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"l2gw"
	"l2gw/internal/store"

	"github.com/google/uuid"
)

// agentNamespace is that of the ids of agents, which have only names. It must never change.
var agentNamespace = uuid.MustParse("5b1f3c0a-7d2e-5f64-9a30-8c1d6e4b2f97")

func neutronAgentID(a *l2gw.AgentState) string {
	return uuid.NewSHA1(agentNamespace, []byte(a.Name)).String()
}

// neutronAgents are our agents in the form that Neutron's clients list
// (`openstack network agent list`); l2_gateway_agents say more.
func neutronAgents(s *server) resource[l2gw.AgentState] {
	return resource[l2gw.AgentState]{
		name: "agent", collection: "agents", path: "agents",
		title: "agent", doc: "The gateway agents, as Neutron shows agents; read-only.",
		attributes: neutronAgentAttributes,
		faults:     map[string][]fault{"show": {{http.StatusNotFound, "AgentNotFound", "There is no agent with this id."}}},
		sample: func() l2gw.AgentState {
			at := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
			return l2gw.AgentState{Name: "l2gw-agent-1", Version: "1.0", Since: at}
		},
		id:   neutronAgentID,
		list: func(context.Context, store.Query) ([]l2gw.AgentState, error) { return s.agentStates(), nil },
		get: func(_ context.Context, id string) (l2gw.AgentState, error) {
			for _, a := range s.agentStates() {
				if neutronAgentID(&a) == id {
					return a, nil
				}
			}
			return l2gw.AgentState{}, &l2gw.Error{Code: l2gw.NotFound, Type: "AgentNotFound", Message: "Agent " + id + " could not be found."}
		},
	}
}

// agentTime is how Neutron shows an agent's times.
func agentTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

var neutronAgentAttributes = table[l2gw.AgentState]{
	{
		name: "id", doc: "The agent's id, derived from its host.", schema: formatted("uuid"),
		show:    func(a *l2gw.AgentState) any { return neutronAgentID(a) },
		compare: func(a, b *l2gw.AgentState) int { return cmp.Compare(neutronAgentID(a), neutronAgentID(b)) },
	},
	fixed[l2gw.AgentState]("agent_type", "What it is.", kind("string"), "L2 Gateway agent"),
	fixed[l2gw.AgentState]("binary", "Its program, by the name that Neutron knows.", kind("string"), "neutron-l2gateway-agent"),
	fixed[l2gw.AgentState]("topic", "Where messages to it went in Neutron.", kind("string"), "l2gateway_agent"),
	{
		name: "host", doc: "The host that it runs on.", schema: kind("string"),
		show:    func(a *l2gw.AgentState) any { return a.Name },
		compare: func(a, b *l2gw.AgentState) int { return cmp.Compare(a.Name, b.Name) },
	},
	fixed[l2gw.AgentState]("admin_state_up", "Whether it is meant to work: always.", kind("boolean"), true),
	{
		name: "created_at", doc: "When it connected or, if it is not alive, was last heard of (UTC).", schema: kind("string"),
		show: func(a *l2gw.AgentState) any { return agentTime(a.Since) },
	},
	{
		name: "started_at", doc: "When it connected or, if it is not alive, was last heard of (UTC).", schema: kind("string"),
		show: func(a *l2gw.AgentState) any { return agentTime(a.Since) },
	},
	{
		name: "heartbeat_timestamp", doc: "When it was last heard of (UTC): now, as long as it is alive.", schema: kind("string"),
		show: func(a *l2gw.AgentState) any {
			if a.Connected {
				return agentTime(time.Now())
			}
			return agentTime(a.Since)
		},
	},
	fixed[l2gw.AgentState]("description", "What people say of it: nothing.", orNull(kind("string")), nil),
	fixed[l2gw.AgentState]("resources_synced", "Whether Placement knows of it: it need not.", orNull(kind("boolean")), nil),
	fixed[l2gw.AgentState]("availability_zone", "Where it is: nobody knows.", orNull(kind("string")), nil),
	{
		name: "alive", doc: "Whether it is connected.", schema: kind("boolean"),
		show:    func(a *l2gw.AgentState) any { return a.Connected },
		compare: func(a, b *l2gw.AgentState) int { return cmp.Compare(boolRank(a.Connected), boolRank(b.Connected)) },
	},
	{
		name: "configurations", doc: "How it is set up: its version and the databases that it names and writes to.",
		schema: record(
			field{"version", kind("string"), "The version of its program."},
			field{"databases", listOf(kind("string")), "The databases that it names."},
			field{"writes", listOf(kind("string")), "Those that it writes to."},
		),
		show: func(a *l2gw.AgentState) any {
			names, writes := []string{}, []string{}
			for _, d := range a.Databases {
				names = append(names, d.Name)
				if d.Writer {
					writes = append(writes, d.Name)
				}
			}
			return object{{"version", a.Version}, {"databases", names}, {"writes", writes}}
		},
	},
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
