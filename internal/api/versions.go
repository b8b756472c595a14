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

// extensions are ours and those of Neutron's that are true of what is served here,
// with Neutron's names and dates.
var extensions = []extension{
	{"L2 Gateway", "l2-gateway", "Connects Neutron networks with external networks at layer 2.", "2015-01-01T00:00:00-00:00"},
	{"L2 Gateway connection", "l2-gateway-connection", "Connects Neutron networks with external networks at layer 2.", "2014-01-01T00:00:00-00:00"},
	{"L2 Gateway status", "l2-gateway-status", "Tells how far gateways and connections have become true, and what each switch holds.", "2026-11-01T00:00:00-00:00"},
	{"L2 Gateway idempotency key", "l2-gateway-idempotency-key", "A request for gateways or connections that comes again with its Idempotency-Key is carried out once.", "2026-11-01T00:00:00-00:00"},
	{"agent", "agent", "The agent management extension.", "2013-02-03T10:00:00-00:00"},
	{"Empty String Filtering Extension", "empty-string-filtering", "Allow filtering by attributes with empty string value", "2018-05-01T10:00:00-00:00"},
	{"Neutron external network", "external-net", "Adds external network attribute to network resource.", "2013-01-14T10:00:00-00:00"},
	{"IP address substring filtering", "ip-substring-filtering", "Provides IP address substring filtering when listing ports", "2017-11-28T09:00:00-00:00"},
	{"Multi Provider Network", "multi-provider", "Expose mapping of virtual networks to multiple physical networks", "2013-06-27T10:00:00-00:00"},
	{"Network MTU", "net-mtu", "Provides MTU attribute for a network resource.", "2015-03-25T10:00:00-00:00"},
	{"Pagination support", "pagination", "Extension that indicates that pagination is enabled.", "2016-06-12T00:00:00-00:00"},
	{"Port Binding", "binding", "Expose port bindings of a virtual port to external application", "2014-02-03T10:00:00-00:00"},
	{"project_id field enabled", "project-id", "Extension that indicates that project_id field is enabled.", "2016-09-09T09:09:09-09:09"},
	{"Provider Network", "provider", "Expose mapping of virtual networks to physical networks", "2012-09-07T10:00:00-00:00"},
	{"Quota engine limit check", "quota-check-limit", "Support for checking the resource usage before applying a new quota limit", "2021-09-08T16:00:00-00:00"},
	{"Quota management support", "quotas", "Expose functions for quotas management per project", "2012-07-29T10:00:00-00:00"},
	{"Quota details management support", "quota_details", "Expose functions for quotas usage statistics per project", "2017-02-10T10:00:00-00:00"},
	{"Neutron Service Type Management", "service-type", "API for retrieving service providers for Neutron advanced services", "2013-01-20T00:00:00-00:00"},
	{"Sorting support", "sorting", "Extension that indicates that sorting is enabled.", "2016-06-12T00:00:00-00:00"},
	{"standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes", "2016-02-10T10:00:00-00:00"},
}

// serviceProvider is who provides a service: all of ours we do ourselves.
type serviceProvider struct{}

var serviceProviders = resource[serviceProvider]{
	name: "service_provider", collection: "service_providers", path: "service-providers",
	title: "service provider", doc: "Who provides gateways; clients of Neutron ask.",
	access: map[string]string{"get": "rule:regular_user"},
	attributes: table[serviceProvider]{
		fixed[serviceProvider]("service_type", "The service.", kind("string"), "L2GW"),
		fixed[serviceProvider]("name", "Who provides it.", kind("string"), "l2gw"),
		fixed[serviceProvider]("default", "Whether it is who provides it unless another is asked for.", kind("boolean"), true),
	},
	id:   func(*serviceProvider) string { return "l2gw" },
	list: func(context.Context, store.Query) ([]serviceProvider, error) { return make([]serviceProvider, 1), nil },
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
		title: "extension", doc: "What this server can do; clients look for an alias before they rely on it.",
		access: map[string]string{"get": "rule:regular_user"},
		faults: map[string][]fault{"show": {{http.StatusNotFound, "HTTPNotFound", "There is no such extension."}}},
		sample: func() extension { return extensions[0] },
		attributes: table[extension]{
			{name: "name", doc: "What it is called.", schema: kind("string"), show: func(e *extension) any { return e.name }},
			{name: "alias", doc: "What clients look for.", schema: kind("string"), show: func(e *extension) any { return e.alias }},
			{name: "description", doc: "What it is about.", schema: kind("string"), show: func(e *extension) any { return e.description }},
			{name: "updated", doc: "When it was last changed.", schema: kind("string"), show: func(e *extension) any { return e.updated }},
			{name: "links", doc: "More about it: none.", schema: listOf(kind("string")), show: func(*extension) any { return []string{} }},
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
	mount(s, serviceProviders)
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
		{"port", "ports", "ports"},
		{"agent", "agents", "agents"},
		{"quota", "quotas", "quotas"},
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
