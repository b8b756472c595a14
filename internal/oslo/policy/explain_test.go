package policy

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnExplanationShowsTheChecksThatDecided(t *testing.T) {
	e, err := New(append([]Rule{
		{Name: "owner", Check: "project_id:%(project_id)s"},
		{Name: "show", Check: "rule:admin_only or (role:member and rule:owner) and not field:gateways:shared=True or @"},
	}, builtIn...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := e.Explain("show", map[string]any{"project_id": "p2"}, map[string]any{"roles": []string{"Member"}, "project_id": "p1"})
	var b strings.Builder
	for _, s := range d.Steps {
		fmt.Fprintf(&b, "%s%s: %t %s\n", strings.Repeat(" ", s.Depth), s.Check, s.Result, s.Note)
	}
	want := `rule:show: true 
 or: true 
  rule:admin_only: false 
   rule:context_is_admin: false 
    or: false 
     role:admin: false the caller's roles are ['Member']
     is_admin:True: false the caller has no is_admin
  and: false 
   role:member: true the caller's roles are ['Member']
   rule:owner: false 
    project_id:%(project_id)s: false the caller's project_id is 'p1'; the target's project_id gives 'p2'
  @: true 
`
	if !d.Allowed || d.Rule.Name != "show" || b.String() != want {
		t.Errorf("%t by %s:\n%s\nwant:\n%s", d.Allowed, d.Rule.Name, b.String(), want)
	}
	if d := e.Explain("unheard_of", nil, nil); d.Allowed || len(d.Steps) != 1 || !strings.Contains(d.Steps[0].Note, "no default rule") {
		t.Errorf("%+v", d)
	}
}

// drawn is an Enforcer of a rule "act" of any expression; nil if it means nothing.
func drawn(t *rapid.T) *Enforcer {
	files := []written{{name: "one", text: "role:admin"}, {name: "two", text: "user_id:u1"}, {name: "act", text: expressions().Draw(t, "expression")}}
	s, err := compile(nil, files, Options{})
	if err != nil {
		return nil
	}
	e := &Enforcer{}
	s.marks = []mark{{}}
	e.rules.Store(s)
	e.next.Store(1 << 62)
	return e
}

func TestAnExplanationAnswersAsAllowsDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawn(t)
		if e == nil {
			return
		}
		for _, q := range everything("act") {
			if d := e.Explain("act", q.target, q.credentials); d.Allowed != e.Allows("act", q.target, q.credentials) || d.Steps[0].Result != d.Allowed {
				t.Fatalf("%v: %+v", q, d)
			}
		}
	})
}

func TestWhatIsAllowedToAnyTargetIsAllowedToEach(t *testing.T) {
	sure := 0
	rapid.Check(t, func(t *rapid.T) {
		e := drawn(t)
		if e == nil {
			return
		}
		for _, q := range everything("act") {
			if e.AllowsAll("act", q.credentials) {
				sure++
				if !e.Allows("act", q.target, q.credentials) {
					t.Fatalf("%v is not allowed", q)
				}
			}
		}
	})
	if sure == 0 {
		t.Error("nothing was ever allowed to any target")
	}
}

func TestWhatDependsOnTheTargetIsNotAllowedToAnyTarget(t *testing.T) {
	credentials := map[string]any{"roles": []string{"admin"}, "project_id": "p1"}
	for expression, want := range map[string]bool{
		"role:admin": true,
		"role:admin or project_id:%(project_id)s": true,
		"@":                         true,
		"role:member":               false,
		"project_id:%(project_id)s": false,
		"role:admin and not project_id:%(project_id)s":    false,
		"role:admin and not 'secret':%(name)s":            false,
		"role:admin and not field:networks:shared=True":   false,
		"not (role:member and project_id:%(project_id)s)": true,
		"rule:nothing or project_id:p1":                   true,
	} {
		e, err := New([]Rule{{Name: "act", Check: expression}, {Name: "nothing", Check: "!"}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.AllowsAll("act", credentials); got != want {
			t.Errorf("%q: %t", expression, got)
		}
	}
}
