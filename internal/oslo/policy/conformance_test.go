package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"l2gw/test/process"

	"pgregory.net/rapid"
)

// interpreter is a Python process that answers with Debian's oslo.policy.
type interpreter struct{ *process.Conversation }

type asked struct {
	action              string
	target, credentials map[string]any
}

func (a asked) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{a.action, a.target, a.credentials})
}

type request struct {
	Rules  map[string]any `json:"rules,omitempty"`
	Asked  []asked        `json:"asked,omitempty"`
	Corpus bool           `json:"corpus,omitempty"`
}

type answer struct {
	Parsed  map[string]string
	Failed  []string
	Allowed []any
	Corpus  [][3]string
}

func startPython(t *testing.T) *interpreter {
	t.Helper()
	return &interpreter{process.Converse(t, exec.Command("/usr/bin/python3", "testdata/reference.py"))}
}

type fataler interface {
	Helper()
	Fatalf(format string, a ...any)
}

func (o *interpreter) ask(t fataler, r request) answer {
	t.Helper()
	var a answer
	if err := o.Ask(r, &a); err != nil {
		t.Fatalf("python3-oslo.policy, python3-neutron and python3-keystone answer; run `make deps`: %v", err)
	}
	return a
}

// compare asks both and reports where they differ. It returns how many answers were
// compared, and how many of those were yes.
func (o *interpreter) compare(t fataler, rules map[string]any, questions []asked) (compared, yes int) {
	t.Helper()
	a := o.ask(t, request{Rules: rules, Asked: questions})
	var files []written
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		w := written{name: name}
		switch x := rules[name].(type) {
		case string:
			w.text = x
		case [][]string:
			w.lists, w.listed = x, true
		}
		c, err := w.parse()
		if failed := slices.Contains(a.Failed, name); err != nil != failed {
			t.Fatalf("%q: understood by oslo.policy: %t; here: %v", rules[name], !failed, err)
		} else if failed {
			continue
		}
		if got, want := c.String(), a.Parsed[name]; got != want && !strings.Contains(got, "field:") {
			t.Fatalf("%q is %s to oslo.policy and %s here", rules[name], want, got)
		}
		files = append(files, w)
	}
	s, err := compile(nil, files, Options{DefaultRule: "default"})
	if err != nil {
		t.Fatalf("%v: %v", rules, err)
	}
	e := &Enforcer{}
	for i, q := range questions {
		want, ok := a.Allowed[i].(bool)
		if !ok {
			continue // an error there, such as a path into a text; no here
		}
		if slices.Contains(a.Failed, q.action) {
			continue
		}
		r := s.find(q.action)
		got := r != nil && e.inScope(r, q.credentials) && r.check.allows(q.target, q.credentials)
		if got != want {
			t.Fatalf("%s: %q\nfor %v\nto %v: oslo.policy says %t", q.action, rules[q.action], q.credentials, q.target, want)
		}
		compared++
		if got {
			yes++
		}
	}
	return compared, yes
}

