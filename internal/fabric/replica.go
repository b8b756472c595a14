package fabric

import (
	"iter"
	"maps"
	"slices"

	"l2gw"
)

// Replica is what an agent knows of what one database must hold. It belongs to
// one goroutine; the segments in it are immutable and may be shared.
type Replica struct {
	// Complete is set once a snapshot has ended: before, nothing may be written.
	Complete bool
	Bindings map[l2gw.BindingKey]l2gw.Binding
	// ByNetwork has the keys of Bindings by network id.
	ByNetwork map[string][]l2gw.BindingKey
	Segments  map[string]*l2gw.Segment // known networks, by id
	Owned     l2gw.Ownership
	Lost      map[string]bool // networks of Owned that the inventory lost: see Owned.Lost
	Revision  int64           // of the intent that the last word was of

	database string
	version  map[string]l2gw.Version // of each network's last message; "" is the bindings
	owned    l2gw.Version
	sum      l2gw.Digest  // of Bindings
	whole    l2gw.Version // of the snapshot that made it complete

	staged *Replica     // the snapshot under way
	begun  l2gw.Version // of the last snapshot that has begun
	void   bool         // staged: it builds on what is not here
	cut    bool         // messages were lost since the last snapshot
}

// Effect says what a message changed.
type Effect struct {
	All      bool              // everything may have changed
	Networks []string          // these networks may have changed in any way
	Bindings []l2gw.BindingKey // these bindings were set or unset
	Network  string            // of this network only
	MACs     []l2gw.MAC        // these hosts have changed
	Ask      string            // the network that must be asked for anew, or ""
	AskAll   bool              // a snapshot must be asked for
}

// NewReplica returns a replica that knows nothing.
func NewReplica() *Replica {
	return &Replica{
		Bindings: map[l2gw.BindingKey]l2gw.Binding{}, ByNetwork: map[string][]l2gw.BindingKey{},
		Segments: map[string]*l2gw.Segment{},
		Owned:    l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}},
		version:  map[string]l2gw.Version{},
	}
}

// Apply takes in a message; messages of other kinds change nothing. Those of an
// older controller than that of the last snapshot are ignored.
func (r *Replica) Apply(m ToAgent) Effect {
	v, ok := versionOf(m)
	switch {
	case !ok || v.Epoch < r.begun.Epoch:
		return Effect{}
	case v.Epoch > r.begun.Epoch:
		if _, begins := m.(SnapshotBegin); !begins {
			// What a new controller said first is missing.
			news := !r.cut || r.staged != nil
			r.Cut()
			return Effect{AskAll: news}
		}
	}
	switch m := m.(type) {
	case SnapshotBegin:
		if m.Version.Compare(r.begun) < 0 {
			return Effect{}
		}
		r.staged, r.begun = NewReplica(), m.Version
		r.staged.database, r.staged.begun, r.staged.version[""] = m.Database, m.Version, m.Version
		return Effect{}
	case SnapshotEnd:
		s := r.staged
		switch {
		case s == nil || r.begun != m.Version:
			return Effect{} // the end of a snapshot whose beginning was lost
		case s.void:
			r.Cut()
			return Effect{AskAll: true}
		}
		s.Complete, s.Revision, s.whole = true, m.Revision, m.Version
		*r = *s
		return Effect{All: true}
	case SameNetwork:
		return r.same(m)
	case SameBindings:
		if s := r.staged; s != nil && s.newer("", m.Version) {
			if s.void = !r.Complete || r.sum != m.Digest; !s.void {
				s.Bindings, s.ByNetwork, s.sum = maps.Clone(r.Bindings), cloneLists(r.ByNetwork), r.sum
			}
		}
		return Effect{}
	}
	if r.staged != nil {
		return Effect{Ask: r.staged.apply(m).Ask}
	}
	if r.cut {
		return Effect{}
	}
	return r.apply(m)
}

// Cut says that messages were lost. What is known stays as it is until the next
// whole snapshot: the end of one that is under way must not make the rest of it
// valid, and what is told to somebody who has heard the lost words is not for us.
// With a lost binding, say, and the word that its network is ours, the network
// would pass for unwanted.
func (r *Replica) Cut() { r.staged, r.cut = nil, true }

// Seen is the version of the last word on the bindings.
func (r *Replica) Seen() l2gw.Version { return r.version[""] }

