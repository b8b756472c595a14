package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"go.yaml.in/yaml/v3"
)

// session is a login at Keystone. It is kept nowhere: each command logs in anew,
// when it asks the API for the first time.
type session struct {
	auth     gophercloud.AuthOptions
	region   string
	face     string // interface
	override string // URL of the API, "": that of the catalog
	client   *gophercloud.ProviderClient
	token    string
	fixed    bool // the token was given: there is no other to be had
	catalog  []tokens.CatalogEntry
}

// check looks at the global options once they are known, and says where the API
// is, or how to find that out. If ask is true, a password that is missing is asked for
// where somebody sits at a terminal.
func (a *app) check(ask bool) error {
	l, err := a.settings()
	if err != nil {
		return err
	}
	kind := l.get("auth-type")
	if kind == "" {
		switch {
		case l.get("application-credential-secret") != "":
			kind = "v3applicationcredential"
		case l.get("token") != "" && l.get("auth-url") == "" && l.get("endpoint") != "":
			kind = "admin_token"
		case l.get("token") != "":
			kind = "token"
		case a.cloud != "" || l.get("auth-url") != "":
			kind = "password"
		default:
			kind = "none"
		}
	}
	endpoint := cmp.Or(a.endpoint, l.get("network-endpoint-override"), l.get("endpoint"))
	a.client = &http.Client{
		Transport: a.transport(nil),
		// Who follows hands the token to another, and makes a GET of what was none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	switch kind {
	case "none":
		a.endpoint, a.isDefault = cmp.Or(endpoint, DefaultEndpoint), endpoint == ""
	case "admin_token", "token_endpoint":
		a.endpoint = endpoint
		a.session = &session{token: l.get("token"), fixed: true}
		if err := missing(kind, l, "endpoint", "token"); err != nil {
			return err
		}
	default:
		a.endpoint = cmp.Or(a.endpoint, l.get("network-endpoint-override"))
		if ask && strings.HasSuffix(kind, "password") && l.get("password") == "" && l.get("auth-url") != "" && l.get("username")+l.get("user-id") != "" {
			if l.auth["password"], err = a.askPassword(); err != nil {
				return err
			}
		}
		if a.session, err = newSession(kind, l); err != nil {
			return err
		}
	}
	if tls := l.cloud; a.session == nil || a.session.fixed {
		if config, err := tlsOf(tls); err != nil {
			return err
		} else if config != nil {
			a.client.Transport = a.transport(config)
		}
	} else {
		a.session.override = a.endpoint
		if err := a.prepare(l); err != nil {
			return err
		}
	}
	if a.endpoint != "" {
		return checkURL("--endpoint", a.endpoint, DefaultEndpoint)
	}
	return nil
}

// checkURL says what is wrong with the URL of a server, of which a password is not told.
func checkURL(option, text, example string) error {
	u, err := url.Parse(text)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return usage("%s is not a URL (%v): it must look like %s", option, err, example)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return usage("%s %q is not a URL: it must look like %s", option, u.Redacted(), example)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return usage("%s %q: port %s is none from 1 to 65535", option, u.Redacted(), port)
		}
	}
	return nil
}

// missing says which settings a way to log in needs and does not have.
func missing(kind string, l login, names ...string) error {
	for _, name := range names {
		if l.get(name) == "" {
			return fmt.Errorf("Missing value %s required for auth plugin %s: give --os-%s or %s, or a cloud of clouds.yaml that has it (--os-cloud)", //nolint:staticcheck // the openstack client's words
				name, kind, name, variable(name))
		}
	}
	return nil
}

