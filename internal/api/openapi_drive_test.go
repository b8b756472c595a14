package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/api"
)

// populated is a world that has some of everything.
func populated(t *testing.T) *world {
	w := newWorld(t)
	g1, g2 := w.gateway("a", `[{"name": "eth1"}]`), w.gateway("b", `[{"name": "eth2", "segmentation_id": [9]}]`)
	w.do(200, "PUT", gatewaysPath+"/"+g1, `{"l2_gateway": {"description": "first"}}`)
	w.connection(g1, net1, "5")
	w.connection(g2, net2, "")
	w.ctl.macs = []l2gw.MACEntry{
		{NetworkID: net1, Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}, VTEP: netip.MustParseAddr("192.0.2.1"), IPs: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}, Origin: l2gw.MACLearned, Note: "flaps"},
		{NetworkID: net2, Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 2}}, Origin: l2gw.MACProgrammed},
	}
	w.ctl.directory = sight()
	w.ctl.agents = []l2gw.AgentState{{
		Name: "host1", Version: "1", Connected: true, Address: "192.0.2.11:4", Since: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC),
		Databases: []l2gw.AgentDatabase{{Name: "ovsdb1", Connected: true, Writer: true}},
	}}
	return w
}

// first is what stands for {id} in a path: there is one of everything.
func (w *world) first(path string) string {
	w.t.Helper()
	collection, _, varies := strings.Cut(path, "/{id}")
	if !varies {
		return path
	}
	id := map[string]string{
		"/v2.0/extensions": "l2-gateway", "/v2.0/l2-gateway-devices": "ps1", "/v2.0/l2-gateway-agents": "host1",
		"/v2.0/quotas": "p1", "/v2.0/l2-gateway-quotas": "p1",
	}[collection]
	if id == "" {
		for _, v := range w.do(200, "GET", collection, "") {
			if list, ok := v.([]any); ok && len(list) > 0 {
				id = list[0].(map[string]any)["id"].(string)
			}
		}
	}
	if id == "" {
		w.t.Fatalf("there is nothing in %s", collection)
	}
	return strings.Replace(path, "{id}", id, 1)
}

func TestEveryDocumentedOperationExistsAndNoOther(t *testing.T) {
	w := populated(t)
	for path, item := range readDocument().paths {
		target := w.first(path)
		documented := slices.Sorted(maps.Keys(item))
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			rec := w.request(method, target, "")
			var body any
			_ = json.Unmarshal(rec.Body.Bytes(), &body)
			exists := rec.Code != 405 && errorType(body) != "HTTPNotFound"
			if exists != slices.Contains(documented, method) {
				t.Errorf("%s %s: documented are %v, the answer is %d", method, path, documented, rec.Code)
			}
			if rec.Code == 405 && rec.Header().Get("Allow") != strings.Join(documented, ", ") {
				t.Errorf("%s: documented are %v, Allow is %q", path, documented, rec.Header().Get("Allow"))
			}
			if method == "DELETE" && rec.Code == 204 {
				w = populated(t)
				target = w.first(path)
			}
		}
	}
}

// Nothing is reachable but by the routes, which the document is made of.
func TestOperationsAreMountedByRoutesAlone(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if mounts := strings.Contains(string(text), "mux.Handle"); mounts && name != "routes.go" && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s mounts operations past the routes", name)
		}
	}
}

// listed is the list that a documented path has, and the collection's name.
func (w *world) listed(target string) (string, []map[string]any) {
	w.t.Helper()
	for name, v := range w.do(200, "GET", target, "") {
		if list, ok := v.([]any); ok && !strings.HasSuffix(name, "_links") {
			all := make([]map[string]any, len(list))
			for i := range list {
				all[i] = list[i].(map[string]any)
			}
			return name, all
		}
	}
	return "", nil
}

