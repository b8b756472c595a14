package api_test

import (
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/oslo/policy"
)

// opened are rules with which operators let projects help themselves.
const opened = `
create_l2_gateway: role:member
get_l2_gateway: role:reader and project_id:%(project_id)s or rule:admin_only
update_l2_gateway: role:member and project_id:%(project_id)s or rule:admin_only
delete_l2_gateway: role:member and project_id:%(project_id)s or rule:admin_only
create_l2_gateway_connection: role:member
get_l2_gateway_connection: role:reader and project_id:%(project_id)s or rule:admin_only
delete_l2_gateway_connection: role:member and project_id:%(project_id)s or rule:admin_only
get_network: "rule:admin_only or project_id:%(project_id)s or 'True':%(shared)s"
`

// callers are who the tests are, by the token that they send.
var callers = map[string]api.Caller{
	"admin":  {User: "u0", Project: "adm", Roles: []string{"admin", "member", "reader"}},
	"alice":  {User: "u1", Project: "p1", Roles: []string{"member", "reader"}},
	"bob":    {User: "u2", Project: "p2", Roles: []string{"member", "reader"}},
	"reader": {User: "u3", Project: "p1", Roles: []string{"reader"}},
	"nobody": {User: "u4", Project: "p1"},
	// a token without a project, such as that of the whole system
	"nowhere": {User: "u5", System: "all", Roles: []string{"member", "reader"}},
}

