package heat

import (
	"net/http"
	"testing"

	"l2gw/test/cloud"
	"l2gw/test/keystone"
)

// orchestra is a cloud with Heat.
type orchestra struct {
	*cloud.Cloud
	url    string // Heat's
	member keystone.Credentials
	token  string // the administrator's
}

func newOrchestra(t testing.TB) *orchestra {
	t.Helper()
	c := cloud.New(t)
	return &orchestra{c, startHeat(t, c.Keystone), c.Keystone.User(t, "heat-member", "heat-members", "member"), c.Keystone.Token(t, c.Admin)}
}

// networks is the endpoint for networks, as the administrator.
func (o *orchestra) networks(t testing.TB) client { return client{t, o.Server.URL, o.token} }

// heat is Heat as somebody sees it in the own project.
func (o *orchestra) heat(t testing.TB, who keystone.Credentials) client {
	t.Helper()
	return client{t, o.url + "/" + who.ProjectID, o.Keystone.Token(t, who)}
}

var collections = map[string]string{
	"networks": "/v2.0/networks", "l2_gateways": "/v2.0/l2-gateways", "l2_gateway_connections": "/v2.0/l2-gateway-connections",
}

// list are objects of a collection.
func (o *orchestra) list(t testing.TB, collection, query string) []object {
	t.Helper()
	var all map[string][]object
	o.networks(t).must(http.StatusOK, http.MethodGet, collections[collection]+"?"+query, nil, &all)
	return all[collection]
}

// one is the only object that a query finds.
func (o *orchestra) one(t testing.TB, collection, query string) object {
	t.Helper()
	all := o.list(t, collection, query)
	if len(all) != 1 {
		t.Fatalf("%s?%s: %v, want one", collection, query, all)
	}
	return all[0]
}
