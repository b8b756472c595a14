package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"l2gw/internal/cli"
)

type object = map[string]any

// told is an API that tells just this, by collection; one that it does not have is 503.
func told(t *testing.T, collections object) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/v2.0/"), "-", "_")
		body, ok := collections[name]
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
			body, name = object{"message": "The database is not available."}, "NeutronError"
		}
		_ = json.NewEncoder(w).Encode(object{name: body})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// cloudOf is a cloud in which these connections are; each has one binding on tor1 that is as reason tells.
func cloudOf(connections int, reason func(i int) (status, reason string)) object {
	worst := "ACTIVE"
	var all []object
	for i := range connections {
		status, why := reason(i)
		if status != "ACTIVE" {
			worst = status
		}
		all = append(all, object{
			"id": fmt.Sprintf("00000000-0000-0000-0000-%012d", i), "l2_gateway_id": "g", "status": status, "status_reason": "tor1/eth1: " + why,
			"bindings": []object{{"device_name": "tor1", "interface_name": "eth1", "segmentation_id": i + 1, "status": status, "status_reason": why}},
		})
	}
	return object{
		"l2_gateway_inventory":   object{"known": true, "networks": 7},
		"l2_gateway_agents":      []object{{"name": "host1", "alive": true}, {"name": "host2", "alive": true}},
		"l2_gateway_devices":     []object{{"name": "tor1", "database": "rack1", "status": "ACTIVE", "connected": true, "mode": "run", "agent": "host1"}},
		"l2_gateways":            []object{{"id": "g", "name": "gw", "status": worst, "status_reason": "connection 1: and so on"}},
		"l2_gateway_connections": all,
	}
}

func TestStatusIsOneScreenHoweverMuchIsAmiss(t *testing.T) {
	for name, c := range map[string]struct {
		connections int
		reason      func(i int) (string, string)
		shows       []string
		lines       int
	}{
		"all alike": {
			500, func(int) (string, string) { return "PENDING", "not yet applied: database rack1 is not connected" },
			[]string{"gateways     1 PENDING\n", "connections  500 PENDING\n", "PENDING   tor1/eth1 VLAN 1, tor1/eth1 VLAN 2, tor1/eth1 VLAN 3 and 497 more\n          (gateway gw; 500 connections): not yet applied: database rack1 is not\n          connected\n"},
			9,
		},
		"all different": {
			500, func(i int) (string, string) {
				if i%2 == 0 {
					return "BUILD", fmt.Sprintf("%d is on its way", i)
				}
				return "ERROR", fmt.Sprintf("VLAN %d is bound to logical switch theirs-%d, which is not ours", i, i)
			},
			[]string{"connections  250 ERROR, 250 BUILD\n", "and 495 more: l2gw status -f table\n", "ERROR     tor1/eth1 VLAN 2 (gateway gw; connection\n"},
			22,
		},
		"one of three": {
			3, func(i int) (string, string) {
				if i == 1 {
					return "DOWN", "port eth1 is not on switch tor1"
				}
				return "ACTIVE", ""
			},
			[]string{"connections  1 DOWN, 2 ACTIVE\n", "DOWN      tor1/eth1 VLAN 2 (gateway gw; connection\n          00000000-0000-0000-0000-000000000001): port eth1 is not on switch tor1\n"},
			8,
		},
		"nothing": {3, func(int) (string, string) { return "ACTIVE", "" }, []string{"All is ACTIVE (devices: 1, gateways: 1, connections: 3).\n"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			vars := map[string]string{"OS_ENDPOINT": told(t, cloudOf(c.connections, c.reason))}
			s := newScreen(t, 80)
			if code := cli.Run(t.Context(), cli.NewCommand(s.env(vars)), []string{"status"}); code != 0 {
				t.Fatalf("%d %q", code, s.text())
			}
			for _, want := range c.shows {
				s.await(t, want)
			}
			lines := strings.Split(strings.TrimSuffix(s.text(), "\n"), "\n")
			if len(lines) != c.lines {
				t.Errorf("%d lines:\n%s", len(lines), s.text())
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > 80 {
					t.Errorf("%q is wider than the screen", line)
				}
			}
			// A program is told of everything, worst first.
			code, out, errs := run(t, vars, "status", "-f", "value", "-c", "Status", "-c", "Kind")
			if code != 0 || errs != "" || strings.LastIndex(out, "ERROR") > strings.Index(out+"BUILD", "BUILD") {
				t.Errorf("%d %q %q", code, out, errs)
			}
			if want := 2*strings.Count(out, "connection") + strings.Count(out, "gateway"); strings.Count(out, "\n") != want {
				t.Errorf("%d rows, want %d: %s", strings.Count(out, "\n"), want, out)
			}
		})
	}
}

