package api_test

import (
	"strings"
	"testing"
)

// FuzzBodies sends anything as a body to everything that takes one, as it is and
// in the place where the object is expected. Whatever it is, the answer is a
// success or says what is wrong: never a 5xx.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `0`, `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1", "segmentation_id": ["5", 6]}]}]}}`,
		`{"l2_gateways": [{"devices": {}}]}`, `{"l2_gateway": {"name": "\ud800", "remove_devices": ["ps1", null]}}`,
		`{"l2_gateway_connection": {"network_id": "` + net1 + `", "segmentation_id": "5"}}`, `{"l2_gateway": {"tenant_id": {"a": [1e400, -0, true]}, "project_id": {}}}`,
		`{"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}, {"name": "eth2", "segmentation_id": null}]}], "description": null, "project_id": "p", "tenant_id": "p"}`,
		`{"name": "n", "devices": [{"device_name": "ps3", "interfaces": [{"name": "eth1", "segmentation_id": [0]}]}], "remove_devices": ["ps1", "ps3"]}`,
		`{"network_id": "` + net1 + `", "l2_gateway_id": "` + none + `", "segmentation_id": " +05 ", "description": ""}`,
		`{"mode": "observe"}`, `{"l2_gateway_device": {"mode": ["run"]}}`, `{"network_id": "` + net1 + `"}`,
		`{"l2_gateway": -1, "l2_gateway_connection": " 5 ", "check_limit": true, "force": false}`, `{"quota": {"l2-gateway-connection": 2147483648}}`,
	} {
		f.Add(body)
	}
	w := newWorld(f)
	g := w.gateway("gw", `[{"name": "eth1"}, {"name": "eth2"}]`)
	c := w.connection(g, net1, "100")
	f.Fuzz(func(t *testing.T, body string) {
		w := *w
		w.t = t
		for target, key := range map[string]string{
			"POST /v2.0/l2-gateways":                    "l2_gateway",
			"PUT /v2.0/l2-gateways/" + g:                "l2_gateway",
			"PUT /v2.0/l2-gateways/" + none:             "l2_gateway",
			"POST " + connectionsPath:                   "l2_gateway_connection",
			"PUT " + connectionsPath + "/" + c:          "l2_gateway_connection",
			"PUT " + connectionsPath + "/" + none:       "l2_gateway_connection",
			"PUT /v2.0/l2-gateway-devices/ps1":          "l2_gateway_device",
			"POST /v2.0/l2-gateway-devices/ps1/release": "network_id",
			"PUT /v2.0/quotas/p1":                       "quota",
			"POST /v2.0/l2_gateways.json":               "l2_gateways",
			"POST /v2.0/l2_gateway_connections.json":    "l2_gateway_connections",
		} {
			method, path, _ := strings.Cut(target, " ")
			for _, whole := range []string{body, `{"` + key + `": ` + body + `}`} {
				rec := w.request(method, path, whole)
				if rec.Code >= 500 || rec.Code >= 400 && !strings.Contains(rec.Body.String(), `"NeutronError"`) {
					t.Errorf("%s %q: %d %s", target, whole, rec.Code, rec.Body)
				}
			}
		}
	})
}