// Holding is what Hello tells of the replica: digests of what is complete. Grant
// and Writer are left to the caller, and Revision is that of the last word. It
// takes time in proportion to the networks.
func (r *Replica) Holding(database string) Holding {
	h := Holding{Database: database, Complete: r.Complete, Revision: r.Revision}
	if !r.Complete {
		return h
	}
	h.Bindings, h.Networks = r.sum, make(map[string]l2gw.Digest, len(r.Segments))
	for id, s := range r.Segments {
		h.Networks[id] = s.Digest()
	}
	return h
}

// Messages yields the replica as a snapshot: whoever applies all of it comes to
// know the same. Of a replica that is not complete there is none.
func (r *Replica) Messages() iter.Seq[ToAgent] {
	return func(yield func(ToAgent) bool) {
		if !r.Complete || !yield(SnapshotBegin{Database: r.database, Version: r.whole}) {
			return
		}
		if !yield(Owned{Database: r.database, Version: r.owned, Owned: r.Owned, Lost: slices.Sorted(maps.Keys(r.Lost))}) {
			return
		}
		for _, s := range r.Segments {
			if !yield(Segment{Database: r.database, Segment: s}) {
				return
			}
		}
		_ = yield(Bindings{Database: r.database, Version: r.version[""], Set: slices.Collect(maps.Values(r.Bindings))}) &&
			yield(SnapshotEnd{Database: r.database, Version: r.whole, Revision: r.Revision})
	}
}

// versionOf returns the version of a message that is about what a database must hold.
func versionOf(m ToAgent) (v l2gw.Version, ok bool) {
	switch m := m.(type) {
	case SnapshotBegin:
		return m.Version, true
	case SnapshotEnd:
		return m.Version, true
	case SameNetwork:
		return m.Version, true
	case SameBindings:
		return m.Version, true
	case Bindings:
		return m.Version, true
	case Segment:
		return m.Segment.Version, true
	case SegmentDelta:
		return m.To, true
	case SegmentUnknown:
		return m.Version, true
	case SegmentGone:
		return m.Version, true
	case Owned:
		return m.Version, true
	}
	return v, false
}

func (r *Replica) apply(m ToAgent) Effect {
	switch m := m.(type) {
	case Owned:
		return r.applyOwned(m)
	case Bindings:
		if !r.newer("", m.Version) {
			return Effect{}
		}
		return r.applyBindings(m)
	case Segment:
		id := m.Segment.NetworkID
		if !r.newer(id, m.Segment.Version) {
			return Effect{}
		}
		r.Segments[id] = withSum(m.Segment)
		return Effect{Networks: []string{id}}
	case SegmentDelta:
		return r.applyDelta(m)
	case SegmentUnknown:
		if !r.newer(m.NetworkID, m.Version) {
			return Effect{}
		}
		delete(r.Segments, m.NetworkID)
		return Effect{Networks: []string{m.NetworkID}}
	case SegmentGone:
		if m.Version.Compare(r.version[m.NetworkID]) >= 0 {
			// Once it is bound again, the segment comes as it is elsewhere, with the
			// version that it has: that may be older than this message.
			delete(r.version, m.NetworkID)
			delete(r.Segments, m.NetworkID)
		}
		return Effect{}
	}
	return Effect{}
}

// newer takes note of a version, unless what is known is newer.
func (r *Replica) newer(key string, v l2gw.Version) bool {
	if v.Compare(r.version[key]) < 0 {
		return false
	}
	r.version[key] = v
	return true
}

// same takes a segment over into the snapshot under way.
func (r *Replica) same(m SameNetwork) Effect {
	if r.staged == nil || !r.staged.newer(m.NetworkID, m.Version) {
		return Effect{}
	}
	old := r.Segments[m.NetworkID]
	if !r.Complete || old == nil || old.Digest() != m.Digest {
		delete(r.staged.Segments, m.NetworkID)
		return Effect{Ask: m.NetworkID} // until then it is unknown
	}
	s := *old
	s.Version = m.Version
	r.staged.Segments[m.NetworkID] = &s
	return Effect{}
}

func (r *Replica) applyOwned(m Owned) Effect {
	if m.Version.Compare(r.owned) < 0 {
		return Effect{}
	}
	old := r.Lost
	r.owned, r.Owned, r.Lost = m.Version, m.Owned, make(map[string]bool, len(m.Lost))
	var e Effect
	for _, id := range m.Lost {
		r.Lost[id] = true
		if !old[id] {
			e.Networks = append(e.Networks, id)
		}
	}
	for id := range old {
		if !r.Lost[id] {
			e.Networks = append(e.Networks, id)
		}
	}
	return e
}

