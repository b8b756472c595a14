// Command l2gw bridges overlay networks and the VLANs of physical switch ports.
//
// It is one program with several roles: `l2gw serve` is a server, `l2gw agent`
// keeps switches, `l2gw standalone` is both in one process, and the other
// commands are the client. See `l2gw help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"l2gw/internal/cli"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, command(filepath.Base(os.Args[0])), os.Args[1:])
	stop()
	os.Exit(code)
}

// command is what the program is when it is called by this name.
func command(name string) *cobra.Command {
	env := cli.OSEnvironment()
	var root *cobra.Command
	switch name {
	case "neutron-l2gateway-agent":
		root = newAgent(name)
	case "neutron-l2gw":
		root = cli.NewNeutronCommand(env)
	case "openstack":
		root = cli.NewOpenStackCommand(env)
	default:
		root = cli.NewCommand(env)
		for _, c := range []*cobra.Command{newServe(), newAgent("agent"), newStandalone(), newDump(), newCerts(), newDB(), newPolicy()} {
			cli.Join(root, c)
		}
	}
	root.Version = version
	return root
}

func newLogger(level string, out io.Writer) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: it must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: l, ReplaceAttr: withReason})), nil
}

// withReason has the log tell of an error what lies behind it, too: users of the
// API are not told why something is not available, operators must be.
func withReason(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	if err, ok := a.Value.Any().(error); ok {
		text := err.Error()
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
			if s := inner.Error(); !strings.Contains(text, s) {
				text += ": " + s
			}
		}
		a.Value = slog.StringValue(text)
	}
	return a
}

func parseIPv4(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is4() {
		return ip, fmt.Errorf("it must be an IPv4 address, such as 192.0.2.1 (hardware_vtep knows VXLAN over IPv4 only)")
	}
	return ip, nil
}
