package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"l2gw/internal/python"
)

// maxDepth bounds parentheses and nots within each other.
const maxDepth = 200

// token is a word of an expression: "(", ")", "and", "or", "not", or a check.
type token struct {
	kind string // the word itself, or "check"
	text string
}

// tokens splits an expression at blanks. Parentheses before and after a word are
// words of their own; those within it, as in project_id:%(project_id)s, are not.
func tokens(expression string) []token {
	var list []token
	for word := range strings.FieldsFuncSeq(expression, blank) {
		core := strings.TrimLeft(word, "(")
		for range len(word) - len(core) {
			list = append(list, token{"(", "("})
		}
		clean := strings.TrimRight(core, ")")
		switch lowered := lower(clean); {
		case lowered == "and" || lowered == "or" || lowered == "not":
			list = append(list, token{lowered, clean})
		case clean != "":
			list = append(list, token{"check", clean})
		}
		for range len(core) - len(clean) {
			list = append(list, token{")", ")"})
		}
	}
	return list
}

// parse understands an expression: not before and before or, as usual. An empty
// one is always true.
func parse(expression string) (check, error) {
	if expression == "" {
		return always{}, nil
	}
	p := parser{tokens: tokens(expression)}
	if len(p.tokens) == 0 {
		return nil, errors.New(`there are only blanks; write "" or @ to allow everybody, ! to allow nobody`)
	}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == ")" {
		return nil, errors.New("there is a ) without its (")
	} else if t.kind != "" {
		return nil, fmt.Errorf("%q follows %q with neither and nor or between them", t.text, p.tokens[p.next-1].text)
	}
	return c, nil
}

// parser makes the same tree as oslo.policy's, whose shape its String shows.
type parser struct {
	tokens []token
	next   int
}

// peek is the next word; its kind is "" at the end.
func (p *parser) peek() token {
	if p.next == len(p.tokens) {
		return token{}
	}
	return p.tokens[p.next]
}

