package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// overview is what status tells people: how many of what there are, and below that each
// cause once. On a terminal it fits the screen.

// cause is what several troubles have in common.
type cause struct {
	kind, status, reason string
	troubles             []trouble
}

// printOverview prints the overview.
func (a *app) printOverview(s situation, found []trouble) error {
	if len(found) == 0 && s.failed == nil {
		_, err := fmt.Fprintf(a.env.Out, "All is ACTIVE (devices: %d, gateways: %d, connections: %d).\n", len(s.devices), len(s.gateways), len(s.connections))
		return err
	}
	lines := s.counts()
	width, height := 0, 0
	if tty := terminal(a.env.Out); tty != nil {
		width, height = columns(tty), rows(tty)
	}
	causes := causesOf(found)
	if len(causes) > 0 {
		lines = append(lines, "")
	}
	for i, c := range causes {
		told := c.lines(width)
		if left := len(causes) - i; height > 0 && len(lines)+len(told) > height-2 && (left > 1 || len(lines)+len(told) > height-1) {
			lines = append(lines, fmt.Sprintf("and %d more: l2gw status -f table", left))
			break
		}
		lines = append(lines, told...)
	}
	_, err := io.WriteString(a.env.Out, printable(strings.Join(lines, "\n"))+"\n")
	return err
}

// counts is a line for each kind of thing.
func (s situation) counts() []string {
	inventory := fmt.Sprintf("%s, networks: %d", s.inventory.status(), s.inventory.Networks)
	gateways, connections := "not known", "not known"
	if s.failed == nil {
		gateways = count(s.gateways, func(g gateway) string { return g.Status })
		connections = count(s.connections, func(c connection) string { return c.Status })
	}
	return []string{
		"inventory    " + inventory,
		"agents       " + count(s.agents, agent.status),
		"devices      " + count(s.devices, func(d switchState) string { return d.Status }),
		"gateways     " + gateways,
		"connections  " + connections,
	}
}

// count tells how many have which status, worst first.
func count[T any](all []T, status func(T) string) string {
	if len(all) == 0 {
		return "none"
	}
	n := map[string]int{}
	var order []string
	for _, x := range all {
		if n[status(x)]++; n[status(x)] == 1 {
			order = append(order, status(x))
		}
	}
	slices.SortFunc(order, func(a, b string) int { return slices.Index(gravity, a) - slices.Index(gravity, b) })
	for i, s := range order {
		order[i] = fmt.Sprintf("%d %s", n[s], s)
	}
	return strings.Join(order, ", ")
}

// causesOf puts together what has the same reason, in the order of the troubles.
func causesOf(found []trouble) []*cause {
	var causes []*cause
	known := map[[4]string]*cause{}
	for _, t := range found {
		if t.told {
			continue
		}
		key := [...]string{t.kind, t.status, t.reason, t.advice}
		if known[key] == nil {
			known[key] = &cause{kind: t.kind, status: t.status, reason: t.reason}
			causes = append(causes, known[key])
		}
		known[key].troubles = append(known[key].troubles, t)
	}
	return causes
}

// lines tell of a cause, no wider than a screen (0: of any width).
func (c *cause) lines(width int) []string {
	const indent = 10
	text := c.subject()
	if c.reason != "" {
		text += ": " + strings.ReplaceAll(c.reason, "\n", " ")
	}
	lines := []string{text}
	if width > 2*indent {
		lines = wrap(text, width-indent)
	}
	for i := range lines {
		lines[i] = fmt.Sprintf("%-*s%s", indent, map[bool]string{true: c.status}[i == 0], lines[i])
	}
	if advice := c.advice(); advice != "" {
		lines = append(lines, fmt.Sprintf("%*s%s", indent, "> ", advice))
	}
	return lines
}

// advice is what to do, with one device of each database.
func (c *cause) advice() string {
	words := []string{c.troubles[0].advice}
	seen := map[string]bool{}
	for _, t := range c.troubles {
		if t.target != "" && !seen[t.id] {
			seen[t.id] = true
			words = append(words, t.target)
		}
	}
	return strings.Join(words, " ")
}

// subject names what a cause has troubled, the first few of many.
func (c *cause) subject() string {
	first := c.troubles[0]
	names := func(name func(trouble) string) string {
		var all []string
		seen := map[string]bool{}
		for _, t := range c.troubles {
			if n := name(t); !seen[n] {
				seen[n] = true
				all = append(all, n)
			}
		}
		return few(all)
	}
	switch c.kind {
	case "inventory":
		return "inventory"
	case "agent":
		return "agent " + names(func(t trouble) string { return t.name })
	case "device":
		return names(func(t trouble) string {
			if t.name == noneSeen {
				return "database " + t.id + ", in which no device was seen"
			}
			return "device " + t.name + " of database " + t.id
		})
	case "held removal":
		return "a removal is held in database " + first.id
	case "gateway":
		return "gateway " + names(func(t trouble) string { return cmp.Or(t.name, t.id) })
	case "connection":
		return "connection " + names(func(t trouble) string { return t.id + " of gateway " + t.gateway })
	}
	connections := map[string]bool{}
	for _, t := range c.troubles {
		connections[t.id] = true
	}
	where := "connection " + first.id
	if len(connections) > 1 {
		where = fmt.Sprintf("%d connections", len(connections))
	}
	return names(func(t trouble) string { return t.name }) + " (gateway " + names(func(t trouble) string { return t.gateway }) + "; " + where + ")"
}

// few names three at most, and counts the rest.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
