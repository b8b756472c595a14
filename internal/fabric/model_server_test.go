package fabric

import (
	"maps"
	"time"

	"l2gw"
)

// modelServer does with the rules what a controller must do.
type modelServer struct {
	w          *world
	id         int
	up, paused bool
	readable   bool // the inventory

	granter *Granter
	next    time.Time // when it wants to be asked again
	news    bool      // it was told something
	links   map[LinkID]*modelStream
	last    LinkID

	epoch   uint64 // of the lease; 0: it stands by
	leased  time.Time
	renewed time.Time
	heard   uint64 // the highest epoch
	counter uint64

	revision int64
	wanted   map[l2gw.BindingKey]l2gw.Binding
	owned    l2gw.Ownership
	recorded int // counts changes of owned
	segments map[string]*l2gw.Segment
}

func (s *modelServer) start() {
	*s = modelServer{
		w: s.w, id: s.id, up: true, readable: s.readable, granter: NewGranter(), links: map[LinkID]*modelStream{}, last: s.last,
		wanted: map[l2gw.BindingKey]l2gw.Binding{}, segments: map[string]*l2gw.Segment{},
	}
	s.owned = cloneOwnership(l2gw.Ownership{})
}

func cloneOwnership(o l2gw.Ownership) l2gw.Ownership {
	c := l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
	maps.Copy(c.Networks, o.Networks)
	maps.Copy(c.Bindings, o.Bindings)
	return c
}

func (s *modelServer) kill() {
	s.up, s.paused = false, false
	for _, st := range s.links {
		st.serverOpen, st.lost = false, true
	}
}

func (s *modelServer) accept(st *modelStream) {
	s.last++
	st.link = s.last
	s.links[st.link] = st
	s.welcome(st)
}

func (s *modelServer) welcome(st *modelStream) {
	st.send2(Welcome{Controller: s.epoch != 0, Epoch: s.epoch})
}

func (st *modelStream) send2(m ToAgent) {
	if !st.lost {
		st.down = append(st.down, m)
	}
}

func (s *modelServer) version() l2gw.Version {
	s.counter++
	return l2gw.Version{Epoch: s.epoch, Counter: s.counter}
}

func (s *modelServer) step() {
	if !s.up || s.paused {
		return
	}
	w := s.w
	s.lease()
	s.read()
	for id := LinkID(1); id <= s.last; id++ {
		if st := s.links[id]; st != nil {
			s.listen(st)
		}
	}
	if s.wants() {
		s.decide()
	}
	for id := LinkID(1); id <= s.last; id++ {
		st := s.links[id]
		if st == nil {
			continue
		}
		if st.beat != 0 {
			r := Renewal{Beat: st.beat, Epoch: s.epoch, Leased: s.epoch != 0 && (w.now.Before(s.leased) || w.wrong.alwaysLeased)}
			st.beat = 0
			if w.wrong.forgetsOrders {
				st.send2(r)
			} else {
				defer st.send2(r) // after the orders, below
			}
		}
		if w.wrong.forgetsOrders && len(st.orders) > 0 && w.draw(4, "the orders wait") > 0 {
			continue
		}
		for _, m := range st.orders {
			st.send2(m)
		}
		st.orders = nil
	}
	if l, _, ok := s.granter.Holder("db"); ok && s.epoch != 0 {
		s.feed(s.links[l])
	}
}

func (s *modelServer) wants() bool {
	return s.epoch != 0 && (s.news || !s.next.IsZero() && !s.w.now.Before(s.next))
}

// decide asks the granter.
func (s *modelServer) decide() {
	w := s.w
	before, _, had := s.granter.Holder("db")
	var orders []Order
	orders, s.next = s.granter.Decide(w.now)
	s.news = false
	for _, o := range orders {
		s.links[o.Link].orders = append(s.links[o.Link].orders, o.Message)
		if g, ok := o.Message.(Grant); ok {
			w.clear[g.Version] = w.now.Add(g.Clear)
		}
	}
	if l, _, ok := s.granter.Holder("db"); ok && (!had || l != before) {
		s.links[l].snapshot = true
	}
}

