package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"l2gw"
	"l2gw/internal/oslo/policy"
	"l2gw/internal/store"
)

// Rules are what the policy is asked, with what holds unless an operator says
// otherwise. They are those of the routes and the ones that these refer to, which
// have the names and meanings of Neutron's (neutron/conf/policies/base.py).
func Rules() []policy.Rule {
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "role:admin or is_admin:True", Description: "Who is an administrator"},
		{Name: "context_is_advsvc", Check: "role:advsvc", Description: "Who is a service that may act for other projects"},
		{Name: "owner", Check: "tenant_id:%(tenant_id)s", Description: "Whose project owns the object"},
		{Name: "admin_or_owner", Check: "rule:context_is_admin or rule:owner", Description: "Administrators, and whose project owns the object"},
		{Name: "admin_only", Check: "rule:context_is_admin", Description: "Administrators alone"},
		{Name: "regular_user", Check: "", Description: "Everybody"},
		{Name: "shared", Check: "field:networks:shared=True", Description: "Networks that all projects share"},
		{Name: "external", Check: "field:networks:router:external=True", Description: "Networks that lead out of the cloud"},
		{Name: "default", Check: "rule:admin_or_owner", Description: "What has no rule of its own"},
	}
	for _, r := range outline().routes {
		for _, rule := range r.rules {
			if !slices.ContainsFunc(rules, func(known policy.Rule) bool { return known.Name == rule.Name }) {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// adminsMay is a rule for administrators.
func adminsMay(action, what string) []policy.Rule {
	return []policy.Rule{{Name: action, Check: "rule:admin_only", Description: what}}
}

// rules are those that are asked for verb.
func (e endpoint[T]) rules(verb string) []policy.Rule {
	check, given := e.access[verb]
	if !given {
		check = "rule:admin_only"
	}
	what := map[string]string{"get": "Show and list ", "create": "Create ", "update": "Change ", "delete": "Delete "}[verb]
	rules := []policy.Rule{{Name: verb + "_" + e.name, Check: check, Description: what + e.title + "s"}}
	if verb == "get" {
		for _, a := range e.attributes {
			if a.visibleIf != "" {
				rules = append(rules, policy.Rule{Name: e.sees(a.name), Check: a.visibleIf, Description: "See the attribute " + a.name + " of " + e.title + "s"})
			}
		}
	}
	return rules
}

// sees is the rule about who sees an attribute.
func (e endpoint[T]) sees(attribute string) string { return "get_" + e.name + ":" + attribute }

// elsewhere is the project of nobody: what one may do to its objects, one may do
// to those of other projects.
const elsewhere = "\x00elsewhere"

// ownedBy is all that a list knows of its objects before it reads them.
func ownedBy(project string) map[string]any {
	return map[string]any{"project_id": project, "tenant_id": project}
}

// allows asks the policy. A nil target is anything.
func (s *server) allows(ctx context.Context, action string, target map[string]any) bool {
	return s.Policy.Allows(action, target, credentialsOf(ctx))
}

// allow refuses what the caller may not do to the target (nil: to anything).
func (s *server) allow(ctx context.Context, action string, target map[string]any) error {
	if s.allows(ctx, action, target) {
		return nil
	}
	return l2gw.AdminRequired(verbOf(action))
}

// isAdmin reports whether the caller may act for any project.
func (s *server) isAdmin(ctx context.Context) bool {
	return s.allows(ctx, "context_is_admin", nil) || s.allows(ctx, "context_is_advsvc", nil)
}

// owned reports whether each object belongs to a project.
func (e endpoint[T]) owned() bool { return e.attributes.find("project_id") != nil }

// target is x as the policy's rules name it.
func (e endpoint[T]) target(x *T) map[string]any { return e.attributes.target(x) }

// target is x as the policy's rules name it: its plain attributes.
func (t table[T]) target(x *T) map[string]any {
	target := make(map[string]any, len(t))
	for i := range t {
		a := &t[i]
		if a.show == nil || !a.named() {
			continue
		}
		switch v := a.show(x).(type) {
		case string, bool, int, int64:
			target[a.name] = v
		}
	}
	return target
}

// newTarget is what a client wants to create, as the policy's rules name it.
func (e endpoint[T]) newTarget(ctx context.Context, item map[string]any, vs values) map[string]any {
	target := make(map[string]any, len(e.attributes))
	for i := range e.attributes {
		a := &e.attributes[i]
		v, has := item[a.name]
		if !has {
			v = a.fallback
		}
		switch v := v.(type) {
		case string, bool, int:
			target[a.name] = v
		case json.Number:
			target[a.name] = v.String()
		}
	}
	if e.owned() {
		project := ownerOf(ctx, vs)
		target["project_id"], target["tenant_id"] = project, project
	}
	return target
}

// scope is what a caller sees of a list.
type scope[T any] struct {
	nothing bool
	// project is the only one whose objects it sees, if restricted.
	project    string
	restricted bool
	// attributes are those that it sees: nobody learns of others by filters or order.
	attributes table[T]
}

// scope asks the policy about a list before it is read: a caller who may not see
// what its own project has sees nothing; one who may not see what others have is
// restricted to its project.
func (e endpoint[T]) scope(ctx context.Context) scope[T] {
	seen := scope[T]{attributes: e.attributes}
	var target map[string]any
	if e.owned() {
		seen.project = callerOf(ctx).Project
		target = ownedBy(elsewhere)
		if seen.restricted = !e.allows(ctx, "get_"+e.name, target); seen.restricted {
			target = ownedBy(seen.project)
		}
	}
	seen.nothing = !e.owned() && !e.allows(ctx, "get_"+e.name, nil) || seen.restricted && !e.allows(ctx, "get_"+e.name, target)
	if e.hasRestrictedAttributes() {
		seen.attributes = slices.DeleteFunc(slices.Clone(e.attributes), func(a attribute[T]) bool {
			return a.visibleIf != "" && !e.allows(ctx, e.sees(a.name), target)
		})
	}
	return seen
}

// restrict asks the store for the caller's own alone, if it can ask for a project.
func (seen scope[T]) restrict(q *store.Query) {
	if a := seen.attributes.find("project_id"); !seen.restricted || a == nil || !a.stored {
		return
	}
	if q.Filter == nil {
		q.Filter = map[string][]string{}
	}
	only := []string{seen.project}
	if wanted, asked := q.Filter["project_id"]; asked && !slices.Contains(wanted, seen.project) {
		only = nil
	}
	q.Filter["project_id"] = only
}

// checkMarker says of a marker that the caller does not see what it says of one
// that is not there.
func (e endpoint[T]) checkMarker(ctx context.Context, seen scope[T], marker string) error {
	if marker == "" || !seen.restricted {
		return nil
	}
	x, err := e.get(ctx, marker)
	switch {
	case l2gw.ErrorCode(err) == l2gw.NotFound:
		return l2gw.MarkerNotFound(marker)
	case err != nil:
		return err
	case !e.allows(ctx, "get_"+e.name, e.target(&x)):
		return l2gw.MarkerNotFound(marker)
	}
	return nil
}

// permitted is what the caller may see of all. Who may see anything is not asked
// about each: there may be 100,000 ports.
func (e endpoint[T]) permitted(ctx context.Context, all []T) []T {
	action := "get_" + e.name
	if !e.owned() || e.Policy.AllowsAll(action, credentialsOf(ctx)) {
		return all
	}
	return slices.DeleteFunc(all, func(x T) bool { return !e.allows(ctx, action, e.target(&x)) })
}

// find looks up the object that the path names, for who may do verb to it. Who
// may not is told the same whether it exists or not. That it cannot be looked up
// is for those to know who might be allowed: a client must not take a database
// that is away for a right that it has lost.
func (e endpoint[T]) find(r *http.Request, verb string) (T, error) {
	ctx, action := r.Context(), verb+"_"+e.name
	var none T
	if !e.owned() {
		if err := e.allow(ctx, action, nil); err != nil {
			return none, err
		}
		return e.lookUp(r)
	}
	x, err := e.lookUp(r)
	switch {
	case err == nil && e.allows(ctx, action, e.target(&x)):
		return x, nil
	case err != nil && e.Policy.AllowsAll(action, credentialsOf(ctx)):
		return none, err
	case err != nil && l2gw.ErrorCode(err) != l2gw.NotFound && (e.missing != nil || e.allows(ctx, action, ownedBy(callerOf(ctx).Project))):
		return none, err
	case e.missing == nil:
		return none, l2gw.AdminRequired(verbOf(action))
	}
	return none, e.missing(pathID(r))
}

func (e endpoint[T]) hasRestrictedAttributes() bool {
	return slices.ContainsFunc(e.attributes, func(a attribute[T]) bool { return a.visibleIf != "" })
}

// hidesSome reports whether the caller may not see some attribute of some object:
// then the policy must be asked about each.
func (e endpoint[T]) hidesSome(ctx context.Context) bool {
	return slices.ContainsFunc(e.attributes, func(a attribute[T]) bool {
		return a.visibleIf != "" && !e.Policy.AllowsAll(e.sees(a.name), credentialsOf(ctx))
	})
}

// render is x as its answer shows it to the caller.
func (e endpoint[T]) render(ctx context.Context, x *T, fields []string) object {
	out := e.attributes.render(x, fields)
	if e.hidesSome(ctx) {
		return e.withoutHidden(ctx, out, x)
	}
	return out
}

// withoutHidden takes from out, which shows x, what the caller may not see.
func (e endpoint[T]) withoutHidden(ctx context.Context, out object, x *T) object {
	target := e.target(x)
	return slices.DeleteFunc(out, func(m member) bool {
		a := e.attributes.find(m.name)
		return a.visibleIf != "" && !e.allows(ctx, e.sees(a.name), target)
	})
}

// stream is renderAll for a list that may be long.
func (e endpoint[T]) stream(ctx context.Context, all []T, fields []string) objects {
	return func(yield func(object) bool) {
		out, hidesSome := make(object, 0, len(e.attributes)), e.hidesSome(ctx)
		for i := range all {
			shown := e.attributes.appendTo(out[:0], &all[i], fields)
			if hidesSome {
				shown = e.withoutHidden(ctx, shown, &all[i])
			}
			if !yield(shown) {
				return
			}
		}
	}
}

func (e endpoint[T]) renderAll(ctx context.Context, all []T, fields []string) []object {
	list := make([]object, len(all))
	for i := range all {
		list[i] = e.render(ctx, &all[i], fields)
	}
	return list
}

// checkOwner checks which project a new object is to belong to, before anything
// else of it, as Neutron does (neutron_lib/api/attributes.py).
func (e endpoint[T]) checkOwner(ctx context.Context, item map[string]any) error {
	if !e.owned() {
		return nil
	}
	project, given := item["project_id"]
	if tenant, has := item["tenant_id"]; has {
		if given && !sameValue(project, tenant) {
			return badRequest("'project_id' and 'tenant_id' do not match")
		}
		project, given = tenant, true
	}
	own := callerOf(ctx).Project
	switch {
	case !given && own == "":
		return badRequest("Running without keystone AuthN requires that tenant_id is specified")
	case given && project != any(own) && !e.isAdmin(ctx):
		return badRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin or advsvc privileges")
	}
	return nil
}
