package inventory

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"l2gw"
)

// maxName is the longest name or description, in characters, as with Neutron.
const maxName = 255

// parse reads the text of an inventory file. The error is a *FileError with path
// in it that names as many problems as it can find.
func parse(path string, text []byte) (*contents, error) {
	p := parser{
		contents: contents{vteps: map[netip.Addr]string{}},
		hosts:    map[string]fileVTEP{}, networks: map[string]*network{}, vnis: map[l2gw.VNI]*network{}, portIDs: map[string]int{}, texts: map[string]string{},
	}
	p.file(text)
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &FileError{Path: path, Problems: p.problems, More: p.more}
	}
	return &p.contents, nil
}

// parser goes on after a problem, as far as what follows can be understood.
type parser struct {
	contents
	problems []Problem
	more     int

	networks map[string]*network // by id, and by name
	vnis     map[l2gw.VNI]*network
	hosts    map[string]fileVTEP
	portIDs  map[string]int    // to the line
	texts    map[string]string // each text that many ports have, such as an owner, is kept once
}

type fileVTEP struct {
	vtep netip.Addr
	line int
}

func (p *parser) bad(line int, format string, args ...any) {
	if len(p.problems) == maxProblems {
		p.more++
		return
	}
	p.problems = append(p.problems, Problem{line, fmt.Sprintf(format, args...)})
}

func (p *parser) file(text []byte) {
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.bad(0, "the file is empty: one without any network says networks: [], hosts: [] and ports: []")
		return
	case err != nil:
		p.syntax(err)
		return
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		p.bad(second.Line, "a second YAML document begins here: there must be one")
	case !errors.Is(err, io.EOF):
		p.syntax(err)
	}
	if len(doc.Content) == 0 {
		p.bad(0, "the file is empty: it must have the keys networks, hosts and ports")
		return
	}
	root := resolve(doc.Content[0])
	// A file that ends in the middle of a line was not written to its end. In
	// the flow style, its brackets tell the same.
	if root.Style&yaml.FlowStyle == 0 && text[len(text)-1] != '\n' {
		p.bad(bytes.Count(text, []byte{'\n'})+1, "the last line has no line break at its end: the file looks half-written")
	}
	var top [3]*yaml.Node
	if !p.mapping(root, "the file", top[:], "networks", "hosts", "ports") {
		return
	}
	for i, section := range []struct {
		name string
		read func(*yaml.Node)
	}{{"networks", p.network}, {"hosts", p.host}, {"ports", p.port}} {
		// Not seen is not gone: that there are none has to be said.
		if top[i] == nil {
			p.bad(root.Line, "the key %s is missing: if there are none, write %s: []", section.name, section.name)
			continue
		}
		if n := resolve(top[i]); n.Kind != yaml.SequenceNode {
			p.bad(top[i].Line, "%s is %s: it must be a list; if there are none, write %s: []", section.name, describe(n), section.name)
		} else {
			for _, item := range n.Content {
				section.read(resolve(item))
			}
		}
	}
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	// yamlGrammar are the errors of the YAML library's grammar, as opposed to those
	// of its scanner. It counts their lines from 0, and gives the line in which the
	// broken list or mapping begins.
	yamlGrammar = regexp.MustCompile(`^did not find expected (<|node|key|'-'|','|'\]'|'}')|^found (undefined|duplicate|incompatible)`)
)

func (p *parser) syntax(err error) {
	text, line := err.Error(), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if yamlGrammar.MatchString(text) {
		line++
		text += ", in what begins in this line"
	}
	p.bad(line, "not valid YAML: %s", text)
}

func (p *parser) host(n *yaml.Node) {
	var f [2]*yaml.Node
	if !p.mapping(n, "a host", f[:], "name", "vtep") {
		return
	}
	complete := p.need(n, "a host", f[:], "name", "vtep")
	if f[0] == nil {
		return
	}
	name, ok := p.name(f[0], "the host's name")
	if !ok {
		return
	}
	if other, dup := p.hosts[name]; dup {
		p.bad(n.Line, "the host %q stands in line %d already: it must be there once", name, other.line)
		return
	}
	host := fileVTEP{line: n.Line}
	if complete {
		host.vtep = p.vtep(f[1], name)
	}
	// Registered even with problems, so that its ports are not blamed for them.
	p.hosts[name] = host
}

func (p *parser) vtep(n *yaml.Node, host string) netip.Addr {
	vtep, ok := p.addr(n, "vtep", "like 10.77.0.11")
	if !ok {
		return vtep
	}
	if !vtep.Is4() {
		p.bad(n.Line, "vtep %q is an IPv6 address: hardware_vtep knows VXLAN over IPv4 only, so it must be one like 10.77.0.11", vtep)
		return vtep
	}
	if other, dup := p.vteps[vtep]; dup {
		p.bad(n.Line, "vtep %s is that of host %q already: each host needs its own", vtep, other)
	} else {
		p.vteps[vtep] = host
	}
	return vtep
}

func (p *parser) mac(n *yaml.Node) (l2gw.MAC, bool) {
	s, ok := p.text(n, "mac")
	if !ok {
		return l2gw.MAC{}, false
	}
	mac, err := l2gw.ParseMAC(s)
	if err != nil {
		p.bad(n.Line, "mac %v", err)
		return mac, false
	}
	if !mac.IsUnicast() {
		p.bad(n.Line, "mac %q is a group address or zero: a host's has an even first byte, like fa:16:3e:00:00:01", s)
		return mac, false
	}
	return mac, true
}

