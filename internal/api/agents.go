package api

import (
	"cmp"
	"context"
	"slices"

	"l2gw"
	"l2gw/internal/store"
)

// agents are read-only: they come and go by themselves.
func agents(s *server) resource[l2gw.AgentState] {
	all := func() []l2gw.AgentState {
		if s.Agents == nil {
			return nil
		}
		return slices.Clone(s.Agents.Agents())
	}
	return resource[l2gw.AgentState]{
		name: "l2_gateway_agent", collection: "l2_gateway_agents", path: "l2-gateway-agents",
		attributes: agentAttributes,
		id:         func(a *l2gw.AgentState) string { return a.Name },
		list:       func(context.Context, store.Query) ([]l2gw.AgentState, error) { return all(), nil },
		get: func(_ context.Context, name string) (l2gw.AgentState, error) {
			for _, a := range all() {
				if a.Name == name {
					return a, nil
				}
			}
			return l2gw.AgentState{}, agentNotFound(name)
		},
	}
}

var agentAttributes = table[l2gw.AgentState]{
	{
		name: "name", show: func(a *l2gw.AgentState) any { return a.Name },
		compare: func(a, b *l2gw.AgentState) int { return cmp.Compare(a.Name, b.Name) },
	},
	// As Neutron's agents have it: an agent is named after its host.
	{name: "host", show: func(a *l2gw.AgentState) any { return a.Name }},
	{name: "version", show: func(a *l2gw.AgentState) any { return a.Version }},
	{name: "alive", show: func(a *l2gw.AgentState) any { return a.Connected }},
	{name: "address", show: func(a *l2gw.AgentState) any { return a.Address }},
	{
		name: "since", show: func(a *l2gw.AgentState) any { return timestamp(a.Since) },
		compare: func(a, b *l2gw.AgentState) int { return a.Since.Compare(b.Since) },
	},
	{
		name: "databases", show: func(a *l2gw.AgentState) any { return showAgentDatabases(a.Databases) },
		matches: func(a *l2gw.AgentState) []string {
			names := make([]string, len(a.Databases))
			for i, d := range a.Databases {
				names[i] = d.Name
			}
			return names
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
