package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// mountDocument offers the OpenAPI document of everything that is offered.
func mountDocument(s *server) {
	document := sync.OnceValues(func() (body []byte, tag string) {
		body = append(appendJSON(nil, s.document()), '\n')
		sum := sha256.Sum256(body)
		return body, `"` + hex.EncodeToString(sum[:16]) + `"`
	})
	s.offer(offered{
		method: http.MethodGet, path: "/v2.0/openapi.json", public: true,
		handler: func(w http.ResponseWriter, r *http.Request) {
			body, tag := document()
			w.Header().Set("ETag", tag)
			w.Header().Set("Cache-Control", "no-cache")
			for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
				if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == tag || known == "*" {
					w.WriteHeader(http.StatusNotModified)
					return
				}
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body) // a client that went away has no use for an error
		},
		doc: operationDoc{
			id: "show_openapi", tag: "versions", summary: "Show this document", status: http.StatusOK,
			answer: schema{{"type", "object"}},
		},
	})
}

const documentText = "Gateways between overlay networks and VLANs on switch ports, in the manner of OpenStack's Networking API " +
	"(extensions l2-gateway, l2-gateway-connection, l2-gateway-status).\n\n" +
	"Paths may have underscores for hyphens and a slash or .json at their end. OPTIONS is answered as GET. " +
	"A path that there is not is 404, a method that a path has not is 405 (NeutronError of the types HTTPNotFound and HTTPMethodNotAllowed). " +
	"What is wrong is told in this order: the request in itself (400), the policy (403), what it names (404), what it contradicts (409). " +
	"Attributes that a policy hides from the caller are missing in its answers, and so are those that the parameter fields does not name."

// document is the OpenAPI document (version 3.1.0 of the specification), made of
// the routes.
func (s *server) document() object {
	d := &document{responses: map[string]object{}}
	var paths, tags object
	for _, r := range s.routes {
		at := slices.IndexFunc(paths, func(m member) bool { return m.name == r.path })
		if at < 0 {
			at = len(paths)
			paths = append(paths, member{r.path, pathParameters(r.path)})
		}
		paths[at].value = append(paths[at].value.(object), member{strings.ToLower(r.method), d.operation(r)})
		if !slices.ContainsFunc(tags, func(m member) bool { return m.name == r.doc.tag }) {
			tags = append(tags, member{r.doc.tag, nil})
		}
	}
	tagList := make([]object, len(tags))
	for i, t := range tags {
		tagList[i] = object{{"name", t.name}}
		if doc := s.tags[t.name]; doc != "" {
			tagList[i] = append(tagList[i], member{"description", doc})
		}
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "L2GW"},
			{"version", "v2.0"},
			{"description", documentText},
		}},
		{"servers", []object{{{"url", "/"}, {"description", "The server that this document came from"}}}},
		{"security", []object{{{"token", []string{}}}}},
		{"tags", tagList},
		{"paths", paths},
		{"components", object{
			{"schemas", append(slices.Clone(s.schemas), member{"NeutronError", neutronError})},
			{"responses", d.sharedResponses()},
			{"headers", sharedHeaders},
			{"securitySchemes", object{{"token", object{
				{"type", "apiKey"},
				{"in", "header"},
				{"name", "X-Auth-Token"},
				{"description", "A token of Keystone's. A server with auth_strategy = noauth asks for none."},
			}}}},
		}},
	}
}

var neutronError = schema{
	{"type", "object"},
	{"properties", object{{"NeutronError", record(
		field{"type", kind("string"), "What is wrong, for programs."},
		field{"message", kind("string"), "What is wrong, for people: it names the attribute and the value."},
		field{"detail", kind("string"), "Always empty."},
	)}}},
	{"required", []string{"NeutronError"}},
	{"additionalProperties", false},
}

