package keystone

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Options are what a [Keystone] is made of.
type Options struct {
	// AuthURL is the identity endpoint, with /v3 at its end or without.
	AuthURL string
	Login   Login // of the service user
	// WWWAuthenticateURI is where clients are told to log in; "": AuthURL.
	WWWAuthenticateURI string

	// Interface ("public", "internal" or "admin") and Region choose the identity
	// endpoint of the catalog that is asked about tokens. Both "": AuthURL.
	Interface, Region string
	// CA is a file with the authorities of Keystone's certificate; "": the host's.
	CA               string
	Certificate, Key string // files of the client's certificate; "": none
	Insecure         bool   // the certificate is not looked at

	// CacheTime is how long Keystone's word about a token counts; 0: 300 s,
	// negative: not at all.
	CacheTime time.Duration
	// Timeout of one request to Keystone; 0: 10 s.
	Timeout time.Duration
	// Retries is how often a request is made again that did not reach Keystone.
	Retries int

	// ServiceRoles are those of which a service needs one to let an expired token of a user through.
	ServiceRoles []string
	// ServiceRolesRequired refuses a service's token that has none of them.
	ServiceRolesRequired bool
	// ServiceType is what access rules of application credentials call us; "": "network".
	ServiceType string
	Bind        Bind

	Logger *slog.Logger // nil: slog.Default
	// Observe is told how each question about a token was answered and, if Keystone
	// was asked, how long that took, the wait for a turn included; nil: nobody is.
	// It must not wait.
	Observe func(r Result, took time.Duration)
}

// Result is how a question about a token was answered.
type Result string

// The results. Several requests that wait for the same answer are one question.
const (
	ResultCached      Result = "cached"      // what Keystone said before counts
	ResultValid       Result = "valid"       // Keystone says who has the token
	ResultRefused     Result = "refused"     // Keystone does not know the token
	ResultUnavailable Result = "unavailable" // Keystone cannot be asked, or will not tell
)

// Login is how the service user logs in. Names and ids of one thing are alternatives.
type Login struct {
	User, UserID, Password                                    string
	UserDomain, UserDomainID                                  string
	Project, ProjectID, ProjectDomain, ProjectDomainID        string
	Domain, DomainID                                          string // scope, instead of a project
	System                                                    string // "all": scope, instead of a project
	ApplicationCredential, ApplicationCredentialID, AppSecret string
}

// String names the user without what it logs in with.
func (l Login) String() string {
	if l.byApplicationCredential() {
		return "application credential " + first(l.ApplicationCredentialID, l.ApplicationCredential)
	}
	s := first(l.User, l.UserID)
	if domain := first(l.UserDomain, l.UserDomainID); domain != "" {
		s += " of domain " + domain
	}
	if project := first(l.Project, l.ProjectID); project != "" {
		s += ", project " + project
	}
	return s
}

// GoString is for %#v, which must not show it either.
func (l Login) GoString() string { return "keystone.Login{" + l.String() + "}" }

// LogValue implements slog.LogValuer.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

