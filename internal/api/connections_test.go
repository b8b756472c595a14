package api_test

import (
	"strings"
	"testing"

	"l2gw"

	"github.com/google/go-cmp/cmp"
)

const connectionsPath = "/v2.0/l2-gateway-connections"

func TestAConnectionShowsItsVLANAsTextWhenMadeAndAsANumberAfterwards(t *testing.T) {
	w := newWorld(t)
	g := w.gateway("plain", `[{"name": "eth1"}]`)
	rec := w.request("POST", connectionsPath, connectionBody(g, net1, " 7 "))
	show := func(segmentationID string) string {
		return `{"l2_gateway_connection": {"id": "UUID", "network_id": "` + net1 + `", "l2_gateway_id": "UUID", "tenant_id": "default", "segmentation_id": ` + segmentationID +
			`, "project_id": "default", "description": "", "status": "BUILD", "status_reason": "the controller has not seen it yet", ` +
			`"bindings": [{"device_name": "ps1", "interface_name": "eth1", "segmentation_id": 7, "status": "BUILD", "status_reason": "the controller has not seen it yet"}], ` +
			`"created_at": "TIME", "updated_at": "TIME", "revision_number": 1}}`
	}
	if diff := cmp.Diff(show(`" 7 "`), steady(rec.Body.String())); rec.Code != 201 || diff != "" {
		t.Errorf("POST: %d %s", rec.Code, diff)
	}
	id := w.do(200, "GET", connectionsPath, "")["l2_gateway_connections"].([]any)[0].(map[string]any)["id"].(string)
	if diff := cmp.Diff(show(`7`), steady(w.request("GET", connectionsPath+"/"+id, "").Body.String())); diff != "" {
		t.Errorf("GET: %s", diff)
	}
	w.ctl.bindings = map[string][]l2gw.BindingStatus{id: {{Status: l2gw.StatusActive, Binding: l2gw.Binding{BindingKey: l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 7}}}}}
	if body := w.request("GET", connectionsPath+"/"+id+"?fields=status&fields=bindings", "").Body.String(); !strings.Contains(body, `"status": "ACTIVE", "bindings": [{"device_name": "ps1", "interface_name": "eth1", "segmentation_id": 7, "status": "ACTIVE"`) {
		t.Errorf("once it is confirmed: %s", body)
	}
}

func TestAConnectionWithoutAVLANOfItsOwnShowsAnEmptyText(t *testing.T) {
	w := newWorld(t)
	g := w.gateway("seg", `[{"name": "eth2", "segmentation_id": [100, 101]}]`)
	v := w.do(201, "POST", connectionsPath, `{"l2_gateway_connection": {"l2_gateway_id": "`+g+`", "network_id": "`+net1+`"}}`)["l2_gateway_connection"].(map[string]any)
	if v["segmentation_id"] != "" || len(v["bindings"].([]any)) != 2 {
		t.Errorf("POST: %v", v)
	}
	v = w.do(200, "GET", connectionsPath+"/"+v["id"].(string), "")["l2_gateway_connection"].(map[string]any)
	if v["segmentation_id"] != "" {
		t.Errorf("GET: %v", v)
	}
}

