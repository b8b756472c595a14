package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// steady replaces what differs in each run by what it is.
func steady(body string) string {
	body = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllStringFunc(body, func(id string) string {
		if id == net1 || id == net2 || id == none {
			return id
		}
		return "UUID"
	})
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(body, "TIME")
}

func TestAGatewayIsShownAsNeutronShowsItWithTheAdditionsAfterwards(t *testing.T) {
	w := newWorld(t)
	rec := w.request("POST", "/v2.0/l2-gateways", `{"l2_gateway": {"name": "gw1", "devices": [
		{"device_name": "ps1", "foo": 1, "interfaces": [{"name": "eth2", "segmentation_id": [20, "10", " 5 ", 0]}, {"name": "eth1", "segmentation_id": [7], "foo": 1}]},
		{"device_name": "nosuch", "interfaces": [{"name": "eth1"}]}]}}`)
	want := `{"l2_gateway": {"id": "UUID", "name": "gw1", "devices": [` +
		`{"device_name": "ps1", "id": "UUID", "interfaces": [{"segmentation_id": ["20", "10", "5", "0"], "name": "eth2"}, {"segmentation_id": ["7"], "name": "eth1"}]}, ` +
		`{"device_name": "nosuch", "id": "UUID", "interfaces": [{"segmentation_id": [], "name": "eth1"}]}], ` +
		`"tenant_id": "default", "project_id": "default", "description": "", "status": "ACTIVE", "status_reason": "", ` +
		`"created_at": "TIME", "updated_at": "TIME", "revision_number": 1}}`
	if diff := cmp.Diff(want, steady(rec.Body.String())); rec.Code != 201 || diff != "" {
		t.Errorf("%d: %s", rec.Code, diff)
	}
	if got := rec.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

func TestEverySpellingOfAPathReachesTheSameGateway(t *testing.T) {
	w := newWorld(t)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	want := w.request("GET", "/v2.0/l2-gateways/"+id, "").Body.String()
	for _, path := range []string{"/v2.0/l2-gateways/" + id + ".json", "/v2.0/l2_gateways/" + id, "/v2.0/l2_gateways/" + id + ".json", "/v2.0/l2-gateways/" + id + "/"} {
		if got := w.request("GET", path, "").Body.String(); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, path := range []string{"/v2.0/l2-gateways", "/v2.0/l2_gateways", "/v2.0/l2-gateways.json", "/v2.0/l2-gateways/"} {
		if n := len(w.do(200, "GET", path, "")["l2_gateways"].([]any)); n != 1 {
			t.Errorf("%s: %d gateways", path, n)
		}
	}
}

func TestTheOwnerOfAGatewayIsTheOneNamedOrTheCaller(t *testing.T) {
	w := newWorld(t)
	owner := func(more string, headers ...string) any {
		t.Helper()
		g := w.do(201, "POST", "/v2.0/l2-gateways", `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]`+more+`}}`, headers...)["l2_gateway"].(map[string]any)
		if g["tenant_id"] != g["project_id"] {
			t.Errorf("tenant_id %v, project_id %v", g["tenant_id"], g["project_id"])
		}
		return g["tenant_id"]
	}
	for _, c := range []struct{ got, want any }{
		{owner(""), "default"},
		{owner("", "X-Roles", "member"), "default"},
		{owner(`, "tenant_id": "t1"`), "t1"},
		{owner(`, "project_id": "p1"`, "X-Project-Id", "p9"), "p1"},
		{owner(`, "project_id": "p1", "tenant_id": "p1"`), "p1"},
		{owner(`, "tenant_id": ""`), ""},
	} {
		if c.got != c.want {
			t.Errorf("owner is %v, want %v", c.got, c.want)
		}
	}
}

const badDevices = "Invalid input for devices. Reason: "

func TestWhatIsWrongWithAGatewayIsSaid(t *testing.T) {
	const bad, badInput = "HTTPBadRequest", "InvalidInput"
	notInteger, outOfRange := "Invalid input for operation: Segmentation id must be a valid integer.", "Invalid input for operation: Segmentation id is out of range."
	device := func(d string) string { return `{"l2_gateway": {"name": "x", "devices": [` + d + `]}}` }
	port := func(p string) string { return device(`{"device_name": "ps1", "interfaces": [` + p + `]}`) }
	vlans := func(v string) string { return port(`{"name": "eth1", "segmentation_id": ` + v + `}`) }
	with := func(more string) string {
		return `{"l2_gateway": {` + more + `, "devices": [{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}]}}`
	}
	long := strings.Repeat("é", 256)
	w := newWorld(t)
	for name, c := range map[string]struct {
		body         string
		status       int
		typ, message string
	}{
		"no devices":              {`{"l2_gateway": {"name": "x"}}`, 400, bad, "Failed to parse request. Required attribute 'devices' not specified"},
		"no device":               {device(``), 400, bad, badDevices + "Cannot create a gateway with an empty device list."},
		"null devices":            {`{"l2_gateway": {"devices": null}}`, 400, bad, badDevices + "Cannot create a gateway with an empty device list."},
		"devices text":            {`{"l2_gateway": {"devices": "ps1"}}`, 400, bad, badDevices + "devices must be a list of objects, not a string."},
		"devices object":          {`{"l2_gateway": {"devices": {}}}`, 400, bad, badDevices + "devices must be a list of objects, not an object."},
		"devices number":          {`{"l2_gateway": {"devices": 5}}`, 400, bad, badDevices + "devices must be a list of objects, not a number."},
		"device text":             {device(`"ps1"`), 400, bad, badDevices + "devices must be a list of objects; 'ps1' is a string."},
		"no device name":          {device(`{"interfaces": [{"name": "eth1"}]}`), 400, bad, badDevices + "Cannot create a gateway with an empty device_name."},
		"empty device name":       {device(`{"device_name": "", "interfaces": [{"name": "eth1"}]}`), 400, bad, badDevices + "Cannot create a gateway with an empty device_name."},
		"device name number":      {device(`{"device_name": 5, "interfaces": [{"name": "eth1"}]}`), 400, bad, badDevices + "device_name '5' is not a valid string."},
		"no interfaces":           {device(`{"device_name": "ps1"}`), 400, bad, badDevices + "Cannot create a gateway with an empty interfaces."},
		"empty interfaces":        {port(``), 400, bad, badDevices + "Cannot create a gateway with an empty interfaces."},
		"interfaces text":         {device(`{"device_name": "ps1", "interfaces": "eth1"}`), 400, bad, badDevices + "interfaces format is not a type list of dicts."},
		"interfaces object":       {device(`{"device_name": "ps1", "interfaces": {"name": "eth1"}}`), 400, bad, badDevices + "interfaces format is not a type list of dicts."},
		"interface text":          {port(`"eth1"`), 400, bad, badDevices + "interfaces format is not a type dict."},
		"no interface name":       {port(`{"foo": 1}`), 400, bad, badDevices + "Cannot create a gateway with an empty interface name."},
		"empty interface name":    {port(`{"name": ""}`), 400, bad, badDevices + "Cannot create a gateway with an empty interface name."},
		"interface name number":   {port(`{"name": 7}`), 400, bad, badDevices + "interface name '7' is not a valid string."},
		"vlan number":             {vlans(`10`), 400, bad, badDevices + "segmentation_id type should be of list type ."},
		"vlan text":               {vlans(`"10"`), 400, bad, badDevices + "segmentation_id type should be of list type ."},
		"no vlans":                {vlans(`[]`), 400, bad, badDevices + "segmentation_id_list should not be empty."},
		"null vlans":              {vlans(`null`), 400, bad, badDevices + "segmentation_id_list should not be empty."},
		"vlan abc":                {vlans(`["abc"]`), 400, badInput, notInteger},
		"vlan empty":              {vlans(`[""]`), 400, badInput, notInteger},
		"vlan 1e2":                {vlans(`["1e2"]`), 400, badInput, notInteger},
		"vlan 1.5":                {vlans(`[1.5]`), 400, badInput, notInteger},
		"vlan 5.0":                {vlans(`[5.0]`), 400, badInput, notInteger},
		"vlan 1e400":              {vlans(`[1e400]`), 400, badInput, notInteger},
		"vlan true":               {vlans(`[true]`), 400, badInput, notInteger},
		"vlan null":               {vlans(`[null]`), 400, badInput, notInteger},
		"vlan nested":             {vlans(`[[1]]`), 400, badInput, notInteger},
		"vlan object":             {vlans(`[{"a": 1}]`), 400, badInput, notInteger},
		"vlan 4095":               {vlans(`[4095]`), 400, badInput, outOfRange},
		"vlan -1":                 {vlans(`[-1]`), 400, badInput, outOfRange},
		"vlan '-1'":               {vlans(`["-1"]`), 400, badInput, outOfRange},
		"vlan huge":               {vlans(`[99999999999999999999999999]`), 400, badInput, outOfRange},
		"vlan twice":              {vlans(`[7, "7"]`), 400, bad, badDevices + "segmentation_id 7 of interface 'eth1' of device 'ps1' is given twice."},
		"interface twice":         {port(`{"name": "eth1"}, {"name": "eth1"}`), 400, bad, badDevices + "interface 'eth1' of device 'ps1' is given twice."},
		"device twice":            {device(`{"device_name": "ps1", "interfaces": [{"name": "eth1"}]}, {"device_name": "ps1", "interfaces": [{"name": "eth2"}]}`), 400, bad, badDevices + "device 'ps1' is given twice."},
		"vlans on one port alone": {port(`{"name": "eth1", "segmentation_id": [5]}, {"name": "eth2"}`), 409, "L2GatewaySegmentationRequired", "L2 gateway segmentation id must be consistent for all the interfaces"},
		"unknown":                 {with(`"foo": "bar"`), 400, bad, "Unrecognized attribute(s) 'foo'"},
		"two unknown":             {with(`"foo": "bar", "baz": 1`), 400, bad, "Unrecognized attribute(s) 'baz, foo'"},
		"id":                      {with(`"id": "abc"`), 400, bad, "Attribute 'id' not allowed in POST"},
		"status":                  {with(`"status": "ACTIVE"`), 400, bad, "Attribute 'status' not allowed in POST"},
		"remove devices":          {with(`"remove_devices": []`), 400, bad, "Attribute 'remove_devices' not allowed in POST"},
		"name number":             {with(`"name": 5`), 400, bad, "Invalid input for name. Reason: '5' is not a valid string."},
		"name null":               {with(`"name": null`), 400, bad, "Invalid input for name. Reason: 'None' is not a valid string."},
		"name list":               {with(`"name": ["a"]`), 400, bad, "Invalid input for name. Reason: '['a']' is not a valid string."},
		"name object":             {with(`"name": {"b": true, "a": null}`), 400, bad, "Invalid input for name. Reason: '{'a': None, 'b': True}' is not a valid string."},
		"name too long":           {with(`"name": "` + long + `"`), 400, bad, "Invalid input for name. Reason: '" + long + "' exceeds maximum length of 255."},
		"name with NUL":           {with(`"name": "a\u0000b"`), 400, bad, `Invalid input for name. Reason: 'a\x00b' contains the character NUL.`},
		"tenant number":           {with(`"tenant_id": 5`), 400, bad, "Invalid input for tenant_id. Reason: '5' is not a valid string."},
		"two owners":              {with(`"tenant_id": "t1", "project_id": "p1"`), 400, bad, "'project_id' and 'tenant_id' do not match"},
		"two owners, odd":         {with(`"tenant_id": [], "project_id": {}`), 400, bad, "'project_id' and 'tenant_id' do not match"},
		"two owners, odder":       {with(`"tenant_id": {}, "project_id": {}`), 400, bad, "Invalid input for tenant_id. Reason: '{}' is not a valid string."},
		"empty body":              {``, 400, bad, "Resource body required"},
		"empty object":            {`{}`, 400, bad, "Resource body required"},
		"empty list":              {`[]`, 400, bad, "Resource body required"},
		"null":                    {`null`, 400, bad, "Resource body required"},
		"text":                    {`"x"`, 400, bad, "Body contains invalid data"},
		"no root":                 {`{"l2gateway": {}}`, 400, bad, "Unable to find 'l2_gateway' in request body"},
		"null root":               {`{"l2_gateway": null}`, 400, bad, "Unable to find 'l2_gateway' in request body"},
		"text root":               {`{"l2_gateway": "x"}`, 400, bad, "Object 'l2_gateway' contains invalid data"},
		"list root":               {`{"l2_gateway": [{}]}`, 400, bad, "Object 'l2_gateway' contains invalid data"},
		"one and many":            {`{"l2_gateway": {}, "l2_gateways": [{}]}`, 400, bad, "The request body has both 'l2_gateway' and 'l2_gateways': it must have one of them"},
		"null and many":           {`{"l2_gateway": null, "l2_gateways": [{}]}`, 400, bad, "The request body has both 'l2_gateway' and 'l2_gateways': it must have one of them"},
		"more beside one of many": {`{"l2_gateways": [{"l2_gateway": {}, "name": "x"}]}`, 400, bad, "Object 'l2_gateway' has other keys beside it"},
		"bulk of nothing":         {`{"l2_gateways": []}`, 400, bad, "Resources required"},
		"bulk of text":            {`{"l2_gateways": ["x"]}`, 400, bad, "Object 'l2_gateway' contains invalid data"},
		"bulk text":               {`{"l2_gateways": "x"}`, 400, bad, "Object 'l2_gateways' contains invalid data"},
		"not JSON":                {`{"l2_gateway": `, 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON."},
		"more than JSON":          {`{"l2_gateway": {}} x`, 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON."},
		"NaN":                     {vlans(`[NaN]`), 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON."},
		"not UTF-8":               {with("\"name\": \"\xff\""), 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON."},
		"too deep":                {strings.Repeat("[", 20000) + strings.Repeat("]", 20000), 400, "MalformedRequestBody", "Malformed request body: it is nested more than 32 levels deep."},
		"too large":               {with(`"name": "` + strings.Repeat("x", 1<<20) + `"`), 413, "HTTPRequestEntityTooLarge", "The request body is too large: the limit is 1048576 bytes."},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			w.refused(c.status, c.typ, c.message, "POST", "/v2.0/l2-gateways", c.body)
		})
	}
	if n := len(w.do(200, "GET", "/v2.0/l2-gateways", "")["l2_gateways"].([]any)); n != 0 {
		t.Errorf("%d gateways came of requests that were refused", n)
	}
}

func TestAPutChangesWhatItNamesAndNothingElse(t *testing.T) {
	w := newWorld(t)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	before := w.request("GET", "/v2.0/l2-gateways/"+id, "").Body.String()
	if got := w.request("PUT", "/v2.0/l2-gateways/"+id, `{"l2_gateway": {}}`).Body.String(); got != before {
		t.Errorf("an empty change made %s of %s", got, before)
	}
	put := func(body string) string {
		t.Helper()
		g := w.do(200, "PUT", "/v2.0/l2-gateways/"+id, `{"l2_gateway": `+body+`}`)["l2_gateway"].(map[string]any)
		text := fmt.Sprint(g["name"], ":")
		for _, d := range g["devices"].([]any) {
			d := d.(map[string]any)
			text += fmt.Sprint(" ", d["device_name"])
			for _, p := range d["interfaces"].([]any) {
				text += fmt.Sprint(" ", p.(map[string]any)["name"])
			}
		}
		return text
	}
	for _, c := range []struct{ body, want string }{
		{`{"name": "renamed"}`, "renamed: ps1 eth1"},
		{`{"devices": [{"device_name": "ps1", "interfaces": [{"name": "eth3"}, {"name": "eth2"}]}]}`, "renamed: ps1 eth3 eth2"},
		{`{"name": "", "devices": [{"device_name": "ps2", "interfaces": [{"name": "eth1"}]}]}`, ": ps1 eth3 eth2 ps2 eth1"},
		{`{"remove_devices": ["ps1"]}`, ": ps2 eth1"},
	} {
		if got := put(c.body); got != c.want {
			t.Errorf("%s gives %q, want %q", c.body, got, c.want)
		}
	}
	path := "/v2.0/l2-gateways/" + id
	w.refused(400, "HTTPBadRequest", badDevices+"Cannot create a gateway with an empty interfaces.", "PUT", path, `{"l2_gateway": {"devices": [{"device_name": "ps2", "interfaces": []}]}}`)
	w.refused(400, "HTTPBadRequest", badDevices+"Cannot create a gateway with an empty device list.", "PUT", path, `{"l2_gateway": {"devices": []}}`)
	w.refused(400, "HTTPBadRequest", "Cannot update read-only attribute tenant_id", "PUT", path, `{"l2_gateway": {"tenant_id": "x"}}`)
	w.refused(400, "HTTPBadRequest", "Cannot update read-only attribute id", "PUT", path, `{"l2_gateway": {"id": "x"}}`)
	w.refused(400, "HTTPBadRequest", "Invalid input for remove_devices. Reason: 'ps1' is not a list.", "PUT", path, `{"l2_gateway": {"remove_devices": "ps1"}}`)
	w.refused(404, "L2GatewayDeviceNotFound", "L2 Gateway Device ps9 could not be found.", "PUT", path, `{"l2_gateway": {"remove_devices": ["ps9"]}}`)
	w.refused(409, "L2GatewaySegmentationIDNotExists", "The segmentation id is not specified in existing gateway interfaces.", "PUT", path, `{"l2_gateway": {"devices": [{"device_name": "ps2", "interfaces": [{"name": "eth1", "segmentation_id": [5]}]}]}}`)
	w.refused(404, "L2GatewayNotFound", "L2 Gateway "+none+" could not be found", "PUT", "/v2.0/l2-gateways/"+none, `{"l2_gateway": {"name": "x"}}`)
	w.refused(400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON.", "PUT", "/v2.0/l2-gateways/abc", `{`)
}

func TestGatewaysMadeInBulkAreAllMadeOrNone(t *testing.T) {
	w := newWorld(t)
	one := func(name, device string) string {
		return `{"name": "` + name + `", "devices": [{"device_name": "` + device + `", "interfaces": [{"name": "eth1"}]}]}`
	}
	w.refused(400, "HTTPBadRequest", badDevices+"Cannot create a gateway with an empty device_name.", "POST", "/v2.0/l2-gateways", `{"l2_gateways": [`+one("b1", "ps1")+`, `+one("b2", "")+`]}`)
	if n := len(w.do(200, "GET", "/v2.0/l2-gateways", "")["l2_gateways"].([]any)); n != 0 {
		t.Errorf("%d gateways came of a request that was refused", n)
	}
	v := w.do(201, "POST", "/v2.0/l2-gateways", `{"l2_gateways": [`+one("b1", "ps1")+`, {"l2_gateway": `+one("b2", "ps2")+`}]}`)
	list := v["l2_gateways"].([]any)
	if len(list) != 2 || list[0].(map[string]any)["name"] != "b1" || list[1].(map[string]any)["name"] != "b2" {
		t.Errorf("made %v", list)
	}
}

func TestOfTenDeletesOfOneGatewayOneSucceeds(t *testing.T) {
	w := newWorld(t)
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	var wg sync.WaitGroup
	statuses := make([]int, 10)
	for i := range statuses {
		wg.Go(func() { statuses[i] = w.request("DELETE", "/v2.0/l2-gateways/"+id, "").Code })
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if count[204] != 1 || count[404] != 9 {
		t.Errorf("answers by status: %v", count)
	}
	w.refused(404, "L2GatewayNotFound", "L2 Gateway "+id+" could not be found", "GET", "/v2.0/l2-gateways/"+id, "")
}
