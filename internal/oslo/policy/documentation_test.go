package policy

import "testing"

// The examples of oslo.policy's documentation (the text at the top of oslo_policy/policy.py
// and of GenericCheck), each with somebody whom it allows and somebody whom it does not.
func TestExamplesOfOsloPolicysDocumentation(t *testing.T) {
	oslo := startPython(t)
	type m = map[string]any
	by := func(credentials, target m) *asked { return &asked{"act", target, credentials} }
	role := func(names ...string) *asked { return by(m{"roles": names}, m{}) }
	for _, example := range []struct {
		name       string
		expression any
		yes, no    *asked
	}{
		{"user's role", "role:admin", role("Admin"), role("administrator")},
		{"a role with a colon", "role:compute:admin", role("compute:admin"), role("compute")},
		{"rules already defined", "rule:admin_required", role("admin"), role("member")},
		{"user attributes", "project_id:%(target.project.id)s", by(m{"project_id": "p"}, m{"target.project.id": "p"}), by(m{"project_id": "p"}, m{"target.project.id": "q"})},
		{"a string to the right keeps its quotes", "user_id:'xpto2035abc'", by(m{"user_id": "'xpto2035abc'"}, m{}), by(m{"user_id": "xpto2035abc"}, m{})},
		{"a string to the left", "'myproject':%(project)s", by(m{}, m{"project": "myproject"}), by(m{}, m{"project": "'myproject'"})},
		{"a literal", "project_id:xpto2035abc", by(m{"project_id": "xpto2035abc"}, m{}), by(m{"project_id": "XPTO2035ABC"}, m{})},
		{"a number", "domain_id:20", by(m{"domain_id": 20}, m{}), by(m{"domain_id": 21}, m{})},
		{"a truth value", "True:%(user.enabled)s", by(m{}, m{"user.enabled": true}), by(m{}, m{"user.enabled": false})},
		{
			"conjunctions", "role:admin or (project_id:%(project_id)s and role:projectadmin)",
			by(m{"roles": []string{"projectadmin"}, "project_id": "p"}, m{"project_id": "p"}), by(m{"roles": []string{"projectadmin"}, "project_id": "p"}, m{"project_id": "q"}),
		},
		{"not", "project_id:%(project_id)s and not role:dunce", by(m{"project_id": "p"}, m{"project_id": "p"}), by(m{"project_id": "p", "roles": []string{"dunce"}}, m{"project_id": "p"})},
		{
			"a list of lists",
			[][]string{{"role:admin"}, {"project_id:%(project_id)s", "role:projectadmin"}},
			by(m{"roles": []string{"projectadmin"}, "project_id": "p"}, m{"project_id": "p"}), role("projectadmin"),
		},
		{"always", "@", role(), nil},
		{"an empty text", "", role(), nil},
		{"an empty list", [][]string{}, role(), nil},
		{"never", "!", nil, role("admin")},
		{"a generic check", "user_id:%(user.id)s", by(m{"user_id": "u"}, m{"user.id": "u"}), by(m{"user_id": "u"}, m{})},
		{"a tenant", "tenant:%(tenant_id)s", by(m{"tenant": "p"}, m{"tenant_id": "p"}), role()},
		{"a constant and the target", "'Member':%(role.name)s", by(m{}, m{"role.name": "Member"}), by(m{}, m{"role.name": "member"})},
	} {
		t.Run(example.name, func(t *testing.T) {
			rules := map[string]any{"act": example.expression, "admin_required": "role:admin"}
			for q, want := range map[*asked]int{example.yes: 1, example.no: 0} {
				if q == nil {
					continue
				}
				// compare fails if here is another answer than there.
				if compared, yes := oslo.compare(t, rules, []asked{*q}); compared != 1 || yes != want {
					t.Errorf("%v for %v to %v: %d of %d", example.expression, q.credentials, q.target, yes, compared)
				}
			}
		})
	}
}
