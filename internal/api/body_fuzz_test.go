package api_test

import (
	"strings"
	"testing"
)

// FuzzBodies sends anything as a body to everything that takes one. Whatever it
// is, the answer is a success or says what is wrong: never a 5xx.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `0`, `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1", "segmentation_id": ["5", 6]}]}]}}`,
		`{"l2_gateways": [{"devices": {}}]}`, `{"l2_gateway": {"name": "\ud800", "remove_devices": ["ps1", null]}}`,
		`{"l2_gateway_connection": {"network_id": "` + net1 + `", "segmentation_id": "5"}}`, `{"l2_gateway": {"tenant_id": {"a": [1e400, -0, true]}, "project_id": {}}}`,
	} {
		f.Add(body)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body string) {
		w := *w
		w.t = t
		for _, target := range []string{"POST /v2.0/l2-gateways", "PUT /v2.0/l2-gateways/" + none, "POST " + connectionsPath, "PUT " + connectionsPath + "/" + none} {
			method, path, _ := strings.Cut(target, " ")
			rec := w.request(method, path, body)
			if rec.Code >= 500 || rec.Code >= 400 && !strings.Contains(rec.Body.String(), `"NeutronError"`) {
				t.Errorf("%s %q: %d %s", target, body, rec.Code, rec.Body)
			}
		}
	})
}
