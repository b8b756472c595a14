package policy

import (
	"fmt"
	"strings"

	"l2gw/internal/python"
)

// Decision is an answer with what led to it.
type Decision struct {
	Allowed bool
	// Rule is the one that was asked: of the action's name, or the default rule. Its
	// Name is "" if there is neither.
	Rule Effective
	// Steps are the checks that were made, each before those that it consists of.
	Steps []Step
}

// Step is a check that was made.
type Step struct {
	Depth  int    // of checks around it
	Check  string // as oslo.policy prints it; "and", "or" and "not" stand for what follows, one deeper
	Result bool
	Note   string // what was compared, or ""
}

// Explain is Allows, with the reasons.
func (e *Enforcer) Explain(action string, target, credentials map[string]any) Decision {
	r := e.current().find(action)
	if r == nil {
		return Decision{Steps: []Step{{Check: "rule:" + action, Note: "there is no such rule and no default rule, so nobody may"}}}
	}
	d := Decision{Rule: r.Effective}
	if !e.inScope(r, credentials) {
		d.Steps = []Step{{Check: "scope", Note: fmt.Sprintf("the token is for a %s, the rule for %s", scopeOf(credentials), strings.Join(r.scopes, ", "))}}
		return d
	}
	x := explanation{target: target, credentials: credentials}
	if r.Name != action {
		x.steps = []Step{{Check: "rule:" + action, Note: fmt.Sprintf("there is no such rule; %s is asked", r.Name)}}
	}
	d.Allowed = x.take(&ruleCheck{name: r.Name, to: r.check}, 0)
	d.Steps = x.steps
	return d
}

type explanation struct {
	target, credentials map[string]any
	steps               []Step
}

// take makes a check as Allows does, no further than until the answer is known.
func (x *explanation) take(c check, depth int) bool {
	i := len(x.steps)
	x.steps = append(x.steps, Step{Depth: depth, Check: c.String()})
	name, note, result := "", "", false
	switch c := c.(type) {
	case *ruleCheck:
		if c.to == nil {
			note = "there is no such rule"
			break
		}
		result = x.take(c.to, depth+1)
	case *not:
		name, result = "not", !x.take(c.of, depth+1)
	case *and:
		name, result = "and", true
		for _, part := range c.of {
			if result = x.take(part, depth+1); !result {
				break
			}
		}
	case *or:
		name = "or"
		for _, part := range c.of {
			if result = x.take(part, depth+1); result {
				break
			}
		}
	default:
		result, note = c.allows(x.target, x.credentials), x.compared(c)
	}
	if name != "" {
		x.steps[i].Check = name
	}
	x.steps[i].Result, x.steps[i].Note = result, note
	return result
}

// compared says what a check had to compare.
func (x *explanation) compared(c check) string {
	switch c := c.(type) {
	case *roleCheck:
		return "the caller's roles are " + text(x.credentials["roles"]) + x.wanted(c.role)
	case *literalCheck:
		return strings.TrimPrefix(x.wanted(c.match), "; ")
	case *credentialCheck:
		v := credential(x.credentials, c.path[0])
		if _, none := v.(missing); none {
			return "the caller has no " + c.path[0] + x.wanted(c.match)
		}
		return "the caller's " + c.path[0] + " is " + pythonic(v) + x.wanted(c.match)
	case *fieldCheck:
		if v, ok := x.target[c.field]; ok {
			return "the target's " + c.field + " is " + pythonic(v)
		}
		return "the target has no " + c.field
	}
	return ""
}

// wanted says what the target made of a template.
func (x *explanation) wanted(t template) string {
	if t.fixed() {
		return ""
	}
	for i := 1; i < len(t.parts); i += 2 {
		if _, ok := attribute(x.target, t.parts[i]); !ok {
			return "; the target has no " + t.parts[i]
		}
	}
	value, _ := t.fill(x.target)
	return "; the target's " + strings.Join(everySecond(t.parts), ", ") + " gives " + python.Quote(value)
}

func everySecond(parts []string) (list []string) {
	for i := 1; i < len(parts); i += 2 {
		list = append(list, parts[i])
	}
	return list
}