// people and things are what questions are made of.
var (
	people = []map[string]any{
		{},
		{"roles": []string{"admin"}, "user_id": "u0", "project_id": "p0", "tenant_id": "p0", "is_admin": true, "domain_id": nil},
		{"roles": []string{"Member", "reader"}, "user_id": "u1", "project_id": "p1", "tenant_id": "p1", "is_admin": false, "user": map[string]any{"id": "u1"}},
		{"roles": []string{"reader"}, "user_id": "u2", "system_scope": "all", "project_id": nil, "domain_id": nil},
		{"roles": []string{"MEMBER", "service"}, "user_id": "u3", "domain_id": "d1", "user_domain_id": "d1", "project_id": "None", "tenant_id": "p1"},
		{"roles": []string{"advsvc", "data_plane_integrator"}, "user_id": "u3", "project_id": "p2", "tenant_id": "p2", "token": map[string]any{
			"domain": map[string]any{"id": "d1"}, "project": map[string]any{"domain": map[string]any{"id": "d1"}},
			"methods": []any{"password", "totp"}, "catalog": []any{map[string]any{"type": "network"}, map[string]any{"type": "identity"}},
		}},
		{"roles": []string{"manager", "İstanbul", "ſervice", "straße"}, "user_id": "20", "project_id": "p1", "n": 20, "f": 1.5, "list": []any{1, "two", nil, true}, "system": "all"},
	}
	things = []map[string]any{
		{},
		{"project_id": "p1", "tenant_id": "p1", "user_id": "u1", "shared": true, "name": "a", "network:tenant_id": "p1", "ext_parent:tenant_id": "p2", "security_group:tenant_id": "p1", "router:external": true, "device_owner": "network:dhcp"},
		{"project_id": "p2", "tenant_id": "p2", "user_id": "u2", "shared": false, "name": nil, "network:tenant_id": "p2", "ext_parent:tenant_id": "p1", "security_group:tenant_id": "p2", "router:external": false, "device_owner": "compute:nova", "target_tenant": "*", "target_project": "*"},
		{
			"target.user.id": "u1", "target.user.domain_id": "d1", "target.project.id": "p1", "target.project.domain_id": "d1", "target.domain.id": "d1", "target.domain_id": "d1", "target.group.domain_id": "d1", "target.credential.user_id": "u1",
			"target.trust.trustor_user_id": "u1", "target.trust.trustee_user_id": "u2", "target.token.user_id": "u3", "target.limit.project_id": "p1", "target.limit.domain.id": "d1", "target.limit.project.domain_id": "d1", "target.role.domain_id": nil, "user_id": "u3",
		},
		{"target.user.id": "u9", "target.domain_id": nil, "target.limit.project_id": nil, "target.limit.domain.id": nil, "target.limit.project.domain_id": nil, "role.name": "Member", "user.enabled": true, "n": 20, "f": 1.5, "project_id": "p1", "user_id": "20", "list": []any{"a", 1, "it's", nil}, "percent": "%"},
	}
)

func everything(action string) []asked {
	var list []asked
	for _, p := range people {
		for _, x := range things {
			list = append(list, asked{action, x, p})
		}
	}
	return list
}

func TestDefaultRulesOfNeutronAndKeystoneMeanHereWhatTheyMeanThere(t *testing.T) {
	oslo := startPython(t)
	services := map[string]map[string]any{}
	for _, r := range oslo.ask(t, request{Corpus: true}).Corpus {
		if services[r[0]] == nil {
			services[r[0]] = map[string]any{}
		}
		services[r[0]][r[1]] = r[2]
	}
	for service, rules := range services {
		if len(rules) < 100 {
			t.Errorf("%s has only %d rules", service, len(rules))
		}
		var questions []asked
		for name := range rules {
			questions = append(questions, everything(name)...)
		}
		compared, yes := oslo.compare(t, rules, questions)
		t.Logf("%s: %d rules, %d questions, %d of %d compared answers are yes", service, len(rules), len(questions), yes, compared)
		if compared < len(questions)/2 || yes < compared/20 {
			t.Errorf("%s: too little was compared", service)
		}
	}
}

var words = []string{
	"role:admin", "role:member", "role:MEMBER", "role:%(role.name)s", "role:istanbul", "role:i̇stanbul", "role:service", "role:STRASSE", "role:", "Role:admin",
	"rule:one", "rule:two", "rule:nothing",
	"project_id:%(project_id)s", "tenant_id:%(tenant_id)s", "tenant_id:%(network:tenant_id)s", "user_id:%(user_id)s", "user.id:%(user_id)s", "user_id:u1", "user_id:%(n)s", "n:%(n)s", "n:20", "f:%(f)s", "f:1.5",
	"project_id:%(project_id)s%(nothing)s", "project_id:%(project_id)s%%", "user_id:20", "name:%(name)s", "domain_id:%(name)s", "domain_id:None",
	"is_admin:True", "is_admin:False", "is_admin:1", "roles:reader", "roles:Member", "system:all", "system_scope:all", "token.domain.id:d1", "token.methods:totp", "token.catalog.type:identity",
	"list:1", "list:two", "list:None", "list:True", "token.methods:['password',", "list.x:y",
	"'Member':%(role.name)s", `"Member":%(role.name)s`, "True:%(shared)s", "True:%(user.enabled)s", "None:%(name)s", "20:%(n)s", "1.50:%(f)s", "-1:-1", "+1:1", "00:0", "1e3:1000.0", "1e22:1e+22", ".5:0.5", "5.:5.0",
	"user_id:'u1'", "@", "!", "field:networks:shared=True", "field:networks:shared=no", "field:ports:device_owner=compute:nova", "field:port:device_owner=~^network:", "field:port:name=a",
	"and", "or", "not", "AND", "Or", "nOt", "(", ")", "((", "))", "a", "'text'", `"text"`, "class-name:x", "_a:b", "é:x", "a.b.c:x", "", "\t", "\u00a0", "\x1f", "(role:admin", "role:reader)", "not", "and", "or",
}

