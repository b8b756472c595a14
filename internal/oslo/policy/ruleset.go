package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"l2gw/internal/oslo"
)

// ruleset is all rules as they count, resolved and without circles. It is not
// changed once it is in use.
type ruleset struct {
	rules   map[string]*rule
	order   []string
	byName  string // of the default rule
	marks   []mark // of what it was read from
	notices []notice
}

// rule is one of a ruleset.
type rule struct {
	Effective
	check  check
	scopes []string
	known  bool // to the program
	used   bool // by another rule
}

// notice is what an operator should know about rules that can be obeyed.
type notice struct {
	message    string
	attributes []any
}

func (s *ruleset) notice(message string, attributes ...any) {
	s.notices = append(s.notices, notice{message, attributes})
}

// compile makes a ruleset of the program's rules and those of files, of which later
// ones win.
func compile(defaults []Rule, files []written, o Options) (*ruleset, error) {
	s := &ruleset{rules: map[string]*rule{}, byName: o.DefaultRule}
	last := map[string]written{}
	var order []string
	for _, w := range files {
		if _, ok := last[w.name]; !ok {
			order = append(order, w.name)
		}
		last[w.name] = w
	}
	for _, d := range defaults {
		if s.rules[d.Name] != nil {
			return nil, &RuleError{Rule: d.Name, Reason: "it is there twice"}
		}
		r, err := s.builtIn(d, last, o)
		if err != nil {
			return nil, err
		}
		s.add(r)
	}
	for _, name := range order {
		w := last[name]
		c, err := w.parse()
		if err != nil {
			return nil, &RuleError{w.from, name, w.source(), err.Error()}
		}
		r := s.rules[name]
		if r == nil {
			r = &rule{}
			r.Name = name
			s.add(r)
		}
		r.Check, r.Parsed, r.Origin, r.check = w.source(), c.String(), w.from, c
	}
	if err := s.resolve(); err != nil {
		return nil, err
	}
	s.unused(defaults)
	return s, nil
}

func (s *ruleset) add(r *rule) {
	s.rules[r.Name] = r
	s.order = append(s.order, r.Name)
}

// builtIn is a rule of the program, with what becomes of it if it had another name or expression.
func (s *ruleset) builtIn(d Rule, files map[string]written, o Options) (*rule, error) {
	c, err := parse(d.Check)
	if err != nil {
		return nil, &RuleError{Rule: d.Name, Check: d.Check, Reason: err.Error()}
	}
	r := &rule{Effective: Effective{Rule: d, Default: d.Check, Parsed: c.String()}, check: c, scopes: d.Scopes, known: true}
	_, replaced := files[d.Name]
	if d.Deprecated == nil || replaced {
		return r, nil
	}
	old, err := parse(d.Deprecated.Check)
	if err != nil {
		return nil, &RuleError{Rule: d.Deprecated.Name, Check: d.Deprecated.Check, Reason: err.Error()}
	}
	if w, ok := files[d.Deprecated.Name]; ok && d.Deprecated.Name != d.Name {
		s.notice("a policy file has the older name of a rule", "rule", d.Deprecated.Name, "now", d.Name, "file", w.from, "reason", d.Deprecated.Reason)
		c, err := w.parse()
		if err != nil {
			return nil, &RuleError{w.from, w.name, w.source(), err.Error()}
		}
		if c.String() != "rule:"+d.Name {
			r.Check, r.Parsed, r.Origin, r.check = w.source(), c.String(), w.from, c
			return r, nil
		}
	}
	if !o.EnforceNewDefaults && d.Deprecated.Check != d.Check {
		r.check = &or{[]check{c, old}}
		r.Parsed = r.check.String()
		r.Check = strings.TrimSuffix(strings.TrimPrefix(r.Parsed, "("), ")")
	}
	return r, nil
}

// resolve finds the rules that rules refer to, and circles among them.
func (s *ruleset) resolve() error {
	fallback := s.rules[s.byName]
	for _, name := range s.order {
		for c := range references(s.rules[name].check) {
			to := s.rules[c.name]
			if to == nil {
				to = fallback
			}
			if to != nil {
				to.used, c.to = true, to.check
			}
		}
	}
	if err := s.circles(); err != nil {
		return err
	}
	return s.undefined(fallback)
}

// references are the rule:… of an expression.
func references(c check) func(yield func(*ruleCheck) bool) {
	return func(yield func(*ruleCheck) bool) { eachReference(c, yield) }
}

