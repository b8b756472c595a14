package cli

import (
	"context"
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
		if i >= len(lists) && c.Name() != "delete" {
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

func (a *app) gatewayNames(ctx context.Context) ([]string, error) {
	all, err := fetch[gateway](ctx, a, "/l2-gateways", "l2_gateways", nil)
	names := make([]string, len(all))
	for i, g := range all {
		names[i] = g.Name + "\t" + g.ID
		if g.Name == "" {
			names[i] = g.ID
		}
	}
	return names, err
}

func (a *app) networkNames(ctx context.Context) ([]string, error) {
	all, err := fetch[network](ctx, a, "/networks", "networks", nil)
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = n.Name + "\t" + n.ID
	}
	return names, err
}

func (a *app) connectionIDs(ctx context.Context) ([]string, error) {
	all, err := fetch[connection](ctx, a, "/l2-gateway-connections", "l2_gateway_connections", nil)
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.ID + "\tnetwork " + c.NetworkID
	}
	return names, err
}