// expressions are sentences of the grammar, and words in any order.
func expressions() *rapid.Generator[string] {
	var sentence func(depth int) *rapid.Generator[string]
	checks := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		_, err := parse(w)
		return err != nil || strings.TrimSpace(w) == "" || strings.ContainsAny(w[:1], "()\x1f")
	})
	sentence = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			kind := rapid.IntRange(0, 6).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				return rapid.SampledFrom(checks).Draw(t, "check")
			}
			part := func() string { return sentence(depth-1).Draw(t, "part") }
			switch kind {
			case 1:
				return "not " + part()
			case 2:
				return "(" + part() + ")"
			case 3, 4:
				return part() + " and " + part()
			default:
				return part() + " OR  " + part()
			}
		})
	}
	return rapid.OneOf(sentence(4), sentence(4), rapid.Map(rapid.SliceOfN(rapid.SampledFrom(words), 0, 8), func(w []string) string { return strings.Join(w, " ") }))
}

func TestGeneratedExpressionsMeanHereWhatTheyMeanThere(t *testing.T) {
	oslo := startPython(t)
	compared, yes := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rules := map[string]any{"one": rapid.SampledFrom([]string{"role:admin", "not role:reader", "@"}).Draw(t, "one"), "two": "rule:one or user_id:u1"}
		var questions []asked
		for i := range 4 {
			name := fmt.Sprint("act", i)
			rules[name] = expressions().Draw(t, "expression")
			questions = append(questions, everything(name)...)
		}
		if rapid.Bool().Draw(t, "with default") {
			rules["default"] = "user_id:u1"
		}
		c, y := oslo.compare(t, rules, append(questions, everything("unheard of")...))
		compared, yes = compared+c, yes+y
	})
	t.Logf("%d of %d compared answers are yes", yes, compared)
}

func TestListsOfListsMeanHereWhatTheyMeanThere(t *testing.T) {
	oslo := startPython(t)
	checks := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		_, err := parseListed(w)
		return err != nil
	})
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(checks), 0, 3), 0, 4).Draw(t, "lists")
		oslo.compare(t, map[string]any{"act": lists, "one": "role:admin", "two": "@"}, everything("act"))
	})
}

func TestWhatIsPrintedIsUnderstoodTheSame(t *testing.T) {
	understood := 0
	rapid.Check(t, func(t *rapid.T) {
		expression := expressions().Draw(t, "expression")
		first, err := parse(expression)
		if err != nil {
			return
		}
		understood++
		second, err := parse(first.String())
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", expression, first, err)
		}
		if first.String() != second.String() {
			t.Fatalf("%q is printed as %q, and that as %q", expression, first, second)
		}
		for _, q := range everything("") {
			if first.allows(q.target, q.credentials) != second.allows(q.target, q.credentials) {
				t.Fatalf("%q is printed as %q, which means something else to %v", expression, first, q)
			}
		}
	})
	if understood == 0 {
		t.Error("nothing was understood")
	}
}

func FuzzWhatIsUnderstoodIsPrintedTheSame(f *testing.F) {
	for _, w := range words {
		f.Add(w + " and not (" + w + ")")
	}
	f.Fuzz(func(t *testing.T, expression string) {
		first, err := parse(expression)
		if err != nil {
			return
		}
		if second, err := parse(first.String()); err != nil || second.String() != first.String() {
			t.Errorf("%q: %v, then %v, %v", expression, first, second, err)
		}
	})
}
