package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"

	"l2gw/internal/api"
	"l2gw/internal/keystone"
	"l2gw/internal/oslo"
)

// authOptions say how it is found out who calls.
type authOptions struct {
	strategy  string // keystone, noauth, token; "": what the other options mean
	tokenFile string
	keystone  keystone.Options // of [keystone_authtoken], which has a password: no option of the command line
	given     bool             // that section says how to log in
	wrong     error            // with that section
	notes     []string         // about that section, for the log
}

// authKeys are those of authOptions that ini files have.
var authKeys = map[string]key{
	"auth-strategy": {"DEFAULT", "auth_strategy"},
	"token-file":    {"l2gw", "token_file"},
}

func init() { maps.Copy(serveKeys, authKeys) }

func (o *authOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.strategy, "auth-strategy", "", "who calls is told by: keystone (needs the section keystone_authtoken in an ini file), token (one token for everything) or noauth "+
		"(default: keystone if that section is there, token if --token-file is given, else noauth)")
	f.StringVar(&o.tokenFile, "token-file", "", "file with the token of --auth-strategy token")
}

// read takes [keystone_authtoken]. Each option may come from the environment
// instead, as oslo.config has it: OS_KEYSTONE_AUTHTOKEN__PASSWORD.
func (o *authOptions) read(c *oslo.Config) {
	c.UseEnvironment(os.LookupEnv)
	o.given = c.Has(keystone.Section, "auth_type") || c.Has(keystone.Section, "auth_url") || c.Has(keystone.Section, "auth_section")
	o.keystone, o.notes, o.wrong = keystone.Read(c)
}

// authentication is how a server finds out who calls.
type authentication struct {
	strategy     string
	authenticate func(*http.Request) (api.Caller, error)
	challenge    string // WWW-Authenticate of a 401
	keystone     *keystone.Keystone
}

// authentication checks the options.
func (o *authOptions) authentication(log *slog.Logger) (*authentication, error) {
	strategy := o.strategy
	switch {
	case strategy != "":
	case o.given:
		strategy = "keystone"
	case o.tokenFile != "":
		strategy = "token"
	default:
		strategy = "noauth"
	}
	a := &authentication{strategy: strategy}
	switch strategy {
	case "noauth":
		a.authenticate = api.NoAuth
	case "token":
		if o.tokenFile == "" {
			return nil, errors.New("--auth-strategy token needs --token-file: a file with the token that lets clients do everything")
		}
		t, err := openBearer(o.tokenFile, log)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		a.authenticate, a.challenge = t.authenticate, `Bearer realm="l2gw"`
	case "keystone":
		if o.wrong != nil {
			return nil, fmt.Errorf("--auth-strategy keystone: %w", o.wrong)
		}
		for _, note := range o.notes {
			log.Info(note)
		}
		if o.keystone.Insecure {
			log.Warn("[keystone_authtoken] insecure: Keystone's certificate is not verified; who stands between can be anybody")
		}
		o.keystone.Logger = log
		k, err := keystone.New(o.keystone)
		if err != nil {
			return nil, fmt.Errorf("[%s] %w", keystone.Section, err)
		}
		a.keystone, a.challenge = k, k.Challenge()
		a.authenticate = func(r *http.Request) (api.Caller, error) {
			id, err := k.Authenticate(r)
			if err != nil {
				return api.Caller{}, err
			}
			return callerOf(id), nil
		}
	default:
		return nil, fmt.Errorf("--auth-strategy %q: it must be keystone, token or noauth", strategy)
	}
	return a, nil
}

// open says whether everybody may do everything.
func (a *authentication) open() bool { return a.strategy == "noauth" }

// run tells early what is wrong with the service user; the server goes on.
func (a *authentication) run(ctx context.Context) {
	if a.keystone == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_ = a.keystone.Check(ctx) // which is in the log
}

func (a *authentication) close() {
	if a != nil && a.keystone != nil {
		a.keystone.Close()
	}
}

// callerOf is a caller as the API knows it.
func callerOf(id keystone.Identity) api.Caller {
	c := api.Caller{
		User: id.UserID, UserName: id.UserName, UserDomain: id.UserDomainID,
		Project: id.ProjectID, ProjectName: id.ProjectName, ProjectDomain: id.ProjectDomainID,
		Domain: id.DomainID, System: id.System, Roles: id.Roles, NotAdminProject: id.NotAdminProject,
	}
	if s := id.Service; s != nil {
		c.ServiceUser, c.ServiceProject, c.ServiceRoles = s.UserID, s.ProjectID, s.Roles
	}
	return c
}
