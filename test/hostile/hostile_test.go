package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"l2gw/test/product"
	"l2gw/test/sqlserver"
)

// template is an honest request, of which the bodies are spoilt.
type template struct {
	method, path string
	body         any
	// undo sets right what a body has done that was accepted although it is odd.
	undo func(w *world, a answer)
}

// templates are all requests that have a body.
func templates(w *world) []template {
	deleted := func(collection, one, many string) func(*world, answer) {
		return func(w *world, a answer) {
			var out map[string]json.RawMessage
			if err := json.Unmarshal(a.body, &out); err != nil {
				w.t.Fatalf("%v in %s", err, a.body)
			}
			var objects []struct {
				ID string `json:"id"`
			}
			_ = json.Unmarshal(out[many], &objects)
			if out[one] != nil {
				_ = json.Unmarshal(fmt.Appendf(nil, "[%s]", out[one]), &objects)
			}
			if len(objects) == 0 {
				w.t.Fatalf("nothing was made: %s", a.body)
			}
			for _, o := range objects {
				if status, body := w.Do("DELETE", "/v2.0/"+collection+"/"+o.ID, nil); status != 204 {
					w.t.Fatalf("%d %v", status, body)
				}
			}
		}
	}
	gateway := `{"name": "x", "description": "y", "tenant_id": "p1", "devices": [{"device_name": "sw8", "interfaces": [{"name": "eth1", "segmentation_id": ["5", 6]}, {"name": "eth2", "segmentation_id": [7]}]}]}`
	smaller := `{"name": "x", "devices": [{"device_name": "sw8", "interfaces": [{"name": "eth1"}]}]}`
	connection := fmt.Sprintf(`{"l2_gateway_id": %q, "network_id": %q, "segmentation_id": "7", "tenant_id": "p1"}`, w.gateways[0], net2)
	original := map[string]any{"l2_gateway": map[string]any{
		"name": "gw1", "description": "", "devices": []any{parse(`{"device_name": "sw1", "interfaces": [{"name": "eth1"}, {"name": "eth2"}]}`)},
	}}
	restore := func(w *world, _ answer) {
		restored := original
		_, out := w.Do("GET", "/v2.0/l2-gateways/"+w.gateways[1]+"?fields=devices", nil)
		var more []string
		devices, _ := out["l2_gateway"].(map[string]any)["devices"].([]any)
		for _, d := range devices {
			if name := d.(map[string]any)["device_name"].(string); name != "sw1" {
				more = append(more, name)
			}
		}
		if more != nil {
			inner := maps.Clone(original["l2_gateway"].(map[string]any))
			inner["remove_devices"] = more
			restored = map[string]any{"l2_gateway": inner}
		}
		if status, body := w.Do("PUT", "/v2.0/l2-gateways/"+w.gateways[1], restored); status != 200 {
			w.t.Fatalf("%d %v", status, body)
		}
	}
	nothing := func(*world, answer) {} // but an empty update is accepted, and does nothing
	noQuota := func(w *world, _ answer) {
		if status, body := w.Do("DELETE", "/v2.0/quotas/p9", nil); status != 204 && status != 404 { // 404: it named no limit
			w.t.Fatalf("%d %v", status, body)
		}
	}
	return []template{
		{"POST", "/v2.0/l2-gateways", parse(`{"l2_gateway": %s}`, gateway), deleted("l2-gateways", "l2_gateway", "l2_gateways")},
		{"POST", "/v2.0/l2-gateways", parse(`{"l2_gateways": [%s, %s]}`, smaller, smaller), deleted("l2-gateways", "l2_gateway", "l2_gateways")},
		{"PUT", "/v2.0/l2-gateways/" + w.gateways[1], parse(`{"l2_gateway": {"name": "z", "description": "y", "devices": [{"device_name": "sw1", "interfaces": [{"name": "eth1"}, {"name": "eth3"}]}]}}`), restore},
		{"PUT", "/v2.0/l2-gateways/" + w.gateways[1], parse(`{"l2_gateway": {"devices": [{"device_name": "sw7", "interfaces": [{"name": "eth1"}]}], "remove_devices": ["sw6"]}}`), restore},
		{"POST", "/v2.0/l2-gateway-connections", parse(`{"l2_gateway_connection": %s}`, connection), deleted("l2-gateway-connections", "l2_gateway_connection", "l2_gateway_connections")},
		{"POST", "/v2.0/l2-gateway-connections", parse(`{"l2_gateway_connections": [%s]}`, connection), deleted("l2-gateway-connections", "l2_gateway_connection", "l2_gateway_connections")},
		{"PUT", "/v2.0/l2-gateway-connections/" + w.connections[0], parse(`{"l2_gateway_connection": {"segmentation_id": "5"}}`), nothing},
		{"PUT", "/v2.0/quotas/p9", parse(`{"quota": {"l2_gateway": 5, "l2_gateway_connection": 6}}`), noQuota},
		{"PUT", "/v2.0/quotas/p9", parse(`{"quota": {"l2_gateway": "5", "l2-gateway-connection": 6, "check_limit": true, "force": false}}`), noQuota},
		{"PUT", "/v2.0/l2-gateway-devices/nosuch", parse(`{"l2_gateway_device": {"mode": "pause"}}`), nil},
		{"POST", "/v2.0/l2-gateway-devices/nosuch/release", parse(`{"network_id": %q}`, net1), nil},
	}
}

