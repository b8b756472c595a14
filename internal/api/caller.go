package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"l2gw"
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

// Credentials are the caller as policy rules name it: the values of oslo.context's
// to_policy_values and the older names that Neutron's rules use beside them.
func (c Caller) Credentials() map[string]any {
	return map[string]any{
		"user_id": c.User, "user": c.User, "user_domain_id": c.UserDomain,
		"project_id": c.Project, "project": c.Project, "tenant_id": c.Project, "tenant": c.Project, "project_domain_id": c.ProjectDomain,
		"domain_id": c.Domain, "system_scope": c.System,
		"roles": slices.Clone(c.Roles), "is_admin": c.Admin, "is_admin_project": !c.NotAdminProject,
		"service_user_id": c.ServiceUser, "service_project_id": c.ServiceProject, "service_roles": slices.Clone(c.ServiceRoles),
	}
}

// Policy says who may do what. An action is a rule's name, "create_l2_gateway";
// the target is what it is done to, by the names of its attributes.
type Policy interface {
	Allows(action string, target, credentials map[string]any) bool
}

// DefaultProject owns what is created without authentication by a client that
// names no project.
const DefaultProject = "default"

// NoAuth takes every caller for an administrator of the project that it names in
// X-Project-Id.
func NoAuth(r *http.Request) (Caller, error) {
	return Caller{
		Project: cmp.Or(r.Header.Get("X-Project-Id"), r.Header.Get("X-Tenant-Id"), DefaultProject),
		Admin:   true,
	}, nil
}

type callerKey struct{}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
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

func (adminOnly) Allows(_ string, _, credentials map[string]any) bool {
	admin, _ := credentials["is_admin"].(bool)
	return admin
}

// allow refuses what the caller may not do to the target (nil: to anything).
func (s *server) allow(ctx context.Context, action string, target map[string]any) error {
	if s.Policy.Allows(action, target, callerOf(ctx).Credentials()) {
		return nil
	}
	return l2gw.AdminRequired(verbOf(action))
}

// verbOf is what an action is called in a refusal.
func verbOf(action string) string {
	if len(action) > 7 && action[:7] == "create_" {
		return "CREATE"
	}
	return "GET"
}