// lease takes the lease, keeps it, and learns that it is gone.
func (s *modelServer) lease() {
	w := s.w
	switch {
	case s.epoch == 0 && !w.sqlCut[s.id]:
		if w.holder >= 0 && w.holder != s.id && w.now.Before(w.expires) {
			return
		}
		// An epoch is never used twice, even after SQL was restored.
		w.epoch = max(w.epoch, s.heard, uint64(w.now.Unix())) + 1
		if w.wrong.reusesEpochs {
			w.epoch = max(w.row, s.heard) + 1
		}
		w.row, w.led[w.epoch] = w.epoch, w.now
		w.holder, w.expires = s.id, w.now.Add(Term)
		s.epoch, s.counter, s.leased, s.renewed = w.epoch, 0, w.expires, w.now
		// What it has to say, it says anew.
		s.owned = cloneOwnership(w.owned)
		s.recorded++
		for id, seg := range s.segments {
			c := *seg
			c.Version = s.version()
			s.segments[id] = &c
		}
		s.granter.Lead(s.epoch, w.now)
		s.news = true
		for _, st := range s.links {
			st.orders = nil
			s.welcome(st)
		}
	case s.epoch != 0 && s.heard > s.epoch:
		s.follow()
	case s.epoch != 0 && !w.sqlCut[s.id] && !w.now.Before(s.renewed.Add(BeatInterval)):
		if w.epoch != s.epoch || w.holder != s.id {
			s.follow()
			return
		}
		w.expires = w.now.Add(Term)
		s.leased, s.renewed = w.expires, w.now
	}
}

func (s *modelServer) follow() {
	s.epoch = 0
	s.granter.Follow()
	for _, st := range s.links {
		st.orders = nil
		s.welcome(st)
	}
}

// read takes in the intent and the inventory.
func (s *modelServer) read() {
	w := s.w
	if !w.sqlCut[s.id] {
		s.revision = w.revision
		wanted := map[l2gw.BindingKey]l2gw.Binding{}
		for k, id := range w.intent {
			// Nothing is told before it is recorded as ours.
			switch {
			case s.epoch == 0 || s.owned.Bindings[k] == id:
			case s.epoch != w.epoch:
				s.follow() // the write is fenced
			case s.epoch == w.epoch:
				w.owned.Bindings[k], w.owned.Networks[id] = id, 5001
				s.owned = cloneOwnership(w.owned)
				s.recorded++
			}
			if s.owned.Bindings[k] == id {
				wanted[k] = l2gw.Binding{BindingKey: k, NetworkID: id}
			}
		}
		s.wanted = wanted
	}
	if !s.readable {
		return
	}
	for _, id := range networks {
		for mac := byte(1); mac <= 4; mac++ {
			if m := (l2gw.MAC{5: mac}); !w.inventory[id][m] {
				w.lacked[hostRow(id, m)] = true
			}
		}
		old := s.segments[id]
		if old != nil && maps.Equal(w.inventory[id], setOf(old)) {
			continue
		}
		seg := &l2gw.Segment{NetworkID: id, VNI: 5001, Version: s.version()}
		for mac := range w.inventory[id] {
			seg.Hosts = seg.Hosts.Set(mac, l2gw.Host{MAC: mac})
		}
		seg.HostSum = seg.SumHosts()
		s.segments[id] = seg
	}
}

func setOf(s *l2gw.Segment) map[l2gw.MAC]bool {
	set := map[l2gw.MAC]bool{}
	for mac := range s.Hosts.Keys() {
		set[mac] = true
	}
	return set
}