func TestWhatIsWrongWithAConnectionIsSaidInTheOrderOfTheChecks(t *testing.T) {
	const bad, badInput = "HTTPBadRequest", "InvalidInput"
	missing := "Invalid input for operation: Segmentation id must be specified in create l2gateway connections."
	w := newWorld(t)
	plain, plain2 := w.gateway("plain", `[{"name": "eth1"}]`), w.gateway("plain2", `[{"name": "eth1"}]`)
	seg, untagged := w.gateway("seg", `[{"name": "eth2", "segmentation_id": [100]}]`), w.gateway("untagged", `[{"name": "eth3", "segmentation_id": [0]}]`)
	w.connection(plain, net1, "5")
	body := func(gateway, network, more string) string {
		return `{"l2_gateway_connection": {"l2_gateway_id": "` + gateway + `", "network_id": "` + network + `"` + more + `}}`
	}
	vlan := func(v string) string { return `, "segmentation_id": ` + v }
	for name, c := range map[string]struct {
		body         string
		status       int
		typ, message string
	}{
		"no VLAN at all":            {body(plain, net1, ""), 400, badInput, missing},
		"empty VLAN":                {body(plain, net1, vlan(`""`)), 400, badInput, missing},
		"VLAN on both sides":        {body(seg, net1, vlan(`"5"`)), 400, badInput, "Invalid input for operation: default segmentation_id should not be provided when segmentation_id is assigned during l2gateway creation."},
		"VLAN besides untagged":     {body(untagged, net1, vlan(`"5"`)), 400, badInput, "Invalid input for operation: default segmentation_id should not be provided when segmentation_id is assigned during l2gateway creation."},
		"VLAN abc":                  {body(plain, net1, vlan(`"abc"`)), 400, badInput, "Invalid input for operation: Segmentation id must be a valid integer."},
		"VLAN 4095":                 {body(plain, net1, vlan(`"4095"`)), 400, badInput, "Invalid input for operation: Segmentation id is out of range."},
		"VLAN -1":                   {body(plain, net1, vlan(`"-1"`)), 400, badInput, "Invalid input for operation: Segmentation id is out of range."},
		"VLAN as a number":          {body(plain, net1, vlan(`5`)), 400, bad, "Invalid input for segmentation_id. Reason: '5' is not a valid string."},
		"VLAN null":                 {body(plain, net1, vlan(`null`)), 400, bad, "Invalid input for segmentation_id. Reason: 'None' is not a valid string."},
		"VLAN as a list":            {body(plain, net1, vlan(`[5]`)), 400, bad, "Invalid input for segmentation_id. Reason: '[5]' is not a valid string."},
		"VLAN true":                 {body(plain, net1, vlan(`true`)), 400, bad, "Invalid input for segmentation_id. Reason: 'True' is not a valid string."},
		"no network":                {`{"l2_gateway_connection": {"l2_gateway_id": "` + plain + `"}}`, 400, bad, "Failed to parse request. Required attribute 'network_id' not specified"},
		"nothing":                   {`{"l2_gateway_connection": {}}`, 400, bad, "Failed to parse request. Required attribute 'network_id' not specified"},
		"unknown attribute":         {body(plain, net1, `, "foo": 1`), 400, bad, "Unrecognized attribute(s) 'foo'"},
		"bindings":                  {body(plain, net1, `, "bindings": []`), 400, bad, "Attribute 'bindings' not allowed in POST"},
		"unknown network":           {body(plain, none, vlan(`"6"`)), 404, "NetworkNotFound", "Network " + none + " could not be found."},
		"network by name":           {body(plain, "n1", vlan(`"6"`)), 404, "NetworkNotFound", "Network n1 could not be found."},
		"unknown gateway":           {body(none, net1, vlan(`"6"`)), 404, "L2GatewayNotFound", "L2 Gateway " + none + " could not be found"},
		"unknown gateway, no VLAN":  {body(none, net1, ""), 400, badInput, missing},
		"no gateway":                {`{"l2_gateway_connection": {"network_id": "` + net1 + `", "segmentation_id": "6"}}`, 404, "L2GatewayNotFound", "L2 Gateway  could not be found"},
		"bad value before unknown":  {body(none, none, vlan(`"abc"`)), 400, badInput, "Invalid input for operation: Segmentation id must be a valid integer."},
		"the same again":            {body(plain, net1, vlan(`"5"`)), 409, "L2GatewayConnectionExists", mapping(plain, net1, "5")},
		"the same, another VLAN":    {body(plain, net1, vlan(`"6"`)), 409, "L2GatewayConnectionExists", mapping(plain, net1, "6")},
		"place taken, same network": {body(plain2, net1, vlan(`"5"`)), 409, "L2GatewayDuplicateSegmentationID", "Duplicate segmentation ID for the interface name=eth1 device=ps1 segmentation_id=5"},
		"place taken, other network": {
			body(plain, net2, vlan(`"5"`)), 409, "L2GatewayDuplicateSegmentationID",
			"Duplicate segmentation ID for the interface name=eth1 device=ps1 segmentation_id=5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			w.refused(c.status, c.typ, c.message, "POST", connectionsPath, c.body)
		})
	}
	if n := len(w.do(200, "GET", connectionsPath, "")["l2_gateway_connections"].([]any)); n != 1 {
		t.Errorf("%d connections, want the one that was not refused", n)
	}
}