func (r *Replica) applyBindings(m Bindings) Effect {
	if m.Revision != 0 {
		r.Revision = m.Revision
	}
	var e Effect
	networks := map[string]bool{}
	before := map[l2gw.BindingKey]string{} // the network of each key of the message, or ""
	note := func(k l2gw.BindingKey) {
		b, ok := r.Bindings[k]
		if ok {
			networks[b.NetworkID] = true
			r.sum -= b.Digest()
		}
		if _, noted := before[k]; !noted {
			before[k] = b.NetworkID
		}
	}
	for _, u := range m.Unset {
		k := u.BindingKey
		if note(k); before[k] != "" {
			e.Bindings = append(e.Bindings, k)
			delete(r.Bindings, k)
		}
	}
	for _, b := range m.Set {
		k := b.BindingKey
		note(k)
		networks[b.NetworkID] = true
		e.Bindings = append(e.Bindings, k)
		r.sum += b.Digest()
		r.Bindings[k] = b
	}
	r.index(before)
	for id := range networks {
		e.Networks = append(e.Networks, id)
	}
	return e
}

// index brings ByNetwork up to date with keys of which the network was another
// one before, in time that does not depend on how many other networks there are.
func (r *Replica) index(before map[l2gw.BindingKey]string) {
	less := map[string]bool{}
	for k, from := range before {
		if to := r.Bindings[k].NetworkID; to != from {
			less[from] = from != ""
			if to != "" {
				r.ByNetwork[to] = append(r.ByNetwork[to], k)
			}
		}
	}
	for id, less := range less {
		if !less {
			continue
		}
		keys := slices.DeleteFunc(r.ByNetwork[id], func(k l2gw.BindingKey) bool { return r.Bindings[k].NetworkID != id })
		if r.ByNetwork[id] = keys; len(keys) == 0 {
			delete(r.ByNetwork, id)
		}
	}
}

func (r *Replica) applyDelta(m SegmentDelta) Effect {
	old := r.Segments[m.NetworkID]
	switch {
	case m.To.Compare(r.version[m.NetworkID]) <= 0:
		return Effect{} // known already
	case old == nil || old.Version != m.From:
		return Effect{Ask: m.NetworkID}
	}
	hosts, sum := old.Hosts.Txn(), old.HostSum
	macs := make([]l2gw.MAC, 0, len(m.Set)+len(m.Removed))
	for _, mac := range m.Removed {
		if h, ok := hosts.Get(mac); ok {
			sum -= h.Digest()
			hosts.Delete(mac)
		}
		macs = append(macs, mac)
	}
	for _, h := range m.Set {
		if before, had := hosts.Swap(h.MAC, h); had {
			sum -= before.Digest()
		}
		sum += h.Digest()
		macs = append(macs, h.MAC)
	}
	s := &l2gw.Segment{
		NetworkID: m.NetworkID, Name: m.Name, VNI: m.VNI, MTU: m.MTU,
		VTEPs: m.VTEPs, Hosts: hosts.Commit(), Version: m.To, HostSum: sum,
	}
	if m.Digest != 0 && s.Digest() != m.Digest {
		return Effect{Ask: m.NetworkID} // the server holds something else; until then it is as it was
	}
	r.Segments[m.NetworkID] = s
	r.version[m.NetworkID] = m.To
	if m.Name != old.Name || m.VNI != old.VNI || !slices.Equal(m.VTEPs, old.VTEPs) {
		return Effect{Networks: []string{m.NetworkID}}
	}
	return Effect{Network: m.NetworkID, MACs: macs}
}

// withSum returns a segment that has its HostSum. Older servers send none.
func withSum(s *l2gw.Segment) *l2gw.Segment {
	if s.HostSum != 0 || s.Hosts.Len() == 0 {
		return s
	}
	c := *s // others may hold it
	c.HostSum = s.SumHosts()
	return &c
}

func cloneLists(m map[string][]l2gw.BindingKey) map[string][]l2gw.BindingKey {
	c := make(map[string][]l2gw.BindingKey, len(m))
	for k, list := range m {
		c[k] = slices.Clone(list)
	}
	return c
}
