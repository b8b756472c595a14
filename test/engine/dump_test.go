package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
)

// contents is a hardware_vtep database in words: every reference is replaced by
// the name of what it refers to. It is read with Open vSwitch's own client.
type contents struct {
	LogicalSwitches map[string]string   // name → "vni/replication mode/description"
	Bindings        map[string]string   // "ps1/eth1/100" → logical switch
	Unicast         map[string][]string // "net-a fa:16:…" → VTEP and IP, one per row
	Flood           map[string][]string // "net-a unknown-dst" → VTEPs, "|" between rows
	Locators        []string
}

type table struct {
	rows map[string]map[string]any // by _uuid
}

func dump(t testing.TB, s *ovsdbd.Server) map[string]table {
	t.Helper()
	out, err := exec.Command("ovsdb-client", "-f", "json", "dump", "unix:"+s.Socket, "hardware_vtep").Output()
	if err != nil {
		t.Fatalf("ovsdb-client dump: %v", err)
	}
	tables := map[string]table{}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var x struct {
			Caption  string
			Headings []string
			Data     [][]any
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		tb := table{rows: map[string]map[string]any{}}
		for _, d := range x.Data {
			row := map[string]any{}
			for i, h := range x.Headings {
				row[h] = d[i]
			}
			tb.rows[uuidOf(row["_uuid"])] = row
		}
		tables[strings.TrimSuffix(x.Caption, " table")] = tb
	}
	return tables
}

func uuidOf(v any) string {
	if a, ok := v.([]any); ok && len(a) == 2 && a[0] == "uuid" {
		return a[1].(string)
	}
	return ""
}

// elements are the atoms of a set, or the one atom of a scalar.
func elements(v any) []any {
	if a, ok := v.([]any); ok && len(a) == 2 && a[0] == "set" {
		return a[1].([]any)
	}
	return []any{v}
}

func pairs(v any) [][]any {
	var out [][]any
	if a, ok := v.([]any); ok && len(a) == 2 && a[0] == "map" {
		for _, p := range a[1].([]any) {
			out = append(out, p.([]any))
		}
	}
	return out
}

func optional(v any) string {
	var out []string
	for _, e := range elements(v) {
		out = append(out, fmt.Sprint(e))
	}
	return strings.Join(out, ",")
}

// read reads the whole database.
func read(t testing.TB, s *ovsdbd.Server) contents {
	t.Helper()
	db := dump(t, s)
	c := contents{
		LogicalSwitches: map[string]string{}, Bindings: map[string]string{},
		Unicast: map[string][]string{}, Flood: map[string][]string{},
	}
	name := func(table string, v any, column string) string {
		row, ok := db[table].rows[uuidOf(v)]
		if !ok {
			t.Fatalf("a reference to %s leads nowhere: %v", table, v)
		}
		return fmt.Sprint(row[column])
	}
	for _, r := range db["Logical_Switch"].rows {
		c.LogicalSwitches[r["name"].(string)] = fmt.Sprintf("%s/%s/%s", optional(r["tunnel_key"]), optional(r["replication_mode"]), r["description"])
	}
	for _, ps := range db["Physical_Switch"].rows {
		for _, p := range elements(ps["ports"]) {
			port := db["Physical_Port"].rows[uuidOf(p)]
			for _, b := range pairs(port["vlan_bindings"]) {
				c.Bindings[fmt.Sprintf("%s/%s/%v", ps["name"], port["name"], b[0])] = name("Logical_Switch", b[1], "name")
			}
		}
	}
	for _, r := range db["Ucast_Macs_Remote"].rows {
		key := name("Logical_Switch", r["logical_switch"], "name") + " " + r["MAC"].(string)
		c.Unicast[key] = append(c.Unicast[key], strings.TrimSpace(name("Physical_Locator", r["locator"], "dst_ip")+" "+r["ipaddr"].(string)))
	}
	for _, r := range db["Mcast_Macs_Remote"].rows {
		key := name("Logical_Switch", r["logical_switch"], "name") + " " + r["MAC"].(string)
		var vteps []string
		set := db["Physical_Locator_Set"].rows[uuidOf(r["locator_set"])]
		for _, l := range elements(set["locators"]) {
			vteps = append(vteps, name("Physical_Locator", l, "dst_ip"))
		}
		slices.Sort(vteps)
		if len(c.Flood[key]) > 0 {
			c.Flood[key] = append(c.Flood[key], "|")
		}
		c.Flood[key] = append(c.Flood[key], vteps...)
	}
	for _, r := range db["Physical_Locator"].rows {
		c.Locators = append(c.Locators, r["dst_ip"].(string))
	}
	slices.Sort(c.Locators)
	return c
}
