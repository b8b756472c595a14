package api

import (
	"cmp"
	"context"
	"net/http"
)

// Caller is who makes a request.
type Caller struct {
	Project string // owner of what it creates, unless it names another
	Admin   bool
}

// DefaultProject owns what is created without authentication by a client that
// names no project.
const DefaultProject = "default"

// NoAuth takes every caller for an administrator of the project that it names in
// X-Project-Id, as Neutron does with auth_strategy = noauth.
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

func (s *server) allow(ctx context.Context, action string) error {
	return s.Allow(callerOf(ctx), action)
}