func mapping(gateway, network, vlan string) string {
	return "The specified mapping '{'network_id': '" + network + "', 'l2_gateway_id': '" + gateway + "', 'segmentation_id': '" + vlan + "'}' exists on network gateway '" + gateway + "'."
}

func TestAConnectionCannotBeChangedAndKeepsItsGateway(t *testing.T) {
	w := newWorld(t)
	g := w.gateway("gw", `[{"name": "eth1"}]`)
	id := w.connection(g, net1, "5")
	w.refused(400, "HTTPBadRequest", "Cannot update read-only attribute segmentation_id", "PUT", connectionsPath+"/"+id, `{"l2_gateway_connection": {"segmentation_id": "6"}}`)
	w.refused(400, "HTTPBadRequest", "Cannot update read-only attribute segmentation_id", "PUT", connectionsPath+"/abc", `{"l2_gateway_connection": {"segmentation_id": "6"}}`)
	w.refused(409, "L2GatewayInUse", "L2 Gateway '"+g+"' still has active mappings with one or more neutron networks.", "DELETE", "/v2.0/l2-gateways/"+g, "")
	w.do(204, "DELETE", connectionsPath+"/"+id, "")
	w.refused(404, "L2GatewayConnectionNotFound", "The connection "+id+" not found on the l2 gateway", "DELETE", connectionsPath+"/"+id, "")
	w.do(204, "DELETE", "/v2.0/l2-gateways/"+g, "")
}

func TestConnectionsMadeInBulkAreAllMadeOrNone(t *testing.T) {
	w := newWorld(t)
	g := w.gateway("gw", `[{"name": "eth1"}]`)
	bulk := func(vlan1, vlan2 string) string {
		return `{"l2_gateway_connections": [{"l2_gateway_id": "` + g + `", "network_id": "` + net1 + `", "segmentation_id": "` + vlan1 +
			`"}, {"l2_gateway_id": "` + g + `", "network_id": "` + net2 + `", "segmentation_id": "` + vlan2 + `"}]}`
	}
	w.refused(409, "L2GatewayDuplicateSegmentationID", "Duplicate segmentation ID for the interface name=eth1 device=ps1 segmentation_id=5", "POST", connectionsPath, bulk("5", "5"))
	if n := len(w.do(200, "GET", connectionsPath, "")["l2_gateway_connections"].([]any)); n != 0 {
		t.Errorf("%d connections came of a request that was refused", n)
	}
	if n := len(w.do(201, "POST", connectionsPath, bulk("5", "6"))["l2_gateway_connections"].([]any)); n != 2 {
		t.Errorf("%d connections made, want 2", n)
	}
}

func TestWhileTheInventoryIsUnknownNothingIsCreatedAndClientsAreToldToComeBack(t *testing.T) {
	w := newWorld(t)
	g := w.gateway("gw", `[{"name": "eth1"}]`)
	w.ctl.unavailable = true
	for _, c := range [][3]string{
		{"POST", connectionsPath, connectionBody(g, net1, "5")}, {"GET", "/v2.0/networks", ""}, {"GET", "/v2.0/networks/" + net1, ""},
	} {
		rec := w.request(c[0], c[1], c[2])
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), "NeutronError") {
			t.Errorf("%s %s: %d %v %s", c[0], c[1], rec.Code, rec.Header(), rec.Body)
		}
	}
	w.ctl.unavailable = false
	w.connection(g, net1, "5")
}