// listen hears an agent.
func (s *modelServer) listen(st *modelStream) {
	w := s.w
	if !st.hello && st.holding.Database != "" && w.draw(3, "the loop is free") == 0 {
		st.hello = true
		s.granter.Attach(st.link, map[string]Claim{"db": {Grant: st.holding.Grant, Writer: st.holding.Writer}}, w.now)
		if m := st.claim; m != nil {
			s.granter.Claim(st.link, "db", Claim{m.State.Grant, m.State.Writer, m.State.Connected, m.State.Lock}, w.now)
		}
		s.news = true
	}
	n := len(st.up)
	if w.cut[st.agent.id][s.id] {
		n = 0
	} else if n > 0 && w.draw(3, "some wait") == 0 {
		n = w.draw(n+1, "messages")
	}
	for range n {
		m := st.up[0]
		st.up = st.up[1:]
		st.serverHeard = w.now
		switch m := m.(type) {
		case Hello:
			st.holding = m.Databases[0]
			s.heard = max(s.heard, m.Epoch)
			continue
		case Beat:
			s.heard = max(s.heard, m.Epoch)
			s.granter.Beat(st.link, m.Sequence, w.now)
			st.beat = m.Sequence
			continue
		case Observed:
			if st.claim = &m; !st.hello {
				continue
			}
			s.granter.Claim(st.link, "db", Claim{m.State.Grant, m.State.Writer, m.State.Connected, m.State.Lock}, w.now)
		case Ask:
			if m.NetworkID == "" {
				st.snapshot = true
			} else if st.segments != nil {
				st.segments[m.NetworkID] = &l2gw.Segment{} // not what there is
			}
			continue
		}
		s.news = true
	}
	if st.lost && w.draw(2, "noticed") == 0 || !w.now.Before(st.serverHeard.Add(Term)) {
		st.serverOpen, st.lost = false, true
		delete(s.links, st.link)
		s.granter.Detach(st.link, w.now)
		s.news = true
	}
}

// feed tells the agent that writes what has changed.
func (s *modelServer) feed(st *modelStream) {
	if st == nil || !st.hello {
		return
	}
	whole, begun := st.snapshot, l2gw.Version{}
	if whole {
		st.snapshot, st.bindings, st.segments, st.owned = false, map[l2gw.BindingKey]l2gw.Binding{}, map[string]*l2gw.Segment{}, -1
		begun = s.version()
		st.send2(SnapshotBegin{"db", begun})
	} else if st.segments == nil {
		return
	}
	if st.owned != s.recorded {
		st.owned = s.recorded
		st.send2(Owned{Database: "db", Version: s.version(), Owned: cloneOwnership(s.owned)})
	}
	for _, id := range networks {
		s.feedNetwork(st, id, whole)
	}
	m := Bindings{Database: "db", Revision: s.revision}
	var sum l2gw.Digest
	for k, b := range s.wanted {
		sum += b.Digest()
		if st.bindings[k] != b {
			m.Set = append(m.Set, b)
		}
	}
	for k := range st.bindings {
		if _, ok := s.wanted[k]; !ok {
			m.Unset = append(m.Unset, Unbound{BindingKey: k})
		}
	}
	st.bindings = maps.Clone(s.wanted)
	m.Version = s.version()
	switch {
	case whole && st.holding.Complete && st.holding.Bindings == sum:
		st.send2(SameBindings{"db", m.Version, sum})
	case len(m.Set)+len(m.Unset) > 0:
		st.send2(m)
	}
	if whole {
		st.send2(SnapshotEnd{Database: "db", Version: begun, Revision: s.revision})
		st.holding = Holding{}
	}
}

func (s *modelServer) feedNetwork(st *modelStream, id string, whole bool) {
	seg := s.segments[id]
	if seg == nil && s.w.wrong.unknownIsGone {
		seg = &l2gw.Segment{NetworkID: id, VNI: 5001, Version: s.version()}
		s.segments[id] = seg
	}
	old, told := st.segments[id]
	switch {
	case seg == nil && (!told || old != nil):
		st.send2(SegmentUnknown{"db", id, s.version()})
	case seg == nil || seg == old:
	case whole && st.holding.Complete && st.holding.Networks[id] == seg.Digest():
		st.send2(SameNetwork{"db", id, seg.Version, seg.Digest()})
	case old == nil || old.NetworkID == "":
		st.send2(Segment{"db", seg})
	default:
		d := SegmentDelta{Database: "db", NetworkID: id, From: old.Version, To: seg.Version, VNI: 5001, Digest: seg.Digest()}
		for mac, h := range seg.Hosts.All() {
			if !old.Hosts.Has(mac) {
				d.Set = append(d.Set, h)
			}
		}
		for mac := range old.Hosts.Keys() {
			if !seg.Hosts.Has(mac) {
				d.Removed = append(d.Removed, mac)
			}
		}
		st.send2(d)
	}
	st.segments[id] = seg
}