// judge is what a test has seen of a server.
type judge struct {
	*world
	statuses map[int]int
	sent     int
	silent   int // only closed
	slowest  time.Duration
	which    string
}

// look judges the answers to a request.
func (j *judge) look(r request, all []answer) {
	j.t.Helper()
	j.sent++
	if len(all) == 0 {
		j.silent++
		if !r.half && r.name != "a body in a body" {
			j.t.Errorf("%s: the connection was closed without an answer", r.name)
		}
	}
	for _, a := range all {
		j.statuses[a.status]++
		if a.took > j.slowest {
			j.slowest, j.which = a.took, r.name
		}
		if a.status >= 500 || a.took > patience {
			j.t.Errorf("%s: %d after %v: %.300s", r.name, a.status, a.took, a.body)
		}
		var body map[string]json.RawMessage
		if len(a.body) > 0 && json.Unmarshal(a.body, &body) != nil {
			j.t.Errorf("%s: %d, and no JSON: %.300s", r.name, a.status, a.body)
		}
		if a.status >= 300 && a.status < 400 {
			j.t.Errorf("%s: sent elsewhere, %d", r.name, a.status)
		}
		// net/http itself answers with 417, and says nothing more.
		if a.status >= 400 && r.method != "HEAD" && (a.status != http.StatusExpectationFailed || len(a.body) > 0) {
			var e struct{ Type, Message, Detail string }
			if err := strictly(body["NeutronError"], &e); err != nil || e.Type == "" || e.Message == "" || len(a.body) > 5000 {
				j.t.Errorf("%s: %d without what is wrong: %.300s", r.name, a.status, a.body)
			}
		}
		if a.header.Get("X-Injected") != "" || a.header.Get("Set-Cookie") != "" {
			j.t.Errorf("%s: headers %v", r.name, a.header)
		}
	}
}

// accepted checks what came of a body that was accepted: it makes sense, and is
// what was sent.
func (j *judge) accepted(name, body string, a answer) {
	j.t.Helper()
	var out, sent map[string]json.RawMessage
	if json.Unmarshal(a.body, &out) != nil || json.Unmarshal([]byte(body), &sent) != nil {
		return // which look has told of
	}
	fail := func(err error) {
		j.t.Helper()
		if err != nil {
			j.t.Errorf("%s: accepted, although %v\nsent: %.500s\ngot: %.500s", name, err, body, a.body)
		}
	}
	one := func(kind string, b json.RawMessage) {
		switch kind {
		case "l2_gateway":
			var g gateway
			if err := strictly(b, &g); err != nil {
				fail(err)
				return
			}
			fail(g.sane())
		case "l2_gateway_connection":
			var c connection
			if err := strictly(b, &c); err != nil {
				fail(err)
				return
			}
			fail(c.sane(j.world))
		case "quota":
			var q map[string]int
			fail(strictly(b, &q))
			for _, limit := range q {
				if limit < -1 {
					fail(fmt.Errorf("a limit is %d", limit))
				}
			}
			var limits map[string]any
			_ = json.Unmarshal(sent[kind], &limits)
			for name, limit := range limits {
				if is, counted := q[strings.ReplaceAll(name, "-", "_")]; counted && strings.TrimSpace(fmt.Sprint(limit)) != strconv.Itoa(is) {
					fail(fmt.Errorf("%s was %v and is %d", name, limit, is))
				}
			}
		}
		fail(same(sent[kind], b))
	}
	for kind, b := range out {
		if many, ok := strings.CutSuffix(kind, "s"); ok {
			var list []json.RawMessage
			fail(json.Unmarshal(b, &list))
			for _, b := range list {
				one(many, b)
			}
			continue
		}
		one(kind, b)
	}
}