func TestEveryDocumentedFieldFilterAndSortKeyExistsAndNoOther(t *testing.T) {
	w := populated(t)
	lists := 0
	for path, item := range readDocument().paths {
		op, parameters := item["GET"], map[string][]string{}
		for _, p := range op.Parameters {
			parameters[p.Name] = p.Schema.Items.Enum
		}
		if _, isList := parameters["marker"]; !isList {
			continue
		}
		lists++
		target := w.first(path)
		_, all := w.listed(target)
		if len(all) == 0 {
			t.Errorf("%s: there is nothing to look at", path)
			continue
		}
		if !slices.Contains(parameters["fields"], "name") {
			w.checkFilter(path, target, "name", all, parameters)
		}
		seen := map[string]bool{}
		for _, x := range all {
			for name := range x {
				seen[name] = true
				if !slices.Contains(parameters["fields"], name) {
					t.Errorf("%s shows %s, which is not documented", path, name)
				}
			}
		}
		for _, name := range parameters["fields"] {
			if !seen[name] {
				t.Errorf("%s: nothing has the documented %s", path, name)
			}
			_, only := w.listed(target + "?fields=" + url.QueryEscape(name))
			for _, x := range only {
				delete(x, name)
				if len(x) > 0 {
					t.Errorf("%s?fields=%s also shows %v", path, name, x)
				}
			}
			_, sortable := parameters["sort_key"]
			for _, dir := range []string{"asc", "desc"} {
				want := 400
				if sortable && slices.Contains(parameters["sort_key"], name) {
					want = 200
				}
				if got := w.request("GET", target+"?sort_key="+url.QueryEscape(name)+"&sort_dir="+dir, "").Code; got != want {
					t.Errorf("%s is sorted by %s %s: %d, want %d", path, name, dir, got, want)
				}
			}
			w.checkFilter(path, target, name, all, parameters)
		}
	}
	if lists < 6 {
		t.Errorf("only %d lists", lists)
	}
}

// checkFilter checks that a filter is one if it is documented, and none otherwise.
func (w *world) checkFilter(path, target, name string, all []map[string]any, parameters map[string][]string) {
	w.t.Helper()
	_, documented := parameters[name]
	_, left := w.listed(target + "?" + url.QueryEscape(name) + "=no-such-value")
	switch {
	case documented && len(left) > 0:
		w.t.Errorf("%s?%s=no-such-value shows %d of %d", path, name, len(left), len(all))
	case !documented && len(left) != len(all):
		w.t.Errorf("%s?%s=… filters and is not documented", path, name)
	}
	if !documented {
		return
	}
	// What is as old as the answer is another a second later.
	const heartbeat = "heartbeat_timestamp"
	lasting := func(x map[string]any) string {
		x = maps.Clone(x)
		delete(x, heartbeat)
		return fmt.Sprint(x)
	}
	for i, x := range all {
		value, plain := filterText(x[name])
		if !plain || name == heartbeat && x["alive"] == true {
			continue
		}
		_, found := w.listed(target + "?" + url.QueryEscape(name) + "=" + url.QueryEscape(value))
		if !slices.ContainsFunc(found, func(f map[string]any) bool { return lasting(f) == lasting(x) }) {
			w.t.Errorf("%s?%s=%s does not find the object %d, which has it", path, name, value, i)
		}
	}
}

func filterText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return fmt.Sprint(int64(v)), true
	case bool:
		return fmt.Sprint(v), true
	case []any:
		if len(v) > 0 {
			return filterText(v[0])
		}
	}
	return "", false
}

