package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"l2gw"
	"l2gw/internal/api"
	"l2gw/internal/store"
)

func TestMethodsThatDoNotExistAreRefusedAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	body := `{"l2_gateway": {"name": "x", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	for _, c := range [][2]string{
		{"HEAD", "/v2.0/l2-gateways"},
		{"PATCH", "/v2.0/l2-gateways"},
		{"PUT", "/v2.0/l2-gateways"},
		{"DELETE", "/v2.0/l2-gateways"},
		{"FOO", "/v2.0/l2-gateways"},
		{"TRACE", "/v2.0/l2-gateways"},
		{"OPTIONS", "/v2.0/l2-gateway-devices/ps1/release"},
		{"POST", "/v2.0/l2-gateways/" + id},
		{"PATCH", "/v2.0/l2-gateways/" + id},
		{"HEAD", "/v2.0/l2-gateways/" + id},
		{"POST", "/v2.0/networks"},
		{"DELETE", "/v2.0/networks/" + net1},
		{"DELETE", "/v2.0/l2-gateway-devices/ps1"},
		{"GET", "/v2.0/l2-gateway-devices/ps1/release"},
		{"PUT", "/v2.0/l2-gateway-agents/host1"},
		{"POST", "/v2.0/l2-gateway-devices/ps1/validate"},
		{"PUT", "/v2.0/l2-gateway-inventory"},
		{"POST", "/"},
	} {
		rec := w.request(c[0], c[1], body)
		if rec.Code != 405 || rec.Header().Get("Allow") == "" || !strings.Contains(rec.Body.String(), `"type": "HTTPMethodNotAllowed"`) {
			t.Errorf("%s %s: %d %v %s", c[0], c[1], rec.Code, rec.Header(), rec.Body)
		}
	}
	if got := w.names(""); got != "gw" {
		t.Errorf("gateways are now %q", got)
	}
}

func TestPathsThatDoNotExistAreNotFound(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/v2.0/l2-gatewayz", "/v2.0/l2-gateways/abc/def", "/v2.1/l2-gateways", "/nosuch", "/v2.0/l2-gateway-devices/ps1/nosuch",
		"//v2.0/l2-gateways", "/v2.0//l2-gateways", "/v2.0/../v2.0/l2-gateways", "/v2.0/./l2-gateways", "/v2.0/l2-gateways/x/..", "/v2.0/l2-gateways//",
	} {
		w.refused(404, "HTTPNotFound", "The resource could not be found.", "GET", path, "")
	}
	for _, id := range []string{none, "gw1", "%00", "..%2f..", "%ff", strings.Repeat("x", 5000)} {
		if rec := w.request("GET", "/v2.0/l2-gateways/"+id, ""); rec.Code != 404 || !strings.Contains(rec.Body.String(), "L2GatewayNotFound") {
			t.Errorf("gateway %.20q: %d %s", id, rec.Code, rec.Body)
		}
	}
}

func TestVersionsAndExtensionsTellWhatThereIs(t *testing.T) {
	w := newWorld(t)
	if got, want := w.request("GET", "/", "").Body.String(), `{"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://127.0.0.1:9696/v2.0/"}]}]}`; got != want {
		t.Errorf("/: %s, want %s", got, want)
	}
	if body := w.request("GET", "/v2.0/", "").Body.String(); !strings.Contains(body, `"href": "http://127.0.0.1:9696/v2.0/l2-gateways"`) {
		t.Errorf("/v2.0/: %s", body)
	}
	if got, want := w.request("GET", "/v2.0/extensions/l2-gateway.json", "").Body.String(), `{"extension": {"name": "L2 Gateway", "alias": "l2-gateway", "description": "Connects Neutron networks with external networks at layer 2.", "updated": "2015-01-01T00:00:00-00:00", "links": []}}`; got != want {
		t.Errorf("extension: %s, want %s", got, want)
	}
	if got, want := w.request("GET", "/v2.0/extensions?fields=alias", "").Body.String(), `{"extensions": [{"alias": "l2-gateway"}, {"alias": "l2-gateway-connection"}, {"alias": "l2-gateway-status"}, {"alias": "l2-gateway-idempotency-key"}, {"alias": "agent"}, `; !strings.HasPrefix(got, want) {
		t.Errorf("extensions: %s, want %s…", got, want)
	}
	w.refused(404, "HTTPNotFound", "Extension with alias nope does not exist", "GET", "/v2.0/extensions/nope", "")
}

func TestNetworksAreThoseOfTheInventory(t *testing.T) {
	w := newWorld(t)
	want := `{"id": "` + net1 + `", "name": "n1", "tenant_id": "", "admin_state_up": true, "mtu": 1450, "status": "ACTIVE", "subnets": [], "shared": false, "project_id": "", "router:external": false, ` +
		`"provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 10683, "availability_zone_hints": [], "availability_zones": [], ` +
		`"ipv4_address_scope": null, "ipv6_address_scope": null, "description": "", "tags": []}`
	if got := w.request("GET", "/v2.0/networks/"+net1, "").Body.String(); got != `{"network": `+want+`}` {
		t.Errorf("show: %s", got)
	}
	for _, query := range []string{"?name=n1", "?id=" + net1, "?provider:segmentation_id=10683"} {
		if got := w.request("GET", "/v2.0/networks"+query, "").Body.String(); got != `{"networks": [`+want+`]}` {
			t.Errorf("%s: %s", query, got)
		}
	}
	w.refused(404, "NetworkNotFound", "Network "+none+" could not be found.", "GET", "/v2.0/networks/"+none, "")
}

func TestDevicesAreShownWithTheirDatabaseAlsoTheOnesThatCannotBeReached(t *testing.T) {
	w := newWorld(t)
	want := `{"l2_gateway_device": {"name": "ps1", "database": "ovsdb1", "agent": "host1", "description": "", "status": "ACTIVE", "status_reason": "", "connected": true, "in_sync": true, ` +
		`"last_sync_at": "2026-11-21T01:02:03Z", "tunnel_ips": ["192.0.2.101"], "management_ips": [], "faults": [], "schema_version": "1.7.0", "losses": ["no replication_mode"], ` +
		`"ports": [{"name": "eth1", "description": "", "faults": [], "bindings": [{"segmentation_id": 5, "logical_switch": "` + net1 + `", "ours": true}]}], ` +
		`"rows": {"Logical_Switch": 1, "Ucast_Macs_Remote": 2}, "writer": false, "lock": "", "mode": "run", "held": []}}`
	if got := w.request("GET", "/v2.0/l2-gateway-devices/ps1", "").Body.String(); got != want {
		t.Errorf("show: %s\nwant %s", got, want)
	}
	got := w.request("GET", "/v2.0/l2-gateway-devices?fields=name&fields=database&fields=status&fields=status_reason", "").Body.String()
	if want := `{"l2_gateway_devices": [{"name": "", "database": "ovsdb2", "status": "DOWN", "status_reason": "connection refused"}, {"name": "ps1", "database": "ovsdb1", "status": "ACTIVE", "status_reason": ""}]}`; got != want {
		t.Errorf("list: %s", got)
	}
	w.ctl.databases[0].Error = "logical switch x cannot be removed"
	if got := w.request("GET", "/v2.0/l2-gateway-devices/ps1?fields=status&fields=status_reason", "").Body.String(); !strings.Contains(got, `"DEGRADED", "status_reason": "logical switch x cannot be removed"`) {
		t.Errorf("a switch that keeps what it should not: %s", got)
	}
	w.ctl.databases[1].Devices = w.ctl.databases[0].Devices
	if got := w.request("GET", "/v2.0/l2-gateway-devices/ps1?fields=status&fields=status_reason", "").Body.String(); !strings.Contains(got, `"ERROR", "status_reason": "several databases have a switch of this name: ovsdb1, ovsdb2"`) {
		t.Errorf("a name in two databases: %s", got)
	}
	w.refused(404, "L2GatewayDeviceNotFound", "L2 Gateway Device nosuch could not be found.", "GET", "/v2.0/l2-gateway-devices/nosuch", "")
	w.refused(404, "L2GatewayDeviceNotFound", "L2 Gateway Device nosuch could not be found.", "GET", "/v2.0/l2-gateway-devices/nosuch/macs", "")
	w.refused(404, "L2GatewayDeviceNotFound", "L2 Gateway Device nosuch could not be found.", "GET", "/v2.0/l2-gateway-devices/nosuch/validate", "")
}

func TestMACsAndDifferencesOfADeviceAreNamed(t *testing.T) {
	w := newWorld(t)
	mac, err := l2gw.ParseMAC("fa:16:3e:00:00:01")
	if err != nil {
		t.Fatal(err)
	}
	w.ctl.macs = []l2gw.MACEntry{{NetworkID: net1, Host: l2gw.Host{MAC: mac}, Origin: l2gw.MACLearned, Note: "moves too often"}}
	want := `{"macs": [{"mac_address": "fa:16:3e:00:00:01", "network_id": "` + net1 + `", "origin": "learned", "vtep": "", "ip_addresses": [], "note": "moves too often"}]}`
	if got := w.request("GET", "/v2.0/l2_gateway_devices/ps1/macs?network_id="+net1, "").Body.String(); got != want {
		t.Errorf("macs: %s", got)
	}
	w.ctl.validation = l2gw.Validation{Device: "ps1", Database: "ovsdb1", Differences: []l2gw.Difference{{Table: "Physical_Port", Row: "ps1/eth1 VLAN 5", Wanted: "n1"}}}
	want = `{"validation": {"device": "ps1", "database": "ovsdb1", "in_sync": false, "checked_at": null, "differences": [{"table": "Physical_Port", "row": "ps1/eth1 VLAN 5", "wanted": "n1", "held": ""}], "error": ""}}`
	if got := w.request("GET", "/v2.0/l2-gateway-devices/ps1/validate", "").Body.String(); got != want {
		t.Errorf("validate: %s", got)
	}
}

// brokenStore fails as a store does that has a bug.
type brokenStore struct {
	*store.Store
	panics bool
}

func (b brokenStore) Gateway(context.Context, string) (l2gw.Gateway, error) {
	if b.panics {
		panic("secret: index out of range")
	}
	return l2gw.Gateway{}, errors.New("secret: no such table")
}

func TestWhatNobodyForesawIsLoggedOnceAndNeverShown(t *testing.T) {
	for name, panics := range map[string]bool{"an error": false, "a panic": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.serve(brokenStore{w.store, panics})
			rec := w.request("GET", "/v2.0/l2-gateways/x", "")
			if rec.Code != 500 || !strings.Contains(rec.Body.String(), "Request Failed: internal server error") || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			log, id := w.log.String(), rec.Header().Get("X-Openstack-Request-Id")
			if n := strings.Count(log, "secret"); n != 1 {
				t.Errorf("the cause is %d times in the log: %s", n, log)
			}
			for line := range strings.Lines(log) {
				if !strings.Contains(line, id) {
					t.Errorf("a line of the log does not name the request: %s", line)
				}
			}
		})
	}
}

