package engine

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
)

// witness is the watcher of watch_test.go for a database in which others write,
// too, and whose server comes and goes. It charges the product with what a
// commit of its own made worse: a rule of order that held before, or a foreign
// row. The story signs what it does by hand in Global.other_config; a network
// whose rows were touched by hand is judged again once calm was called.
type witness struct {
	t    testing.TB
	s    *ovsdbd.Server
	stop chan struct{}
	done chan struct{}

	mu         sync.Mutex
	conn       net.Conn
	tables     map[string]map[string]map[string]any // table → uuid → row
	commits    int
	broken     map[string]bool // rules that do not hold at present
	touched    map[string]bool // logical switches by name
	keeping    bool            // no row of ours may go away
	violations []string
}

var witnessed = map[string]any{
	"Logical_Switch":       map[string]any{"columns": []string{"name", "tunnel_key"}},
	"Ucast_Macs_Remote":    map[string]any{"columns": []string{"MAC", "logical_switch", "locator", "ipaddr"}},
	"Mcast_Macs_Remote":    map[string]any{"columns": []string{"MAC", "logical_switch", "locator_set"}},
	"Physical_Locator_Set": map[string]any{"columns": []string{"locators"}},
	"Physical_Port":        map[string]any{"columns": []string{"vlan_bindings"}},
	"Global":               map[string]any{"columns": []string{"other_config"}},
}

func startWitness(t testing.TB, s *ovsdbd.Server) *witness {
	w := &witness{t: t, s: s, stop: make(chan struct{}), done: make(chan struct{}), touched: map[string]bool{}}
	go func() {
		defer close(w.done)
		for {
			w.session()
			select {
			case <-w.stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(w.stop)
		w.mu.Lock()
		if w.conn != nil {
			w.conn.Close()
		}
		w.mu.Unlock()
		<-w.done
		t.Logf("a witness saw %d commits", w.commits)
		if w.commits < 2 {
			t.Error("a witness saw nothing")
		}
		for _, v := range w.violations {
			t.Error(v)
		}
	})
	return w
}

// calm is called when all is as it should be.
func (w *witness) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.touched)
}

// keep begins or ends a time in which no row of ours may go away.
func (w *witness) keep(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keeping = on
}

// accused reports whether the product has broken a rule.
func (w *witness) accused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.violations) > 0
}

// session watches until the connection ends.
func (w *witness) session() {
	conn, err := net.Dial("unix", w.s.Socket)
	if err != nil {
		return
	}
	defer conn.Close()
	w.mu.Lock()
	w.conn, w.tables, w.broken = conn, map[string]map[string]map[string]any{}, nil
	w.mu.Unlock()
	send := func(v any) {
		b, _ := json.Marshal(v)
		_, _ = conn.Write(b)
	}
	send(map[string]any{"id": 1, "method": "monitor", "params": []any{"hardware_vtep", nil, witnessed}})
	in := json.NewDecoder(conn)
	for {
		var m struct {
			ID     any
			Method string
			Params []json.RawMessage
			Result json.RawMessage
		}
		if in.Decode(&m) != nil {
			return
		}
		switch {
		case m.Method == "echo":
			send(map[string]any{"id": m.ID, "result": m.Params, "error": nil})
		case m.Method == "update" && len(m.Params) == 2:
			w.take(m.Params[1])
		case m.Method == "" && m.Result != nil:
			w.take(m.Result)
		}
	}
}

type rowUpdate struct{ Old, New map[string]any }

func (w *witness) take(raw json.RawMessage) {
	var update map[string]map[string]rowUpdate
	if json.Unmarshal(raw, &update) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, byHand := update["Global"]
	if w.keeping && !byHand {
		for _, table := range []string{"Logical_Switch", "Ucast_Macs_Remote", "Mcast_Macs_Remote"} {
			for uuid, r := range update[table] {
				if r.New == nil && w.tables[table][uuid] != nil {
					w.accuse("a row of " + table + " went away while the inventory was unknown")
				}
			}
		}
	}
	lost := w.lostToUs(update)
	for table, rows := range update {
		if w.tables[table] == nil {
			w.tables[table] = map[string]map[string]any{}
		}
		for uuid, r := range rows {
			w.touch(table, r, byHand)
			if r.New == nil {
				delete(w.tables[table], uuid)
			} else {
				w.tables[table][uuid] = r.New
			}
			if byHand {
				w.touch(table, r, true)
			}
		}
	}
	w.commits++
	broken := w.rules()
	if w.broken != nil && !byHand {
		for rule := range broken {
			if !w.broken[rule] {
				w.accuse(rule)
			}
		}
		for _, x := range lost {
			w.accuse(x)
		}
	}
	w.broken = broken
}