func (p *parser) or(depth int) (check, error) {
	first, err := p.and(depth, true)
	if err != nil || p.peek().kind != "or" {
		return first, err
	}
	all := []check{first}
	for p.peek().kind == "or" {
		p.next++
		c, err := p.and(depth, false)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return &or{all}, nil
}

// and reads what is between two ors. After an or, oslo.policy adds further factors to an
// "and" in parentheses that is the first of them: "a or (b and c) and d" is one of three.
func (p *parser) and(depth int, begins bool) (check, error) {
	first, err := p.factor(depth)
	if err != nil || p.peek().kind != "and" {
		return first, err
	}
	all := []check{first}
	if inner, ok := first.(*and); ok && !begins {
		all = inner.of
	}
	for p.peek().kind == "and" {
		p.next++
		c, err := p.factor(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return &and{all}, nil
}

func (p *parser) factor(depth int) (check, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("there are more than %d parentheses and nots within each other", maxDepth)
	}
	t := p.peek()
	p.next++
	switch t.kind {
	case "check":
		return parseCheck(t.text)
	case "not":
		c, err := p.factor(depth + 1)
		if err != nil {
			return nil, err
		}
		return &not{c}, nil
	case "(":
		c, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		switch end := p.peek(); end.kind {
		case ")":
			p.next++
			return c, nil
		case "":
			return nil, errors.New("a ( has no )")
		default:
			return nil, fmt.Errorf("%q follows %q with neither and nor or between them", end.text, p.tokens[p.next-1].text)
		}
	}
	switch {
	case p.next == 1:
		return nil, fmt.Errorf("it begins with %q, which stands between checks", t.text)
	case t.kind == "":
		return nil, fmt.Errorf("there is nothing after %q", p.tokens[p.next-2].text)
	default:
		return nil, fmt.Errorf("there is no check between %q and %q", p.tokens[p.next-2].text, t.text)
	}
}

// parseList understands the older syntax: a list of lists of checks, of which all
// of one inner list must hold.
func parseList(lists [][]string) (check, error) {
	if len(lists) == 0 {
		return always{}, nil
	}
	var any []check
	for _, inner := range lists {
		var all []check
		for _, s := range inner {
			c, err := parseListed(s)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		switch len(all) {
		case 0: // as if it were not there
		case 1:
			any = append(any, all[0])
		default:
			any = append(any, &and{all})
		}
	}
	switch len(any) {
	case 0:
		return never{}, nil
	case 1:
		return any[0], nil
	default:
		return &or{any}, nil
	}
}

// parseListed understands a check of a list, which is what would be one word of an expression.
func parseListed(s string) (check, error) {
	if t := tokens(s); len(t) != 1 || t[0].kind != "check" || t[0].text != s {
		return nil, fmt.Errorf("%q: in a list of lists each text is a single check, without blanks, and, or, not or parentheses around it", s)
	}
	return parseCheck(s)
}

// parseCheck understands a single check: @, ! or kind:match.
func parseCheck(s string) (check, error) {
	switch s {
	case "@":
		return always{}, nil
	case "!":
		return never{}, nil
	}
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[0] == s[len(s)-1] {
		return nil, fmt.Errorf("%s is a text in quotes, which is not a check; a check looks like role:admin", s)
	}
	kind, match, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q is not a check; a check looks like role:admin, rule:admin_only or project_id:%%(project_id)s", s)
	}
	switch kind {
	case "rule":
		return &ruleCheck{name: match}, nil
	case "http", "https":
		return nil, fmt.Errorf("%q: checks that ask another server are not supported", s)
	case "field":
		return parseField(match)
	}
	t, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if kind == "role" {
		return &roleCheck{role: t, lowered: lower(t.parts[0])}, nil
	}
	if value, ok := literal(kind); ok {
		return &literalCheck{source: kind, value: value, match: t}, nil
	}
	if !credentialName.MatchString(kind) {
		return nil, fmt.Errorf("%q: before the : there must be rule, role, field, the name of a credential such as user_id or token.project.id, "+
			"or a constant: 'text', a number, True, False or None", s)
	}
	return &credentialCheck{source: kind, path: strings.Split(kind, "."), match: t}, nil
}

// credentialName is a name, or several with points between them.
var credentialName = regexp.MustCompile(`^[\pL_][\pL\pN_-]*(\.[\pL_][\pL\pN_-]*)*$`)

var (
	integer = regexp.MustCompile(`^[+-]?(0+|[1-9][0-9]*)$`)
	decimal = regexp.MustCompile(`^[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// literal is a Python constant as str writes it: 'text', a number, True, False, None.
func literal(s string) (string, bool) {
	switch {
	case s == "True" || s == "False" || s == "None":
		return s, true
	case len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0]:
		inner := s[1 : len(s)-1]
		return inner, !strings.ContainsAny(inner, `\`+s[:1])
	case integer.MatchString(s):
		n := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-"), "0")
		switch {
		case n == "":
			return "0", true
		case s[0] == '-':
			return "-" + n, true
		default:
			return n, true
		}
	case decimal.MatchString(s) && strings.ContainsAny(s, ".eE"):
		f, err := strconv.ParseFloat(s, 64)
		return python.Float(f), err == nil
	}
	return "", false
}

// parseField understands what follows field: — RESOURCE:ATTRIBUTE=VALUE, or =~PATTERN
// for an attribute that begins with what the regular expression describes.
func parseField(match string) (check, error) {
	_, comparison, ok := strings.Cut(match, ":")
	field, value, equals := strings.Cut(comparison, "=")
	if !ok || !equals {
		return nil, fmt.Errorf("%q: it must look like field:networks:shared=True", "field:"+match)
	}
	c := &fieldCheck{source: match, field: field, value: value}
	if pattern, ok := strings.CutPrefix(value, "~"); ok {
		var err error
		if c.pattern, err = regexp.Compile(`^(?:` + pattern + `)`); err != nil {
			return nil, fmt.Errorf("%q: the regular expression: %w", "field:"+match, err)
		}
	}
	return c, nil
}