// newSession leaves of the settings what this way to log in uses.
func newSession(kind string, l login) (*session, error) {
	drop := func(keys ...string) {
		for _, key := range keys {
			delete(l.auth, key)
		}
	}
	scope := []string{
		"project_name", "project_id", "project_domain_id", "project_domain_name", "domain_id", "domain_name", "system_scope", "trust_id",
	}
	user := []string{"username", "user_id", "user_domain_id", "user_domain_name"}
	secrets := []string{"application_credential_id", "application_credential_name", "application_credential_secret"}
	needs := []string{"auth-url"}
	switch kind {
	case "password", "v3password":
		drop(append(secrets, "token")...)
		if l.get("user-id") == "" {
			needs = append(needs, "username")
		}
		needs = append(needs, "password")
	case "token", "v3token":
		drop(append(append(secrets, "password"), user...)...)
		needs = append(needs, "token")
	case "v3applicationcredential":
		drop(append(scope, "password", "token")...)
		if l.get("application-credential-id") != "" {
			drop(append(user, "application_credential_name")...)
		} else {
			needs = append(needs, "application-credential-name")
			if l.get("user-id") == "" {
				needs = append(needs, "username")
			}
		}
		needs = append(needs, "application-credential-secret")
	default:
		return nil, usage("--os-auth-type %q is not supported: it must be password, token, v3applicationcredential, admin_token or none", kind)
	}
	if err := missing(kind, l, needs...); err != nil {
		return nil, err
	}
	home := cmp.Or(l.get("default-domain"), "default")
	if l.get("username") != "" && l.get("user-domain-id") == "" && l.get("user-domain-name") == "" && l.get("domain-id") == "" && l.get("domain-name") == "" {
		l.auth["user_domain_id"] = home
	}
	if l.get("project-name") != "" && l.get("project-domain-id") == "" && l.get("project-domain-name") == "" {
		l.auth["project_domain_id"] = home
	}
	if l.get("user-id") != "" {
		drop("username", "user_domain_id", "user_domain_name")
	}
	if l.get("user-domain-id") != "" {
		drop("user_domain_name")
	}
	if l.get("project-domain-id") != "" {
		drop("project_domain_name")
	}
	if l.get("project-id") != "" || l.get("system-scope") != "" || l.get("trust-id") != "" {
		drop("project_name", "project_domain_id", "project_domain_name")
	}
	if l.get("system-scope") != "" || l.get("trust-id") != "" {
		drop("project_id")
	}
	return &session{region: l.get("region-name"), face: strings.TrimSuffix(cmp.Or(l.get("interface"), "public"), "URL")}, nil
}

// parse has gophercloud read the settings as it reads a clouds.yaml.
func parse(cloud yamlMap) (gophercloud.AuthOptions, *http.Transport, error) {
	cloud["regions"] = nil // some have more forms there than it knows, and it is not needed
	data, err := yaml.Marshal(yamlMap{"clouds": yamlMap{"this": cloud}})
	if err != nil {
		return gophercloud.AuthOptions{}, nil, err
	}
	options, _, config, err := clouds.Parse(clouds.WithCloudsYAML(bytes.NewReader(data)), clouds.WithCloudName("this"))
	if err != nil {
		if of, ok := strings.CutPrefix(err.Error(), "unable to compute TLS configuration: "); ok {
			return options, nil, fmt.Errorf("--os-cacert, --os-cert, --os-key (cacert, cert, key in clouds.yaml): %s", of)
		}
		return options, nil, fmt.Errorf("the login: %w", err)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = config
	return options, t, nil
}

// tlsOf is how to check certificates where nobody logs in, nil for the default.
func tlsOf(cloud yamlMap) (*http.Transport, error) {
	if cloud["cacert"] == nil && cloud["cert"] == nil && cloud["key"] == nil && cloud["verify"] == nil {
		return nil, nil
	}
	_, t, err := parse(yamlMap{"auth": yamlMap{}, "cacert": cloud["cacert"], "cert": cloud["cert"], "key": cloud["key"], "verify": cloud["verify"]})
	return t, err
}

// prepare makes ready to log in, and asks nobody yet.
func (a *app) prepare(l login) error {
	s := a.session
	options, t, err := parse(l.cloud)
	if err != nil {
		return err
	}
	options.TenantID, options.TenantName = "", "" // the scope says it
	s.auth = options
	a.client.Transport = a.transport(t)
	if err := checkURL("--os-auth-url", options.IdentityEndpoint, "http://127.0.0.1:5000/v3"); err != nil {
		return err
	}
	s.client, err = openstack.NewClient(options.IdentityEndpoint)
	if err != nil {
		return usage("--os-auth-url: %v", err)
	}
	s.client.HTTPClient = *a.client
	s.client.UserAgent.Prepend("l2gw")
	return nil
}

// enter logs in if that was not done yet, and finds the API.
func (a *app) enter(ctx context.Context) error {
	s := a.session
	if s == nil || s.token != "" {
		return nil
	}
	identity := &gophercloud.ServiceClient{ProviderClient: s.client, Endpoint: s.client.IdentityBase + "v3/"}
	result := tokens.Create(ctx, identity, &tokens.AuthOptions{
		IdentityEndpoint: s.auth.IdentityEndpoint, Username: s.auth.Username, UserID: s.auth.UserID, Password: s.auth.Password,
		DomainID: s.auth.DomainID, DomainName: s.auth.DomainName, TokenID: s.auth.TokenID, Scope: scope(s.auth.Scope),
		ApplicationCredentialID: s.auth.ApplicationCredentialID, ApplicationCredentialName: s.auth.ApplicationCredentialName,
		ApplicationCredentialSecret: s.auth.ApplicationCredentialSecret,
	})
	token, err := result.ExtractToken()
	if err != nil {
		return refused(s.auth.IdentityEndpoint, err)
	}
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return fmt.Errorf("Keystone at %s does not answer like one: %w", s.auth.IdentityEndpoint, err)
	}
	s.token, s.catalog = token.ID, catalog.Entries
	a.endpoint = s.override
	if a.endpoint == "" {
		a.endpoint, err = s.find("network")
	}
	return err
}