// leavingStore has a client that closes its connection while the store works.
type leavingStore struct {
	*store.Store
	leave context.CancelFunc
}

func (s leavingStore) Gateway(context.Context, string) (l2gw.Gateway, error) {
	s.leave()
	return l2gw.Gateway{}, errors.New("interrupted (9)") // as SQLite says it
}

// A load balancer's impatient check once filled the log with status 500.
func TestAClientThatLeavesIsNoFailureOfOurs(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	w.serve(leavingStore{w.store, leave})
	w.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v2.0/l2-gateways/x", nil))
	if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"status":499`) || strings.Contains(log, "ERROR") {
		t.Errorf("log: %s", log)
	}
}

func TestPagesOfOtherSitesCannotChangeAnything(t *testing.T) {
	w := newWorld(t)
	body := `{"l2_gateway": {"name": "x", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
		if rec := w.request("POST", "/v2.0/l2-gateways", body, header[0], header[1]); rec.Code != 403 || !strings.Contains(rec.Body.String(), "a page of another site") {
			t.Errorf("%v: %d %s", header, rec.Code, rec.Body)
		}
	}
	if got := w.names(""); got != "" {
		t.Errorf("gateways are now %q", got)
	}
	w.do(201, "POST", "/v2.0/l2-gateways", body, "Origin", "http://127.0.0.1:9696")
}

func TestEachRequestHasAnIDOfItsOwnAndIsLoggedWithTheCallersID(t *testing.T) {
	w := newWorld(t)
	const global = "req-2372c196-e115-44a2-a36a-e72339d92a67"
	rec := w.request("GET", "/v2.0/l2-gateways", "", "X-Openstack-Request-Id", global)
	if rec.Header().Get("X-Openstack-Request-Id") == global {
		t.Error("the caller's id became the request's own")
	}
	if !strings.Contains(w.log.String(), `"global_request_id":"`+global+`"`) || !strings.Contains(w.log.String(), `"status":200`) {
		t.Errorf("log: %s", w.log)
	}
	w.log.Reset()
	w.request("GET", "/v2.0/l2-gateways", "", "X-Openstack-Request-Id", "req-nonsense injected=1")
	if strings.Contains(w.log.String(), "nonsense") {
		t.Errorf("an id of no valid form is in the log: %s", w.log)
	}
}

func TestPolicyComesAfterTheBodyAndBeforeExistence(t *testing.T) {
	w := newWorld(t)
	quiet := slog.New(slog.DiscardHandler)
	const notGet = "User does not have admin privileges: Cannot GET resource for non admin tenant."
	const notCreate = "User does not have admin privileges: Cannot CREATE resource for non admin tenant."
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Logger: quiet,
		Authenticate: func(r *http.Request) (api.Caller, error) {
			return api.Caller{Project: "p1", Admin: r.Header.Get("X-Project-Id") == "admin"}, nil
		},
	})
	w.refused(400, "HTTPBadRequest", "Resource body required", "POST", "/v2.0/l2-gateways", "")
	w.refused(403, "AdminRequired", notCreate, "POST", connectionsPath, connectionBody(none, none, "5"))
	for _, c := range [][3]string{
		{"GET", "/v2.0/l2-gateways", ""},
		{"GET", "/v2.0/l2-gateways/" + none, ""},
		{"PUT", "/v2.0/l2-gateways/" + none, `{"l2_gateway": {}}`},
		{"DELETE", "/v2.0/l2-gateways/" + none, ""},
		{"GET", "/v2.0/l2-gateway-devices/nosuch/macs", ""},
		{"GET", "/v2.0/l2-gateway-devices/nosuch/validate", ""},
	} {
		w.refused(403, "AdminRequired", notGet, c[0], c[1], c[2])
	}
	w.do(404, "GET", "/v2.0/l2-gateways/"+none, "", "X-Project-Id", "admin")
	w.handler = api.New(api.Options{
		Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Logger: quiet,
		Authenticate: func(*http.Request) (api.Caller, error) {
			return api.Caller{}, &l2gw.Error{Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "no"}
		},
		Challenge: `Keystone uri="https://keystone.example/v3"`,
	})
	if got := w.request("POST", "/v2.0/l2-gateways", "").Body.String(); got != `{"error": {"code": 401, "title": "Unauthorized", "message": "no"}}` {
		t.Errorf("POST: %s", got)
	}
	if got := w.request("GET", "/v2.0/l2-gateways", "").Header().Get("WWW-Authenticate"); got != `Keystone uri="https://keystone.example/v3"` {
		t.Errorf("WWW-Authenticate: %q", got)
	}
}

func TestTheStateOfTheInventoryNamesWhatIsWrongWithIt(t *testing.T) {
	w := newWorld(t)
	for want, state := range map[string]l2gw.InventoryState{
		`{"l2_gateway_inventory": {"known": true, "error": "", "networks": 2}}`: {Known: true, Networks: 2},
		`{"l2_gateway_inventory": {"known": false, "error": "inventory.yaml:3: vni \"many\"", "networks": 0}}`: {
			Error: `inventory.yaml:3: vni "many"`,
		},
	} {
		w.ctl.inventory = state
		for _, path := range []string{"/v2.0/l2-gateway-inventory", "/v2.0/l2_gateway_inventory"} {
			if rec := w.request("GET", path, ""); rec.Code != 200 || strings.TrimSpace(rec.Body.String()) != want {
				t.Errorf("%s: %d %s, want %s", path, rec.Code, rec.Body, want)
			}
		}
	}
}
