package fabric

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseAgents goes by nodes, so that each fault has its line.
func parseAgents(data []byte) ([]agent, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil, errors.New("it is empty, and must begin with agents: and a list")
	}
	var list []agent
	err := fields(doc.Content[0], "the file", map[string]func(*yaml.Node) error{
		"agents": func(n *yaml.Node) error {
			if n.Kind != yaml.SequenceNode {
				return at(n, "agents must be a list of entries, each with a name")
			}
			for _, entry := range n.Content {
				a, err := parseAgent(entry)
				if err != nil {
					return err
				}
				list = append(list, a)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return list, checkAgents(list)
}

func parseAgent(n *yaml.Node) (agent, error) {
	a := agent{line: n.Line}
	named := false
	err := fields(n, "an agent", map[string]func(*yaml.Node) error{
		"name": func(n *yaml.Node) error {
			if n.Kind != yaml.ScalarNode || n.Value == "" {
				return at(n, "name must be what the agent calls itself, its host name")
			}
			a.name = n.Value
			return nil
		},
		"certificate": func(n *yaml.Node) (err error) {
			a.certificates, err = texts(n, "certificate")
			return err
		},
		"fingerprint": func(n *yaml.Node) error {
			all, err := texts(n, "fingerprint")
			for _, s := range all {
				s = strings.ToLower(strings.ReplaceAll(s, ":", ""))
				if _, ok := digest(s); !ok {
					return at(n, "fingerprint %q: the SHA-256 of a certificate has 64 hexadecimal digits", s)
				}
				a.fingerprints = append(a.fingerprints, s)
			}
			return err
		},
		"token_sha256": func(n *yaml.Node) error {
			all, err := texts(n, "token_sha256")
			for _, s := range all {
				sum, ok := digest(s)
				if !ok {
					// It may be the token itself: it is not shown.
					return at(n, `token_sha256 must be the SHA-256 of the token, 64 hexadecimal digits: printf %%s "$TOKEN" | sha256sum`)
				}
				a.tokens = append(a.tokens, sum)
			}
			return err
		},
		"databases": func(n *yaml.Node) error {
			named = true
			if n.Kind != yaml.SequenceNode {
				return at(n, `databases must be a list: [tor1, tor2], or ["*"] for all`)
			}
			all, err := texts(n, "databases")
			if err != nil {
				return err
			}
			a.databases = append([]string{}, all...)
			for _, s := range all {
				if s == "*" {
					a.databases = nil
				}
			}
			return nil
		},
	})
	switch {
	case err != nil:
		return a, err
	case a.name == "":
		return a, at(n, "the agent has no name: add name: HOSTNAME")
	case !named:
		return a, at(n, `agent %s has no databases: add databases: [tor1, tor2], or ["*"] for all`, a.name)
	}
	return a, nil
}

// checkAgents finds what is there twice.
func checkAgents(list []agent) error {
	seen := map[string]int{}
	once := func(what, value string, line int) error {
		if other, twice := seen[what+value]; twice {
			return fmt.Errorf("line %d: this %s is on line %d already", line, what, other)
		}
		seen[what+value] = line
		return nil
	}
	for _, a := range list {
		err := once("name of an agent", a.name, a.line)
		for _, f := range a.fingerprints {
			err = errors.Join(err, once("fingerprint", f, a.line))
		}
		for _, t := range a.tokens {
			err = errors.Join(err, once("token_sha256", string(t), a.line))
		}
		for _, c := range a.certificates {
			err = errors.Join(err, once("certificate", strings.ToLower(c), a.line))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fields hands each value of a mapping to the one who reads it.
func fields(n *yaml.Node, what string, read map[string]func(*yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s must be a mapping of fields to values", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		f := read[key.Value]
		switch {
		case f == nil:
			return at(key, "%s has no field %q", what, key.Value)
		case seen[key.Value]:
			return at(key, "%s is there twice", key.Value)
		}
		seen[key.Value] = true
		if err := f(value); err != nil {
			return err
		}
	}
	return nil
}

// texts reads a text or a list of them.
func texts(n *yaml.Node, field string) ([]string, error) {
	all := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		all = n.Content
	}
	var out []string
	for _, e := range all {
		if e.Kind != yaml.ScalarNode || e.Value == "" || e.Tag == "!!null" {
			return nil, at(e, "%s must be a text, or a list of texts", field)
		}
		out = append(out, e.Value)
	}
	return out, nil
}

func digest(s string) ([]byte, bool) {
	b, err := hex.DecodeString(s)
	return b, err == nil && len(b) == sha256.Size
}

func at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
}