func eachReference(c check, yield func(*ruleCheck) bool) bool {
	var of []check
	switch c := c.(type) {
	case *ruleCheck:
		return yield(c)
	case *not:
		return eachReference(c.of, yield)
	case *and:
		of = c.of
	case *or:
		of = c.of
	}
	return !slices.ContainsFunc(of, func(c check) bool { return !eachReference(c, yield) })
}

// circles refuses rules that say what they say themselves.
func (s *ruleset) circles() error {
	done := map[string]bool{}
	var way []string
	var visit func(name string) error
	visit = func(name string) error {
		r := s.rules[name]
		if r == nil {
			if r = s.rules[s.byName]; r == nil {
				return nil
			}
			name = s.byName
		}
		if i := slices.Index(way, name); i >= 0 {
			circle := append(slices.Clone(way[i:]), name)
			return &RuleError{s.circleOrigin(circle), name, "", "rules refer to each other in a circle: " + strings.Join(circle, " → ")}
		}
		if done[name] {
			return nil
		}
		done[name] = true
		way = append(way, name)
		for c := range references(r.check) {
			if err := visit(c.name); err != nil {
				return err
			}
		}
		way = way[:len(way)-1]
		return nil
	}
	for _, name := range s.order {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

// circleOrigin is a place where a circle can be broken: the program's own rules have none.
func (s *ruleset) circleOrigin(circle []string) (o oslo.Origin) {
	for _, name := range circle {
		if r := s.rules[name]; r.FromFile() {
			return r.Origin
		}
	}
	return o
}

// undefined refuses a reference to no rule where it counts: in what the program's rules
// lead to. Elsewhere (in a file for another service, too) it is only told.
func (s *ruleset) undefined(fallback *rule) error {
	counts := map[string]bool{}
	var mark func(name string)
	mark = func(name string) {
		if r := s.rules[name]; r != nil && !counts[name] {
			counts[name] = true
			for c := range references(r.check) {
				mark(c.name)
			}
		}
	}
	for name, r := range s.rules {
		if r.known {
			mark(name)
		}
	}
	for _, name := range s.order {
		r := s.rules[name]
		for c := range references(r.check) {
			if s.rules[c.name] != nil {
				continue
			}
			reason := fmt.Sprintf("there is no rule %q", c.name)
			if near := nearest(c.name, slices.Collect(maps.Keys(s.rules))); len(near) > 0 {
				reason += "; is " + strings.Join(near, " or ") + " meant?"
			}
			if counts[name] && fallback == nil {
				return &RuleError{r.Origin, name, r.Check, reason}
			}
			s.notice("a rule refers to one that is not there", "rule", name, "from", r.Origin, "reason", reason)
		}
	}
	return nil
}

// unused tells of rules of files that look like misspelt ones of the program. Others
// are for another service that has the same file.
func (s *ruleset) unused(defaults []Rule) {
	names := make([]string, 0, len(defaults))
	for _, d := range defaults {
		names = append(names, d.Name)
		if d.Deprecated != nil && d.Deprecated.Name != d.Name && s.rules[d.Deprecated.Name] != nil {
			s.rules[d.Deprecated.Name].used = true
		}
	}
	for _, name := range s.order {
		if r := s.rules[name]; !r.known && !r.used && name != s.byName {
			if near := nearest(name, names); len(near) > 0 {
				s.notice("a policy file has a rule that nobody asks for; is it misspelt?", "rule", name, "from", r.Origin, "near", strings.Join(near, ", "))
			}
		}
	}
}

// nearest are up to three names that differ from a name in a letter or two.
func nearest(name string, names []string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	for _, n := range names {
		if d := distance(name, n); d <= 2 && d < len(name)/3 {
			found = append(found, near{n, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var list []string
	for _, f := range found[:min(3, len(found))] {
		list = append(list, f.name)
	}
	return list
}

// distance is how many letters must be put in, left out or changed to make b of a; 9 if
// they differ much in length. A hyphen is as good as an underscore.
func distance(a, b string) int {
	a, b = strings.ReplaceAll(lower(a), "-", "_"), strings.ReplaceAll(lower(b), "-", "_")
	if max(len(a)-len(b), len(b)-len(a)) > 2 {
		return 9
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := above
			if a[i] != b[j] {
				change++
			}
			above = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
