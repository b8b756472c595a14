package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
	"l2gw/ovsdb"
)

// check shows what a server would use and what it would warn of, and returns all
// that is wrong with it. It opens no port, no database and no connection, and
// makes no file.
func (s *serve) check(out io.Writer) error {
	line := func(name string, v any) { fmt.Fprintf(out, "%-16s %v\n", name, v) }
	warnings := &warnings{}
	log := slog.New(warnings)
	o := s.server
	o.command = "serve"
	auth, authErr := o.auth.authentication(log)
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
	line("database", store.Place(o.database))
	line("inventory", o.inventory)
	line("state", s.stateDir)
	line("agents", s.fabric.listen)
	rules, policyErr := o.policy.enforcer(log)
	if rules != nil {
		line("policy", cmp.Or(strings.Join(o.policy.read(rules), ", "), "built in"))
	}
	for _, u := range s.common.unknown {
		line("unknown", u)
	}
	errs := []error{authErr, o.front.clean(), o.door.check(), s.fabric.check(), readableInventory(o.inventory), s.checkDatabase(log)}
	if auth != nil {
		errs = append(errs, o.mayListen(auth))
	}
	errs = append(errs, policyErr, o.front.check(), usableStateDir(s.stateDir), s.common.checkLog())
	certificates := newExpiry(log)
	for _, f := range slices.Concat(o.certificates(), tlsFiles("fabric-", s.fabric.files)) {
		if _, err := f.Certificates(); err == nil { // else it is one of the errors
			certificates.own(f)
		}
	}
	certificates.lookAtFiles()
	for _, w := range warnings.all {
		line("warning", w)
	}
	return errors.Join(errs...)
}

// checkDatabase says what is wrong with the URL, what belongs to it, and the quotas.
func (s *serve) checkDatabase(log *slog.Logger) error {
	o := s.server
	if o.database == "" {
		return errors.New("--database is missing")
	}
	if err := s.database.use(&o, log); err != nil {
		return err
	}
	return store.CheckURL(o.database, o.store...)
}

// checkLog says why there could be no log.
func (o *commonOptions) checkLog() error {
	if _, err := newLogger(o.logLevel, io.Discard); err != nil {
		return err
	}
	return writableFile("--log-file", o.logPath())
}

// writableFile says why the file of an option could not be written or made; "" is none.
func writableFile(option, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: %s is a folder", option, path)
	case err == nil:
		err = unix.Access(path, unix.W_OK)
	default:
		path = filepath.Dir(path)
		err = unix.Access(path, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("%s: %s cannot be written: %w", option, path, err)
	}
	return nil
}

// usableStateDir says why there could be no files in the folder, which is made with
// those above it if they are missing.
func usableStateDir(dir string) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	for {
		info, err := os.Stat(path)
		switch parent := filepath.Dir(path); {
		case errors.Is(err, fs.ErrNotExist) && parent != path:
			path = parent
			continue
		case err != nil:
			return fmt.Errorf("--state-dir: %w", err)
		case !info.IsDir():
			return fmt.Errorf("--state-dir: %s is no folder", path)
		}
		if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("--state-dir: no file can be made in %s: %w", path, err)
		}
		return nil
	}
}

// warnings is a log of which only the warnings are kept, as lines.
type warnings struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

// Enabled implements [slog.Handler].
func (*warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements [slog.Handler].
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
	return nil
}

// WithAttrs implements [slog.Handler].
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements [slog.Handler].
func (w *warnings) WithGroup(string) slog.Handler { return w }

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