// same checks that what was sent as text came back as that text: nothing is taken
// for something else. sent is nil for one of many.
func same(sent, got json.RawMessage) error {
	var in, out map[string]any
	if sent == nil {
		return nil
	}
	if err := errors.Join(json.Unmarshal(sent, &in), json.Unmarshal(got, &out)); err != nil {
		return err
	}
	for _, name := range []string{"name", "description", "tenant_id", "project_id", "network_id", "l2_gateway_id"} {
		if v, given := in[name]; given && v != out[name] {
			return fmt.Errorf("%s was %v and is %v", name, v, out[name])
		}
	}
	return nil
}

// spoil sends everything that can be made of the templates, share of each.
func (j *judge) spoil(share float64, random *rand.Rand) {
	for _, tpl := range templates(j.world) {
		before := j.kept()
		for i, body := range mutations(tpl.body) {
			if random.Float64() >= share {
				continue
			}
			r := form(fmt.Sprintf("%s %s, body %d: %.300s", tpl.method, tpl.path, i, body), tpl.method, tpl.path, body)
			all := send(j.t, j.address, r)
			j.look(r, all)
			if len(all) == 1 && all[0].status < 300 {
				j.accepted(r.name, body, all[0])
				if tpl.undo == nil {
					j.t.Errorf("%s: %d %.300s", r.name, all[0].status, all[0].body)
					continue
				}
				tpl.undo(j.world, all[0])
			}
		}
		if after := j.kept(); after != before {
			j.t.Errorf("%s %s: what was refused has changed something\nbefore: %s\nafter: %s", tpl.method, tpl.path, before, after)
		}
	}
}

// pester sends a share of requests that must all change nothing.
func (j *judge) pester(share float64, random *rand.Rand, requests []request) {
	before := j.kept()
	for _, r := range requests {
		if random.Float64() < share {
			j.look(r, send(j.t, j.address, r))
		}
	}
	if after := j.kept(); after != before {
		j.t.Errorf("something has changed\nbefore: %s\nafter: %s", before, after)
	}
}

// The wire, and a share of the bodies and URLs that there are, some of them on each
// engine, since they reach the database in places that are written for each. All of
// them, about 9,000, are sent if L2GW_HOSTILE=all.
func TestNothingThatAClientSendsBreaksOrSpoilsAServer(t *testing.T) {
	const seed = 4
	for _, e := range []struct {
		name     string
		share    float64
		database func() string
	}{
		{"SQLite", 0.25, func() string { return "sqlite:///" + filepath.Join(t.TempDir(), "l2gw.db") }},
		{"PostgreSQL", 0.03, func() string { return sqlserver.PostgreSQL(t).Database(t) }},
		{"MariaDB", 0.03, func() string { return sqlserver.MariaDB(t).Database(t) }},
	} {
		if os.Getenv("L2GW_HOSTILE") == "all" {
			e.share = 1
		}
		t.Run(e.name, func(t *testing.T) {
			j := &judge{world: newWorld(t, e.database()), statuses: map[int]int{}}
			random := rand.New(rand.NewPCG(seed, 0))
			goroutines, memory := j.Value("go_goroutines"), j.memory()
			began := time.Now()
			if e.name == "SQLite" { // what is no request reaches no database
				j.pester(1, random, onTheWire(j.world))
			}
			j.pester(e.share, random, inURLs(j.world))
			j.spoil(e.share, random)
			t.Logf("%d requests in %.1f s; slowest %v (%.80s); only closed: %d; memory from %d to %d MB; by status:",
				j.sent, time.Since(began).Seconds(), j.slowest, j.which, j.silent, memory>>20, j.memory()>>20)
			for _, status := range slices.Sorted(maps.Keys(j.statuses)) {
				t.Logf("  %d: %d", status, j.statuses[status])
			}
			if e.name == "SQLite" && j.sent < 2000 {
				t.Errorf("%d requests are too few", j.sent)
			}
			if grown := j.memory() - memory; grown > 200<<20 { // a race detector multiplies what there is
				t.Errorf("the server has grown by %d MB", grown>>20)
			}
			product.Eventually(t, "the server has as many goroutines as before", func() error {
				if now := j.Value("go_goroutines"); now > goroutines+10 {
					return fmt.Errorf("%v, and %v before", now, goroutines)
				}
				return nil
			})
			for line := range strings.Lines(j.Log()) {
				for _, bad := range []string{"panic", "goroutine ", "level=ERROR", "DATA RACE", "status=5", "request failed"} {
					if strings.Contains(line, bad) {
						t.Errorf("log: %.500s", line)
					}
				}
			}
		})
	}
}
