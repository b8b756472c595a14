package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
)

func (c *controller) Agents() []l2gw.AgentState { return c.agents }

// command notes a command with the request that it came with.
func (c *controller) command(ctx context.Context, words ...string) error {
	if c.refusal != nil {
		return c.refusal
	}
	if !strings.HasPrefix(l2gw.RequestOf(ctx), "req-") {
		return errors.New("a command came without the id of its request")
	}
	c.commands = append(c.commands, strings.Join(words, " "))
	return nil
}

func (c *controller) SetMode(ctx context.Context, name string, mode l2gw.Mode) error {
	return c.command(ctx, "mode", name, string(mode))
}

func (c *controller) Release(ctx context.Context, name, networkID string) error {
	return c.command(ctx, "release", name, networkID)
}

func (c *controller) Resync(ctx context.Context, name string) error {
	return c.command(ctx, "resync", name)
}

const devices = "/v2.0/l2-gateway-devices/"

func TestOperatorsSetTheModeOfADatabaseAndReleaseWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	names := []string{"ps1", "rack 1/sw", "sw.json"}
	for _, name := range names[1:] {
		w.ctl.databases[0].Devices = append(w.ctl.databases[0].Devices, l2gw.DeviceState{Name: name})
	}
	mode := func(m string) string { return `{"l2_gateway_device": {"mode": "` + m + `"}}` }
	for _, c := range []struct {
		method, path, body string
		status             int
		command            string
	}{
		{"PUT", "ps1", mode("paused"), 200, "mode ps1 paused"},
		{"PUT", "ps1.json", mode("observe"), 200, "mode ps1 observe"},
		{"PUT", "ps1", mode("run"), 200, "mode ps1 "},
		{"PUT", "rack%201%2Fsw", mode("run"), 200, "mode rack 1/sw "},
		{"PUT", "sw.json", mode("run"), 200, "mode sw.json "},
		{"PUT", "ovsdb2", mode("paused"), 200, "mode ovsdb2 paused"}, // a database that never showed a switch
		{"PUT", "ps1", `{"l2_gateway_device": {}}`, 200, ""},
		{"POST", "ps1/release", "", 204, "release ps1 "},
		{"POST", "ps1/release", "{}", 204, "release ps1 "},
		{"POST", "ps1/release", `{"network_id": "` + net1 + `"}`, 204, "release ps1 " + net1},
		{"POST", "rack%201%2Fsw/release", "", 204, "release rack 1/sw "},
		{"POST", "ps1/resync", "", 204, "resync ps1"},
		{"POST", "ovsdb1/resync", "", 204, "resync ovsdb1"},
	} {
		w.ctl.commands = nil
		v := w.do(c.status, c.method, devices+c.path, c.body)
		if got := strings.Join(w.ctl.commands, ","); got != c.command {
			t.Errorf("%s %s %s did %q, want %q", c.method, c.path, c.body, got, c.command)
		}
		if c.method == "PUT" && c.command != "" {
			want := strings.Fields(c.command + " run")
			shown := v["l2_gateway_device"].(map[string]any)
			if got := shown["mode"]; !slices.Contains(want, got.(string)) || strings.HasSuffix(c.command, "paused") != (got == "paused") {
				t.Errorf("%s shows mode %v", c.command, got)
			}
		}
	}
	if !strings.Contains(w.log.String(), `"msg":"device command done","command":"release","device":"ps1"`) {
		t.Errorf("the log says nothing of the release: %s", w.log)
	}
}