func scope(s *gophercloud.AuthScope) tokens.Scope {
	if s == nil {
		return tokens.Scope{}
	}
	return tokens.Scope{
		ProjectID: s.ProjectID, ProjectName: s.ProjectName, DomainID: s.DomainID, DomainName: s.DomainName, System: s.System, TrustID: s.TrustID,
	}
}

// refused puts Keystone's answer into words. What was sent to it is not in them.
func refused(keystone string, err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		var body struct {
			Error struct{ Message string }
		}
		_ = json.Unmarshal(code.Body, &body)
		if to := code.ResponseHeader.Get("Location"); to != "" && code.Actual < 400 {
			return fmt.Errorf("Keystone at %s redirects to %s (HTTP %d): name the URL at which it is", keystone, to, code.Actual)
		}
		return fmt.Errorf("%s (HTTP %d) from Keystone at %s", cmp.Or(body.Error.Message, "The login was refused."), code.Actual, keystone)
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
		return fmt.Errorf("Keystone at %s cannot be reached: %w", keystone, advised(err))
	}
	return fmt.Errorf("the login at %s: %w", keystone, err)
}

// find is the URL of a service in the catalog.
func (s *session) find(kind string) (string, error) {
	var seen []string
	for _, entry := range s.catalog {
		if entry.Type != kind {
			continue
		}
		for _, e := range entry.Endpoints {
			if e.Interface == s.face && (s.region == "" || s.region == e.RegionID || s.region == e.Region) {
				return e.URL, nil
			}
			seen = append(seen, e.Interface+" in "+cmp.Or(e.Region, e.RegionID, "no region"))
		}
	}
	slices.Sort(seen)
	where := s.face + " endpoint of type " + kind
	if s.region != "" {
		where += " in region " + s.region
	}
	if len(seen) == 0 {
		return "", fmt.Errorf("the catalog has no %s: %s", where, cmp.Or(map[bool]string{true: "it is empty, as the login is not for a project"}[len(s.catalog) == 0], "there is none of that type"))
	}
	return "", fmt.Errorf("the catalog has no %s: there are %s", where, strings.Join(seen, ", "))
}

// enterAnew logs in again after the API refused the token, if that is possible.
func (a *app) enterAnew(ctx context.Context) bool {
	s := a.session
	if s == nil || s.fixed || s.auth.TokenID != "" {
		return false
	}
	s.token = ""
	return a.enter(ctx) == nil
}

// project finds a project by id or name. One who may not ask Keystone is taken at
// their word.
func (s *session) project(ctx context.Context, a *app, name, domain string) (string, error) {
	if s.fixed {
		if projectID.MatchString(name) {
			return name, nil
		}
		return "", noProject(name)
	}
	if err := a.enter(ctx); err != nil {
		return "", err
	}
	keystone := strings.TrimSuffix(s.client.IdentityBase, "/") + "/v3"
	var one struct {
		Project struct{ ID string }
	}
	err := a.ask(ctx, http.MethodGet, keystone+"/projects/"+url.PathEscape(name), "", nil, &one)
	if err == nil {
		return one.Project.ID, nil
	}
	if statusOf(err) == http.StatusForbidden {
		return name, nil
	}
	query := url.Values{"name": {name}}
	if domain != "" {
		var all struct{ Domains []struct{ ID string } }
		if err := a.ask(ctx, http.MethodGet, keystone+"/domains?"+url.Values{"name": {domain}}.Encode(), "", nil, &all); err == nil && len(all.Domains) == 1 {
			domain = all.Domains[0].ID
		}
		query.Set("domain_id", domain)
	}
	var all struct {
		Projects []struct{ ID string }
	}
	err = a.ask(ctx, http.MethodGet, keystone+"/projects?"+query.Encode(), "", nil, &all)
	switch {
	case statusOf(err) == http.StatusForbidden:
		return name, nil
	case err != nil:
		return "", err
	case len(all.Projects) == 0:
		return "", noProject(name)
	case len(all.Projects) > 1:
		ids := make([]string, len(all.Projects))
		for i, p := range all.Projects {
			ids[i] = p.ID
		}
		return "", ambiguous("project", name, ids)
	}
	return all.Projects[0].ID, nil
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.status
	}
	return 0
}
