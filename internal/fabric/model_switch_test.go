package fabric

import (
	"maps"
	"slices"
	"time"

	"l2gw"
)

// modelSwitch is an OVSDB server with rows of two kinds and one lock.
type modelSwitch struct {
	w         *world
	bindings  map[l2gw.BindingKey]string
	hosts     map[string]map[l2gw.MAC]bool
	line      []*modelSession // the first holds the lock
	sessions  []*modelSession
	operator  *modelSession
	reachable [2]bool // by agent
	slow      [2]bool // by agent: what it sends takes long
	written   map[l2gw.BindingKey]writing
}

// writing is what a row was written by.
type writing struct {
	at       time.Time
	epoch    uint64
	revision int64
}

// modelSession is an agent's connection to the switch, or an operator's.
type modelSession struct {
	agent    *modelAgent // nil: an operator's
	open     bool
	ghost    bool // the agent's end is gone, and the switch has not noticed
	requests []any
	replies  []any
	view     l2gw.Locking // the lock, as the agent sees it
	forced   time.Time    // when it took the lock by force; zero: it came to it in line
	calling  bool         // a call about the lock is under way
	writing  bool         // a transaction is under way
}

type (
	lockCall struct{ steal bool }
	unlock   struct{}
	lockGot  struct{ held, called bool } // the answer, or later word that it is ours
	lockLost struct{}
	unlocked struct{}
	applied  struct{}
	// change is a transaction.
	change struct {
		grant    l2gw.Version
		theft    l2gw.Version               // the grant under which the agent has lost the lock, when it sent this
		revision int64                      // of the intent that it is made of
		bindings map[l2gw.BindingKey]string // "" removes
		hosts    map[string]map[l2gw.MAC]bool
	}
)

func newModelSwitch(w *world) *modelSwitch {
	return &modelSwitch{
		w: w, bindings: map[l2gw.BindingKey]string{}, hosts: map[string]map[l2gw.MAC]bool{}, reachable: [2]bool{true, true}, written: map[l2gw.BindingKey]writing{},
	}
}

func (s *modelSwitch) connect(a *modelAgent) *modelSession {
	n := &modelSession{agent: a, open: true}
	if !s.w.locks {
		n.view = l2gw.LockingUnsupported
	}
	s.sessions = append(s.sessions, n)
	return n
}

// drop ends a session for both ends.
func (n *modelSession) drop() {
	if n == nil || !n.open {
		return
	}
	sw := n.sw()
	n.open, n.requests = false, nil
	sw.sessions = slices.DeleteFunc(sw.sessions, func(o *modelSession) bool { return o == n })
	sw.leave(n)
}

func (n *modelSession) sw() *modelSwitch { return n.agent.w.sw }

// leave takes a session out of the line; the next one gets the lock.
func (s *modelSwitch) leave(n *modelSession) {
	first := len(s.line) > 0 && s.line[0] == n
	s.line = slices.DeleteFunc(s.line, func(o *modelSession) bool { return o == n })
	if first && len(s.line) > 0 {
		next := s.line[0]
		next.forced = time.Time{}
		next.replies = append(next.replies, lockGot{held: true})
	}
}

// accident is what happens to a switch.
func (s *modelSwitch) accident(kind int) {
	switch kind {
	case 0: // it reboots, and has lost everything
		for _, n := range slices.Clone(s.sessions) {
			n.drop()
		}
		s.bindings, s.hosts = map[l2gw.BindingKey]string{}, map[string]map[l2gw.MAC]bool{}
	case 1: // an operator takes the lock
		if s.operator == nil && s.w.locks {
			s.operator = &modelSession{open: true}
			s.take(s.operator, true)
		}
	case 2: // and leaves
		if s.operator != nil {
			s.leave(s.operator)
			s.operator = nil
		}
	case 3: // it finds that sessions are dead
		for _, n := range slices.Clone(s.sessions) {
			if n.ghost {
				n.drop()
			}
		}
	}
}

func (s *modelSwitch) heal() {
	s.reachable, s.slow = [2]bool{true, true}, [2]bool{}
	s.accident(2)
	s.accident(3)
}

