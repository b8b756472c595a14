package api_test

import (
	"reflect"
	"strings"
	"testing"
)

func TestARequestThatComesAgainWithItsKeyIsNotDoneAgain(t *testing.T) {
	w := newWorld(t)
	again := func(status int, method, target, body, key string) map[string]any {
		t.Helper()
		first := w.do(status, method, target, body, "Idempotency-Key", key)
		for _, same := range []string{key, `"` + key + `"`} { // also as a string of RFC 8941
			second := w.do(status, method, target, body, "Idempotency-Key", same)
			if !reflect.DeepEqual(first, second) {
				t.Errorf("%s %s again: %v, the first answer was %v", method, target, second, first)
			}
		}
		return first
	}
	gateway := `{"l2_gateway": {"name": "gw", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	made := again(201, "POST", "/v2.0/l2-gateways", gateway, "k1")
	id := made["l2_gateway"].(map[string]any)["id"].(string)
	again(201, "POST", "/v2.0/l2-gateways", `{"l2_gateways": [`+gateway+`, `+gateway+`]}`, "k2")
	if n := len(w.do(200, "GET", "/v2.0/l2-gateways", "")["l2_gateways"].([]any)); n != 3 {
		t.Errorf("%d gateways, want 3", n)
	}
	again(200, "PUT", "/v2.0/l2-gateways/"+id, `{"l2_gateway": {"name": "new"}}`, "k3")
	connection := again(201, "POST", connectionsPath, connectionBody(id, net1, "5"), "k4")["l2_gateway_connection"].(map[string]any)["id"].(string)
	again(204, "DELETE", connectionsPath+"/"+connection, "", "k5")
	again(204, "DELETE", "/v2.0/l2-gateways/"+id, "", "k6")
	w.do(404, "DELETE", "/v2.0/l2-gateways/"+id, "", "Idempotency-Key", "k7")
	w.do(404, "DELETE", "/v2.0/l2-gateways/"+id, "")
	// What was done once and is gone is not made anew.
	w.do(409, "POST", connectionsPath, connectionBody(id, net1, "5"), "Idempotency-Key", "k4")
}

func TestAKeyStandsForOneRequestOfOneCaller(t *testing.T) {
	w := newWorld(t)
	gateway := `{"l2_gateway": {"name": "gw", "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	w.do(201, "POST", "/v2.0/l2-gateways", gateway, "Idempotency-Key", "k")
	for _, other := range [][3]string{
		{"POST", "/v2.0/l2-gateways", strings.Replace(gateway, "eth1", "eth2", 1)},
		{"PUT", "/v2.0/l2-gateways/" + w.gateway("x", `[{"name": "eth9"}]`), `{"l2_gateway": {"name": "gw"}}`},
	} {
		if got := w.do(409, other[0], other[1], other[2], "Idempotency-Key", "k")["NeutronError"].(map[string]any)["type"]; got != "IdempotencyKeyTaken" {
			t.Errorf("%v: %v", other, got)
		}
	}
	for _, key := range []string{"", strings.Repeat("k", 256), "a\x7fb", "caf\u00e9"} {
		w.do(400, "POST", "/v2.0/l2-gateways", gateway, "Idempotency-Key", key)
	}
	w.do(201, "POST", "/v2.0/l2-gateways", gateway, "Idempotency-Key", strings.Repeat("k", 255))
	// Refused before, so it was not done, and may be now.
	w.do(404, "POST", connectionsPath, connectionBody(none, net1, "5"), "Idempotency-Key", "late")
	w.do(404, "POST", connectionsPath, connectionBody(none, net1, "5"), "Idempotency-Key", "late")
}
