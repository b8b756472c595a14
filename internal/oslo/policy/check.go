package policy

import (
	"regexp"
	"slices"
	"strings"
)

// check is a node of an expression. It is not changed once its rules are in use.
type check interface {
	allows(target, credentials map[string]any) bool
	// String is the expression with all its parentheses, as oslo.policy prints it.
	String() string
}

type (
	always struct{} // @
	never  struct{} // !
	not    struct{ of check }
	and    struct{ of []check }
	or     struct{ of []check }
	// ruleCheck is what another rule says.
	ruleCheck struct {
		name string
		to   check // found by resolve
	}
	// roleCheck asks for a role, in whatever case.
	roleCheck struct {
		role    template
		lowered string // if the target does not matter
	}
	// literalCheck compares a constant with the target: 'Member':%(role.name)s.
	literalCheck struct {
		source, value string
		match         template
	}
	// credentialCheck compares a credential with the target: user.id:%(user_id)s.
	credentialCheck struct {
		source string
		path   []string
		match  template
	}
	// fieldCheck compares an attribute of the target with a constant: Neutron's field:networks:shared=True.
	fieldCheck struct {
		source, field, value string
		pattern              *regexp.Regexp // or nil
	}
)

func (always) allows(_, _ map[string]any) bool { return true }
func (always) String() string                  { return "@" }
func (never) allows(_, _ map[string]any) bool  { return false }
func (never) String() string                   { return "!" }

func (c *not) allows(target, credentials map[string]any) bool {
	return !c.of.allows(target, credentials)
}
func (c *not) String() string { return "not " + c.of.String() }

func (c *and) allows(target, credentials map[string]any) bool {
	for _, x := range c.of {
		if !x.allows(target, credentials) {
			return false
		}
	}
	return true
}
func (c *and) String() string { return joined(c.of, " and ") }

func (c *or) allows(target, credentials map[string]any) bool {
	for _, x := range c.of {
		if x.allows(target, credentials) {
			return true
		}
	}
	return false
}
func (c *or) String() string { return joined(c.of, " or ") }

func joined(list []check, operator string) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = c.String()
	}
	return "(" + strings.Join(parts, operator) + ")"
}

func (c *ruleCheck) allows(target, credentials map[string]any) bool {
	return c.to != nil && c.to.allows(target, credentials)
}
func (c *ruleCheck) String() string { return "rule:" + c.name }

func (c *roleCheck) allows(target, credentials map[string]any) bool {
	wanted := c.lowered
	if !c.role.fixed() {
		name, ok := c.role.fill(target)
		if !ok {
			return false
		}
		wanted = lower(name)
	}
	switch roles := credentials["roles"].(type) {
	case []string:
		return slices.ContainsFunc(roles, func(role string) bool { return equalLower(role, wanted) })
	case []any:
		return slices.ContainsFunc(roles, func(role any) bool {
			name, ok := role.(string)
			return ok && equalLower(name, wanted)
		})
	default:
		return false
	}
}
func (c *roleCheck) String() string { return "role:" + c.role.source }

func (c *literalCheck) allows(target, _ map[string]any) bool {
	match, ok := c.match.fill(target)
	return ok && match == c.value
}
func (c *literalCheck) String() string { return c.source + ":" + c.match.source }

func (c *credentialCheck) allows(target, credentials map[string]any) bool {
	match, ok := c.match.fill(target)
	return ok && found(credential(credentials, c.path[0]), c.path[1:], match)
}
func (c *credentialCheck) String() string { return c.source + ":" + c.match.source }

// missing is what a map does not have.
type missing struct{}

// credential is one of the caller's. A caller with a system scope has it under the older name, too.
func credential(credentials map[string]any, name string) any {
	if name == "system" {
		if scope := credentials["system_scope"]; truth(scope) {
			return scope
		}
	}
	if v, ok := credentials[name]; ok {
		return v
	}
	return missing{}
}

// found follows the path into a value; of a list any element will do.
func found(v any, path []string, match string) bool {
	switch list := v.(type) {
	case missing:
		return false
	case []string:
		return len(path) == 0 && slices.Contains(list, match)
	case []any:
		return slices.ContainsFunc(list, func(x any) bool { return foundIn(x, path, match) })
	case []map[string]any:
		return slices.ContainsFunc(list, func(x map[string]any) bool { return foundIn(x, path, match) })
	}
	return foundIn(v, path, match)
}

func foundIn(v any, path []string, match string) bool {
	if len(path) == 0 {
		return text(v) == match
	}
	switch m := v.(type) {
	case map[string]any:
		if next, ok := m[path[0]]; ok {
			return found(next, path[1:], match)
		}
	case map[string]string:
		next, ok := m[path[0]]
		return ok && len(path) == 1 && next == match
	}
	return false
}

func (c *fieldCheck) allows(target, _ map[string]any) bool {
	v, ok := target[c.field]
	if !ok || v == nil {
		return false
	}
	if c.pattern != nil {
		s, ok := v.(string)
		return ok && c.pattern.MatchString(s)
	}
	if b, ok := v.(bool); ok {
		// Neutron's attribute tables say which values are truths; here the target does.
		return slices.Contains(truths[b], strings.ToLower(c.value))
	}
	return text(v) == c.value
}
func (c *fieldCheck) String() string { return "field:" + c.source }

// truths are the words of neutron-lib's convert_to_boolean.
var truths = map[bool][]string{
	true:  {"true", "1", "t", "yes", "y", "on", "enabled"},
	false: {"false", "0", "f", "no", "n", "off", "disabled"},
}