func (s *modelSwitch) take(n *modelSession, steal bool) (held bool) {
	s.line = slices.DeleteFunc(s.line, func(o *modelSession) bool { return o == n })
	n.forced = time.Time{}
	if steal && len(s.line) > 0 {
		s.line[0].replies = append(s.line[0].replies, lockLost{})
		s.line = append([]*modelSession{n}, s.line...)
		n.forced = s.w.now
		return true
	}
	s.line = append(s.line, n)
	return len(s.line) == 1
}

// step carries out what agents have sent.
func (s *modelSwitch) step() {
	for _, n := range s.sessions {
		if s.slow[n.agent.id] && s.w.draw(40, "goes through") > 0 {
			continue
		}
		for _, r := range n.requests {
			switch r := r.(type) {
			case lockCall:
				n.replies = append(n.replies, lockGot{s.take(n, r.steal), true})
			case unlock:
				s.leave(n)
				n.replies = append(n.replies, unlocked{})
			case change:
				if !s.w.locks || len(s.line) > 0 && s.line[0] == n {
					s.apply(n, r)
				}
				n.replies = append(n.replies, applied{})
			}
		}
		n.requests = nil
	}
}

// apply carries out a transaction, and looks whether it may be.
func (s *modelSwitch) apply(n *modelSession, c change) {
	w := s.w
	newest := c.grant.Compare(w.acted) >= 0
	switch {
	case newest:
		w.acted = c.grant
	case !w.locks:
		w.failf("agent %d wrote under grant %v after %v had acted", n.agent.id, c.grant, w.acted)
	case !n.forced.IsZero() && n.forced.After(w.clear[w.acted]):
		// In line, whoever is there may have a free lock; but not by force.
		w.failf("agent %d wrote under grant %v after %v had acted, with a lock that it stole", n.agent.id, c.grant, w.acted)
	}
	if theft := c.theft; theft != (l2gw.Version{}) && c.grant.Compare(theft) <= 0 {
		w.failf("agent %d wrote under grant %v, under which the lock was stolen from it", n.agent.id, c.grant)
	}
	for k, id := range c.bindings {
		if old := s.bindings[k]; old != "" && old != id && w.history[c.revision][k] == old && newest {
			w.failf("agent %d took VLAN %d from network %s, where users want it", n.agent.id, k.VLAN, old)
		}
		// Two controllers may be at work at once: the newer one need not know what
		// the older one read of late.
		by := s.written[k]
		known := by.epoch == c.grant.Epoch || by.at.Before(w.led[c.grant.Epoch])
		if old := s.bindings[k]; old != "" && old != id && c.revision < by.revision && known && newest {
			w.failf("agent %d took VLAN %d from network %s by an intent older than the one by which it was written", n.agent.id, k.VLAN, old)
		}
		s.written[k] = writing{w.now, c.grant.Epoch, c.revision}
		if s.bindings[k] = id; id == "" {
			delete(s.bindings, k)
		}
	}
	for id, hosts := range c.hosts {
		for mac := range s.hosts[id] {
			if !hosts[mac] && !w.lacked[hostRow(id, mac)] && !w.unboundOnce(id) {
				w.failf("agent %d removed %v from network %s, and no inventory ever lacked it", n.agent.id, mac, id)
			}
		}
		s.hosts[id] = maps.Clone(hosts)
	}
}

// unboundOnce reports whether users may have had the network unbound: all but
// n1, of which one binding stays for ever.
func (w *world) unboundOnce(id string) bool { return id != "n1" }

// right reports whether the switch holds exactly what it must.
func (s *modelSwitch) right() bool {
	if !maps.Equal(s.bindings, s.w.intent) {
		return false
	}
	for _, id := range networks {
		want := map[l2gw.MAC]bool{}
		for _, n := range s.w.intent {
			if n == id {
				want = s.w.inventory[id]
			}
		}
		if !maps.Equal(s.hosts[id], want) && len(s.hosts[id])+len(want) > 0 {
			return false
		}
	}
	return true
}
