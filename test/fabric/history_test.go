package fabric

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"l2gw/test/ovsdbd"
)

// jsonrpcLine is what ovsdb-server logs of a message: the connection, what it did, the message.
var jsonrpcLine = regexp.MustCompile(`\|jsonrpc\|DBG\|(\S+): (received request|send reply|send notification), (.*)$`)

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
		m := jsonrpcLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		agent, text := r.peers[m[1]], m[3]
		if agent == "" {
			continue // a test's own
		}
		at := strings.LastIndex(text, ", id=")
		id := m[1] + text[max(at, 0):]
		switch {
		case m[2] == "send notification":
			for _, what := range []string{"stolen", "locked"} {
				if strings.HasPrefix(text, fmt.Sprintf("method=%q", what)) {
					all = append(all, switchEvent{agent, what})
				}
			}
		case m[2] == "received request":
			switch {
			case strings.HasPrefix(text, `method="steal"`), strings.HasPrefix(text, `method="lock"`):
				asked[id] = "locked"
			case strings.HasPrefix(text, `method="transact"`) && regexp.MustCompile(`"op":"(insert|update|delete|mutate)"`).MatchString(text):
				asked[id] = "committed"
			}
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
