package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"l2gw"
)

// attribute is one row of a resource's table: all that the API knows of one
// attribute of a T. Answers, requests, filters, sort keys, policy and the OpenAPI
// document come from it.
type attribute[T any] struct {
	name string
	// doc says what it is in a sentence, with its unit.
	doc string
	// schema is the form of its value in answers.
	schema schema
	// given is the form in which a client gives it; nil: that of schema.
	given schema
	// fallback is what a POST without it stands for; nil: the server finds it, or there is none.
	fallback any
	// visibleIf is the check, in oslo.policy's language, of who sees it of those
	// who see the object: the default of the rule "get_network:name". "": all of
	// them. Who does not see it cannot filter or sort by it either.
	visibleIf string
	// post and put tell where a client may give it; required, that a POST must.
	post, put, required bool
	// accept checks a given value and converts it; what it returns is for the
	// resource's create and update. nil if it can be given nowhere.
	accept func(name string, v any) (any, error)
	// show is its value in an answer; nil if it is never shown.
	show func(*T) any
	// stored is set if the resource's list filters and sorts by it.
	stored bool
	// matches are the texts by which a filter finds it; nil: the shown value.
	matches func(*T) []string
	// text is its value, of one that is always text; or nil. It makes finding it
	// among many cheap.
	text func(*T) string
	// matching returns what tells which objects some texts of a filter find, if that
	// is more than being equal; nil: by matches.
	matching func(wanted []string) func(*T) bool
	// compare makes it a sort key, of lists that are not stored in that order; nil: it is none.
	compare func(a, b *T) int
}

// values are the attributes that a client gave, converted. What it did not give
// is absent, which is not the same as null.
type values map[string]any

// given returns the value of an attribute and whether the client gave it.
func given[V any](vs values, name string) (V, bool) {
	v, ok := vs[name].(V)
	return v, ok
}

// givenPtr is given for what takes nil as absent.
func givenPtr[V any](vs values, name string) *V {
	if v, ok := given[V](vs, name); ok {
		return &v
	}
	return nil
}

// table is the attributes of a resource, in the order in which they are shown.
type table[T any] []attribute[T]

func (t table[T]) find(name string) *attribute[T] {
	for i := range t {
		if t[i].name == name {
			return &t[i]
		}
	}
	return nil
}

// decodePost checks what a POST gives, in Neutron's order (after the owner): unknown
// attributes, missing and forbidden ones, values.
func (t table[T]) decodePost(item map[string]any) (values, error) {
	if err := t.checkNames(item); err != nil {
		return nil, err
	}
	for i := range t {
		a := &t[i]
		_, has := item[a.name]
		if has && !a.post {
			return nil, badRequest("Attribute '%s' not allowed in POST", a.name)
		}
		if !has && a.required {
			return nil, badRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
		}
	}
	return t.accept(item)
}

// decodePut checks what a PUT gives.
func (t table[T]) decodePut(item map[string]any) (values, error) {
	if err := t.checkNames(item); err != nil {
		return nil, err
	}
	for i := range t {
		if _, has := item[t[i].name]; has && !t[i].put {
			return nil, badRequest("Cannot update read-only attribute %s", t[i].name)
		}
	}
	return t.accept(item)
}

func (t table[T]) checkNames(item map[string]any) error {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(item)) {
		if t.find(name) == nil {
			unknown = append(unknown, str(name))
		}
	}
	if unknown != nil {
		return badRequest("Unrecognized attribute(s) %s", quoteList(unknown))
	}
	return nil
}

func (t table[T]) accept(item map[string]any) (values, error) {
	vs := make(values, len(item))
	for i := range t {
		v, has := item[t[i].name]
		if !has {
			continue
		}
		accepted, err := t[i].accept(t[i].name, v)
		if err != nil {
			return nil, err
		}
		vs[t[i].name] = accepted
	}
	return vs, nil
}

// render is x as an answer shows it: all of it, or the named fields; unknown
// ones show nothing.
func (t table[T]) render(x *T, fields []string) object {
	return t.appendTo(make(object, 0, len(t)), x, fields)
}

// appendTo is render onto an object.
func (t table[T]) appendTo(out object, x *T, fields []string) object {
	for i := range t {
		if t[i].show != nil && (len(fields) == 0 || slices.Contains(fields, t[i].name)) {
			if v := t[i].show(x); v != any(absent{}) {
				out = append(out, member{t[i].name, v})
			}
		}
	}
	return out
}

// absent is shown by an attribute that this object does not have.
type absent struct{}

// matcher returns what tells whether an object has any of the wanted values.
func (a *attribute[T]) matcher(wanted []string) func(*T) bool {
	if a.matching != nil {
		return a.matching(wanted)
	}
	sought := seek(wanted)
	switch {
	case a.matches != nil:
		return func(x *T) bool { return slices.ContainsFunc(a.matches(x), sought.has) }
	case a.text != nil:
		return func(x *T) bool { return sought.has(a.text(x)) }
	}
	return func(x *T) bool { return a.shows(x, sought) }
}

// shows reports whether the shown value is any of the sought ones.
func (a *attribute[T]) shows(x *T, sought sought) bool {
	switch v := a.show(x).(type) {
	case string:
		return sought.has(v)
	case int:
		return sought.has(strconv.Itoa(v))
	case int64:
		return sought.has(strconv.FormatInt(v, 10))
	case bool:
		return v && sought.yes || !v && sought.no
	case []string:
		return slices.ContainsFunc(v, sought.has)
	case nil:
		return sought.has("")
	}
	return true // a structure, by which nothing is filtered
}

// acceptText takes a string that can be kept.
func acceptText(name string, v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, notAString(name, v)
	}
	return s, l2gw.CheckText(name, s)
}

// acceptTexts takes a list of strings.
func acceptTexts(name string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, l2gw.BadAttribute(name, "'%s' is not a list.", str(v))
	}
	out := make([]string, len(list))
	for i, v := range list {
		s, err := acceptText(name, v)
		if err != nil {
			return nil, err
		}
		out[i] = s.(string)
	}
	return out, nil
}

// sameValue compares any two JSON values: lists and objects have no ==.
func sameValue(a, b any) bool { return reflect.DeepEqual(a, b) }

// named reports whether rules of the policy may refer to the attribute: it is
// plain and no time, which takes long to write.
func (a *attribute[T]) named() bool {
	return !slices.ContainsFunc(a.schema, func(m member) bool { return m.value == "date-time" || m.value == "array" || m.value == "object" })
}

func notAString(name string, v any) error {
	return l2gw.BadAttribute(name, "'%s' is not a valid string.", str(v))
}

// typeName is what a JSON value is, for an error.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
