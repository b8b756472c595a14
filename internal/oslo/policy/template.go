package policy

import (
	"fmt"
	"strings"
)

// template is the right side of a check: text with the target's attributes in it.
type template struct {
	source string
	// parts are text and names of attributes, in turn, beginning with text.
	parts []string
}

// parseTemplate understands %(name)s and %%.
func parseTemplate(source string) (template, error) {
	t := template{source: source}
	var b strings.Builder
	for rest := source; ; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			t.parts = append(t.parts, b.String())
			return t, nil
		}
		if strings.HasPrefix(after, "%") {
			b.WriteByte('%')
			rest = after[1:]
			continue
		}
		name, end, ok := attributeName(after)
		if !ok {
			return t, fmt.Errorf("%q: after %% there must be (name)s, the name of an attribute of the target, or another %%", source)
		}
		t.parts = append(t.parts, b.String(), name)
		b.Reset()
		rest = end
	}
}

// attributeName reads (name)s; parentheses within the name come in pairs.
func attributeName(s string) (name, rest string, ok bool) {
	depth := 0
	for i, r := range s {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			if r == ')' && strings.HasPrefix(s[i+1:], "s") {
				return s[1:i], s[i+2:], true
			}
			return "", "", false
		}
	}
	return "", "", false
}

// fill puts the target's attributes in; false if it lacks one.
func (t template) fill(target map[string]any) (string, bool) {
	if len(t.parts) == 1 {
		return t.parts[0], true
	}
	if len(t.parts) == 3 && t.parts[0] == "" && t.parts[2] == "" {
		v, ok := attribute(target, t.parts[1])
		return text(v), ok
	}
	var b strings.Builder
	for i, p := range t.parts {
		if i%2 == 0 {
			b.WriteString(p)
			continue
		}
		v, ok := attribute(target, p)
		if !ok {
			return "", false
		}
		b.WriteString(text(v))
	}
	return b.String(), true
}

// fixed says whether the target does not matter.
func (t template) fixed() bool { return len(t.parts) == 1 }

// attribute is a value of the target by its name, as it is or, with points, by the
// way that leads to it: target.project.id is target["target"]["project"]["id"].
// (Keystone makes one level of the target before it asks; here it need not be done.)
func attribute(target map[string]any, name string) (any, bool) {
	if v, ok := target[name]; ok {
		return v, true
	}
	for rest := name; ; {
		first, after, found := strings.Cut(rest, ".")
		if !found {
			v, ok := target[rest]
			return v, ok
		}
		next, ok := target[first].(map[string]any)
		if !ok {
			return nil, false
		}
		target, rest = next, after
	}
}