func (p *parser) ips(list *yaml.Node) []netip.Addr {
	if list == nil {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		p.bad(list.Line, "ips is %s: it must be a list like [10.5.0.11]", describe(list))
		return nil
	}
	if len(list.Content) == 0 {
		return nil
	}
	ips := make([]netip.Addr, 0, len(list.Content))
	for _, n := range list.Content {
		n = resolve(n)
		a, ok := p.addr(n, "ip", "like 10.5.0.11 or 2001:db8::11")
		switch {
		case !ok:
		case slices.Contains(ips, a):
			p.bad(n.Line, "ip %s stands twice in this port: it must be there once", a)
		default:
			ips = append(ips, a)
		}
	}
	return ips
}

// lookup finds what n names in one of the sections.
func lookup[V any](p *parser, n *yaml.Node, key string, in map[string]V, section string) (v V, ok bool) {
	name, ok := p.text(n, key)
	if !ok {
		return v, false
	}
	if v, ok = in[name]; !ok {
		p.bad(n.Line, "%s %q is unknown: it must be one of the %s", key, name, section)
	}
	return v, ok
}

// mapping puts the values of n's keys into out, in the order of keys, and nil
// for those that are missing. It returns false if n is no mapping.
func (p *parser) mapping(n *yaml.Node, what string, out []*yaml.Node, keys ...string) bool {
	if n.Kind != yaml.MappingNode {
		p.bad(n.Line, "%s is %s: it must be a mapping with the keys %s", what, describe(n), strings.Join(keys, ", "))
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		at := slices.Index(keys, key.Value)
		switch {
		case at < 0 || key.Kind != yaml.ScalarNode:
			p.bad(key.Line, "%s has the unknown key %q: known are %s", what, key.Value, strings.Join(keys, ", "))
		case out[at] != nil:
			p.bad(key.Line, "%s has the key %s twice: it must be there once", what, key.Value)
		default:
			out[at] = resolve(n.Content[i+1])
		}
	}
	return true
}

// need reports those of the keys whose value is missing.
func (p *parser) need(n *yaml.Node, what string, have []*yaml.Node, keys ...string) bool {
	all := true
	for i, key := range keys {
		if have[i] == nil {
			p.bad(n.Line, "%s has no %s: it needs %s", what, key, strings.Join(keys, ", "))
			all = false
		}
	}
	return all
}

func (p *parser) text(n *yaml.Node, what string) (string, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value != "":
		return n.Value, true
	case n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" && n.Value != "":
		p.bad(n.Line, "%s is %s: it must be text; write it in quotes", what, describe(n))
	default:
		p.bad(n.Line, "%s is %s: it must be text", what, describe(n))
	}
	return "", false
}

func (p *parser) name(n *yaml.Node, what string) (string, bool) {
	s, ok := p.text(n, what)
	switch {
	case !ok:
	case len([]rune(s)) > maxName:
		p.bad(n.Line, "%s has %d characters: it may have %d", what, len([]rune(s)), maxName)
	case strings.ContainsFunc(s, unicode.IsControl):
		p.bad(n.Line, "%s %q has a control character: it must be plain text", what, s)
	default:
		return s, true
	}
	return "", false
}

// description is text that may be empty.
func (p *parser) description(n *yaml.Node) string {
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value == "" {
		return ""
	}
	s, _ := p.name(n, "description")
	return s
}

// optional is text that is kept once, however many have it.
func (p *parser) optional(n *yaml.Node, what string) string {
	if n == nil {
		return ""
	}
	s, _ := p.name(n, what)
	if kept, ok := p.texts[s]; ok {
		return kept
	}
	p.texts[s] = s
	return s
}

func (p *parser) uuid(n *yaml.Node, what, otherwise string) (string, bool) {
	s, ok := p.text(n, what)
	if !ok {
		return "", false
	}
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		p.bad(n.Line, "%s %q is not a UUID: it must look like 6ba7b810-9dad-11d1-80b4-00c04fd430c8; or leave it out, and it is derived from %s", what, s, otherwise)
		return "", false
	}
	return u.String(), true
}

func (p *parser) oneOf(n *yaml.Node, what string, known ...string) (string, bool) {
	s, ok := p.text(n, what)
	if ok && !slices.Contains(known, s) {
		p.bad(n.Line, "%s %q is unknown: it must be one of %s", what, s, strings.Join(known, ", "))
		ok = false
	}
	return s, ok
}

func (p *parser) boolean(n *yaml.Node, what string) bool {
	var v bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&v) != nil {
		p.bad(n.Line, "%s is %s: it must be true or false", what, describe(n))
	}
	return v
}

func (p *parser) number(n *yaml.Node, what string, low, high int) (int, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		p.bad(n.Line, "%s is %s: it must be a number from %d to %d", what, describe(n), low, high)
		return 0, false
	}
	var v int64
	if err := n.Decode(&v); err != nil || v < int64(low) || v > int64(high) {
		p.bad(n.Line, "%s %s is out of range: it must be a number from %d to %d", what, n.Value, low, high)
		return 0, false
	}
	return int(v), true
}

func (p *parser) addr(n *yaml.Node, what, like string) (netip.Addr, bool) {
	s, ok := p.text(n, what)
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		p.bad(n.Line, "%s %q is not an IP address: it must look %s", what, s, like)
		return a, false
	}
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		p.bad(n.Line, "%s %q is not one host's address: it must look %s", what, s, like)
		return a, false
	}
	return a, true
}

// resolve follows an alias (*name) to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// describe says what stands there instead of what was expected.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!str":
		return fmt.Sprintf("the text %q", n.Value)
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return fmt.Sprintf("%q", n.Value)
}