// guarded is a world whose policy is the real one, with rules over the defaults.
func guarded(t *testing.T, rules string) *world {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(api.Rules(), policy.Options{File: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w.options.Policy = p
	w.options.Authenticate = func(r *http.Request) (api.Caller, error) {
		c, known := callers[r.Header.Get("X-Auth-Token")]
		if !known {
			return c, &l2gw.Error{Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "no"}
		}
		return c, nil
	}
	w.serve(w.store)
	return w
}

// as is what one caller does.
type as struct {
	*world
	token string
}

func (w *world) as(token string) as { return as{w, token} }

// says is the status and the type and message of an error, or the body.
func (a as) says(method, target, body string) string {
	a.t.Helper()
	rec := a.request(method, target, body, "X-Auth-Token", a.token)
	return strconv.Itoa(rec.Code) + " " + rec.Body.String()
}

func (a as) make(collection, body string) string {
	a.t.Helper()
	name := strings.ReplaceAll(strings.TrimSuffix(collection, "s"), "-", "_")
	v := a.do(201, "POST", "/v2.0/"+collection, body, "X-Auth-Token", a.token)
	return v[name].(map[string]any)["id"].(string)
}

func (a as) makeGateway(name, port string) string {
	a.t.Helper()
	return a.make("l2-gateways", gatewayBody(name, port, ""))
}

func gatewayBody(name, port, more string) string {
	return `{"l2_gateway": {"name": "` + name + `", "devices": [{"device_name": "ps1", "interfaces": [{"name": "` + port + `"}]}]` + more + `}}`
}

func (a as) list(target, collection, attribute string) string {
	a.t.Helper()
	var got []string
	for _, x := range a.do(200, "GET", target, "", "X-Auth-Token", a.token)[collection].([]any) {
		got = append(got, x.(map[string]any)[attribute].(string))
	}
	return strings.Join(got, " ")
}

const (
	gatewaysPath = "/v2.0/l2-gateways"
	noGet        = `403 {"NeutronError": {"type": "AdminRequired", "message": "User does not have admin privileges: Cannot GET resource for non admin tenant.", "detail": ""}}`
	noCreate     = `403 {"NeutronError": {"type": "AdminRequired", "message": "User does not have admin privileges: Cannot CREATE resource for non admin tenant.", "detail": ""}}`
)

func TestWithoutRulesOfItsOwnACloudLetsAdministratorsAlone(t *testing.T) {
	w := guarded(t, "")
	gw := w.as("admin").makeGateway("g", "eth1")
	conn := w.as("admin").make("l2-gateway-connections", connectionBody(gw, net1, "5"))
	for _, who := range []string{"alice", "reader", "nobody", "nowhere"} {
		for _, path := range []string{
			gatewaysPath, gatewaysPath + "?fields=name", gatewaysPath + "/" + gw, gatewaysPath + "/" + none,
			connectionsPath, connectionsPath + "/" + conn, connectionsPath + "/" + none,
			"/v2.0/l2-gateway-devices", "/v2.0/l2-gateway-devices/ps1", "/v2.0/l2-gateway-devices/none", "/v2.0/l2-gateway-devices/ps1/macs",
			"/v2.0/l2-gateway-devices/none/macs", "/v2.0/l2-gateway-devices/ps1/validate", "/v2.0/l2-gateway-agents", "/v2.0/l2-gateway-agents/none", "/v2.0/l2-gateway-inventory",
		} {
			if got := w.as(who).says("GET", path, ""); got != noGet {
				t.Errorf("%s: GET %s: %s", who, path, got)
			}
		}
		for _, c := range []struct{ method, path, body, want string }{
			{"POST", gatewaysPath, gatewayBody("x", "eth2", ""), noCreate},
			{"POST", connectionsPath, connectionBody(gw, net2, "6"), noCreate},
			{"POST", connectionsPath, connectionBody(none, none, "6"), noCreate},
			{"PUT", gatewaysPath + "/" + gw, `{"l2_gateway": {"name": "z"}}`, noGet},
			{"PUT", gatewaysPath + "/" + none, `{"l2_gateway": {"name": "z"}}`, noGet},
			{"DELETE", gatewaysPath + "/" + gw, "", noGet},
			{"DELETE", gatewaysPath + "/" + none, "", noGet},
			{"DELETE", connectionsPath + "/" + conn, "", noGet},
			{"PUT", "/v2.0/l2-gateway-devices/ps1", `{"l2_gateway_device": {"mode": "paused"}}`, noGet},
			{"POST", "/v2.0/l2-gateway-devices/ps1/resync", "", noGet},
			{"POST", "/v2.0/l2-gateway-devices/none/release", "", noGet},
		} {
			if who == "nowhere" && c.method == "POST" && strings.HasPrefix(c.want, "403") && c.want == noCreate {
				continue // it has no project to create anything in: 400
			}
			if got := w.as(who).says(c.method, c.path, c.body); got != c.want {
				t.Errorf("%s: %s %s: %s", who, c.method, c.path, got)
			}
		}
	}
	if got := w.as("alice").says("POST", gatewaysPath, `{"l2_gateway": {"devices": []}}`); !strings.HasPrefix(got, "400 ") {
		t.Errorf("a wrong body comes before the policy: %s", got)
	}
	if got := w.as("stranger").says("GET", gatewaysPath, ""); !strings.HasPrefix(got, "401 ") {
		t.Errorf("nobody knows the caller: %s", got)
	}
}

func TestACallerSeesWhatIsItsOwnAndNoTraceOfTheRest(t *testing.T) {
	w := guarded(t, opened)
	alice, bob, admin := w.as("alice"), w.as("bob"), w.as("admin")
	mine, _, theirs := alice.makeGateway("mine", "eth1"), alice.makeGateway("mine2", "eth3"), bob.makeGateway("theirs", "eth2")
	for query, want := range map[string]string{
		"": "mine mine2", "?name=theirs": "", "?id=" + theirs: "", "?project_id=p2": "", "?tenant_id=p2": "", "?project_id=p2&project_id=p1": "mine mine2",
		"?status=ACTIVE": "mine mine2", "?status=ACTIVE&project_id=p2": "", "?limit=1": "mine", "?limit=5&marker=" + mine: "mine2",
		"?sort_key=name&sort_dir=desc": "mine2 mine", "?status=ACTIVE&limit=1&page_reverse=True": "mine2",
	} {
		if got := alice.list(gatewaysPath+query, "l2_gateways", "name"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := admin.list(gatewaysPath, "l2_gateways", "name"); got != "mine mine2 theirs" {
		t.Errorf("the administrator sees %q", got)
	}
	if got := w.as("nowhere").says("GET", gatewaysPath, ""); got != noGet {
		t.Errorf("a caller without a project: %s", got)
	}

	// What one learns of another's object is what one learns of none.
	conn := bob.make("l2-gateway-connections", connectionBody(theirs, sharedNet, "7"))
	secret := func(text string) string {
		return strings.NewReplacer(theirs, "X", conn, "X", none, "X", net2, "X").Replace(text)
	}
	for _, ask := range []struct{ method, path, body string }{
		{"GET", gatewaysPath + "/%s", ""},
		{"GET", gatewaysPath + "/%s?fields=id", ""},
		{"GET", gatewaysPath + "/%s.json", ""},
		{"PUT", gatewaysPath + "/%s", `{"l2_gateway": {"name": "z"}}`},
		{"PUT", gatewaysPath + "/%s", `{"l2_gateway": {"remove_devices": ["ps1"]}}`},
		{"PUT", gatewaysPath + "/%s", `{"l2_gateway": {"devices": []}}`},
		{"PUT", gatewaysPath + "/%s", `{"l2_gateway": {"id": "z"}}`},
		{"PUT", gatewaysPath + "/%s", `{`},
		{"DELETE", gatewaysPath + "/%s", ""},
		{"GET", gatewaysPath + "?marker=%s", ""},
		{"GET", gatewaysPath + "?limit=3&marker=%s&page_reverse=True", ""},
		{"GET", gatewaysPath + "?status=ACTIVE&marker=%s", ""},
		{"POST", connectionsPath, connectionBody("%s", sharedNet, "9")},
		{"POST", connectionsPath, connectionBody("%s", sharedNet, "7")},
		{"POST", connectionsPath, connectionBody("%s", sharedNet, "")},
		{"POST", connectionsPath, connectionBody("%s", none, "9")},
		{"GET", connectionsPath + "?l2_gateway_id=%s", ""},
	} {
		fill := func(id string) string {
			return secret(alice.says(ask.method, strings.ReplaceAll(ask.path, "%s", id), strings.ReplaceAll(ask.body, "%s", id)))
		}
		if of, without := fill(theirs), fill(none); of != without {
			t.Errorf("%s %s %s: of another's\n%s\nof none\n%s", ask.method, ask.path, ask.body, of, without)
		}
	}
	for _, ask := range []struct{ method, path string }{
		{"GET", connectionsPath + "/%s"}, {"PUT", connectionsPath + "/%s"}, {"DELETE", connectionsPath + "/%s"}, {"GET", connectionsPath + "?marker=%s"},
	} {
		fill := func(id string) string {
			return secret(alice.says(ask.method, strings.ReplaceAll(ask.path, "%s", id), `{"l2_gateway_connection": {}}`))
		}
		if of, without := fill(conn), fill(none); of != without {
			t.Errorf("%s %s: of another's\n%s\nof none\n%s", ask.method, ask.path, of, without)
		}
	}
	// net2 is bob's, and none does not exist.
	for _, vlan := range []string{"9", "7", ""} {
		of, without := secret(alice.says("POST", connectionsPath, connectionBody(mine, net2, vlan))), secret(alice.says("POST", connectionsPath, connectionBody(mine, none, vlan)))
		if of != without {
			t.Errorf("VLAN %q to another's network: %s, to none: %s", vlan, of, without)
		}
	}
	if got := admin.list(gatewaysPath, "l2_gateways", "name"); got != "mine mine2 theirs" {
		t.Errorf("after all this the administrator sees %q", got)
	}
	if got := admin.list(connectionsPath, "l2_gateway_connections", "id"); got != conn {
		t.Errorf("after all this there are the connections %q", got)
	}
	// What is open is open.
	own := alice.make("l2-gateway-connections", connectionBody(mine, sharedNet, "8"))
	if got := alice.list(connectionsPath, "l2_gateway_connections", "id"); got != own {
		t.Errorf("the connections are %q", got)
	}
	if got := w.as("reader").says("DELETE", connectionsPath+"/"+own, ""); got != noGet {
		t.Errorf("a reader deletes: %s", got)
	}
	if got := alice.says("DELETE", connectionsPath+"/"+own, ""); !strings.HasPrefix(got, "204") {
		t.Errorf("its owner deletes: %s", got)
	}
}

func TestOnlyWhoMayActForOthersNamesAnotherProject(t *testing.T) {
	w := guarded(t, opened)
	const refused = `400 {"NeutronError": {"type": "HTTPBadRequest", "message": "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin or advsvc privileges", "detail": ""}}`
	for _, more := range []string{`, "tenant_id": "p2"`, `, "project_id": "p2"`, `, "tenant_id": ""`, `, "project_id": 5`, `, "project_id": ["p1"]`, `, "project_id": null`} {
		if got := w.as("alice").says("POST", gatewaysPath, gatewayBody("x", "eth1", more)); got != refused {
			t.Errorf("%s: %s", more, got)
		}
	}
	id := w.as("alice").make("l2-gateways", gatewayBody("x", "eth1", `, "tenant_id": "p1", "project_id": "p1"`))
	if got := w.as("reader").list(gatewaysPath, "l2_gateways", "id"); got != id {
		t.Errorf("the project has %q", got)
	}
	w.as("admin").make("l2-gateways", gatewayBody("y", "eth2", `, "tenant_id": "p2"`))
	if got := w.as("bob").list(gatewaysPath, "l2_gateways", "name"); got != "y" {
		t.Errorf("the other project has %q", got)
	}
	if got := w.as("nowhere").says("POST", gatewaysPath, gatewayBody("x", "eth1", "")); !strings.Contains(got, "Running without keystone AuthN requires that tenant_id is specified") {
		t.Errorf("a caller without a project: %s", got)
	}
}

func TestWithoutAuthenticationHeadersSayNothingOfTheCaller(t *testing.T) {
	w := newWorld(t)
	const want = "Running without keystone AuthN requires that tenant_id is specified"
	for _, header := range []string{"X-Project-Id", "X-Tenant-Id"} {
		rec := w.request("POST", gatewaysPath, gatewayBody("x", "eth1", ""), header, "pm", "X-Roles", "member")
		if rec.Code != 400 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d %s", header, rec.Code, rec.Body)
		}
	}
	w.do(201, "POST", gatewaysPath, gatewayBody("x", "eth1", `, "tenant_id": "t"`), "X-Project-Id", "pm", "X-Roles", "member")
	if got := w.names("?tenant_id=t"); got != "x" {
		t.Errorf("the project t has %q", got)
	}
}

// A rule may be about any plain attribute of the object, the stored one or the new one.
// A policy.yaml of Neutron's that names its own default, context_is_admin: role:admin,
// once kept everybody out of a server that asks nobody who they are.
func TestRulesAboutRolesLetInWhoIsNotAsked(t *testing.T) {
	w := guarded(t, "context_is_admin: role:admin\nget_l2_gateway: role:reader\n")
	w.options.Authenticate = nil
	w.serve(w.store)
	w.gateway("g", `[{"name": "eth1"}]`)
	w.do(200, "GET", gatewaysPath, "")
	w.do(200, "GET", "/v2.0/l2-gateway-devices", "")
}

func TestRulesMayBeAboutAttributes(t *testing.T) {
	w := guarded(t, `
create_l2_gateway: "rule:admin_only or 'public':%(name)s"
get_l2_gateway: "rule:admin_only or 'public':%(name)s or project_id:%(project_id)s"
`)
	admin, alice := w.as("admin"), w.as("alice")
	if got := alice.says("POST", gatewaysPath, gatewayBody("private", "eth1", "")); got != noCreate {
		t.Errorf("created: %s", got)
	}
	alice.makeGateway("public", "eth1")
	foreign := admin.makeGateway("public", "eth2")
	hidden := admin.makeGateway("hidden", "eth3")
	if got := alice.says("GET", gatewaysPath+"/"+foreign, ""); !strings.HasPrefix(got, "200") {
		t.Errorf("a public one of another project: %s", got)
	}
	if got := alice.says("GET", gatewaysPath+"/"+hidden, ""); got != noGet {
		t.Errorf("a hidden one of another project: %s", got)
	}
}

// Pages are whole although the policy hides objects in the middle of them.
func TestPagesAreWholeWhateverThePolicyHides(t *testing.T) {
	w := guarded(t, `get_l2_gateway: "rule:admin_only or role:reader and not 'hidden':%(name)s"`)
	admin, alice := w.as("admin"), w.as("alice")
	for _, name := range []string{"a", "hidden", "b", "hidden", "hidden", "c", "d"} {
		admin.makeGateway(name, "eth1")
	}
	var got []string
	next := gatewaysPath + "?limit=2"
	for range 5 {
		body := w.do(200, "GET", next, "", "X-Auth-Token", "alice")
		for _, g := range body["l2_gateways"].([]any) {
			got = append(got, g.(map[string]any)["name"].(string))
		}
		next = ""
		for _, l := range body["l2_gateways_links"].([]any) {
			if l := l.(map[string]any); l["rel"] == "next" {
				next = strings.TrimPrefix(l["href"].(string), "http://127.0.0.1:9696")
			}
		}
		if next == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("the pages have %v", got)
	}
	if got := alice.list(gatewaysPath+"?name=hidden", "l2_gateways", "name"); got != "" {
		t.Errorf("a filter finds %q", got)
	}
}

func TestRulesAreThoseOfTheRoutes(t *testing.T) {
	rules := map[string]policy.Rule{}
	for _, r := range api.Rules() {
		if _, twice := rules[r.Name]; twice || r.Description == "" {
			t.Errorf("the rule %s is there twice or says nothing of itself", r.Name)
		}
		rules[r.Name] = r
	}
	for _, name := range []string{
		"context_is_admin", "admin_only", "admin_or_owner", "default",
		"create_l2_gateway", "get_l2_gateway", "update_l2_gateway", "delete_l2_gateway",
		"create_l2_gateway_connection", "get_l2_gateway_connection", "delete_l2_gateway_connection",
		"get_l2_gateway_device", "update_l2_gateway_device", "release_l2_gateway_device", "resync_l2_gateway_device",
		"get_l2_gateway_agent", "get_l2_gateway_inventory", "get_network", "get_extension",
	} {
		if _, known := rules[name]; !known {
			t.Errorf("there is no rule %s in %v", name, slices.Sorted(maps.Keys(rules)))
		}
	}
}

// A rule may keep things even from administrators; no shortcut of theirs leads around it.
func TestWhatIsKeptFromAnAdministratorIsInNoList(t *testing.T) {
	w := guarded(t, "get_l2_gateway: \"role:admin and not 'secret':%(name)s\"\n")
	admin := w.as("admin")
	secret, open := admin.makeGateway("secret", "eth1"), admin.makeGateway("open", "eth2")
	if got := admin.list(gatewaysPath, "l2_gateways", "name"); got != "open" {
		t.Errorf("listed: %q", got)
	}
	for _, path := range []string{gatewaysPath + "/" + secret, gatewaysPath + "/" + none} {
		if got := admin.says("GET", path, ""); got != noGet {
			t.Errorf("GET %s: %s", path, got)
		}
	}
	w.do(200, "GET", gatewaysPath+"/"+open, "", "X-Auth-Token", "admin")
}
