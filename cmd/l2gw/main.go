// Command l2gw bridges overlay networks and the VLANs of physical switch ports.
//
// It is one program with several roles: `l2gw standalone` runs everything in one
// process, the other commands are the client. See `l2gw help`.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"l2gw/internal/cli"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root, args := command(filepath.Base(os.Args[0]), os.Args[1:])
	code := cli.Run(ctx, root, args)
	stop()
	os.Exit(code)
}

// command is what the program is when it is called by this name.
func command(name string, args []string) (*cobra.Command, []string) {
	env := cli.OSEnvironment()
	if name == "neutron-l2gw" {
		root := cli.NewNeutronCommand(env)
		root.Version = version
		return root, args
	}
	root := cli.NewCommand(env)
	root.Version = version
	root.AddCommand(newStandalone(), newDump())
	if name == "openstack" && len(args) > 0 && args[0] == "l2gw" {
		args = args[1:]
	}
	return root, args
}

func newLogger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: it must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

func parseIPv4(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is4() {
		return ip, fmt.Errorf("it must be an IPv4 address, such as 192.0.2.1 (hardware_vtep knows VXLAN over IPv4 only)")
	}
	return ip, nil
}
