package oslo

import (
	"fmt"
	"strings"
)

// maxExpanded bounds a value after substitution: a few variables that refer to each
// other several times would else come to any length.
const maxExpanded = 1 << 20

// maxSteps bounds how many variables are replaced for one value.
const maxSteps = 10_000

// expand replaces $name, ${name} and ${group.name} by the values of those
// options; $$ and \$ are a dollar sign. A name without a group is looked for in the option's own
// group, then in [DEFAULT]. What is no name behind a dollar sign is left as it is (Python's
// string.Template, safe_substitute). A name that nobody sets is an error, as in oslo.config.
func (c *Config) expand(text, group string, within []option) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	if len(within) == 1 {
		c.steps = 0
	}
	text = strings.ReplaceAll(text, `\$`, "$$")
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if strings.HasPrefix(rest, "$") {
			b.WriteByte('$')
			text = rest[1:]
			continue
		}
		name, length := variable(rest)
		if length == 0 {
			b.WriteByte('$')
			text = rest
			continue
		}
		v, err := c.substitute(name, group, within)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		if b.Len() > maxExpanded {
			return "", fmt.Errorf("with its variables replaced it is longer than %d bytes", maxExpanded)
		}
		text = rest[length:]
	}
}

// variable returns the name that text begins with, in braces or not, and how long that is; 0 if there is none.
func variable(text string) (name string, length int) {
	brace := strings.HasPrefix(text, "{")
	if brace {
		text = text[1:]
	}
	n := 0
	for n < len(text) && isNameByte(text[n], n == 0) {
		n++
	}
	switch {
	case n == 0:
		return "", 0
	case !brace:
		return text[:n], n
	case n < len(text) && text[n] == '}':
		return text[:n], n + 2
	}
	return "", 0
}

func isNameByte(b byte, first bool) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || !first && (b == '.' || b >= '0' && b <= '9')
}

func (c *Config) substitute(name, group string, within []option) (string, error) {
	if c.steps++; c.steps > maxSteps {
		return "", fmt.Errorf("more than %d variables would have to be replaced", maxSteps)
	}
	var candidates []option
	if g, n, ok := strings.Cut(name, "."); ok {
		candidates = []option{{groupOf(g), n}}
	} else {
		candidates = []option{{group, name}, {"DEFAULT", name}}
	}
	for _, o := range candidates {
		text, ok := c.given[o]
		if v, set := c.value(o); set {
			text, ok = v.text, true
		}
		if !ok {
			continue
		}
		for i, w := range within {
			if w == o {
				return "", fmt.Errorf("$%s refers to itself%s", name, by(within[i+1:]))
			}
		}
		return c.expand(text, o.group, append(within[:len(within):len(within)], o))
	}
	where := "[" + candidates[0].group + "]"
	if len(candidates) > 1 && group != "DEFAULT" {
		where += " and [DEFAULT]"
	}
	return "", fmt.Errorf("it refers to $%s, and %s has no such option; a dollar sign is written $$", name, where)
}

func by(within []option) string {
	if len(within) == 0 {
		return ""
	}
	names := make([]string, len(within))
	for i, o := range within {
		names[i] = "$" + o.name
	}
	return " by " + strings.Join(names, ", ")
}
