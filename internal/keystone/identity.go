package keystone

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Identity is who has a token, in Keystone's words.
type Identity struct {
	UserID, UserName, UserDomainID, UserDomainName             string
	ProjectID, ProjectName, ProjectDomainID, ProjectDomainName string // scope
	DomainID, DomainName                                       string // scope
	System                                                     string // scope: "all"
	Roles                                                      []string
	NotAdminProject                                            bool // Keystone has an admin project and this is another
	ApplicationCredential                                      string
	Expires                                                    time.Time
	Service                                                    *Identity // on whose way the request came; nil: none's
}

// token is what Keystone says of one. It is immutable.
type token struct {
	identity Identity
	bind     []string // kinds of binding
	rules    []rule   // of an application credential
	ruled    bool     // it has rules, maybe none that allows anything
}

// rule is a request that an application credential may make.
type rule struct {
	service, method string
	path            *regexp.Regexp
}

type named struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"domain"`
}

// answer is the body about a token (Identity API v3, "Validate and show
// information for token").
type answer struct {
	Token *struct {
		ExpiresAt      time.Time       `json:"expires_at"`
		User           named           `json:"user"`
		Project        *named          `json:"project"`
		Domain         *named          `json:"domain"`
		System         map[string]bool `json:"system"`
		Roles          []named         `json:"roles"`
		IsAdminProject *bool           `json:"is_admin_project"`
		Bind           map[string]any  `json:"bind"`
		Credential     *struct {
			ID    string `json:"id"`
			Rules *[]struct {
				Service string `json:"service"`
				Method  string `json:"method"`
				Path    string `json:"path"`
			} `json:"access_rules"`
		} `json:"application_credential"`
		Catalog []struct {
			Type      string `json:"type"`
			Endpoints []struct {
				Interface string `json:"interface"`
				Region    string `json:"region"`
				RegionID  string `json:"region_id"`
				URL       string `json:"url"`
			} `json:"endpoints"`
		} `json:"catalog"`
	} `json:"token"`
}

// token reads the answer.
func (a *answer) token() (*token, error) {
	t := a.Token
	switch {
	case t == nil:
		return nil, errors.New("the answer has no token")
	case t.User.ID == "":
		return nil, errors.New("the answer has no user")
	case t.ExpiresAt.IsZero():
		return nil, errors.New("the answer does not say when the token expires")
	}
	out := &token{identity: Identity{
		UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.User.Domain.ID, UserDomainName: t.User.Domain.Name,
		Expires: t.ExpiresAt,
		// Without an admin project, every project is (keystoneauth's is_admin_project).
		NotAdminProject: t.IsAdminProject != nil && !*t.IsAdminProject,
	}}
	id := &out.identity
	if p := t.Project; p != nil {
		id.ProjectID, id.ProjectName, id.ProjectDomainID, id.ProjectDomainName = p.ID, p.Name, p.Domain.ID, p.Domain.Name
	}
	if d := t.Domain; d != nil {
		id.DomainID, id.DomainName = d.ID, d.Name
	}
	if t.System["all"] {
		id.System = "all"
	}
	for _, r := range t.Roles {
		id.Roles = append(id.Roles, r.Name)
	}
	for kind := range t.Bind {
		out.bind = append(out.bind, kind)
	}
	if c := t.Credential; c != nil {
		id.ApplicationCredential = c.ID
		if c.Rules != nil {
			out.ruled = true
			for _, r := range *c.Rules {
				out.rules = append(out.rules, rule{r.Service, r.Method, pathPattern(r.Path)})
			}
		}
	}
	return out, nil
}

// allows says whether the token's access rules have this request. Who sent a
// service's token beside it does not act for the user directly, and is let through
// (keystonemiddleware's validate_allowed_request).
func (t *token) allows(r *http.Request, serviceType string, byService bool) bool {
	return !t.ruled || byService || slices.ContainsFunc(t.rules, func(rule rule) bool {
		return rule.service == serviceType && rule.method == r.Method && rule.path.MatchString(r.URL.Path)
	})
}

// bound says whether the token may not be believed because of what it is bound to.
func (t *token) bound(b Bind) bool {
	switch b {
	case BindDisabled:
		return false
	case BindPermissive, "":
		return slices.Contains(t.bind, "kerberos")
	case BindStrict:
		return len(t.bind) > 0
	}
	return true
}

var pathParts = regexp.MustCompile(`\{[^}]*\}|\*+|[^{}*]+|[{}]`)

// pathPattern is the path of an access rule: {name} and * are one part of a path,
// ** is any number of them.
func pathPattern(path string) *regexp.Regexp {
	var b strings.Builder
	for _, part := range pathParts.FindAllString(path, -1) {
		switch {
		case part == "*" || part[0] == '{' && len(part) > 1:
			b.WriteString(`[^/]+`)
		case part[0] == '*':
			b.WriteString(`.*`)
		default:
			b.WriteString(regexp.QuoteMeta(part))
		}
	}
	return regexp.MustCompile(`^(?s:` + b.String() + `)\z`)
}
