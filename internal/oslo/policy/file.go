package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"l2gw/internal/oslo"
)

// maxFile bounds a policy file; Neutron's with all its defaults has 100 KB.
const maxFile = 8 << 20

// written is a rule as it stands in a file or in the program.
type written struct {
	name   string
	text   string     // of an expression
	lists  [][]string // of the older syntax
	listed bool
	from   oslo.Origin
}

func (w written) parse() (check, error) {
	if w.listed {
		return parseList(w.lists)
	}
	return parse(w.text)
}

// source is the expression as people read it.
func (w written) source() string {
	if !w.listed {
		return w.text
	}
	b, err := json.Marshal(w.lists)
	if err != nil || w.lists == nil {
		return "[]"
	}
	return string(b)
}

// readFile reads the rules of a file, YAML or JSON, in their order.
func readFile(path string) ([]written, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("policy file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("policy file: %w", err)
	}
	if len(data) > maxFile {
		return nil, &FileError{oslo.Origin{File: path}, fmt.Sprintf("it is larger than %d MiB", maxFile>>20)}
	}
	return parseFile(path, data)
}

func parseFile(path string, data []byte) ([]written, error) {
	fail := func(line int, format string, a ...any) error {
		return &FileError{oslo.Origin{File: path, Line: line}, fmt.Sprintf(format, a...)}
	}
	// JSON is YAML, but for the tabs that it may be indented with.
	if json.Valid(data) {
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil // nothing but comments
	case err != nil:
		return nil, fail(0, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fail(0, "there is more than one document in it")
	}
	root := doc.Content[0]
	if root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fail(root.Line, "it must be rules by their names (create_l2_gateway: role:member), not a %s", kindOf(root))
	}
	var rules []written
	lines := map[string]int{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := resolved(root.Content[i]), resolved(root.Content[i+1])
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return nil, fail(key.Line, "the name of a rule must be a text, not a %s", kindOf(key))
		}
		if first, ok := lines[key.Value]; ok {
			return nil, fail(key.Line, "rule %q is there twice, first in line %d", key.Value, first)
		}
		lines[key.Value] = key.Line
		w := written{name: key.Value, from: oslo.Origin{File: path, Line: key.Line}}
		if err := w.take(value); err != nil {
			return nil, &RuleError{w.from, w.name, "", err.Error()}
		}
		rules = append(rules, w)
	}
	return rules, nil
}

// resolved follows an alias.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// take reads an expression: a text, or a list of texts and lists of texts.
func (w *written) take(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return errors.New(`it has no expression; write "" or @ to allow everybody, ! in quotes to allow nobody`)
	case n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0:
		// What begins with ! is a tag to YAML, and the text after it may be empty: to
		// take this for an empty text would allow everybody.
		return errors.New(`it begins with a YAML tag; put it into quotes: "!"`)
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		w.text = n.Value
		return nil
	case n.Kind != yaml.SequenceNode:
		return fmt.Errorf("its expression must be a text or a list, not a %s", kindOf(n))
	}
	w.listed = true
	for _, inner := range n.Content {
		inner = resolved(inner)
		switch {
		case inner.Kind == yaml.ScalarNode && inner.Tag == "!!str":
			if inner.Value == "" {
				w.lists = append(w.lists, []string{})
				continue
			}
			w.lists = append(w.lists, []string{inner.Value})
		case inner.Kind == yaml.SequenceNode:
			all := []string{}
			for _, s := range inner.Content {
				if s = resolved(s); s.Kind != yaml.ScalarNode || s.Tag != "!!str" {
					return fmt.Errorf("a check of a list of lists must be a text, not a %s", kindOf(s))
				}
				all = append(all, s.Value)
			}
			w.lists = append(w.lists, all)
		default:
			return fmt.Errorf("a list of checks must have texts and lists of texts in it, not a %s", kindOf(inner))
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "map"
	case yaml.SequenceNode:
		return "list"
	}
	return map[string]string{"!!int": "number", "!!float": "number", "!!bool": "truth value", "!!null": "null", "!!merge": "merge key", "!!str": "text"}[n.Tag]
}

// mark says which version of a file or folder this is, as far as it can be seen from outside.
type mark struct {
	path    string
	size    int64
	changed time.Time
	problem string // why it cannot be seen
}

func markOf(path string) mark {
	info, err := os.Stat(path)
	if err != nil {
		return mark{path: path, problem: err.Error()}
	}
	m := mark{path: path, changed: info.ModTime()}
	if !info.IsDir() {
		m.size = info.Size()
	}
	return m
}

// policyFiles are the files of a folder in their order, without hidden ones and folders.
// A folder that is not there has none.
func policyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy folder: %w", err)
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); strings.HasPrefix(e.Name(), ".") || err == nil && info.IsDir() {
			continue
		}
		files = append(files, path)
	}
	slices.Sort(files)
	return files, nil
}
