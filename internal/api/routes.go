package api

import (
	"net/http"
	"slices"
	"strings"

	"l2gw/internal/oslo/policy"
)

// offered is one operation of the API: what is reachable is what is documented and
// what policy knows, since all three come from the routes.
type offered struct {
	method string
	// path is where it is, with {id} for what varies: "/v2.0/l2-gateways/{id}".
	// It is reachable in other spellings too (see spellings).
	path string
	do   operation
	// handler answers instead of do what is no JSON object made anew.
	handler http.HandlerFunc
	// public is set if anybody may ask, without a token.
	public bool
	// rules are what the policy is asked before it is done; none: nothing.
	rules []policy.Rule
	doc   operationDoc
}

// operationDoc is what the OpenAPI document says of an operation beside what
// every operation has.
type operationDoc struct {
	id      string // "list_l2_gateways"
	tag     string // the group of operations that it is shown with: "l2_gateways"
	summary string
	// parameters are those of the query; those of the path are found in it.
	parameters []parameter
	headers    []parameter
	// body is what is sent; nil: nothing. bodyOptional: it may be left out.
	body         schema
	bodyOptional bool
	bodyExample  any
	// status is that of success, with answer as its body (nil: none).
	status  int
	answer  schema
	example any
	// faults are the errors that it may end in beside those of every operation.
	faults []fault
}

// fault is an error that an operation may end in.
type fault struct {
	status int
	typ    string // NeutronError.type
	when   string
}

// parameter is one of a query, which may be repeated if its schema is a list, or a header.
type parameter struct {
	name, doc string
	schema    schema
}

// offer adds operations to the API. It is the only way into it.
func (s *server) offer(routes ...offered) { s.routes = append(s.routes, routes...) }

// describe says in a sentence what a group of operations is about.
func (s *server) describe(tag, doc string) {
	if s.tags == nil {
		s.tags = map[string]string{}
	}
	s.tags[tag] = doc
}

// mountRoutes makes what was offered reachable.
func (s *server) mountRoutes() {
	var paths []string
	operations, handlers := map[string]methods{}, map[string]http.HandlerFunc{}
	for _, r := range s.routes {
		if operations[r.path] == nil {
			operations[r.path] = methods{}
			paths = append(paths, r.path)
		}
		operations[r.path][r.method] = s.admitted(r)
		if r.handler != nil {
			handlers[r.method+" "+r.path] = r.handler
		}
	}
	for _, path := range paths {
		answers := s.methods(operations[path])
		for _, spelling := range spellings(path) {
			s.mux.HandleFunc(spelling, func(w http.ResponseWriter, r *http.Request) {
				if handler := handlers[asked(r.Method)+" "+path]; handler != nil {
					handler(w, r)
					return
				}
				answers.ServeHTTP(w, r)
			})
		}
	}
	s.mux.Handle("/", s.methods(nil))
}

// admitted is the operation of a route for whom [Options.Authenticate] knows. Who
// waits to be known holds no place: Keystone may be slow, and whoever makes up
// tokens would keep out those who are known already.
func (s *server) admitted(r offered) operation {
	return func(w http.ResponseWriter, req *http.Request) (answer, error) {
		if !r.public {
			caller, err := s.Authenticate(req)
			if err != nil {
				return answer{}, err
			}
			req = req.WithContext(withCaller(req.Context(), caller))
		}
		return s.admit(req, func(req *http.Request) (answer, error) { return r.do(w, req) })
	}
}

// spellings are the patterns of a path: with hyphens and with underscores, with a
// slash at the end, and with the ".json" that clients may add (an id's last part
// is looked at by what looks the id up).
func spellings(path string) []string {
	if path == "/" {
		return []string{"/{$}"}
	}
	all := []string{path}
	if other := strings.ReplaceAll(path, "-", "_"); other != path {
		all = append(all, other)
	}
	for _, p := range slices.Clone(all) {
		all = append(all, p+"/{$}")
		if !strings.HasSuffix(p, "}") && !strings.HasSuffix(p, ".json") && strings.Count(p, "/") > 1 {
			all = append(all, p+".json")
		}
	}
	return all
}

// endpoint is a resource as a server offers it.
type endpoint[T any] struct {
	*server
	resource[T]
}

// mount offers what can be done with a resource.
func mount[T any](s *server, res resource[T]) {
	e := endpoint[T]{s, res}
	s.describe(res.collection, res.doc)
	path := "/v2.0/" + res.path
	if res.list != nil {
		s.offer(offered{method: http.MethodGet, path: path, do: e.serveList, rules: e.rules("get"), doc: e.listDoc()})
	}
	if res.create != nil {
		s.offer(offered{method: http.MethodPost, path: path, do: e.serveCreate, rules: e.rules("create"), doc: e.documentKey(e.createDoc())})
	}
	if res.get != nil {
		s.offer(offered{method: http.MethodGet, path: path + "/{id}", do: e.serveShow, rules: e.rules("get"), doc: e.showDoc()})
	}
	if res.update != nil {
		s.offer(offered{method: http.MethodPut, path: path + "/{id}", do: e.serveUpdate, rules: e.rules("update"), doc: e.documentKeyOfUpdate(e.updateDoc())})
	}
	if res.delete != nil {
		s.offer(offered{method: http.MethodDelete, path: path + "/{id}", do: e.serveDelete, rules: e.rules("delete"), doc: e.documentKey(e.deleteDoc())})
	}
}

// offerAll offers everything that there is.
func (s *server) offerAll() {
	mountVersions(s)
	mount(s, gateways(s))
	mount(s, connections(s))
	mount(s, devices(s))
	mountDeviceViews(s)
	mountDeviceCommands(s)
	mount(s, agents(s))
	mountInventory(s)
	mount(s, networks(s))
	mount(s, ports(s))
	mount(s, neutronAgents(s))
	mountQuotas(s)
	mountDocument(s)
}

// outline is the API with nothing behind it: what can be said of it before it runs.
func outline() *server {
	s := &server{Options: Options{
		Store: struct{ Store }{}, Status: struct{ Status }{}, Networks: struct{ networksOf }{}, Devices: struct{ Devices }{},
		Policy: adminOnly{},
	}}
	s.offerAll()
	return s
}

// networksOf can be embedded: Networks has a method of its own name.
type networksOf = Networks
