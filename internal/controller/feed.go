package controller

import (
	"maps"
	"slices"

	"l2gw"
	"l2gw/internal/fabric"
)

const (
	// maxDelta is from how many changed hosts on a network is sent whole.
	maxDelta = 20_000
	// slice is how many networks are looked at in one go, without letting anybody
	// else at the state; and of how many hosts, at most, messages are made before
	// they are sent.
	slice, sliceHosts = 256, 50_000
)

// feed is what an agent has been told of one database, and what it has yet to
// be told. It holds keys, not messages: however slow the agent, it stays small,
// and what is sent is always the newest. Guarded by Controller.mu.
type feed struct {
	database *database
	link     *link
	holding  fabric.Holding // what the agent holds, until the first snapshot has ended

	snapshot bool // everything is to be told
	owned    bool
	bindings map[l2gw.BindingKey]bool
	requests map[l2gw.BindingKey]string // that removed a binding
	networks map[string]*networkFeed
	told     map[string]l2gw.Version // the version of each segment that the agent holds
	revision int64                   // of the intent that the agent was told of last

	// A snapshot is told in slices. What changes meanwhile is noted above, and
	// told after it.
	open  bool         // its beginning has been told, and its end not
	begun l2gw.Version // its version
	due   []string     // networks that are yet to be told
}

type networkFeed struct {
	full bool
	macs map[l2gw.MAC]bool // the hosts that changed, if not full
}

func newFeed(d *database, l *link, holding fabric.Holding) *feed {
	return &feed{
		database: d, link: l, holding: holding, snapshot: true, bindings: map[l2gw.BindingKey]bool{},
		requests: map[l2gw.BindingKey]string{}, networks: map[string]*networkFeed{}, told: map[string]l2gw.Version{},
	}
}

// network is what is to be told of a network: whoever asks for it has something to say.
func (f *feed) network(id string) *networkFeed {
	n, ok := f.networks[id]
	if !ok {
		n = &networkFeed{macs: map[l2gw.MAC]bool{}}
		f.networks[id] = n
	}
	f.link.poke()
	return n
}

// again has everything told anew.
func (f *feed) again() {
	f.snapshot = true
	f.link.poke()
}

// bind notes that a binding is wanted, or wanted otherwise.
func (f *feed) bind(k l2gw.BindingKey) {
	delete(f.requests, k)
	f.bindings[k] = true
	f.link.poke()
}

// unbind notes that a binding is not wanted any more, because of that API request (or "").
func (f *feed) unbind(k l2gw.BindingKey, request string) {
	f.requests[k] = request
	f.bindings[k] = true
	f.link.poke()
}

// ownedChanged notes that what is ours, or lost, is otherwise.
func (f *feed) ownedChanged() {
	f.owned = true
	f.link.poke()
}

func (f *feed) holds(network string) bool { _, ok := f.told[network]; return ok }

func (n *networkFeed) whole() { n.full, n.macs = true, nil }

func (n *networkFeed) note(macs []l2gw.MAC) {
	if macs == nil || len(n.macs)+len(macs) > maxDelta {
		n.whole()
	}
	if n.full {
		return
	}
	for _, m := range macs {
		n.macs[m] = true
	}
}

func (f *feed) pending() bool {
	return f.snapshot || f.open || f.owned || len(f.bindings)+len(f.networks) > 0
}

// collect makes messages of some of what the link's feeds owe, and says under
// which epoch, and whether there is more.
func (c *Controller) collect(l *link) (msgs []fabric.ToAgent, epoch uint64, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.state
	// What is not known yet is not told: without the intent an agent would
	// take everything for unwanted.
	if epoch = s.version.Epoch; !s.leading || !s.intentRead {
		return nil, epoch, false
	}
	for _, f := range l.feeds {
		if !f.pending() {
			continue
		}
		if msgs != nil {
			return msgs, epoch, true
		}
		if f.snapshot {
			f.database.noteHighest(c.known)
		}
		if msgs, more = s.collect(f); more {
			return msgs, epoch, true
		}
	}
	return msgs, epoch, false
}

// noteHighest takes in what the agents of the database have seen of the intent.
func (d *database) noteHighest(known agents) {
	for _, r := range known {
		for _, l := range r.links {
			if sh := l.shares[d.name]; sh != nil {
				d.highest = max(d.highest, sh.holding.Revision)
			}
		}
	}
}

// collect makes messages of what a feed owes, one slice of it.
func (s *state) collect(f *feed) (msgs []fabric.ToAgent, more bool) {
	d := f.database
	if f.snapshot {
		f.snapshot, f.open, f.begun = false, true, s.nextVersion()
		f.told = map[string]l2gw.Version{}
		f.bindings, f.requests = map[l2gw.BindingKey]bool{}, map[l2gw.BindingKey]string{}
		f.networks = map[string]*networkFeed{}
		f.due = slices.Collect(maps.Keys(d.bound))
		msgs = append(msgs, fabric.SnapshotBegin{Database: d.name, Version: f.begun})
		if d.highest = max(d.highest, f.holding.Revision); d.highest > s.revision {
			// What this agent finds there may be of a later intent than it has seen itself.
			msgs = append(msgs, fabric.Bindings{Database: d.name, Version: f.begun, Revision: d.highest})
		}
	}
	version := s.nextVersion()
	if f.open {
		n := min(slice, len(f.due))
		for _, id := range f.due[:n] {
			delete(f.networks, id)
			msgs = s.collectNetwork(msgs, f, id, &networkFeed{full: true}, version)
		}
		if f.due = f.due[n:]; len(f.due) > 0 {
			return msgs, true
		}
		return s.endSnapshot(msgs, f, version), f.pending()
	}
	if f.revision != s.revision {
		// Before anything that follows from it: of an intent that is older than what
		// the agent has seen, it must remove nothing, be it in a flood set alone.
		f.revision, d.highest = s.revision, max(d.highest, s.revision)
		msgs = append(msgs, fabric.Bindings{Database: d.name, Version: version, Revision: s.revision})
	}
	// Segments go before bindings, so that an agent that is told to bind knows what.
	hosts := 0
	for id, n := range f.networks {
		if hosts > sliceHosts || len(msgs) >= slice {
			break
		}
		hosts += len(n.macs)
		delete(f.networks, id)
		msgs = s.collectNetwork(msgs, f, id, n, version)
	}
	if len(f.networks) > 0 && !f.owned && len(f.bindings) == 0 {
		return msgs, true
	}
	return s.collectBindings(msgs, f, version), len(f.networks) > 0
}