// What is documented as an error of some operations, and not of all, comes from
// each of them; what may come from all, from one at least. (That nothing else comes
// is looked at in every test.)
func TestEveryDocumentedErrorExists(t *testing.T) {
	w := populated(t)
	_, gateways := w.listed(gatewaysPath)
	gateway := gateways[0]["id"].(string)
	w.ctl.networks[noVXLAN] = l2gw.Network{ID: noVXLAN, Segments: []l2gw.NetworkSegment{{Type: "vlan", SegmentationID: 5}}}
	w.ctl.networks[twoVXLAN] = l2gw.Network{ID: twoVXLAN, Segments: []l2gw.NetworkSegment{{Type: "vxlan", SegmentationID: 5}, {Type: "vxlan", SegmentationID: 6}}}
	g, c, dev := gatewaysPath+"/"+gateway, connectionsPath, "/v2.0/l2-gateway-devices/"
	seen := map[string]bool{}
	note := func(w *world, method, target, body string, headers ...string) {
		t.Helper()
		rec := w.request(method, target, body, headers...)
		var v any
		_ = json.Unmarshal(rec.Body.Bytes(), &v)
		if rec.Code < 400 {
			t.Errorf("%s %s %.100s is answered with %d", method, target, body, rec.Code)
		}
		typ := fmt.Sprintf("%d %s", rec.Code, errorType(v))
		seen[method+" "+readDocument().find(target)+" "+typ], seen[typ] = true, true
	}
	device := func(name, interfaces string) string {
		return `{"l2_gateway": {"devices": [{"device_name": "` + name + `", "interfaces": ` + interfaces + `}]}}`
	}
	for _, r := range [][3]string{
		{"GET", gatewaysPath + "?limit=x"},
		{"GET", gatewaysPath + "?sort_key=x&sort_dir=asc"},
		{"GET", gatewaysPath + "?marker=x"},
		{"GET", gatewaysPath + "/x"},
		{"PUT", gatewaysPath + "/x", `{"l2_gateway": {}}`},
		{"DELETE", gatewaysPath + "/x"},
		{"DELETE", g},
		{"POST", gatewaysPath, `{"l2_gateway": {}}`},
		{"POST", gatewaysPath, `{`},
		{"POST", gatewaysPath, strings.Repeat(" ", 1<<20+1)},
		{"POST", gatewaysPath, device("d", `[{"name": "p", "segmentation_id": ["x"]}]`)},
		{"POST", gatewaysPath, device("d", `[{"name": "p", "segmentation_id": [5]}, {"name": "q"}]`)},
		{"PUT", g, device("ps1", `[{"name": "p", "segmentation_id": ["x"]}]`)},
		{"PUT", g, device("ps1", `[{"name": "p", "segmentation_id": [5]}, {"name": "q"}]`)},
		{"PUT", g, device("ps1", `[{"name": "p", "segmentation_id": [5]}]`)},
		{"PUT", gatewaysPath + "/" + gateways[1]["id"].(string), device("ps1", `[{"name": "p"}]`)},
		{"PUT", g, `{"l2_gateway": {"remove_devices": ["x"]}}`},
		{"GET", c + "/x"},
		{"PUT", c + "/x", `{"l2_gateway_connection": {}}`},
		{"DELETE", c + "/x"},
		{"POST", c, connectionBody(gateway, net2, "")},
		{"POST", c, connectionBody(none, net2, "6")},
		{"POST", c, connectionBody(gateway, none, "6")},
		{"POST", c, connectionBody(gateway, noVXLAN, "6")},
		{"POST", c, connectionBody(gateway, twoVXLAN, "6")},
		{"POST", c, connectionBody(gateway, net1, "5")},
		{"POST", c, connectionBody(gateway, net2, "5")},
		{"GET", "/v2.0/networks/" + none},
		{"GET", "/v2.0/ports/" + none},
		{"GET", "/v2.0/agents/" + none},
		{"GET", "/v2.0/extensions/x"},
		{"GET", "/v2.0/l2-gateway-agents/x"},
		{"GET", dev + "x"},
		{"GET", dev + "x/macs"},
		{"GET", dev + "x/validate"},
		{"PUT", dev + "x", `{"l2_gateway_device": {"mode": "run"}}`},
		{"POST", dev + "x/release"},
		{"POST", dev + "x/resync"},
		{"PUT", "/v2.0/quotas/p1", `{"quota": {"x": 1}}`},
		{"PUT", "/v2.0/l2-gateway-quotas/p1", `{"quota": {"x": 1}}`},
		{"DELETE", "/v2.0/quotas/p1"},
		{"DELETE", "/v2.0/l2-gateway-quotas/p1"},
	} {
		note(w, r[0], r[1], r[2])
	}
	note(w, "POST", gatewaysPath, "{}", "Content-Encoding", "gzip")
	note(w, "POST", gatewaysPath, "{}", "Sec-Fetch-Site", "cross-site")
	note(w, "GET", gatewaysPath+"?"+strings.Repeat("x=1&", 100_000), "")

	const key = "the key of another request"
	w.do(201, "POST", gatewaysPath, device("d", `[{"name": "p"}]`), "Idempotency-Key", key)
	_, connections := w.listed(c)
	for _, r := range [][3]string{
		{"POST", gatewaysPath, device("d", `[{"name": "q"}]`)},
		{"PUT", g, `{"l2_gateway": {"name": "z"}}`},
		{"DELETE", g},
		{"POST", c, connectionBody(gateway, net2, "77")},
		{"DELETE", c + "/" + connections[0]["id"].(string)},
	} {
		note(w, r[0], r[1], r[2], "Idempotency-Key", key)
	}

	// gateway 0 has a connection with the VLAN that another has on that port
	taken := w.gateway("c", `[{"name": "eth7"}]`)
	w.connection(taken, net1, "5")
	note(w, "PUT", g, device("ps1", `[{"name": "eth7"}]`))

	if err := w.store.SetQuota(t.Context(), "default", map[string]int{l2gw.QuotaGateways: 0, l2gw.QuotaConnections: 0}); err != nil {
		t.Fatal(err)
	}
	note(w, "POST", gatewaysPath, device("d", `[{"name": "p"}]`))
	note(w, "POST", c, connectionBody(gateway, net2, "66"))

	w.ctl.refusal = &l2gw.Error{Code: l2gw.Conflict, Type: "L2GatewayCommandFailed", Message: "no"}
	note(w, "PUT", dev+"ps1", `{"l2_gateway_device": {"mode": "run"}}`)
	note(w, "POST", dev+"ps1/release", "")
	note(w, "POST", dev+"ps1/resync", "")
	w.ctl.refusal = l2gw.ServiceUnavailable("The controller", nil)
	note(w, "POST", dev+"ps1/resync", "")
	w.ctl.refusal = errors.New("unforeseen")
	note(w, "POST", dev+"ps1/resync", "")

	w.options.Authenticate = func(r *http.Request) (api.Caller, error) {
		if r.Header.Get("X-Auth-Token") == "" {
			return api.Caller{}, &l2gw.Error{Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "no"}
		}
		return api.Caller{}, nil
	}
	w.serve(w.store)
	note(w, "GET", gatewaysPath, "")
	note(w, "GET", gatewaysPath, "", "X-Auth-Token", "x")
	for _, path := range []string{"/v2.0/quotas/tenant", "/v2.0/quotas/project", "/v2.0/l2-gateway-quotas/tenant", "/v2.0/l2-gateway-quotas/project"} {
		note(w, "GET", path, "", "X-Auth-Token", "x")
	}

	documented := map[string][]string{} // by error, the operations
	for path, item := range readDocument().paths {
		for method, op := range item {
			for code, r := range op.Responses {
				if r.Ref == "" {
					continue
				}
				parts := strings.Split(strings.TrimPrefix(r.Ref, "#/components/responses/"), ".")
				for _, typ := range parts[1:] {
					documented[code+" "+typ] = append(documented[code+" "+typ], method+" "+path)
				}
			}
		}
	}
	for fault, operations := range documented {
		if fault == "408 HTTPRequestTimeout" {
			continue // it takes a real connection: see test/hostile
		}
		if !seen[fault] {
			t.Errorf("%s is documented and was not met", fault)
		}
		if code := fault[:3]; code != "404" && code != "409" {
			continue
		}
		for _, op := range operations {
			if !seen[op+" "+fault] {
				t.Errorf("%s: %s is documented and was not met", op, fault)
			}
		}
	}
}

const (
	noVXLAN  = "0a4a30be-2f4f-4f56-8b3c-2f2a6bb7d2a5"
	twoVXLAN = "5b6d5a0b-6f3e-4df0-a5f6-4a8a9d8c4c11"
)
