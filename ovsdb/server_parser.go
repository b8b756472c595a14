package ovsdb

import (
	"fmt"
	"maps"
	"slices"
)

// opParser takes the members out of a JSON object, keeps the first error, and
// in the end complains about members that nobody asked for.
type opParser struct {
	json any
	name string // of the object, for errors
	used []string
	err  *Error
}

func (p *opParser) fail(format string, args ...any) {
	if p.err != nil {
		return
	}
	text := fmt.Sprintf("Parsing %s failed: %s", p.name, fmt.Sprintf(format, args...))
	if o, ok := p.json.(jsonObject); ok {
		p.err = syntaxError(o, "%s", text)
	} else {
		p.err = &Error{Code: ErrSyntax.Error(), Details: text}
	}
}

// member returns a member if it is there and good.
func member[T any](p *opParser, name string, required bool, good func(T) bool) (v T, ok bool) {
	o, isObject := p.json.(jsonObject)
	if !isObject {
		p.fail("Object expected.")
		return v, false
	}
	j, there := o[name]
	if !there {
		if required {
			p.fail("Required '%s' member is missing.", name)
		}
		return v, false
	}
	p.used = append(p.used, name)
	if v, ok = j.(T); !ok || good != nil && !good(v) {
		p.fail("Type mismatch for member '%s'.", name)
		return v, false
	}
	return v, true
}

func (p *opParser) id(name string) string {
	v, _ := member(p, name, true, isID)
	return v
}

func (p *opParser) string(name string) string {
	v, _ := member[string](p, name, true, nil)
	return v
}

func (p *opParser) bool(name string) bool {
	v, _ := member[bool](p, name, true, nil)
	return v
}

func (p *opParser) array(name string) []any {
	v, _ := member[[]any](p, name, true, nil)
	return v
}

func (p *opParser) object(name string) jsonObject {
	v, _ := member[jsonObject](p, name, true, nil)
	return v
}

func (p *opParser) optionalID(name string) string { v, _ := member(p, name, false, isID); return v }

func (p *opParser) optionalString(name string) (string, bool) {
	return member[string](p, name, false, nil)
}

func (p *opParser) optionalArray(name string) ([]any, bool) {
	return member[[]any](p, name, false, nil)
}

// optionalBool is otherwise if the member is not there.
func (p *opParser) optionalBool(name string, otherwise bool) bool {
	if v, ok := member[bool](p, name, false, nil); ok {
		return v
	}
	return otherwise
}

// optionalNumber returns an int64 or a float64, or nil.
func (p *opParser) optionalNumber(name string) any {
	v, _ := member(p, name, false, func(v any) bool {
		switch v.(type) {
		case int64, float64:
			return true
		}
		return false
	})
	return v
}

func (p *opParser) table(d *database) *dbTable {
	name := p.id("table")
	if p.err != nil {
		return nil
	}
	t := d.tables[name]
	if t == nil {
		p.fail("No table named %s.", name)
	}
	return t
}

// finish returns the first error.
func (p *opParser) finish() *Error {
	o, ok := p.json.(jsonObject)
	if !ok {
		p.fail("Object expected.")
	}
	if p.err != nil || len(p.used) == len(o) {
		return p.err
	}
	var unused []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(p.used, name) {
			unused = append(unused, name)
		}
	}
	switch n := len(unused); n {
	case 0:
	case 1:
		p.fail("Member '%s' is present but not allowed here.", unused[0])
	case 2:
		p.fail("Member '%s' and 1 other member are present but not allowed here.", unused[0])
	default:
		p.fail("Member '%s' and %d other members are present but not allowed here.", unused[0], n-1)
	}
	return p.err
}
