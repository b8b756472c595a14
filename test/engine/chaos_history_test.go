package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// lockHistory is who wrote to a switch and who had its lock, as ovsdb-server
// itself tells it in its log: each request and each answer, in the order in
// which it dealt with them. Whoever changed something without having the lock,
// or without asking the switch to refuse in that case, is a second writer.
type lockHistory struct {
	path       string
	offset     int64
	asked      map[string]asked  // by connection and id
	owner      map[string]string // of each lock: a connection, "" if none
	owners     int
	commits    map[string]int // by the address of whoever wrote
	violations []string
}

// asked is a request that was not answered yet.
type asked struct {
	method, lock     string
	changes, asserts bool
	owned            bool // when it was asked
}

func newLockHistory(path string) *lockHistory {
	h := &lockHistory{path: path, commits: map[string]int{}}
	h.restart()
	return h
}

func (h *lockHistory) restart() { h.asked, h.owner = map[string]asked{}, map[string]string{} }

var logLine = regexp.MustCompile(`\|jsonrpc\|DBG\|((?:ssl|tcp):\S+): (received|send) (request|reply|error|notification), (.*)$`)

// read takes in what the log has that is new.
func (h *lockHistory) read() {
	f, err := os.Open(h.path)
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Seek(h.offset, io.SeekStart); err != nil {
		return
	}
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return // an unfinished line is read again
		}
		h.offset += int64(len(line))
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, "|ovsdb_server|INFO|ovsdb-server (Open vSwitch)") {
			h.restart()
		} else if m := logLine.FindStringSubmatch(line); m != nil {
			h.take(m[1], m[3], m[4])
		}
	}
}

func (h *lockHistory) take(conn, kind, rest string) {
	at := strings.LastIndex(rest, ", id=")
	switch kind {
	case "request":
		if at < 0 {
			return
		}
		method, params, _ := strings.Cut(rest[:at], ", params=")
		if a, ok := h.ask(conn, strings.Trim(strings.TrimPrefix(method, "method="), `"`), params); ok {
			h.asked[conn+rest[at:]] = a
		}
	case "notification":
		method, params, _ := strings.Cut(rest, ", params=")
		var names []string
		_ = json.Unmarshal([]byte(params), &names)
		switch {
		case len(names) != 1:
		case method == `method="locked"`:
			h.own(names[0], conn)
		case method == `method="stolen"` && h.owner[names[0]] == conn:
			h.owner[names[0]] = ""
		}
	case "reply":
		if at < 0 {
			return
		}
		a, ok := h.asked[conn+rest[at:]]
		delete(h.asked, conn+rest[at:])
		if ok {
			h.answer(conn, a, strings.TrimPrefix(rest[:at], "result="))
		}
	}
}

func (h *lockHistory) ask(conn, method, params string) (a asked, interesting bool) {
	a.method = method
	switch method {
	case "lock", "steal", "unlock":
		var names []string
		if json.Unmarshal([]byte(params), &names) == nil && len(names) == 1 {
			a.lock = names[0]
		}
		return a, true
	case "transact":
		var ops []json.RawMessage
		_ = json.Unmarshal([]byte(params), &ops)
		for _, raw := range ops {
			var op struct{ Op, Lock string }
			_ = json.Unmarshal(raw, &op)
			switch op.Op {
			case "assert":
				a.asserts, a.lock = true, op.Lock
			case "insert", "update", "mutate", "delete":
				a.changes = true
			}
		}
		a.owned = h.owner[a.lock] == conn
		return a, a.changes
	}
	return a, false
}

func (h *lockHistory) answer(conn string, a asked, result string) {
	switch a.method {
	case "steal":
		h.own(a.lock, conn)
	case "lock":
		if strings.Contains(result, "true") {
			h.own(a.lock, conn)
		}
	case "unlock":
		if h.owner[a.lock] == conn {
			h.owner[a.lock] = ""
		}
	case "transact":
		if strings.Contains(result, `"error"`) {
			return
		}
		h.commits[address(conn)]++
		if !a.asserts {
			h.accuse("%s changed rows without an assert", conn)
		} else if !a.owned && h.owner[a.lock] != conn {
			h.accuse("%s changed rows while %q had the lock", conn, h.owner[a.lock])
		}
	}
}

func (h *lockHistory) own(lock, conn string) {
	if h.owner[lock] != conn {
		h.owners++
	}
	h.owner[lock] = conn
}

func (h *lockHistory) accuse(format string, args ...any) {
	if len(h.violations) < 20 {
		h.violations = append(h.violations, fmt.Sprintf(format, args...))
	}
}

// address is the host of "ssl:HOST:PORT".
func address(conn string) string {
	_, hostPort, _ := strings.Cut(conn, ":")
	return hostPort[:strings.LastIndexByte(hostPort, ':')]
}

// commitsBy tells how much each agent wrote.
func (h *lockHistory) commitsBy(p *cluster) string {
	var all []string
	for _, addr := range slices.Sorted(maps.Keys(h.commits)) {
		name := addr
		for _, a := range p.Agents {
			if a.Host.Addr.String() == addr {
				name = a.Name
			}
		}
		all = append(all, fmt.Sprintf("%s committed %d times", name, h.commits[addr]))
	}
	return strings.Join(all, ", ")
}
