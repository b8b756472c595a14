package fabric

import (
	"fmt"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
)

// jsonrpcLine takes apart what ovsdb-server logs of a message: the connection, what
// was done with the message, the message. There are megabytes of these.
func jsonrpcLine(line string) (connection, did, message string, ok bool) {
	_, rest, ok1 := strings.Cut(line, "|jsonrpc|DBG|")
	connection, rest, ok2 := strings.Cut(rest, ": ")
	did, message, ok3 := strings.Cut(rest, ", ")
	return connection, did, strings.TrimRight(message, "\n"), ok1 && ok2 && ok3
}

// changes says whether a transaction changes something.
func changes(transact string) bool {
	for _, op := range []string{"insert", "update", "delete", "mutate"} {
		if strings.Contains(transact, `"op":"`+op+`"`) {
			return true
		}
	}
	return false
}

// switchEvent is what a switch's own log tells of an agent's connection.
type switchEvent struct {
	agent string
	what  string // as in event
}

// history is what the switch itself logged of locks and of transactions that change
// something, in its own order.
func history(t testing.TB, s *ovsdbd.Server, r *record) (all []switchEvent) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := map[string]string{} // by connection and id
	for line := range strings.Lines(s.Log()) {
		connection, did, text, ok := jsonrpcLine(line)
		agent := r.peers[connection]
		if !ok || agent == "" {
			continue // or a test's own
		}
		at := strings.LastIndex(text, ", id=")
		id := connection + text[max(at, 0):]
		switch {
		case did == "send notification":
			for _, what := range []string{"stolen", "locked"} {
				if strings.HasPrefix(text, fmt.Sprintf("method=%q", what)) {
					all = append(all, switchEvent{agent, what})
				}
			}
		case did == "received request":
			switch {
			case strings.HasPrefix(text, `method="steal"`), strings.HasPrefix(text, `method="lock"`):
				asked[id] = "locked"
			case strings.HasPrefix(text, `method="transact"`) && changes(text):
				asked[id] = "committed"
			}
		case did != "send reply":
		case asked[id] == "locked" && strings.Contains(text, `"locked":true`):
			all = append(all, switchEvent{agent, "locked"})
			delete(asked, id)
		case asked[id] == "committed":
			what := "committed"
			if strings.Contains(text, `"error":"`) {
				what = "refused"
			}
			all = append(all, switchEvent{agent, what})
			delete(asked, id)
		}
	}
	return all
}

// checkHistory checks by the switch's own log that the first agent committed before
// the second took over, and nothing afterwards. With locks, that is from when the
// second one took the lock by force.
func checkHistory(t testing.TB, s *ovsdbd.Server, r *record, first, second string, lockless bool) {
	t.Helper()
	over := switchEvent{second, "locked"}
	if lockless {
		over = switchEvent{second, "committed"}
	}
	var before, after, of int
	began := false
	for _, e := range history(t, s, r) {
		began = began || e == over && before > 0
		switch e {
		case switchEvent{first, "committed"}:
			if began {
				after++
			} else {
				before++
			}
		case switchEvent{second, "committed"}:
			of++
		}
	}
	if before == 0 || of == 0 || !began {
		t.Errorf("the switch's log has %d transactions of the first agent and %d of the second: it is not understood", before, of)
	}
	if after > 0 {
		t.Errorf("by the switch's log, %d transactions of the first agent were committed after the second one took over", after)
	}
	t.Logf("by the switch's log: %d transactions of the first agent, then none; %d of the second", before, of)
}
