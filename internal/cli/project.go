package cli

import (
	"context"
	"fmt"
	"net/url"
	"regexp"

	"github.com/spf13/cobra"
)

// ownerFlags are --project, what goes with it, and its old name.
type ownerFlags struct {
	project, domain, tenant string
}

func (o *ownerFlags) flags(c *cobra.Command, about string) {
	c.Flags().StringVar(&o.project, "project", "", about+" (name or ID)")
	c.Flags().StringVar(&o.domain, "project-domain", "", "the domain (name or ID) of that project, where several have its name")
	c.Flags().StringVar(&o.tenant, "tenant-id", "", "the same as --project, by ID alone")
	c.MarkFlagsMutuallyExclusive("project", "tenant-id")
}

// projectID is what ids of projects look like: Keystone makes the first, people the second.
var projectID = regexp.MustCompile(`^([0-9a-f]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

// id is the project that was named, "" if none was.
func (o *ownerFlags) id(ctx context.Context, a *app) (string, error) {
	switch {
	case o.tenant != "":
		return o.tenant, nil
	case o.project == "":
		return "", nil
	}
	if s := a.session; s != nil {
		return s.project(ctx, a, o.project, o.domain)
	}
	if !projectID.MatchString(o.project) { // and there is no Keystone that knows names
		return "", noProject(o.project)
	}
	return o.project, nil
}

// put says in the body of a request which project was named, if one was.
func (o *ownerFlags) put(ctx context.Context, a *app, body map[string]any) error {
	id, err := o.id(ctx, a)
	if id != "" {
		body["tenant_id"] = id
	}
	return err
}

// query asks for what belongs to the project that was named, if one was.
func (o *ownerFlags) query(ctx context.Context, a *app) (url.Values, error) {
	id, err := o.id(ctx, a)
	if id == "" {
		return nil, err
	}
	return url.Values{"tenant_id": {id}}, err
}

func noProject(name string) error {
	return fmt.Errorf("No project with a name or ID of '%s' exists.", name) //nolint:staticcheck,revive // the openstack client's words
}
