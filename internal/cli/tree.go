package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// machine is v as programs see it.
func machine(v any) any {
	if c, ok := v.(cell); ok {
		return c.value
	}
	return v
}

// humanText is v in a table.
func humanText(v any) string {
	if c, ok := v.(cell); ok {
		return c.human
	}
	return machineText(v)
}

// machineText is v as the openstack client prints values, which is Python's str.
func machineText(v any) string {
	if s, ok := machine(v).(string); ok {
		return s
	}
	return pythonText(machine(v))
}

// pythonText is v as Python's repr writes it.
func pythonText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		quote := "'"
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			quote = `"`
		}
		return quote + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, quote, `\`+quote).Replace(v) + quote
	case list:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = pythonText(machine(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case dict:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = pythonText(p.key) + ": " + pythonText(machine(p.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// compareValues orders numbers by size and everything else by its text.
func compareValues(a, b any) int {
	x, okX := machine(a).(int)
	y, okY := machine(b).(int)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(machineText(a), machineText(b))
}

// writeTree writes a structure as JSON or YAML.
func (f *form) writeTree(w io.Writer, v any) error {
	if f.format == "yaml" {
		return writeYAML(w, v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if !f.noIndent {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(jsonValue{v}); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// jsonValue keeps the order of a dict's keys.
type jsonValue struct{ v any }

func (j jsonValue) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	put := func(v any) error {
		err := e.Encode(v)
		b.Truncate(max(0, b.Len()-1)) // the newline that Encode adds
		return err
	}
	switch v := machine(j.v).(type) {
	case dict:
		b.WriteByte('{')
		for i, p := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := put(p.key); err != nil {
				return nil, err
			}
			b.WriteByte(':')
			if err := put(jsonValue{p.value}); err != nil {
				return nil, err
			}
		}
		b.WriteByte('}')
	case list:
		b.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := put(jsonValue{x}); err != nil {
				return nil, err
			}
		}
		b.WriteByte(']')
	default:
		if err := put(v); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// writeYAML writes v as PyYAML's safe_dump does: keys in order, text that looks
// like something else in single quotes.
func writeYAML(w io.Writer, v any) error {
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(yamlNode(v)); err != nil {
		return err
	}
	return e.Close()
}

func yamlNode(v any) *yaml.Node {
	switch v := machine(v).(type) {
	case dict:
		n := &yaml.Node{Kind: yaml.MappingNode}
		sorted := slices.Clone(v)
		slices.SortFunc(sorted, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
		for _, p := range sorted {
			n.Content = append(n.Content, yamlNode(p.key), yamlNode(p.value))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, x := range v {
			n.Content = append(n.Content, yamlNode(x))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	default:
		n := &yaml.Node{}
		if err := n.Encode(v); err != nil {
			n.SetString(fmt.Sprint(v))
		}
		if n.Style&yaml.DoubleQuotedStyle != 0 && strconv.Quote(n.Value) == `"`+n.Value+`"` {
			n.Style = yaml.SingleQuotedStyle
		}
		return n
	}
}

// writeCSV writes a list as cliff's csv formatter does.
func (f *form) writeCSV(w io.Writer, names []string, rows [][]any) error {
	quote := func(v any) string {
		s := machineText(v)
		_, number := machine(v).(int)
		switch {
		case f.quote == "none", f.quote == "nonnumeric" && number, f.quote == "minimal" && !strings.ContainsAny(s, "\",\r\n"):
			return s
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	var b strings.Builder
	line := func(fields []any) {
		for i, v := range fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(v))
		}
		b.WriteByte('\n')
	}
	line(texts(names))
	for _, row := range rows {
		line(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
