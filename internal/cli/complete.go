package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionPatience is how long a shell waits for names when its user presses Tab.
const completionPatience = 3 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// complete offers, for the argument in each place, the names that list finds; the
// last of lists is for all further places. When the API cannot be asked, nothing
// is offered.
func (a *app) complete(lists ...func(context.Context) ([]string, error)) completer {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		i := len(args)
		if i >= len(lists) && !strings.Contains(c.Use, "...") {
			return nil, none
		}
		if a.check(false) != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		names, err := lists[min(i, len(lists)-1)](ctx)
		if err != nil {
			return nil, none
		}
		return names, none
	}
}

// namesOf is what show makes of each object of a collection: what to type, and behind a
// tab what that is.
func namesOf[T any](ctx context.Context, a *app, path, collection string, show func(T) string) ([]string, error) {
	all, err := fetch[T](ctx, a, path, collection, nil)
	names := make([]string, 0, len(all))
	for _, x := range all {
		if name := show(x); name != "" {
			names = append(names, name)
		}
	}
	return names, err
}

// namesOrIDs offers each object of a collection by its name, and behind a tab the id; or
// the other way round if there is no name, one that shells would take apart, or one that
// stands for another object as well.
func namesOrIDs[T any](ctx context.Context, a *app, path, collection string, of func(T) (name, id string)) ([]string, error) {
	all, err := fetch[T](ctx, a, path, collection, nil)
	meanings := map[string]int{}
	for _, x := range all {
		name, id := of(x)
		meanings[name]++
		meanings[id]++
	}
	offers := make([]string, len(all))
	for i, x := range all {
		name, id := of(x)
		if name == "" || meanings[name] > 1 || strings.ContainsAny(name, " \t\n\"'\\$`&|;<>()*?[]#~!{}") {
			name, id = id, printable(strings.Join(strings.Fields(name), " "))
		}
		offers[i] = name + "\t" + id
	}
	return offers, err
}

func (a *app) gatewayNames(ctx context.Context) ([]string, error) {
	return namesOrIDs(ctx, a, "/l2-gateways", "l2_gateways", func(g gateway) (string, string) { return g.Name, g.ID })
}

func (a *app) networkNames(ctx context.Context) ([]string, error) {
	return namesOrIDs(ctx, a, "/networks", "networks", func(n network) (string, string) { return n.Name, n.ID })
}

func (a *app) connectionIDs(ctx context.Context) ([]string, error) {
	return namesOf(ctx, a, "/l2-gateway-connections", "l2_gateway_connections", func(c connection) string {
		return c.ID + "\tnetwork " + c.NetworkID
	})
}

func (a *app) deviceNames(ctx context.Context) ([]string, error) {
	return namesOf(ctx, a, "/l2-gateway-devices", "l2_gateway_devices", func(d switchState) string {
		if d.Name == "" {
			return d.Database + "\t" + d.Status
		}
		return d.Name + "\t" + d.Status
	})
}

func (a *app) agentNames(ctx context.Context) ([]string, error) {
	return namesOf(ctx, a, "/l2-gateway-agents", "l2_gateway_agents", func(x agent) string { return x.Name + "\t" + x.status() })
}