func TestCommandsThatCannotBeGivenAreRefusedAndDoNothing(t *testing.T) {
	w := newWorld(t)
	body := `{"l2_gateway_device": {"mode": "run"}}`
	const unknown = "L2 Gateway Device nosuch could not be found."
	for _, c := range []struct {
		status       int
		typ, message string
		method, path string
		body         string
	}{
		{400, "HTTPBadRequest", "Invalid input for mode. Reason: 'pause' is not in ['run', 'observe', 'paused'].", "PUT", "ps1", `{"l2_gateway_device": {"mode": "pause"}}`},
		{400, "HTTPBadRequest", "Invalid input for mode. Reason: 'None' is not in ['run', 'observe', 'paused'].", "PUT", "ps1", `{"l2_gateway_device": {"mode": null}}`},
		{400, "HTTPBadRequest", "Cannot update read-only attribute name", "PUT", "ps1", `{"l2_gateway_device": {"name": "x"}}`},
		{404, "L2GatewayDeviceNotFound", unknown, "PUT", "nosuch", body},
		{404, "L2GatewayDeviceNotFound", unknown, "PUT", "nosuch.json", body},
		{404, "L2GatewayDeviceNotFound", unknown, "POST", "nosuch/release", ""},
		{404, "L2GatewayDeviceNotFound", unknown, "POST", "nosuch/resync", ""},
		{400, "HTTPBadRequest", "Invalid input for network_id. Reason: '' is not the id of a network. Leave it out to release all networks.", "POST", "ps1/release", `{"network_id": ""}`},
		{400, "HTTPBadRequest", "Invalid input for network_id. Reason: 'None' is not the id of a network. Leave it out to release all networks.", "POST", "ps1/release", `{"network_id": null}`},
		{400, "HTTPBadRequest", "Unrecognized attribute(s) 'network'", "POST", "ps1/release", `{"network": "n1"}`},
		{400, "HTTPBadRequest", `The request body is a list: it must be an object, such as {"network_id": "…"}, or left out`, "POST", "ps1/release", `[]`},
		{400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON.", "POST", "ps1/release", `{`},
	} {
		w.refused(c.status, c.typ, c.message, c.method, devices+c.path, c.body)
	}
	w.ctl.refusal = &l2gw.Error{Code: l2gw.Unavailable, Type: "ServiceUnavailable", Message: "this server is not the controller; server b is: ask that one. Try again later."}
	for _, path := range []string{"/release", "/resync"} {
		w.refused(503, "ServiceUnavailable", w.ctl.refusal.Error(), "POST", devices+"ps1"+path, "")
	}
	w.refused(503, "ServiceUnavailable", w.ctl.refusal.Error(), "PUT", devices+"ps1", body)
	if rec := w.request("PUT", devices+"ps1", body, "Origin", "http://elsewhere.example", "Sec-Fetch-Site", "cross-site"); rec.Code != 403 {
		t.Errorf("a page of another site got %d", rec.Code)
	}
	if len(w.ctl.commands) > 0 {
		t.Errorf("something was done: %q", w.ctl.commands)
	}

	w.handler = api.New(api.Options{Store: w.store, Status: w.ctl, Networks: w.ctl, Devices: w.ctl, Logger: slog.New(slog.DiscardHandler)})
	w.do(503, "PUT", devices+"ps1", body)
	w.do(503, "POST", devices+"ps1/resync", "")
	if v := w.do(200, "GET", "/v2.0/l2-gateway-agents", ""); len(v["l2_gateway_agents"].([]any)) != 0 {
		t.Errorf("agents: %v", v)
	}
}

func TestADeviceShowsWhoWritesAndWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	db := &w.ctl.databases[0]
	db.Writer, db.Lock = true, l2gw.LockingHeld
	db.Held = []l2gw.HeldRemoval{
		{NetworkID: net1, Rows: 31, Total: 40, Reason: "the inventory lost them", Since: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), Confirms: true},
		{Rows: 9, Total: 9, Reason: "the server's database is older than this switch's contents"},
	}
	rec := w.request("GET", devices+"ps1?fields=writer&fields=lock&fields=mode&fields=held&fields=status&fields=status_reason", "")
	want := `{"l2_gateway_device": {"status": "DEGRADED", "status_reason": "the removal of 40 rows is held: the inventory lost them (and 1 more)", "writer": true, "lock": "held", "mode": "run", "held": [` +
		`{"network_id": "` + net1 + `", "rows": 31, "total": 40, "reason": "the inventory lost them", "since": "2026-11-21T02:00:00Z", "confirms": true}, ` +
		`{"network_id": "", "rows": 9, "total": 9, "reason": "the server's database is older than this switch's contents", "since": null, "confirms": false}]}}`
	if rec.Body.String() != want {
		t.Errorf("got  %s\nwant %s", rec.Body, want)
	}
	list := w.do(200, "GET", "/v2.0/l2-gateway-devices?held="+net1+"&fields=name", "")["l2_gateway_devices"].([]any)
	if len(list) != 1 {
		t.Errorf("devices with something held of %s: %v", net1, list)
	}
	for mode, reason := range map[l2gw.Mode]string{l2gw.ModePaused: "paused by an operator", l2gw.ModeObserve: "observed only"} {
		db.Mode = mode
		shown := w.do(200, "GET", devices+"ps1", "")["l2_gateway_device"].(map[string]any)
		if shown["mode"] != string(mode) || shown["status"] != "DEGRADED" || !strings.HasPrefix(shown["status_reason"].(string), reason) {
			t.Errorf("mode %q shows %v, %v: %v", mode, shown["mode"], shown["status"], shown["status_reason"])
		}
		after := w.do(200, "PUT", devices+"ps1", `{"l2_gateway_device": {"mode": "run"}}`)["l2_gateway_device"].(map[string]any)
		if after["mode"] != "run" || strings.HasPrefix(after["status_reason"].(string), reason) {
			t.Errorf("resumed: %v", after)
		}
	}
	db.Mode, db.Held, db.Lock = l2gw.ModeRun, nil, l2gw.LockingStolen
	if shown := w.do(200, "GET", devices+"ps1", "")["l2_gateway_device"].(map[string]any); shown["status"] != "DEGRADED" {
		t.Errorf("with a stolen lock: %v", shown)
	}
}