func (l Login) byApplicationCredential() bool {
	return l.ApplicationCredentialID != "" || l.ApplicationCredential != ""
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// Bind is what is done about tokens that are bound to something else than who has
// them (keystonemiddleware's enforce_token_bind). Nothing here can prove a binding.
type Bind string

// The values of enforce_token_bind; any other is the name of a kind of binding
// that every token must have, which cannot be proven here either.
const (
	BindDisabled   Bind = "disabled"
	BindPermissive Bind = "permissive" // kerberos is refused, unknown bindings are not
	BindStrict     Bind = "strict"     // no bound token is believed
	BindRequired   Bind = "required"   // no token is believed at all
)

// Config is what ini files say ([l2gw/internal/oslo.Config]).
type Config interface {
	Has(group, name string) bool
	String(group, name, otherwise string) string
	List(group, name string, otherwise ...string) []string
	Bool(group, name string, otherwise bool) bool
	IntWithin(group, name string, otherwise, least, most int) int
	Choice(group, name, otherwise string, choices ...string) string
}

// Section is where the options of keystonemiddleware are.
const Section = "keystone_authtoken"

// unused are options of keystonemiddleware that mean nothing here, and why.
var unused = []struct{ name, why string }{
	{"memcached_servers", "tokens are cached in memory"},
	{"memcache_servers", "tokens are cached in memory"},
	{"memcache_security_strategy", "tokens are cached in memory"},
	{"memcache_secret_key", "tokens are cached in memory"},
	{"cache", "tokens are cached in memory"},
	{"delay_auth_decision", "every request needs a token"},
	{"auth_version", "it is always v3"},
}

// silent are options that mean nothing here and are everywhere.
var silent = []string{
	"memcache_pool_dead_retry", "memcache_pool_maxsize", "memcache_pool_socket_timeout", "memcache_pool_unused_timeout",
	"memcache_pool_conn_get_timeout", "memcache_use_advanced_pool", "include_service_catalog", "signing_dir", "hash_algorithms",
	"check_revocations_for_cached", "revocation_cache_time", "log_name", "timeout", "split_loggers", "collect_timing", "min_version", "max_version",
}

// Read takes the options of the section keystone_authtoken, by the names that
// operators have for them (keystonemiddleware's auth_token/_opts.py and
// keystoneauth's loading of its plugins). What is wrong with a single value is for
// the Config to tell; the error says what is missing or cannot be. The notes are
// for the log: options that are accepted and mean nothing.
func Read(c Config) (o Options, notes []string, err error) {
	o = Options{
		WWWAuthenticateURI: first(c.String(Section, "www_authenticate_uri", ""), c.String(Section, "auth_uri", "")),
		Region:             c.String(Section, "region_name", ""),
		CA:                 c.String(Section, "cafile", ""),
		Certificate:        c.String(Section, "certfile", ""),
		Key:                c.String(Section, "keyfile", ""),
		Insecure:           c.Bool(Section, "insecure", false),
		CacheTime:          time.Duration(c.IntWithin(Section, "token_cache_time", 300, -1, 24*3600)) * time.Second,
		Timeout:            time.Duration(c.IntWithin(Section, "http_connect_timeout", 0, 0, 600)) * time.Second,
		Retries:            c.IntWithin(Section, "http_request_max_retries", 3, 0, 20),
		ServiceRoles:       c.List(Section, "service_token_roles", "service"),
		ServiceType:        c.String(Section, "service_type", ""),
		Bind:               Bind(c.String(Section, "enforce_token_bind", string(BindPermissive))),
	}
	o.ServiceRolesRequired = c.Bool(Section, "service_token_roles_required", false)
	if c.Has(Section, "interface") {
		o.Interface = c.Choice(Section, "interface", "internal", "public", "internal", "admin", "publicURL", "internalURL", "adminURL")
		o.Interface = strings.TrimSuffix(o.Interface, "URL")
	}
	if o.CacheTime == 0 {
		o.CacheTime = -1
	}
	for _, u := range unused {
		if c.Has(Section, u.name) && c.String(Section, u.name, "") != "" {
			notes = append(notes, fmt.Sprintf("[%s] %s is ignored: %s", Section, u.name, u.why))
		}
	}
	for _, name := range silent {
		c.Has(Section, name)
	}
	login := c.String(Section, "auth_section", Section)
	o.AuthURL, o.Login, err = readLogin(c, login)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		err = fmt.Errorf("[%s] %w", login, err)
	}
	return o, notes, err
}

