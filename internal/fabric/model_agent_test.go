package fabric

import (
	"slices"
	"time"

	"l2gw"
)

// modelStream is what joins an agent and a server. A lost one delivers what was
// under way, or not, until each end notices.
type modelStream struct {
	agent *modelAgent
	up    []ToServer
	down  []ToAgent

	agentOpen, serverOpen, lost bool
	agentHeard, serverHeard     time.Time // when anything was heard last

	// The agent's.
	welcome Welcome
	sent    map[uint64]time.Time
	beats   uint64
	told    *Claim

	// The server's.
	server   *modelServer
	link     LinkID
	hello    bool // the loop has taken it in
	claim    *Observed
	beat     uint64
	orders   []ToAgent
	snapshot bool
	holding  Holding
	bindings map[l2gw.BindingKey]l2gw.Binding
	segments map[string]*l2gw.Segment // nil: unknown
	owned    int
}

// modelAgent does with the rules what an agent must do.
type modelAgent struct {
	w          *world
	id         int
	up, paused bool

	streams  [2]*modelStream
	retry    [2]time.Time
	epoch    uint64 // the highest seen
	obeyed   *modelStream
	grantor  *modelStream // which brought the newest grant
	tenure   Tenure
	replica  *Replica
	current  bool // a controller has told everything since the stream to it began
	sw       *modelSession
	stealing bool
	news     bool         // the replica may not be on disk yet
	theft    l2gw.Version // what the model knows: under which grant the lock was stolen from it

	disk struct {
		epoch   uint64
		grant   l2gw.Version
		replica []ToAgent
	}
}

func (a *modelAgent) start() {
	a.up, a.tenure, a.replica, a.obeyed, a.grantor, a.current = true, Tenure{}, NewReplica(), nil, nil, false
	a.theft = l2gw.Version{}
	a.epoch = a.disk.epoch
	a.tenure.Restore(a.disk.grant)
	for _, m := range a.disk.replica {
		a.replica.Apply(m)
	}
	a.replica.Cut()
}

func (a *modelAgent) kill() {
	a.up = false
	a.sw.drop()
	a.sw = nil
	for i, st := range a.streams {
		if st != nil {
			st.agentOpen, st.lost = false, true
		}
		a.streams[i], a.retry[i] = nil, time.Time{}
	}
}

func (a *modelAgent) save() {
	a.disk.epoch, a.disk.grant = a.epoch, a.tenure.Version()
	if a.news && a.replica.Complete {
		a.news = false
		a.disk.replica = slices.Collect(a.replica.Messages())
	}
}

func (a *modelAgent) step() {
	if !a.up || a.paused {
		return
	}
	for i := range a.streams {
		a.meet(i)
	}
	a.settleLock()
	a.write()
	for _, st := range a.streams {
		if st != nil {
			a.report(st)
		}
	}
	a.save()
}

// meet keeps a stream to a server.
func (a *modelAgent) meet(i int) {
	w, st := a.w, a.streams[i]
	s := w.servers[i]
	if st == nil {
		if w.now.Before(a.retry[i]) || w.cut[a.id][i] || !s.up || s.paused {
			return
		}
		st = &modelStream{agent: a, server: s, agentOpen: true, serverOpen: true, agentHeard: w.now, serverHeard: w.now, sent: map[uint64]time.Time{0: w.now}}
		a.streams[i] = st
		h := a.replica.Holding("db")
		h.Grant = a.tenure.Version()
		h.Writer = a.claim().Writer
		st.up = append(st.up, Hello{Databases: []Holding{h}, Epoch: a.epoch})
		s.accept(st)
	}
	n := len(st.down)
	if w.cut[a.id][i] {
		n = 0
	} else if n > 0 && w.draw(3, "some wait") == 0 {
		n = w.draw(n+1, "messages")
	}
	for range n {
		m := st.down[0]
		st.down = st.down[1:]
		st.agentHeard = w.now
		a.hear(st, m)
	}
	if st.lost && w.draw(2, "noticed") == 0 || !w.now.Before(st.agentHeard.Add(Term)) {
		a.end(st, i)
		return
	}
	if last := st.sent[st.beats]; st.beats == 0 || !w.now.Before(last.Add(BeatInterval)) {
		st.beats++
		st.sent[st.beats] = w.now
		st.send(Beat{Sequence: st.beats, Epoch: a.epoch})
	}
}

func (a *modelAgent) end(st *modelStream, i int) {
	st.agentOpen, st.lost = false, true
	a.streams[i], a.retry[i] = nil, a.w.now.Add(time.Duration(100+a.w.draw(900, "jitter"))*time.Millisecond)
	if a.obeyed == st {
		a.obey(nil)
	}
	if a.grantor == st && !a.w.wrong.anyRenewal {
		a.tenure.Ended()
	}
}

func (st *modelStream) send(m ToServer) {
	if !st.lost {
		st.up = append(st.up, m)
	}
}

// obey listens to another stream from now on.
func (a *modelAgent) obey(st *modelStream) {
	a.obeyed, a.current = st, false
	a.replica.Cut()
}

