package api

import (
	"net/http"
	"slices"
	"strings"
)

var (
	// moment is a time as answers show it.
	moment = orNull(formatted("date-time"))
	// linkSchema leads somewhere else.
	linkSchema = record(
		field{"rel", kind("string"), "Where it leads, seen from here."},
		field{"href", kind("string"), "The address."},
	)
)

// Errors that kinds of operations have in common.
var (
	bodyFaults = []fault{
		{http.StatusBadRequest, "HTTPBadRequest", "The request is wrong in itself: the message names attribute and value."},
		{http.StatusBadRequest, "MalformedRequestBody", "The body is not JSON."},
		{http.StatusRequestTimeout, "HTTPRequestTimeout", "The body came too slowly."},
		{http.StatusUnsupportedMediaType, "HTTPUnsupportedMediaType", "The body is compressed."},
		{http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge", "The body is larger than 1 MiB."},
	}
	listFaults = []fault{
		{http.StatusBadRequest, "BadRequest", "The limit is no integer, or negative."},
		{http.StatusBadRequest, "HTTPBadRequest", "A sort key or direction that there is not, or not as many of both."},
		{http.StatusBadRequest, "InvalidInput", "There is no object that the marker names."},
	}
	// everyFault are the errors that any operation may end in, those of the policy apart.
	everyFault = []fault{
		{http.StatusRequestURITooLong, "HTTPURITooLong", "The path or the query is too long."},
		{http.StatusInternalServerError, "HTTPInternalServerError", "A fault of the server; its log has the reason under the request's id."},
		{http.StatusServiceUnavailable, "ServiceUnavailable", "Something that the answer needs is down; Retry-After says when to try again."},
	}
	// callerFaults are the errors of operations that ask who calls, policyFaults of those that ask the policy.
	callerFaults = []fault{
		{http.StatusUnauthorized, "HTTPUnauthorized", "No token, or one that is not valid."},
	}
	policyFaults = []fault{
		{http.StatusForbidden, "AdminRequired", "The policy does not allow it, whether the object exists or not."},
	}
	// originFaults are the errors of operations that change something.
	originFaults = []fault{
		{http.StatusForbidden, "HTTPForbidden", "A browser sent it for a page of another site."},
	}
)

// answers is the form of one of them.
func (t table[T]) answers() schema {
	properties := object{}
	for i := range t {
		if a := &t[i]; a.show != nil {
			properties = append(properties, member{a.name, a.shown()})
		}
	}
	return schema{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
}

// shown is the form of an attribute in answers.
func (a *attribute[T]) shown() schema {
	s := described(a.schema, a.sentence())
	if !a.post && !a.put {
		s = append(s, member{"readOnly", true})
	}
	return s
}

func (a *attribute[T]) sentence() string {
	if a.visibleIf == "" {
		return a.doc
	}
	return strings.TrimSpace(a.doc + " Who sees it: " + a.visibleIf + ".")
}

// accepts is the form in which clients give one: in a POST, or in a PUT.
func (t table[T]) accepts(in func(*attribute[T]) bool, required bool) schema {
	properties, names := object{}, []string{}
	for i := range t {
		a := &t[i]
		if !in(a) {
			continue
		}
		s := a.given
		if s == nil {
			s = a.schema
		}
		s = described(s, a.doc)
		if required && a.fallback != nil {
			s = append(s, member{"default", a.fallback})
		}
		properties = append(properties, member{a.name, s})
		if required && a.required {
			names = append(names, a.name)
		}
	}
	s := schema{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if len(names) > 0 {
		s = append(s, member{"required", names})
	}
	return s
}

// filters reports whether lists are filtered by the attribute: by a plain value,
// by any of a list, or by what the table says.
func (a *attribute[T]) filters() bool {
	return a.show != nil && (a.matches != nil || len(a.schema) == 0 || !a.schema.isStructure())
}

// isStructure reports whether it is an object, or a list of them.
func (s schema) isStructure() bool {
	for _, m := range s {
		switch v := m.value.(type) {
		case string:
			if m.name == "type" && v == "object" {
				return true
			}
		case schema:
			if m.name == "items" && v.isStructure() {
				return true
			}
		case []schema:
			if m.name == "anyOf" && slices.ContainsFunc(v, schema.isStructure) {
				return true
			}
		}
	}
	return false
}

// filterSchema is the form of one value of a filter: any text may stand there,
// but one that the attribute cannot have matches nothing.
func (a *attribute[T]) filterSchema() schema {
	if a.matches == nil && len(a.schema) > 0 && slices.ContainsFunc(a.schema, func(m member) bool { return m.name == "enum" }) {
		return a.schema
	}
	return kind("string")
}

// listParameters are those of the query of a list.
func (t table[T]) listParameters() []parameter {
	var shown, sortable []string
	var filters []parameter
	for i := range t {
		a := &t[i]
		if a.show != nil {
			shown = append(shown, a.name)
		}
		if a.compare != nil {
			sortable = append(sortable, a.name)
		}
		if t.filterable(a.name) != nil {
			filters = append(filters, parameter{a.name, "Only those with this value, or with one of these.", listOf(a.filterSchema())})
		}
	}
	if t.find("name") == nil {
		filters = append(filters, parameter{"name", "There are no names: nothing has any.", kind("string")})
	}
	all := []parameter{{"fields", "Show these attributes alone.", listOf(oneOf(shown...))}}
	if len(sortable) > 0 {
		all = append(all,
			parameter{"sort_key", "Sort by the first, those that are equal in it by the next, and so on.", listOf(oneOf(sortable...))},
			parameter{"sort_dir", "The direction of each sort_key.", listOf(oneOf("asc", "desc"))})
	}
	return append(append(all,
		parameter{"limit", "How many to show at most; 0: all.", schema{{"type", "integer"}, {"minimum", 0}}},
		parameter{"marker", "The id of the object after which the page begins; with page_reverse, before which it ends.", kind("string")},
		parameter{"page_reverse", "True: the page before the marker.", kind("boolean")},
	), filters...)
}

// listDoc documents a list under the name collection.
func (t table[T]) listDoc(collection, id, tag, summary string, example object, faults ...fault) operationDoc {
	return t.listOfDoc(t.answers(), collection, id, tag, summary, example, faults)
}

func (t table[T]) listOfDoc(item schema, collection, id, tag, summary string, example object, faults []fault) operationDoc {
	doc := operationDoc{
		id: id, tag: tag, summary: summary, parameters: t.listParameters(), status: http.StatusOK,
		faults: slices.Concat(listFaults, faults),
		answer: schema{
			{"type", "object"},
			{"properties", object{
				{collection, listOf(item)},
				{collection + "_links", described(listOf(linkSchema), "The next and the previous page (rel: next, previous), if a limit was given.")},
			}},
			{"required", []string{collection}},
			{"additionalProperties", false},
		},
	}
	if example != nil {
		doc.example = object{{collection, []object{example}}}
	}
	return doc
}

// component is the name of a resource's schemas in the document: "L2Gateway".
func (e endpoint[T]) component() string { return camel(e.name) }

func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// refer is a reference to a schema that the document has once.
func refer(component string) schema { return schema{{"$ref", "#/components/schemas/" + component}} }

// define adds schemas that the document has once.
func (s *server) define(component string, form schema) schema {
	if !slices.ContainsFunc(s.schemas, func(m member) bool { return m.name == component }) {
		s.schemas = append(s.schemas, member{component, form})
	}
	return refer(component)
}

// titles is what many are called.
func (e endpoint[T]) titles() string { return e.titleOf() + "s" }

func (e endpoint[T]) titleOf() string {
	if e.title == "" {
		return strings.ReplaceAll(e.name, "_", " ")
	}
	return e.title
}

// example is the sample as an answer shows it, or nil.
func (e endpoint[T]) example() object {
	if e.sample == nil {
		return nil
	}
	x := e.sample()
	return e.attributes.render(&x, nil)
}

func (e endpoint[T]) exampleOfOne() any {
	if x := e.example(); x != nil {
		return object{{e.name, x}}
	}
	return nil
}

func (e endpoint[T]) listDoc() operationDoc {
	s := e.define(e.component(), e.attributes.answers())
	return e.attributes.listOfDoc(s, e.collection, "list_"+e.collection, e.collection, "List "+e.titles(), e.example(), e.faults["list"])
}

func (e endpoint[T]) one() schema {
	return only(e.name, e.define(e.component(), e.attributes.answers()))
}

// only is an object with this member and no other.
func only(name string, s schema) schema {
	return schema{
		{"type", "object"}, {"properties", object{{name, s}}}, {"required", []string{name}}, {"additionalProperties", false},
	}
}

func (e endpoint[T]) showDoc() operationDoc {
	var shown []string
	for i := range e.attributes {
		if e.attributes[i].show != nil {
			shown = append(shown, e.attributes[i].name)
		}
	}
	return operationDoc{
		id: "show_" + e.name, tag: e.collection, summary: "Show one of the " + e.titles(), status: http.StatusOK,
		parameters: []parameter{{"fields", "Show these attributes alone.", listOf(oneOf(shown...))}},
		answer:     e.one(), example: e.exampleOfOne(), faults: e.faults["show"],
	}
}

func (e endpoint[T]) createDoc() operationDoc {
	given := e.define(e.component()+"Create", e.attributes.accepts(func(a *attribute[T]) bool { return a.post }, true))
	many := only(e.collection, listOf(e.define(e.component(), e.attributes.answers())))
	doc := operationDoc{
		id: "create_" + e.name, tag: e.collection, status: http.StatusCreated,
		summary: "Create one of the " + e.titles() + ", or several: all or none",
		body: either(only(e.name, given), only(e.collection, schema{
			{"type", "array"}, {"minItems", 1}, {"items", either(given, only(e.name, given))},
		})),
		answer: either(e.one(), many), example: e.exampleOfOne(),
		faults: slices.Concat(bodyFaults, e.faults["create"]),
	}
	if e.sampleCreate != nil {
		doc.bodyExample = object{{e.name, e.sampleCreate}}
	}
	return doc
}

func (e endpoint[T]) updateDoc() operationDoc {
	given := e.define(e.component()+"Update", e.attributes.accepts(func(a *attribute[T]) bool { return a.put }, false))
	doc := operationDoc{
		id: "update_" + e.name, tag: e.collection, status: http.StatusOK, summary: "Change one of the " + e.titles(),
		body: only(e.name, given), answer: e.one(), example: e.exampleOfOne(),
		faults: slices.Concat(bodyFaults, e.faults["update"]),
	}
	if e.sampleUpdate != nil {
		doc.bodyExample = object{{e.name, e.sampleUpdate}}
	}
	return doc
}

func (e endpoint[T]) deleteDoc() operationDoc {
	return operationDoc{
		id: "delete_" + e.name, tag: e.collection, status: http.StatusNoContent, summary: "Delete one of the " + e.titles(),
		faults: e.faults["delete"],
	}
}
