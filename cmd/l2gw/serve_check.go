package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/ovsdb"
)

// check shows what a server would use, and returns all that is wrong with it. It
// opens no port, no database and no connection, and makes no file.
func (s *serve) check(out io.Writer) error {
	line := func(name string, v any) { fmt.Fprintf(out, "%-16s %v\n", name, v) }
	o := s.server
	o.command = "serve"
	auth, authErr := o.auth.authentication(slog.New(slog.DiscardHandler))
	line("server", cmp.Or(o.name, hostName("server")))
	line("api", o.door.scheme()+"://"+o.listen)
	if auth != nil {
		line("authentication", auth.strategy)
		defer auth.close()
	}
	line("connections", o.door.connections)
	if len(o.door.trusted) > 0 {
		line("trusted proxies", strings.Join(o.door.trusted, ", "))
	}
	if o.front.neutron != "" {
		line("neutron", withoutPassword(o.front.neutron))
		line("proxy", o.front.proxy)
	}
	line("database", withoutPassword(o.database))
	line("inventory", o.inventory)
	line("state", s.stateDir)
	line("agents", s.fabric.listen)
	for _, u := range s.common.unknown {
		line("unknown", u)
	}
	errs := []error{authErr, o.front.clean(), o.door.check(), s.fabric.check(), readableInventory(o.inventory)}
	if o.database == "" {
		errs = append(errs, errors.New("--database is missing"))
	}
	if auth != nil {
		errs = append(errs, o.mayListen(auth))
	}
	_, policyErr := o.policy.enforcer(slog.New(slog.DiscardHandler))
	errs = append(errs, policyErr, o.front.check())
	if path := s.common.logPath(); path != "" {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			errs = append(errs, fmt.Errorf("--log-file: %w", err))
		}
	}
	return errors.Join(errs...)
}

// check says what is wrong with the options and their files.
func (o *fabricOptions) check() error {
	local, err := loopback("--fabric-listen", o.listen)
	secure := o.files != ovsdb.TLSFiles{}
	switch {
	case err != nil:
		return err
	case !secure && !local:
		return fmt.Errorf("--fabric-listen %q: give --fabric-private-key, --fabric-certificate and --fabric-ca-cert, since it is no loopback address", o.listen)
	case secure && o.agents == "":
		return errors.New("--agents is missing: with TLS, a file must say which agents may connect")
	case secure:
		if _, err := o.files.Server(); err != nil {
			return fmt.Errorf("--fabric-private-key, --fabric-certificate and --fabric-ca-cert: %w", err)
		}
	}
	if o.agents != "" {
		if _, err := fabric.LoadAgents(o.agents); err != nil {
			return fmt.Errorf("--agents: %w", err)
		}
	}
	return nil
}

// readableInventory says why the inventory cannot be read. A server starts without
// one that was never read, but is not ready until then.
func readableInventory(path string) error {
	if path == "" {
		return errors.New("--inventory is missing")
	}
	if err := inventory.CheckFile(path); err != nil {
		return fmt.Errorf("--inventory: %w", err)
	}
	return nil
}

// withoutPassword is a URL as it may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)" // which the database says more of, without the password
	}
	return u.Redacted()
}
