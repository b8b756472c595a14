package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// The modes of a switch's database, as the API names them.
const (
	modeRun     = "run"
	modeObserve = "observe"
	modePaused  = "paused"
)

var modes = map[string]struct{ short, long, done string }{
	modePaused: {
		"Leave switches alone, for maintenance",
		"Leave switches alone, for maintenance: nothing is written to their databases, whatever users do\nmeanwhile, until they are resumed. What is on them stays.",
		"paused",
	},
	modeObserve: {
		"Compare switches with what they should hold, and write nothing",
		"Compare switches with what they should hold, and write nothing until they are resumed. 'l2gw validate'\nshows the differences.",
		"observed only",
	},
	modeRun: {
		"Write to switches again that were paused or observed",
		"Write to switches again that were paused or observed: they are brought to what they should hold.",
		"resumed",
	},
}

// aboutDatabases is true of all commands to a switch.
const aboutDatabases = `

DEVICE is a switch or a database, as 'l2gw device list' shows them. A command is about the whole
database: all switches in it.`

// deviceMode sets the mode of the databases of switches.
func (a *app) deviceMode(use, mode string) *cobra.Command {
	m := modes[mode]
	return a.persistent(&cobra.Command{
		Use: use, Short: m.short, Long: m.long + aboutDatabases, Args: names(1, -1),
		ValidArgsFunction: a.complete(a.deviceNames),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{"l2_gateway_device": map[string]any{"mode": mode}}
			return a.each(c.Context(), args, m.done, func(ctx context.Context, device string) error {
				return a.deliver(ctx, harmless, http.MethodPut, devicePath(device), body, nil)
			})
		},
	})
}

func (a *app) deviceRelease(use string) *cobra.Command {
	var networkText string
	c := &cobra.Command{
		Use: use, Short: "Let go of the removals that are held on a switch",
		Long: `Let go of the removals that are held on a switch: the rows that 'l2gw device show' counts under
Held are removed.` + aboutDatabases,
		Args:              names(1, 1),
		ValidArgsFunction: a.complete(a.deviceNames),
		RunE: func(c *cobra.Command, args []string) error {
			var body any
			if c.Flags().Changed("network") {
				id, err := a.heldNetwork(c.Context(), networkText)
				if err != nil {
					return err
				}
				body = map[string]any{"network_id": id}
			}
			return a.each(c.Context(), args, "released", func(ctx context.Context, device string) error {
				// A second one would let go of what came to be held after the first.
				return a.deliver(ctx, harmful, http.MethodPost, devicePath(device)+"/release", body, nil)
			})
		},
	}
	c.Flags().StringVar(&networkText, "network", "", "only those of this network (name or ID)")
	return a.persistent(c)
}

// heldNetwork is the id of a network. One that the inventory does not have any
// more, which is the usual reason for a removal that is held, can be named by its id only.
func (a *app) heldNetwork(ctx context.Context, text string) (string, error) {
	if text == "" {
		return "", usage("--network is empty: it must be the name or the id of a network")
	}
	devices, err := fetch[switchState](ctx, a, "/l2-gateway-devices", "l2_gateway_devices", url.Values{"held": {text}})
	if err != nil {
		return "", err
	}
	if len(devices) > 0 {
		return text, nil
	}
	n, err := a.findNetwork(ctx, text)
	return n.ID, err
}

func (a *app) deviceResync(use string) *cobra.Command {
	return a.persistent(&cobra.Command{
		Use: use, Short: "Look at the whole database of a switch now instead of at the next audit",
		Long:              "Look at the whole database of a switch now instead of at the next audit, and mend what differs." + aboutDatabases,
		Args:              names(1, 1),
		ValidArgsFunction: a.complete(a.deviceNames),
		RunE: func(c *cobra.Command, args []string) error {
			return a.each(c.Context(), args, "looked at", func(ctx context.Context, device string) error {
				return a.deliver(ctx, harmless, http.MethodPost, devicePath(device)+"/resync", nil, nil)
			})
		},
	})
}

func devicePath(device string) string { return "/l2-gateway-devices/" + url.PathEscape(device) }

// each does something with each switch, also after one failed, and tells what
// was done on standard error, where it is in nobody's way.
func (a *app) each(ctx context.Context, devices []string, done string, do func(context.Context, string) error) error {
	var failed []error
	for _, device := range devices {
		if err := do(ctx, device); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", device, err))
			if errors.Is(err, errInterrupted) {
				break // the user means all of them
			}
			continue
		}
		_, _ = fmt.Fprintf(a.env.Err, "%s: %s\n", device, done)
	}
	return errors.Join(failed...)
}
