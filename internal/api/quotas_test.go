package api_test

import (
	"net/http"
	"testing"

	"l2gw/internal/api"
)

func TestQuotasAreReadSetAndDeletedAsWithNeutron(t *testing.T) {
	for _, path := range []string{"/v2.0/quotas", "/v2.0/l2-gateway-quotas", "/v2.0/l2_gateway_quotas"} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t)
			for _, step := range []struct {
				method, path, body string
				status             int
				want               string
			}{
				{"GET", "", "", 200, `{"quotas": []}`},
				{"GET", "/p1", "", 200, `{"quota": {"l2_gateway": -1, "l2_gateway_connection": -1}}`},
				{"GET", "/p1/default.json", "", 200, `{"quota": {"l2_gateway": -1, "l2_gateway_connection": -1}}`},
				{"PUT", "/p1", `{"quota": {"l2_gateway": 2}}`, 200, `{"quota": {"l2_gateway": 2, "l2_gateway_connection": -1}}`},
				{"PUT", "/p1.json", `{"quota": {"l2-gateway-connection": "3", "force": true}}`, 200, `{"quota": {"l2_gateway": 2, "l2_gateway_connection": 3}}`},
				{"GET", "/p1.json", "", 200, `{"quota": {"l2_gateway": 2, "l2_gateway_connection": 3}}`},
				{"GET", "/p1/details.json", "", 200, `{"quota": {"l2_gateway": {"limit": 2, "used": 0, "reserved": 0}, "l2_gateway_connection": {"limit": 3, "used": 0, "reserved": 0}}}`},
				{"GET", ".json", "", 200, `{"quotas": [{"l2_gateway": 2, "l2_gateway_connection": 3, "project_id": "p1", "tenant_id": "p1"}]}`},
				{"DELETE", "/p1", "", 204, ""},
				{"GET", "", "", 200, `{"quotas": []}`},
				{"GET", "/tenant", "", 200, `{"tenant": {"tenant_id": "` + api.DefaultProject + `"}}`},
				{"GET", "/project", "", 200, `{"project": {"project_id": "` + api.DefaultProject + `"}}`},
			} {
				if rec := w.request(step.method, path+step.path, step.body); rec.Code != step.status || rec.Body.String() != step.want {
					t.Errorf("%s %s %s: %d %s, want %d %s", step.method, step.path, step.body, rec.Code, rec.Body, step.status, step.want)
				}
			}
		})
	}
}

func TestAQuotaThatIsNoneIsRefusedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	for body, message := range map[string]string{
		`{"quota": {"network": 5}}`:                                           "Unrecognized attribute(s) 'network'",
		`{"quota": {"l2_gateway": 1, "b": 1, "a": 1}}`:                        "Unrecognized attribute(s) 'a, b'",
		`{"quota": {"l2_gateway": "many"}}`:                                   "Invalid input for l2_gateway. Reason: 'many' is not an integer.",
		`{"quota": {"l2_gateway": 1.5}}`:                                      "Invalid input for l2_gateway. Reason: '1.5' is not an integer.",
		`{"quota": {"l2_gateway": true}}`:                                     "Invalid input for l2_gateway. Reason: 'True' is not an integer.",
		`{"quota": {"l2_gateway": null}}`:                                     "Invalid input for l2_gateway. Reason: 'None' is not an integer.",
		`{"quota": {"l2_gateway": -2}}`:                                       "Invalid input for l2_gateway. Reason: '-2' is too small - must be at least '-1'.",
		`{"quota": {"l2_gateway_connection": 2147483648}}`:                    "Invalid input for l2_gateway_connection. Reason: '2147483648' is too large - must be no larger than '2147483647'.",
		`{"quota": {"l2-gateway-connection": 1e400}}`:                         "Invalid input for l2-gateway-connection. Reason: '1e400' is not an integer.",
		`{"quota": {"l2_gateway": 99999999999999999999}}`:                     "Invalid input for l2_gateway. Reason: '99999999999999999999' is not an integer.",
		`{"quota": {"l2-gateway-connection": 1, "l2_gateway_connection": 2}}`: "'l2-gateway-connection' and 'l2_gateway_connection' do not match",
		`{"quota": {"l2_gateway": 1, "check_limit": "yes, please"}}`:          "Invalid input for check_limit. Reason: 'yes, please' is not a valid boolean value.",
		`{"quota": {"l2_gateway": 1, "force": null}}`:                         "Invalid input for force. Reason: 'None' is not a valid boolean value.",
		`{"quota": []}`:                   "Object 'quota' contains invalid data",
		`{"x": 1}`:                        "Unable to find 'quota' in request body",
		`{"quotas": [{"l2_gateway": 1}]}`: "Unable to find 'quota' in request body",
		`{"quota": {"l2_gateway_connection": 5, "l2_gateway": "x"}}`: "Invalid input for l2_gateway. Reason: 'x' is not an integer.",
	} {
		w.refused(400, "HTTPBadRequest", message, "PUT", "/v2.0/quotas/p1", body)
	}
	w.refused(404, "TenantQuotaNotFound", "Quota for tenant p1 could not be found.", "DELETE", "/v2.0/quotas/p1", "")
	for method, path := range map[string]string{"POST": "/v2.0/quotas", "PATCH": "/v2.0/quotas/p1", "PUT": "/v2.0/quotas/p1/details"} {
		w.do(405, method, path, `{"quota": {}}`)
	}
}

func TestALimitIsCheckedAgainstWhatTheProjectHasIfAskedFor(t *testing.T) {
	w := newWorld(t)
	w.gateway("g1", `[{"name": "eth1"}]`)
	w.gateway("g2", `[{"name": "eth2"}]`)
	path := "/v2.0/quotas/" + api.DefaultProject
	w.refused(400, "HTTPBadRequest", "Quota limit 1 for l2_gateway must be greater than or equal to already used 2", "PUT", path, `{"quota": {"l2_gateway": 1, "check_limit": true}}`)
	w.do(200, "PUT", path, `{"quota": {"l2_gateway": 2, "check_limit": true}}`)
	w.refused(409, "OverQuota", "Quota exceeded for resources: ['l2_gateway'].", "POST", "/v2.0/l2-gateways",
		`{"l2_gateway": {"name": "g3", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth3"}]}]}}`)
	w.do(200, "PUT", path, `{"quota": {"l2_gateway": 0}}`) // takes nothing away
	if got, want := w.request("GET", path+"/details", "").Body.String(), `{"quota": {"l2_gateway": {"limit": 0, "used": 2, "reserved": 0}, "l2_gateway_connection": {"limit": -1, "used": 0, "reserved": 0}}}`; got != want {
		t.Errorf("details: %s, want %s", got, want)
	}
}

// member is somebody without a role that the policy knows, of one project.
func member(project string) func(*http.Request) (api.Caller, error) {
	return func(*http.Request) (api.Caller, error) {
		return api.Caller{User: "u1", Project: project, Roles: []string{"member"}}, nil
	}
}

func TestAMemberSeesTheQuotaOfItsOwnProjectAlone(t *testing.T) {
	w := newWorld(t)
	w.serveTo(member("p1"))
	for path, status := range map[string]int{
		"": 403, "/p1": 200, "/p1.json": 200, "/p1/default": 200, "/p1/details": 200, "/p2": 403, "/p2/default": 403, "/p2/details": 403, "/tenant": 200,
	} {
		w.do(status, "GET", "/v2.0/quotas"+path, "")
	}
	w.do(403, "PUT", "/v2.0/quotas/p1", `{"quota": {"l2_gateway": 100}}`)
	w.do(400, "PUT", "/v2.0/quotas/p1", `{"quota": {"l2_gateway": "x"}}`)
	w.do(403, "DELETE", "/v2.0/quotas/p1", "")
}
