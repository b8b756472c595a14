package api

import (
	"context"
	"net/http"

	"l2gw"
	"l2gw/internal/store"
)

// extension is a Neutron API extension: how clients find out what we can do.
type extension struct {
	name, alias, description, updated string
}

var extensions = []extension{
	{"L2 Gateway", "l2-gateway", "Connects Neutron networks with external networks at layer 2.", "2015-01-01T00:00:00-00:00"},
	{"L2 Gateway connection", "l2-gateway-connection", "Connects Neutron networks with external networks at layer 2.", "2014-01-01T00:00:00-00:00"},
	{"L2 Gateway status", "l2-gateway-status", "Tells how far gateways and connections have become true, and what each switch holds.", "2026-11-01T00:00:00-00:00"},
}

func mountVersions(s *server) {
	s.offer(
		offered{method: http.MethodGet, path: "/", do: s.versions, public: true, doc: operationDoc{
			id: "list_versions", tag: "versions", summary: "List the versions of the API", status: http.StatusOK,
			answer: record(field{"versions", listOf(record(
				field{"id", kind("string"), "What the version is called."},
				field{"status", kind("string"), "CURRENT: the one to use."},
				field{"links", listOf(linkSchema), "Where it begins."},
			)), "All versions."}),
		}},
		offered{method: http.MethodGet, path: "/v2.0", do: s.resources, doc: operationDoc{
			id: "list_resources", tag: "versions", summary: "List the collections of the API", status: http.StatusOK,
			answer: record(field{"resources", listOf(record(
				field{"name", kind("string"), "What one of them is called."},
				field{"collection", kind("string"), "What many of them are called."},
				field{"links", listOf(linkSchema), "Where the collection is."},
			)), "All collections."}),
		}},
	)
	mount(s, resource[extension]{
		name: "extension", collection: "extensions", path: "extensions",
		attributes: table[extension]{
			{name: "name", show: func(e *extension) any { return e.name }},
			{name: "alias", show: func(e *extension) any { return e.alias }},
			{name: "description", show: func(e *extension) any { return e.description }},
			{name: "updated", show: func(e *extension) any { return e.updated }},
			{name: "links", show: func(*extension) any { return []string{} }},
		},
		id: func(e *extension) string { return e.alias },
		list: func(context.Context, store.Query) ([]extension, error) {
			return append([]extension(nil), extensions...), nil
		},
		get: func(_ context.Context, alias string) (extension, error) {
			for _, e := range extensions {
				if e.alias == alias {
					return e, nil
				}
			}
			return extension{}, &l2gw.Error{
				Code: l2gw.NotFound, Type: "HTTPNotFound",
				Message: "Extension with alias " + alias + " does not exist",
			}
		},
	})
}

// versions is the document at /: where each version of the API begins.
func (s *server) versions(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return answer{http.StatusOK, object{{"versions", []object{{
		{"id", "v2.0"},
		{"status", "CURRENT"},
		{"links", []object{{{"rel", "self"}, {"href", s.baseURL(r) + "/v2.0/"}}}},
	}}}}}, nil
}

// resources is the document at /v2.0/: which collections there are.
func (s *server) resources(_ http.ResponseWriter, r *http.Request) (answer, error) {
	list := []object{}
	for _, c := range [][3]string{
		{"network", "networks", "networks"},
		{"l2_gateway", "l2_gateways", "l2-gateways"},
		{"l2_gateway_connection", "l2_gateway_connections", "l2-gateway-connections"},
		{"l2_gateway_device", "l2_gateway_devices", "l2-gateway-devices"},
		{"l2_gateway_agent", "l2_gateway_agents", "l2-gateway-agents"},
	} {
		list = append(list, object{
			{"name", c[0]},
			{"collection", c[1]},
			{"links", []object{{{"rel", "self"}, {"href", s.baseURL(r) + "/v2.0/" + c[2]}}}},
		})
	}
	return answer{http.StatusOK, object{{"resources", list}}}, nil
}
