package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"l2gw"
	"l2gw/internal/store"
)

// agents are read-only: they come and go by themselves.
func agents(s *server) resource[l2gw.AgentState] {
	return resource[l2gw.AgentState]{
		name: "l2_gateway_agent", collection: "l2_gateway_agents", path: "l2-gateway-agents",
		title: "L2 gateway agent", doc: "Agents that are there, and those that were within the last day.",
		attributes: agentAttributes,
		faults:     map[string][]fault{"show": {{http.StatusNotFound, "L2GatewayAgentNotFound", "There is no agent of this name."}}},
		sample: func() l2gw.AgentState {
			return l2gw.AgentState{
				Name: "host1", Version: "1.0", Connected: true, Address: "192.0.2.11:40112", Since: exampleTime,
				Databases: []l2gw.AgentDatabase{{Name: "ovsdb1", Connected: true, Writer: true}},
			}
		},
		id:   func(a *l2gw.AgentState) string { return a.Name },
		list: func(context.Context, store.Query) ([]l2gw.AgentState, error) { return s.agentStates(), nil },
		get: func(_ context.Context, name string) (l2gw.AgentState, error) {
			for _, a := range s.agentStates() {
				if a.Name == name {
					return a, nil
				}
			}
			return l2gw.AgentState{}, agentNotFound(name)
		},
	}
}

// agentStates are the caller's to sort and to cut.
func (s *server) agentStates() []l2gw.AgentState {
	if s.Agents == nil {
		return nil
	}
	return slices.Clone(s.Agents.Agents())
}

var agentAttributes = table[l2gw.AgentState]{
	{
		name: "name", doc: "The host that the agent runs on, which it is named after.", schema: kind("string"),
		show:    func(a *l2gw.AgentState) any { return a.Name },
		compare: func(a, b *l2gw.AgentState) int { return cmp.Compare(a.Name, b.Name) },
	},
	// As Neutron's agents have it: an agent is named after its host.
	{
		name: "host", doc: "The same as name, as Neutron's agents have it.", schema: kind("string"),
		show: func(a *l2gw.AgentState) any { return a.Name },
	},
	{
		name: "version", doc: "The version of the agent's program.", schema: kind("string"),
		show: func(a *l2gw.AgentState) any { return a.Version },
	},
	{
		name: "alive", doc: "Whether it is connected.", schema: kind("boolean"),
		show: func(a *l2gw.AgentState) any { return a.Connected },
	},
	{
		name: "address", doc: "Where it connects from.", schema: kind("string"),
		show: func(a *l2gw.AgentState) any { return a.Address },
	},
	{
		name: "since", doc: "When it connected or, if it is not alive, was last heard of (UTC).", schema: moment,
		show:    func(a *l2gw.AgentState) any { return timestamp(a.Since) },
		compare: func(a, b *l2gw.AgentState) int { return a.Since.Compare(b.Since) },
	},
	{
		name: "databases", doc: "The switch databases that it looks after.", schema: listOf(record(
			field{"name", kind("string"), "What the database is called."},
			field{"connected", kind("boolean"), "Whether the agent is connected to the switch."},
			field{"writer", kind("boolean"), "Whether it may write to it."},
			field{"refused", kind("string"), "Why it may not have the database, or empty."},
		)),
		show: func(a *l2gw.AgentState) any { return showAgentDatabases(a.Databases) },
		matches: func(a *l2gw.AgentState) []string {
			return mapped(a.Databases, func(d l2gw.AgentDatabase) string { return d.Name })
		},
	},
}

func showAgentDatabases(databases []l2gw.AgentDatabase) []object {
	out := make([]object, len(databases))
	for i, d := range databases {
		out[i] = object{{"name", d.Name}, {"connected", d.Connected}, {"writer", d.Writer}, {"refused", d.Refused}}
	}
	return out
}
