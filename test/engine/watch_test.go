package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"l2gw/test/ovsdbd"
)

// watcher is an independent witness: it sees the database after every commit,
// through its own connection and with its own few lines of RFC 7047, and notes
// each commit that breaks a rule of order.
type watcher struct {
	mu         sync.Mutex
	tables     map[string]map[string]map[string]any // table → uuid → row
	commits    int
	violations []string
}

// watch starts a witness, which tells at the end of the test what it saw.
func watch(t *testing.T, s *ovsdbd.Server) *watcher {
	t.Helper()
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{tables: map[string]map[string]map[string]any{}}
	columns := map[string][]string{
		"Logical_Switch":       {"name", "tunnel_key", "replication_mode"},
		"Ucast_Macs_Remote":    {"MAC", "logical_switch", "locator"},
		"Mcast_Macs_Remote":    {"MAC", "logical_switch", "locator_set"},
		"Physical_Locator_Set": {"locators"},
		"Physical_Locator":     {"dst_ip"},
	}
	if s.Lacks("replication_mode") {
		columns["Logical_Switch"] = []string{"name", "tunnel_key"}
	}
	requests := map[string]any{}
	for table, c := range columns {
		requests[table] = map[string]any{"columns": c}
	}
	send := func(v any) {
		b, _ := json.Marshal(v)
		_, _ = conn.Write(b)
	}
	send(map[string]any{"id": 1, "method": "monitor", "params": []any{"hardware_vtep", nil, requests}})
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		in := json.NewDecoder(conn)
		for {
			var m struct {
				ID     any
				Method string
				Params []json.RawMessage
				Result json.RawMessage
				Error  any
			}
			if err := in.Decode(&m); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					w.note("the witness lost its connection: %v", err)
				}
				return
			}
			switch {
			case m.Method == "echo":
				send(map[string]any{"id": m.ID, "result": m.Params, "error": nil})
			case m.Method == "update" && len(m.Params) == 2:
				w.take(m.Params[1])
			case m.Method == "":
				if m.Error != nil {
					w.note("the witness cannot watch: %v", m.Error)
				}
				w.take(m.Result)
				close(ready)
			}
		}
	}()
	<-ready
	t.Cleanup(func() {
		conn.Close()
		<-done
		t.Logf("the witness saw %d commits", w.commits)
		for _, v := range w.violations {
			t.Error(v)
		}
		if w.commits < 2 {
			t.Error("the witness saw nothing")
		}
	})
	return w
}

func (w *watcher) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) < 20 {
		w.violations = append(w.violations, fmt.Sprintf(format, args...))
	}
}

// take takes in the changes of one commit and looks at what it left.
func (w *watcher) take(raw json.RawMessage) {
	var update map[string]map[string]struct{ Old, New map[string]any }
	if err := json.Unmarshal(raw, &update); err != nil {
		w.note("the witness does not understand %s: %v", raw, err)
		return
	}
	for table, rows := range update {
		if w.tables[table] == nil {
			w.tables[table] = map[string]map[string]any{}
		}
		for uuid, r := range rows {
			if r.New == nil {
				delete(w.tables[table], uuid)
			} else {
				w.tables[table][uuid] = r.New
			}
		}
	}
	w.commits++
	w.check()
}

func (w *watcher) check() {
	vnis := map[string]string{}
	for _, ls := range w.tables["Logical_Switch"] {
		vni := optional(ls["tunnel_key"])
		if other, twice := vnis[vni]; twice && vni != "" {
			w.note("commit %d: logical switches %s and %s both have VNI %s", w.commits, other, ls["name"], vni)
		}
		vnis[vni] = fmt.Sprint(ls["name"])
	}
	flood := map[string]map[string]bool{}
	for _, m := range w.tables["Mcast_Macs_Remote"] {
		ls := uuidOf(m["logical_switch"])
		if flood[ls] == nil {
			flood[ls] = map[string]bool{}
		}
		for _, l := range elements(w.tables["Physical_Locator_Set"][uuidOf(m["locator_set"])]["locators"]) {
			flood[ls][uuidOf(l)] = true
		}
	}
	seen := map[string]bool{}
	for _, u := range w.tables["Ucast_Macs_Remote"] {
		ls := uuidOf(u["logical_switch"])
		name := w.tables["Logical_Switch"][ls]["name"]
		key := fmt.Sprint(name, " ", u["MAC"])
		if seen[key] {
			w.note("commit %d: %s is there twice", w.commits, key)
		}
		seen[key] = true
		// A switch that cannot replicate by itself floods to its service node alone.
		bySource := optional(w.tables["Logical_Switch"][ls]["replication_mode"]) == "source_node"
		if bySource && !flood[ls][uuidOf(u["locator"])] {
			w.note("commit %d: %s is behind a VTEP that is not in the flood set", w.commits, key)
		}
	}
}