func TestStatusSaysWhatToDo(t *testing.T) {
	all := cloudOf(1, func(int) (string, string) { return "ACTIVE", "" })
	all["l2_gateway_agents"] = []object{{"name": "host1", "alive": true}, {"name": "host2", "alive": false, "since": "2026-11-21T01:00:00Z"}}
	all["l2_gateway_devices"] = []object{
		{"name": "tor1", "database": "rack1", "status": "DEGRADED", "status_reason": "paused by an operator", "connected": true, "mode": "paused", "agent": "host1", "held": []object{
			{"network_id": "net-a", "rows": 31, "total": 40, "reason": "the inventory does not have these hosts any more"},
		}},
		{"name": "tor2", "database": "rack1", "status": "DEGRADED", "status_reason": "paused by an operator", "connected": true, "mode": "paused", "agent": "host1"},
		{"name": "tor3", "database": "rack3", "status": "DEGRADED", "status_reason": "paused by an operator", "connected": true, "mode": "observe", "agent": "host1"},
		{"name": "", "database": "rack2", "status": "DOWN", "status_reason": "connection refused", "connected": false, "mode": "run", "agent": "host1"},
		{"name": "tor9", "database": "rack9", "status": "DOWN", "status_reason": "no agent serves it", "connected": false, "mode": "run", "agent": ""},
	}
	want := `inventory    ACTIVE, networks: 7
agents       1 DOWN, 1 ACTIVE
devices      2 DOWN, 3 DEGRADED
gateways     1 ACTIVE
connections  1 ACTIVE

DOWN      agent host2: not heard of since 2026-11-21T01:00:00Z
        > see its log on its host, and whether it reaches a server
DOWN      database rack2, in which no device was seen: connection refused
        > make it reachable for agent host1, which tries again by itself
DOWN      device tor9 of database rack9: no agent serves it
HELD      a removal is held in database rack1: 31 of 40 rows of network net-a: the inventory does not have these hosts any more
        > mend the inventory or, if it is right: l2gw device release rack1
DEGRADED  device tor1 of database rack1, device tor2 of database rack1, device tor3 of database rack3: paused by an operator
        > l2gw device resume tor1 tor3
`
	code, out, errs := run(t, map[string]string{"OS_ENDPOINT": told(t, all)}, "status")
	if code != 0 || out != want || errs != "" {
		t.Errorf("%d %s %q", code, out, errs)
	}
}

func TestWhatStatusDoesNotKnowItDoesNotCallActive(t *testing.T) {
	well := cloudOf(1, func(int) (string, string) { return "ACTIVE", "" })
	ill := cloudOf(1, func(int) (string, string) { return "ERROR", "so it is" })
	for name, c := range map[string]struct {
		cloud                 object
		lacks                 string
		plain, exit, rowsExit int
		out, errs             string
	}{
		"well":         {well, "", 0, 0, 0, "All is ACTIVE", ""},
		"ill":          {ill, "", 0, 1, 1, "ERROR     tor1/eth1 VLAN 1 (gateway gw; connection 0", ""},
		"half known":   {well, "l2_gateways", 1, 2, 2, "devices      1 ACTIVE\ngateways     not known\nconnections  not known\n", "The database is not available.\n"},
		"half known 2": {well, "l2_gateway_connections", 1, 2, 2, "connections  not known\n", "The database is not available.\n"},
		"unknown":      {well, "l2_gateway_inventory", 1, 2, 2, "", "The database is not available.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			some := object{}
			for key, value := range c.cloud {
				if key != c.lacks {
					some[key] = value
				}
			}
			vars := map[string]string{"OS_ENDPOINT": told(t, some)}
			if code, out, errs := run(t, vars, "status"); code != c.plain || !strings.Contains(out, c.out) || errs != c.errs || c.errs != "" && strings.Contains(out, "All is ACTIVE") {
				t.Errorf("%d %q %q", code, out, errs)
			}
			if code, _, errs := run(t, vars, "status", "--exit-code"); code != c.exit || errs != c.errs {
				t.Errorf("--exit-code: %d %q", code, errs)
			}
			if code, _, errs := run(t, vars, "status", "--exit-code", "-f", "json"); code != c.rowsExit || errs != c.errs {
				t.Errorf("--exit-code -f json: %d %q", code, errs)
			}
		})
	}
}