// endSnapshot makes the last messages of a snapshot.
func (s *state) endSnapshot(msgs []fabric.ToAgent, f *feed, version l2gw.Version) []fabric.ToAgent {
	d := f.database
	msgs = append(msgs, fabric.Owned{Database: d.name, Version: version, Owned: cloneOwnership(d.owned), Lost: s.lost(d)})
	// What was bound meanwhile is part of it.
	for id := range d.bound {
		if !f.holds(id) {
			delete(f.networks, id)
			msgs = s.collectNetwork(msgs, f, id, &networkFeed{full: true}, version)
		}
	}
	var sum l2gw.Digest
	m := fabric.Bindings{Database: d.name, Version: version, Set: make([]l2gw.Binding, 0, len(d.wanted))}
	for _, b := range d.wanted {
		sum += b.Digest()
		m.Set = append(m.Set, b)
	}
	switch {
	case f.holding.Complete && sum == f.holding.Bindings:
		msgs = append(msgs, fabric.SameBindings{Database: d.name, Version: version, Digest: sum})
	case len(m.Set) > 0:
		msgs = append(msgs, m)
	}
	msgs = append(msgs, fabric.SnapshotEnd{Database: d.name, Version: f.begun, Revision: s.revision})
	f.open, f.owned, f.holding = false, false, fabric.Holding{}
	f.revision, d.highest = s.revision, max(d.highest, s.revision)
	f.bindings, f.requests = map[l2gw.BindingKey]bool{}, map[l2gw.BindingKey]string{}
	return msgs
}

// collectBindings makes messages of what is ours and of bindings that changed.
func (s *state) collectBindings(msgs []fabric.ToAgent, f *feed, version l2gw.Version) []fabric.ToAgent {
	d := f.database
	if f.owned {
		msgs = append(msgs, fabric.Owned{Database: d.name, Version: version, Owned: cloneOwnership(d.owned), Lost: s.lost(d)})
	}
	m := fabric.Bindings{Database: d.name, Version: version, Revision: s.revision}
	for k := range f.bindings {
		b, ok := d.wanted[k]
		if !ok {
			m.Unset = append(m.Unset, fabric.Unbound{BindingKey: k, Request: f.requests[k]})
			continue
		}
		m.Set = append(m.Set, b)
		if n := f.networks[b.NetworkID]; n != nil || !f.holds(b.NetworkID) {
			delete(f.networks, b.NetworkID)
			msgs = s.collectNetwork(msgs, f, b.NetworkID, &networkFeed{full: true}, version)
		}
	}
	if f.owned || len(m.Set)+len(m.Unset) > 0 {
		msgs = append(msgs, m) // without it, the agent does not take what is ours for true
	}
	f.owned = false
	f.bindings, f.requests = map[l2gw.BindingKey]bool{}, map[l2gw.BindingKey]string{}
	return msgs
}

// collectNetwork adds what the agent is to know of a network.
func (s *state) collectNetwork(msgs []fabric.ToAgent, f *feed, id string, nf *networkFeed, version l2gw.Version) []fabric.ToAgent {
	d := f.database
	n := s.networks[id]
	if d.bound[id] == 0 {
		if f.holds(id) {
			delete(f.told, id)
			return append(msgs, fabric.SegmentGone{Database: d.name, NetworkID: id, Version: version})
		}
		return msgs
	}
	if n == nil || n.merged == nil {
		f.told[id] = version
		return append(msgs, fabric.SegmentUnknown{Database: d.name, NetworkID: id, Version: version})
	}
	seg := n.merged
	from, held := f.told[id]
	f.told[id] = seg.Version
	if f.open && f.holding.Complete {
		if digest := seg.Digest(); f.holding.Networks[id] == digest {
			return append(msgs, fabric.SameNetwork{Database: d.name, NetworkID: id, Version: seg.Version, Digest: digest})
		}
	}
	if nf.full || !held {
		return append(msgs, fabric.Segment{Database: d.name, Segment: seg})
	}
	delta := fabric.SegmentDelta{
		Database: d.name, NetworkID: id, From: from, To: seg.Version,
		Name: seg.Name, VNI: seg.VNI, MTU: seg.MTU, VTEPs: seg.VTEPs, Digest: seg.Digest(),
	}
	for mac := range nf.macs {
		if h, ok := seg.Hosts.Get(mac); ok {
			delta.Set = append(delta.Set, h)
		} else {
			delta.Removed = append(delta.Removed, mac)
		}
	}
	slices.SortFunc(delta.Set, func(a, b l2gw.Host) int { return a.MAC.Compare(b.MAC) })
	return append(msgs, delta)
}
