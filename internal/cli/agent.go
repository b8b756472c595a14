package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

var agentColumns = []column[agent]{
	{name: "Name", value: func(x agent) any { return x.Name }},
	{name: "Alive", value: func(x agent) any { return x.Alive }},
	{name: "Since", value: func(x agent) any { return showTime(x.Since) }},
	{name: "Address", value: func(x agent) any { return x.Address }},
	{name: "Version", value: func(x agent) any { return x.Version }},
	{name: "Databases", value: func(x agent) any { return showAgentDatabases(x.Databases) }},
	{name: "Host", value: func(x agent) any { return x.Host }, long: true},
}

func showAgentDatabases(databases []agentDatabase) cell {
	lines := make([]string, len(databases))
	value := make(list, len(databases))
	for i, d := range databases {
		state := "not connected"
		switch {
		case d.Refused != "":
			state = "refused: " + d.Refused
		case d.Writer:
			state = "writes"
		case d.Connected:
			state = "connected"
		}
		lines[i] = d.Name + ": " + state
		value[i] = dict{{"name", d.Name}, {"connected", d.Connected}, {"writer", d.Writer}, {"refused", d.Refused}}
	}
	return cell{strings.Join(lines, "\n"), value}
}

// status puts how an agent is into the words that the rest of the product uses.
func (x agent) status() string {
	if !x.Alive {
		return "DOWN"
	}
	for _, d := range x.Databases {
		if d.Refused != "" {
			return "ERROR"
		}
	}
	return active
}

// trouble says what is wrong with an agent, or "".
func (x agent) trouble() string {
	var parts []string
	if !x.Alive {
		gone := "not heard of"
		if x.Since != nil {
			gone += " since " + x.Since.UTC().Format(time.RFC3339)
		}
		parts = append(parts, gone)
	}
	for _, d := range x.Databases {
		if d.Refused != "" {
			parts = append(parts, fmt.Sprintf("refused database %s: %s", d.Name, d.Refused))
		}
	}
	return strings.Join(parts, "; ")
}

// agents are those that the server knows. A server of the version before has none to tell of.
func (a *app) agents(ctx context.Context) ([]agent, error) {
	all, err := fetch[agent](ctx, a, "/l2-gateway-agents", "l2_gateway_agents", nil)
	if isNotFound(err) {
		return nil, nil
	}
	return all, err
}

func (a *app) agentList(use string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: "List the agents, also those that were heard of lately", Args: arguments(0, 0)}
	return listing(a, c, agentColumns, func(ctx context.Context, _ []string) ([]agent, error) {
		return fetch[agent](ctx, a, "/l2-gateway-agents", "l2_gateway_agents", nil)
	})
}

func (a *app) agentShow(use string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: "Show an agent and its databases", Args: names(1, 1), ValidArgsFunction: a.complete(a.agentNames)}
	return showingAll(a, c, agentColumns, func(ctx context.Context, args []string) (agent, error) {
		return send[agent](ctx, a, http.MethodGet, "/l2-gateway-agents/"+url.PathEscape(args[0]), "l2_gateway_agent", nil)
	})
}