func (a *modelAgent) hear(st *modelStream, m ToAgent) {
	switch m := m.(type) {
	case Welcome:
		st.welcome = m
		switch {
		case m.Controller && m.Epoch >= a.epoch:
			a.epoch = m.Epoch
			a.disk.epoch = a.epoch
			a.obey(st)
		case a.obeyed == st:
			a.obey(nil)
		}
		return
	case Renewal:
		a.tenure.Renew(m.Epoch, st.sent[m.Beat], m.Leased)
		return
	}
	if a.obeyed != st || st.welcome.Epoch < a.epoch {
		return
	}
	switch m := m.(type) {
	case Grant:
		if a.tenure.Grant(m, st.sent[m.Beat], a.w.now) {
			a.grantor = st
		}
	case Revoke:
		a.tenure.Revoke(m.Version)
		if a.tenure.Version() == (l2gw.Version{}) {
			a.replica.Cut() // it is not fed any more
			a.current = false
		}
	default:
		before := a.replica.begun.Epoch
		e := a.replica.Apply(m)
		if a.replica.begun.Epoch < before {
			a.w.failf("the replica of agent %d went back from epoch %d to %d", a.id, before, a.replica.begun.Epoch)
		}
		a.current, a.news = a.current || e.All, true
		if e.Ask != "" {
			st.send(Ask{NetworkID: e.Ask})
		}
		if e.AskAll {
			st.send(Ask{})
		}
	}
}

// claim is what it reports of itself.
func (a *modelAgent) claim() Claim {
	c := Claim{Grant: a.tenure.Version(), Connected: a.sw != nil}
	if a.sw != nil {
		c.Lock = a.sw.view
		c.Writer, _, _ = a.tenure.Writes(a.w.now, c.Lock == l2gw.LockingHeld, c.Lock == l2gw.LockingUnsupported)
	}
	return c
}

func (a *modelAgent) report(st *modelStream) {
	if c := a.claim(); st.told == nil || *st.told != c {
		st.told = &c
		st.send(Observed{Database: "db", State: l2gw.DatabaseState{Grant: c.Grant, Writer: c.Writer, Connected: c.Connected, Lock: c.Lock}})
	}
}

// settleLock brings the lock to where the grants want it.
func (a *modelAgent) settleLock() {
	w := a.w
	if a.sw != nil && (!a.sw.open || !w.sw.reachable[a.id]) {
		if !a.sw.ghost {
			a.sw.drop()
		}
		a.sw = nil
	}
	if a.sw == nil {
		if !w.sw.reachable[a.id] {
			return
		}
		a.sw, a.stealing = w.sw.connect(a), false
	}
	n := a.sw
	for _, r := range n.replies {
		switch r := r.(type) {
		case lockGot:
			stole := a.stealing && r.called
			if r.called {
				n.calling, a.stealing = false, false
			}
			n.view = l2gw.LockingWaiting
			if r.held {
				n.view = l2gw.LockingHeld
			}
			// The grant may have expired while the call was under way.
			if stole && !a.tenure.Steals(w.now) && !w.wrong.noSecondLook {
				a.call(unlock{})
			}
		case lockLost:
			n.view = l2gw.LockingStolen
			a.theft = a.tenure.Version()
			if !w.wrong.ignoresTheft {
				a.tenure.Stolen()
			}
		case unlocked:
			n.view, n.calling = l2gw.LockingNone, false
		case applied:
			n.writing = false
		}
	}
	n.replies = nil
	if !w.locks || n.calling {
		return
	}
	switch granted := a.tenure.Granted(); {
	case !granted && (n.view == l2gw.LockingHeld || n.view == l2gw.LockingWaiting):
		a.call(unlock{})
	case !granted || n.view == l2gw.LockingHeld:
	case n.view != l2gw.LockingNone && a.tenure.Steals(w.now):
		a.stealing = true
		a.call(lockCall{steal: true})
	case n.view != l2gw.LockingWaiting:
		a.call(lockCall{})
	}
}

func (a *modelAgent) call(r any) {
	a.sw.calling = true
	a.sw.requests = append(a.sw.requests, r)
}

// write sends what is different, in one transaction.
func (a *modelAgent) write() {
	n, r := a.sw, a.replica
	if n == nil || n.writing || n.calling || !r.Complete || !a.claim().Writer {
		return
	}
	// What is told by a stream that is not there any more is good for putting rows
	// back, and for no removal: another may have written since.
	removes := a.current || a.w.wrong.removesWhenStale
	sw := a.w.sw
	c := change{grant: a.tenure.Version(), theft: a.theft, revision: r.Revision, bindings: map[l2gw.BindingKey]string{}, hosts: map[string]map[l2gw.MAC]bool{}}
	for k, b := range r.Bindings {
		if old := sw.bindings[k]; old != b.NetworkID && (old == "" || removes) {
			c.bindings[k] = b.NetworkID
		}
	}
	if removes {
		for k := range sw.bindings {
			if _, wanted := r.Bindings[k]; !wanted && r.Owned.Bindings[k] != "" {
				c.bindings[k] = ""
			}
		}
	}
	for id := range r.Owned.Networks {
		want := map[l2gw.MAC]bool{}
		switch seg := r.Segments[id]; {
		case len(r.ByNetwork[id]) > 0 && seg == nil:
			continue // unknown: everything stays as it is
		case len(r.ByNetwork[id]) > 0:
			for mac := range seg.Hosts.Keys() {
				want[mac] = true
			}
		}
		news := false
		for mac := range sw.hosts[id] {
			if !want[mac] && !removes {
				want[mac] = true
			}
			news = news || !want[mac]
		}
		for mac := range want {
			news = news || !sw.hosts[id][mac]
		}
		if news {
			c.hosts[id] = want
		}
	}
	if len(c.bindings)+len(c.hosts) == 0 {
		return
	}
	n.writing = true
	n.requests = append(n.requests, c)
	if !a.w.locks {
		sw.step() // a switch without locks must be quick: see clearMargin
	}
}