func TestAgentsAreListedAlsoThoseThatAreGone(t *testing.T) {
	w := newWorld(t)
	w.ctl.agents = []l2gw.AgentState{
		{
			Name: "host1", Version: "1.2", Address: "192.0.2.7:4711", Connected: true, Since: time.Date(2026, 11, 21, 1, 2, 3, 9, time.FixedZone("", 3600)),
			Databases: []l2gw.AgentDatabase{{Name: "ovsdb1", Connected: true, Writer: true}, {Name: "other", Refused: "not on the list"}},
		},
		{Name: "host2", Since: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)},
	}
	host1 := `{"name": "host1", "host": "host1", "version": "1.2", "alive": true, "address": "192.0.2.7:4711", "since": "2026-11-21T00:02:03Z", "databases": [` +
		`{"name": "ovsdb1", "connected": true, "writer": true, "refused": ""}, {"name": "other", "connected": false, "writer": false, "refused": "not on the list"}]}`
	host2 := `{"name": "host2", "host": "host2", "version": "", "alive": false, "address": "", "since": "2026-11-20T00:00:00Z", "databases": []}`
	for path, want := range map[string]string{
		"":                             `{"l2_gateway_agents": [` + host1 + ", " + host2 + `]}`,
		".json?alive=False":            `{"l2_gateway_agents": [` + host2 + `]}`,
		"?databases=ovsdb1":            `{"l2_gateway_agents": [` + host1 + `]}`,
		"?sort_key=since&sort_dir=asc": `{"l2_gateway_agents": [` + host2 + ", " + host1 + `]}`,
		"/host2":                       `{"l2_gateway_agent": ` + host2 + `}`,
		"/host2.json?fields=name":      `{"l2_gateway_agent": {"name": "host2"}}`,
		"?fields=name&host=x":          `{"l2_gateway_agents": []}`,
		"?fields=name&name=host2":      `{"l2_gateway_agents": [{"name": "host2"}]}`,
	} {
		if got := w.request("GET", "/v2.0/l2-gateway-agents"+path, "").Body.String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", path, got, want)
		}
	}
	w.refused(404, "L2GatewayAgentNotFound", "L2 Gateway Agent nosuch could not be found.", "GET", "/v2.0/l2_gateway_agents/nosuch", "")
}

// From a request to what became of it: its id is in the answer, in the log beside
// the revision, and at each binding that it changed.
func TestARequestsIDLeadsToWhatItChanged(t *testing.T) {
	w := newWorld(t)
	const global = "req-11111111-2222-4333-8444-555555555555"
	logged := func(request string) (all []map[string]any) {
		t.Helper()
		for lines := bufio.NewScanner(bytes.NewReader(w.log.Bytes())); lines.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line["request_id"] == request && line["msg"] == "intent changed" {
				all = append(all, line)
			}
		}
		return all
	}
	changed := func(request, action, resource, id string, revision float64) {
		t.Helper()
		all := logged(request)
		if len(all) != 1 || all[0]["action"] != action || all[0]["resource"] != resource || all[0]["revision"] != revision ||
			all[0]["ids"].([]any)[0] != id || all[0]["count"] != 1.0 {
			t.Errorf("%s of %s %s at %v is logged as %v", action, resource, id, revision, all)
		}
	}
	request := func(status int, method, path, body string) string {
		t.Helper()
		rec := w.request(method, path, body, "X-OpenStack-Request-ID", global)
		if rec.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
		}
		return rec.Header().Get("X-Openstack-Request-Id")
	}
	id := w.gateway("gw", `[{"name": "eth1"}]`)
	create := request(201, "POST", "/v2.0/l2-gateway-connections", connectionBody(id, net1, "5"))
	_, bindings, err := w.store.Bindings(t.Context())
	if err != nil || len(bindings) != 1 || bindings[0].Request != create || create == global {
		t.Fatalf("%v, %v; the request is %s", bindings, err, create)
	}
	changed(create, "create", "l2_gateway_connection", bindings[0].ConnectionID, 2)
	if text := `"request_id":"` + create + `","global_request_id":"` + global + `"`; !strings.Contains(w.log.String(), text) {
		t.Errorf("the log does not have %s", text)
	}

	devices := func(port string) string {
		return `{"l2_gateway": {"devices": [{"device_name": "ps1", "interfaces": [{"name": "` + port + `"}]}]}}`
	}
	rename := request(200, "PUT", "/v2.0/l2-gateways/"+id, `{"l2_gateway": {"name": "other"}}`)
	changed(rename, "update", "l2_gateway", id, 3)
	if same := request(200, "PUT", "/v2.0/l2-gateways/"+id, devices("eth1")); len(logged(same)) != 0 {
		t.Error("a request that changed nothing is logged as a change")
	}
	move := request(200, "PUT", "/v2.0/l2-gateways/"+id, devices("eth2"))
	remove := request(204, "DELETE", "/v2.0/l2-gateway-connections/"+bindings[0].ConnectionID, "")
	changed(remove, "delete", "l2_gateway_connection", bindings[0].ConnectionID, 5)

	_, changes, complete, err := w.store.Changes(t.Context(), 0)
	if err != nil || !complete {
		t.Fatal(complete, err)
	}
	type change struct {
		port, request string
		set           bool
	}
	var got []change
	for _, c := range changes {
		got = append(got, change{c.Interface, c.Request, c.Set})
	}
	want := []change{{"eth1", create, true}, {"eth1", move, false}, {"eth2", move, true}, {"eth2", remove, false}}
	if !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}