// readLogin takes the options of keystoneauth's plugins from their section.
func readLogin(c Config, section string) (authURL string, l Login, err error) {
	get := func(names ...string) string {
		value := ""
		for _, name := range names {
			value = first(value, c.String(section, name, "")) // all are read, so that none counts as misspelt
		}
		return value
	}
	kind := get("auth_type", "auth_plugin")
	authURL = get("auth_url")
	domain, domainID := get("default_domain_name"), get("default_domain_id")
	l = Login{
		User: get("username", "user_name"), UserID: get("user_id"), Password: get("password"),
		UserDomain: get("user_domain_name"), UserDomainID: get("user_domain_id"),
		Project: get("project_name", "tenant_name"), ProjectID: get("project_id", "tenant_id"),
		ProjectDomain: get("project_domain_name"), ProjectDomainID: get("project_domain_id"),
		Domain: get("domain_name"), DomainID: get("domain_id"), System: get("system_scope"),
		ApplicationCredential: get("application_credential_name"), ApplicationCredentialID: get("application_credential_id"),
		AppSecret: get("application_credential_secret"),
	}
	if l.UserDomain == "" && l.UserDomainID == "" {
		l.UserDomain, l.UserDomainID = domain, domainID
	}
	if l.ProjectDomain == "" && l.ProjectDomainID == "" {
		l.ProjectDomain, l.ProjectDomainID = domain, domainID
	}
	// What the other way of logging in would take is left over from an earlier one.
	switch kind {
	case "v3applicationcredential", "applicationcredential":
		l.Password, l.Project, l.ProjectID, l.Domain, l.DomainID, l.System = "", "", "", "", "", ""
		if !l.byApplicationCredential() {
			err = errors.New("application_credential_id is missing")
		}
	case "password", "v3password":
		l.ApplicationCredential, l.ApplicationCredentialID, l.AppSecret = "", "", ""
	case "":
		err = errors.New("auth_type is missing: it must be password, v3password or v3applicationcredential")
		if get("admin_user", "admin_token", "identity_uri") != "" {
			err = errors.New("auth_type is missing; admin_user, admin_token and identity_uri are of the time before it: " +
				"set auth_type = password, auth_url, username, password, user_domain_name, project_name and project_domain_name")
		}
	default:
		err = fmt.Errorf("auth_type = %s: it must be password, v3password or v3applicationcredential", kind)
	}
	return authURL, l, err
}

// check says all that no login can do without.
func (o Options) check() error {
	var wrong []string
	if fault := wrongURL(o.AuthURL); fault != "" {
		wrong = append(wrong, fault)
	}
	if o.Key != "" && o.Certificate == "" {
		wrong = append(wrong, "keyfile is given without certfile")
	}
	if wrong = append(wrong, o.Login.lacks()...); len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// wrongURL says why Keystone cannot be at a URL, "" if it can.
func wrongURL(text string) string {
	u, err := url.Parse(text)
	if text == "" {
		return "auth_url is missing: it must look like https://keystone.example.org:5000/v3"
	}
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Sprintf("auth_url is no URL (%v)", urlError.Err) // without the URL, which may have a password
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Sprintf("auth_url = %s: it must look like https://keystone.example.org:5000/v3", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("auth_url = %s: it must have neither a user nor a query", u.Redacted())
	}
	return ""
}

// lacks is what a login needs and does not have.
func (l Login) lacks() (missing []string) {
	need := func(there bool, otherwise string) {
		if !there {
			missing = append(missing, otherwise)
		}
	}
	if l.byApplicationCredential() {
		need(l.AppSecret != "", "application_credential_secret is missing")
		need(l.ApplicationCredentialID != "" || l.User != "" || l.UserID != "", "application_credential_name needs username or user_id beside it")
		return missing
	}
	need(l.User != "" || l.UserID != "", "username is missing")
	need(l.Password != "", "password is missing")
	need(l.UserID != "" || l.UserDomain != "" || l.UserDomainID != "", "user_domain_name is missing: such as Default")
	named := l.Project != "" && l.ProjectID == ""
	need(!named || l.ProjectDomain != "" || l.ProjectDomainID != "", "project_domain_name is missing: such as Default")
	need(l.Project != "" || l.ProjectID != "" || l.Domain != "" || l.DomainID != "" || l.System != "", "project_name is missing: such as service")
	return missing
}