func (w *witness) accuse(what string) {
	if len(w.violations) < 20 {
		w.violations = append(w.violations, fmt.Sprintf("commit %d: %s", w.commits, what))
	}
}

// touch notes the networks of rows that were changed by hand.
func (w *witness) touch(table string, r rowUpdate, byHand bool) {
	if !byHand {
		return
	}
	for _, row := range []map[string]any{r.Old, r.New} {
		switch table {
		case "Logical_Switch":
			if name, ok := row["name"].(string); ok {
				w.touched[name] = true
			} else if r.New != nil {
				w.touched[fmt.Sprint(r.New["name"])] = true
			}
		case "Ucast_Macs_Remote", "Mcast_Macs_Remote":
			for _, x := range []map[string]any{row, r.New} {
				w.touched[w.nameOf(x["logical_switch"])] = true
			}
		}
	}
}

func (w *witness) nameOf(ref any) string {
	name, _ := w.tables["Logical_Switch"][uuidOf(ref)]["name"].(string)
	return name
}

// lostToUs are the foreign rows that an update changes or takes away.
func (w *witness) lostToUs(update map[string]map[string]rowUpdate) (lost []string) {
	for uuid := range update["Logical_Switch"] {
		if w.tables["Logical_Switch"][uuid]["name"] == theirs {
			lost = append(lost, "a foreign logical switch was changed")
		}
	}
	for _, table := range []string{"Ucast_Macs_Remote", "Mcast_Macs_Remote"} {
		for uuid := range update[table] {
			if row := w.tables[table][uuid]; row != nil && w.nameOf(row["logical_switch"]) == theirs {
				lost = append(lost, "a foreign row of "+table+" was changed")
			}
		}
	}
	for uuid, r := range update["Physical_Port"] {
		if r.New == nil {
			continue
		}
		now := map[string]string{}
		for _, p := range pairs(r.New["vlan_bindings"]) {
			now[fmt.Sprint(p[0])] = w.nameOf(p[1])
		}
		for _, p := range pairs(w.tables["Physical_Port"][uuid]["vlan_bindings"]) {
			if vlan := fmt.Sprint(p[0]); w.nameOf(p[1]) == theirs && now[vlan] != theirs {
				lost = append(lost, "a foreign binding of VLAN "+vlan+" was taken away")
			}
		}
	}
	return lost
}

// rules are those that do not hold in what the database has now.
func (w *witness) rules() map[string]bool {
	broken := map[string]bool{}
	fault := func(ls, format string, args ...any) {
		if !w.touched[ls] {
			broken[fmt.Sprintf(format, args...)] = true
		}
	}
	vnis := map[string][]string{}
	for _, ls := range w.tables["Logical_Switch"] {
		if vni := optional(ls["tunnel_key"]); vni != "" {
			vnis[vni] = append(vnis[vni], fmt.Sprint(ls["name"]))
		}
	}
	for vni, names := range vnis {
		slices.Sort(names)
		if len(names) > 1 && !w.touched[names[0]] && !w.touched[names[1]] {
			broken[fmt.Sprintf("logical switches %v all have VNI %s", names, vni)] = true
		}
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
		name := w.nameOf(u["logical_switch"])
		key := fmt.Sprint(name, " ", u["MAC"])
		if seen[key] {
			fault(name, "%s is there twice", key)
		}
		seen[key] = true
		if !flood[ls][uuidOf(u["locator"])] {
			fault(name, "%s is behind a VTEP that is not in the flood set", key)
		}
	}
	return broken
}
