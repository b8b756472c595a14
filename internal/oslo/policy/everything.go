package policy

// AllowsAll says whether the rule of that name lets the caller do it to any target
// whatever: then nobody need ask about each of 100,000. No means that there may be
// targets to which it does not.
func (e *Enforcer) AllowsAll(action string, credentials map[string]any) bool {
	r := e.current().find(action)
	return r != nil && e.inScope(r, credentials) && withoutTarget(r.check, credentials) == yes
}

// certainty is what is known of a check without the target (Kleene's logic of
// three values).
type certainty int

const (
	no      certainty = iota
	depends           // on the target
	yes
)

func withoutTarget(c check, credentials map[string]any) certainty {
	switch c := c.(type) {
	case *ruleCheck:
		if c.to == nil {
			return no
		}
		return withoutTarget(c.to, credentials)
	case *not:
		return yes - withoutTarget(c.of, credentials)
	case *and:
		all := yes
		for _, part := range c.of {
			all = min(all, withoutTarget(part, credentials))
		}
		return all
	case *or:
		any := no
		for _, part := range c.of {
			any = max(any, withoutTarget(part, credentials))
		}
		return any
	}
	if asksTarget(c) {
		return depends
	}
	if c.allows(nil, credentials) {
		return yes
	}
	return no
}

// asksTarget says whether the answer of a single check may differ with the target.
func asksTarget(c check) bool {
	switch c := c.(type) {
	case *roleCheck:
		return !c.role.fixed()
	case *literalCheck:
		return !c.match.fixed()
	case *credentialCheck:
		return !c.match.fixed()
	case *fieldCheck:
		return true
	}
	return false // always and never
}
