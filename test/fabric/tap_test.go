package fabric

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// record is what several taps of one switch saw, in the order in which they saw it.
type record struct {
	mu     sync.Mutex
	events []event
	peers  map[string]string // agent by its connection's name in the switch's own log
}

// event is something that the switch told an agent.
type event struct {
	agent string
	what  string // "locked", "stolen", "committed" (a transaction that changes something) or "refused"
}

func (r *record) add(agent, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{agent, what})
}

// connected notes an agent's connection, which the switch knows by this address.
func (r *record) connected(agent string, address net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.peers == nil {
		r.peers = map[string]string{}
	}
	r.peers["tcp:"+address.String()] = agent
}

// count is how often an agent was told something.
func (r *record) count(agent, what string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e == (event{agent, what}) {
			n++
		}
	}
	return n
}

// after are the agent's events since another committed for the first time.
func (r *record) after(agent, other string) (all []event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	began := false
	for _, e := range r.events {
		began = began || e == (event{other, "committed"})
		if began && e.agent == agent {
			all = append(all, e)
		}
	}
	return all
}

// tap stands between one agent and a switch, and tells of each transaction and
// each change of the lock as the switch answers it. It knows nothing of the
// product. A lockless one plays a switch that has no locks.
func tap(t testing.TB, r *record, agent, to string, lockless bool) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		conns[c] = true
	}
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			r.connected(agent, server.LocalAddr())
			keep(client)
			keep(server)
			s := &tapped{record: r, agent: agent, lockless: lockless, client: client, server: server, asked: map[string]string{}}
			wg.Go(s.requests)
			wg.Go(s.answers)
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// tapped is one connection.
type tapped struct {
	*record
	agent          string
	lockless       bool
	client, server net.Conn

	mu    sync.Mutex
	asked map[string]string // method by id, of requests that are told of
	reply sync.Mutex        // to the client
}

type rpcMessage struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func (s *tapped) requests() {
	defer s.server.Close()
	in := json.NewDecoder(s.client)
	for {
		var raw json.RawMessage
		if in.Decode(&raw) != nil {
			return
		}
		var m rpcMessage
		_ = json.Unmarshal(raw, &m)
		switch m.Method {
		case "lock", "steal", "unlock":
			if s.lockless {
				s.send([]byte(fmt.Sprintf(`{"id":%s,"result":null,"error":"unknown method"}`, m.ID)))
				continue
			}
			s.note(m)
		case "transact":
			for _, op := range []string{`"insert"`, `"update"`, `"delete"`, `"mutate"`} {
				if strings.Contains(string(m.Params), op) {
					s.note(m)
					break
				}
			}
		}
		if _, err := s.server.Write(raw); err != nil {
			return
		}
	}
}

func (s *tapped) note(m rpcMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[string(m.ID)] = m.Method
}

func (s *tapped) answers() {
	defer s.client.Close()
	in := json.NewDecoder(s.server)
	for {
		var raw json.RawMessage
		if err := in.Decode(&raw); err != nil {
			if err != io.EOF {
				_ = err // the test ends the connection
			}
			return
		}
		var m rpcMessage
		_ = json.Unmarshal(raw, &m)
		s.tell(m)
		if !s.send(raw) {
			return
		}
	}
}

func (s *tapped) tell(m rpcMessage) {
	s.mu.Lock()
	method := s.asked[string(m.ID)]
	delete(s.asked, string(m.ID))
	s.mu.Unlock()
	switch {
	case m.Method == "stolen" || m.Method == "locked":
		s.add(s.agent, m.Method)
	case method == "transact" && strings.Contains(string(m.Result), `"error"`):
		s.add(s.agent, "refused")
	case method == "transact":
		s.add(s.agent, "committed")
	case method == "steal", method == "lock" && strings.Contains(string(m.Result), "true"):
		s.add(s.agent, "locked")
	}
}

func (s *tapped) send(b []byte) bool {
	s.reply.Lock()
	defer s.reply.Unlock()
	_, err := s.client.Write(b)
	return err == nil
}
