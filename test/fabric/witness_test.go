package fabric

import (
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"
)

// witness sees every commit of a switch's database through a connection and with a
// few lines of RFC 7047 of its own, and tells what was added and what was taken away.
type witness struct {
	t    testing.TB
	name string

	mu          sync.Mutex
	commits     int
	added, lost []string
}

// watch begins to witness a switch; it ends with the test, or with the switch.
func (l *lab) watch(name string) *witness {
	l.t.Helper()
	conn, err := net.Dial("unix", l.switches[name].Socket)
	if err != nil {
		l.t.Fatal(err)
	}
	w := &witness{t: l.t, name: name}
	if _, err := fmt.Fprint(conn, `{"id":1,"method":"monitor","params":["hardware_vtep",null,{
		"Ucast_Macs_Remote":{"columns":["MAC"]},"Mcast_Macs_Remote":{"columns":["MAC"]},"Logical_Switch":{"columns":["name"]},
		"Physical_Port":{"columns":["name","vlan_bindings"]}}]}`); err != nil {
		l.t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		in := json.NewDecoder(conn)
		for {
			var m struct {
				ID     json.RawMessage
				Method string
				Params []json.RawMessage
			}
			if in.Decode(&m) != nil {
				return
			}
			switch m.Method {
			case "":
				close(ready)
			case "echo":
				_, _ = fmt.Fprintf(conn, `{"id":%s,"result":[],"error":null}`, m.ID)
			case "update":
				w.take(m.Params[1])
			}
		}
	}()
	l.t.Cleanup(func() {
		conn.Close()
		<-done
	})
	select {
	case <-ready:
	case <-done:
		l.t.Fatalf("switch %s cannot be watched", name)
	}
	return w
}

// take takes in one commit.
func (w *witness) take(update json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits++
	type row map[string]json.RawMessage
	var tables map[string]map[string]struct{ Old, New row }
	if err := json.Unmarshal(update, &tables); err != nil {
		w.lost = append(w.lost, fmt.Sprintf("the witness does not understand %.200s: %v", update, err))
		return
	}
	for table, rows := range tables {
		for _, r := range rows {
			switch {
			case table == "Physical_Port":
				// What is told as old is what changed.
				if was, is := bindings(r.Old["vlan_bindings"]), bindings(r.New["vlan_bindings"]); r.Old["vlan_bindings"] != nil || r.Old == nil {
					w.note(table, r.New["name"], is-was)
				}
			case r.New == nil:
				w.note(table, r.Old["MAC"], -1)
			case r.Old == nil:
				w.note(table, r.New["MAC"], 1)
			}
		}
	}
}

func (w *witness) note(table string, what json.RawMessage, n int) {
	switch {
	case n < 0:
		w.lost = append(w.lost, fmt.Sprintf("%s %s", table, what))
	case n > 0:
		w.added = append(w.added, fmt.Sprintf("%s %s", table, what))
	}
}

// bindings is how many a column has.
func bindings(column json.RawMessage) int {
	var m []json.RawMessage // "map", then the pairs
	if json.Unmarshal(column, &m) != nil || len(m) != 2 {
		return 0
	}
	var pairs []json.RawMessage
	_ = json.Unmarshal(m[1], &pairs)
	return len(pairs)
}

// counts is how many commits there were, and how many rows and bindings came and went.
func (w *witness) counts() (commits, added, lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commits, len(w.added), len(w.lost)
}

// nothingLost fails the test if a row or binding went since the witness began.
func (w *witness) nothingLost(when string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lost) > 0 {
		w.t.Errorf("%s: switch %s lost %d rows, the first: %s", when, w.name, len(w.lost), w.lost[0])
	}
}