var sharedHeaders = object{
	{"RequestId", object{
		{"description", "The id of the request in the server's logs, a new one for each."},
		{"required", true},
		{"schema", schema{{"type", "string"}, {"pattern", "^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}}},
	}},
	{"RetryAfter", object{{"description", "When to try again, in seconds."}, {"required", true}, {"schema", between(1, 3600)}}},
	{"Challenge", object{{"description", "Where to get a token."}, {"schema", kind("string")}}},
	{"ETag", object{{"description", "What If-None-Match may name."}, {"schema", kind("string")}}},
}

func headerRef(name string) object { return object{{"$ref", "#/components/headers/" + name}} }

var pathVariable = regexp.MustCompile(`\{(\w+)\}`)

// pathParameters begins a path with what varies in it.
func pathParameters(path string) object {
	var all []object
	for _, m := range pathVariable.FindAllStringSubmatch(path, -1) {
		all = append(all, object{
			{"name", m[1]},
			{"in", "path"},
			{"required", true},
			{"description", "What is meant: its id, or its name where objects have no id. A slash in it is written %2F."},
			{"schema", kind("string")},
		})
	}
	if all == nil {
		return object{}
	}
	return object{{"parameters", all}}
}

// document is one that is being written.
type document struct {
	// responses are the errors that operations share, by name.
	responses map[string]object
}

func (d *document) operation(r offered) object {
	out := object{{"operationId", r.doc.id}, {"tags", []string{r.doc.tag}}, {"summary", r.doc.summary}}
	if len(r.rules) > 0 {
		out = append(out, member{"description", "Rule of the policy: " + r.rules[0].Name + "."})
	}
	if r.public {
		out = append(out, member{"security", []object{}})
	}
	var parameters []object
	for place, list := range [][]parameter{r.doc.parameters, r.doc.headers} {
		for _, p := range list {
			in := []string{"query", "header"}[place]
			parameters = append(parameters, object{{"name", p.name}, {"in", in}, {"description", p.doc}, {"schema", p.schema}})
		}
	}
	if parameters != nil {
		out = append(out, member{"parameters", parameters})
	}
	if r.doc.body != nil {
		out = append(out, member{"requestBody", object{
			{"required", !r.doc.bodyOptional},
			{"content", content("application/json", r.doc.body, r.doc.bodyExample)},
		}})
	}
	return append(out, member{"responses", d.responsesOf(r)})
}

func content(media string, s schema, example any) object {
	body := object{{"schema", s}}
	if example != nil {
		body = append(body, member{"example", example})
	}
	return object{{media, body}}
}

func (d *document) responsesOf(r offered) object {
	headers := object{{"X-Openstack-Request-Id", headerRef("RequestId")}}
	success := object{{"description", http.StatusText(r.doc.status)}}
	if r.handler != nil {
		headers = append(headers, member{"ETag", headerRef("ETag")})
	}
	success = append(success, member{"headers", headers})
	if r.doc.answer != nil {
		success = append(success, member{"content", content("application/json", r.doc.answer, r.doc.example)})
	}
	out := object{{strconv.Itoa(r.doc.status), success}}
	if r.handler != nil {
		out = append(out, member{"304", object{{"description", "It is as If-None-Match has it."}, {"headers", headers}}})
	}
	faults := r.faults()
	slices.SortStableFunc(faults, func(a, b fault) int { return a.status - b.status })
	for len(faults) > 0 {
		n := slices.IndexFunc(faults, func(f fault) bool { return f.status != faults[0].status })
		if n < 0 {
			n = len(faults)
		}
		out = append(out, member{strconv.Itoa(faults[0].status), d.failure(faults[:n])})
		faults = faults[n:]
	}
	return out
}

// faults are all the errors that the operation may end in.
func (r offered) faults() []fault {
	var all []fault
	add := func(more []fault) {
		for _, f := range more {
			same := func(o fault) bool { return o.status == f.status && o.typ == f.typ }
			if !slices.ContainsFunc(all, same) {
				all = append(all, f)
			}
		}
	}
	add(r.doc.faults)
	if !r.public {
		add(callerFaults)
	}
	if len(r.rules) > 0 {
		add(policyFaults)
	}
	if r.method != http.MethodGet {
		add(originFaults)
	}
	if r.handler == nil {
		add(everyFault)
	}
	return all
}

// failure refers to the response of a status with errors of these types.
func (d *document) failure(faults []fault) object {
	status := faults[0].status
	name := strconv.Itoa(status)
	types, when := []string{}, ""
	for _, f := range faults {
		name += "." + f.typ
		types = append(types, f.typ)
		when += "\n- " + f.typ + ": " + f.when
	}
	if _, known := d.responses[name]; !known {
		headers := object{{"X-Openstack-Request-Id", headerRef("RequestId")}}
		switch status {
		case http.StatusUnauthorized:
			headers = append(headers, member{"WWW-Authenticate", headerRef("Challenge")})
		case http.StatusServiceUnavailable:
			headers = append(headers, member{"Retry-After", headerRef("RetryAfter")})
		}
		d.responses[name] = object{
			{"description", http.StatusText(status) + ":" + when},
			{"headers", headers},
			{"content", content("application/json", failureSchema(status, types), object{{"NeutronError", object{{"type", types[0]}, {"message", faults[0].when}, {"detail", ""}}}})},
		}
	}
	return object{{"$ref", "#/components/responses/" + name}}
}

// failureSchema is the form of an error of one of these types.
func failureSchema(status int, types []string) schema {
	s := schema{{"allOf", []schema{
		refer("NeutronError"),
		{{"properties", object{{"NeutronError", schema{{"properties", object{{"type", schema{{"enum", types}}}}}}}}}},
	}}}
	if status == http.StatusUnauthorized {
		return either(s, keystoneError)
	}
	return s
}

// keystoneError is what a server that asks Keystone says of a token: as
// keystonemiddleware, in whose place it stands.
var keystoneError = record(field{"error", record(
	field{"code", kind("integer"), "The status."},
	field{"title", kind("string"), "What the status is called."},
	field{"message", kind("string"), "What is wrong, for people."},
), "What is wrong with the token."})

func (d *document) sharedResponses() object {
	var out object
	for name, r := range d.responses {
		out = append(out, member{name, r})
	}
	slices.SortFunc(out, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return out
}
