package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Caller is who makes a request, as far as it is known. The zero Caller is nobody
// and may do what the policy lets everybody do.
type Caller struct {
	User, UserName, UserDomain string
	// Project owns what the caller creates, unless it names another.
	Project, ProjectName, ProjectDomain string
	Domain                              string // of a token that is scoped to a domain
	System                              string // "all" for a token that is scoped to the system
	Roles                               []string
	ServiceUser, ServiceProject         string // of the service on whose way the request came
	ServiceRoles                        []string
	NotAdminProject                     bool // Keystone has an admin project and this is another
	// Admin is set where nothing is asked: by noauth. For everybody else the
	// policy's rule context_is_admin decides.
	Admin bool
}

// adminRoles are those of an administrator who is not asked: admin, and what it
// implies in a cloud (keystone-manage bootstrap). Files with rules, such as Neutron's
// own, ask for roles, and rarely for is_admin.
var adminRoles = []string{"admin", "manager", "member", "reader"}

// Credentials are the caller as policy rules name it: the values of oslo.context's
// to_policy_values and the older names that Neutron's rules use beside them.
//
// What the caller has not is missing, so that no rule takes two empty values for
// the same project.
func (c Caller) Credentials() map[string]any {
	roles := slices.Clone(c.Roles)
	if c.Admin {
		roles = append(roles, adminRoles...)
	}
	creds := map[string]any{
		"roles": texts(roles), "is_admin": c.Admin, "is_admin_project": !c.NotAdminProject,
		"service_roles": texts(slices.Clone(c.ServiceRoles)),
	}
	for name, v := range map[string]string{
		"user_id": c.User, "user": c.User, "user_domain_id": c.UserDomain,
		"project_id": c.Project, "project": c.Project, "tenant_id": c.Project, "tenant": c.Project, "project_domain_id": c.ProjectDomain,
		"domain_id": c.Domain, "system_scope": c.System,
		"service_user_id": c.ServiceUser, "service_project_id": c.ServiceProject,
	} {
		if v != "" {
			creds[name] = v
		}
	}
	return creds
}

// Policy says who may do what. An action is a rule's name, "create_l2_gateway";
// the target is what it is done to, by the names of its attributes. It keeps
// neither map.
type Policy interface {
	Allows(action string, target, credentials map[string]any) bool
	// AllowsAll says whether Allows is true for every target there can be.
	AllowsAll(action string, credentials map[string]any) bool
}

// DefaultProject owns what is created without authentication by a client that
// names no project.
const DefaultProject = "default"

// NoAuth takes every caller for an administrator of [DefaultProject] and believes
// no header. As with Neutron, one that says in a header which project it is of has
// none, so that it has to name one in what it creates. A browser is refused
// (Forbidden) that was sent here under a name which may be anybody's: see [NoAuthAt].
func NoAuth(r *http.Request) (Caller, error) { return noAuthHere(r) }

var noAuthHere = NoAuthAt()

// everybody is the caller that NoAuth takes everybody for.
func everybody(r *http.Request) Caller {
	c := Caller{Project: DefaultProject, Admin: true}
	if r.Header.Get("X-Project-Id") != "" || r.Header.Get("X-Tenant-Id") != "" {
		c.Project = ""
	}
	return c
}

type callerKey struct{}

// known is a caller and, once the policy was asked about it, its credentials.
type known struct {
	Caller
	credentials map[string]any
}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, &known{Caller: c})
}

func callerOf(ctx context.Context) Caller {
	if k, ok := ctx.Value(callerKey{}).(*known); ok {
		return k.Caller
	}
	return Caller{}
}

// credentialsOf are the caller's, made once for a request.
func credentialsOf(ctx context.Context) map[string]any {
	k, ok := ctx.Value(callerKey{}).(*known)
	if !ok {
		return Caller{}.Credentials()
	}
	if k.credentials == nil {
		k.credentials = k.Credentials()
	}
	return k.credentials
}

// ownerOf is the project that a new object belongs to.
func ownerOf(ctx context.Context, vs values) string {
	for _, name := range []string{"tenant_id", "project_id"} {
		if project, ok := given[string](vs, name); ok {
			return project
		}
	}
	return callerOf(ctx).Project
}

// adminOnly is the policy of a server that was given none.
type adminOnly struct{}

func (p adminOnly) Allows(action string, _, credentials map[string]any) bool {
	return p.AllowsAll(action, credentials)
}

func (adminOnly) AllowsAll(_ string, credentials map[string]any) bool {
	admin, _ := credentials["is_admin"].(bool)
	return admin
}

// verbOf is what an action is called in a refusal.
func verbOf(action string) string {
	if strings.HasPrefix(action, "create_") {
		return "CREATE"
	}
	return "GET"
}
