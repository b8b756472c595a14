package fabric

import (
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

	version map[string]l2gw.Version // of each network's last message; "" is the bindings
	owned   l2gw.Version
	staged  *Replica // the snapshot under way
	begun   l2gw.Version
	cut     bool // messages were lost since the last snapshot
}

// Effect says what a message changed.
type Effect struct {
	All      bool              // everything may have changed
	Networks []string          // these networks may have changed in any way
	Bindings []l2gw.BindingKey // these bindings were set or unset
	Network  string            // of this network only
	MACs     []l2gw.MAC        // these hosts have changed
	Ask      string            // the network that must be asked for anew, or ""
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

// Apply takes in a message; messages of other kinds change nothing.
func (r *Replica) Apply(m ToAgent) Effect {
	switch m := m.(type) {
	case SnapshotBegin:
		r.staged, r.begun = NewReplica(), m.Version
		r.staged.version[""] = m.Version
		return Effect{}
	case SnapshotEnd:
		if r.staged == nil || r.begun != m.Version {
			return Effect{} // the end of a snapshot whose beginning was lost
		}
		s := r.staged
		s.Complete = true
		*r = *s
		return Effect{All: true}
	}
	if r.staged != nil {
		r.staged.apply(m)
		return Effect{}
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

func (r *Replica) apply(m ToAgent) Effect {
	switch m := m.(type) {
	case Owned:
		if m.Version.Compare(r.owned) < 0 {
			return Effect{}
		}
		r.owned, r.Owned = m.Version, m.Owned
		return Effect{}
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
		r.Segments[id] = m.Segment
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
		if !r.newer(m.NetworkID, m.Version) {
			return Effect{}
		}
		delete(r.Segments, m.NetworkID)
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

func (r *Replica) applyBindings(m Bindings) Effect {
	networks := map[string]bool{}
	var e Effect
	for _, u := range m.Unset {
		k := u.BindingKey
		if b, ok := r.Bindings[k]; ok {
			networks[b.NetworkID] = true
			e.Bindings = append(e.Bindings, k)
			delete(r.Bindings, k)
		}
	}
	for _, b := range m.Set {
		if old, ok := r.Bindings[b.BindingKey]; ok {
			networks[old.NetworkID] = true
		}
		networks[b.NetworkID] = true
		e.Bindings = append(e.Bindings, b.BindingKey)
		r.Bindings[b.BindingKey] = b
	}
	r.ByNetwork = make(map[string][]l2gw.BindingKey, len(r.ByNetwork))
	for k, b := range r.Bindings {
		r.ByNetwork[b.NetworkID] = append(r.ByNetwork[b.NetworkID], k)
	}
	for id := range networks {
		e.Networks = append(e.Networks, id)
	}
	return e
}

func (r *Replica) applyDelta(m SegmentDelta) Effect {
	old := r.Segments[m.NetworkID]
	switch {
	case m.To.Compare(r.version[m.NetworkID]) <= 0:
		return Effect{} // known already
	case old == nil || old.Version != m.From:
		return Effect{Ask: m.NetworkID}
	}
	hosts := old.Hosts.Txn()
	macs := make([]l2gw.MAC, 0, len(m.Set)+len(m.Removed))
	for _, mac := range m.Removed {
		hosts.Delete(mac)
		macs = append(macs, mac)
	}
	for _, h := range m.Set {
		hosts.Set(h.MAC, h)
		macs = append(macs, h.MAC)
	}
	r.Segments[m.NetworkID] = &l2gw.Segment{
		NetworkID: m.NetworkID, Name: m.Name, VNI: m.VNI, MTU: m.MTU,
		VTEPs: m.VTEPs, Hosts: hosts.Commit(), Version: m.To,
	}
	r.version[m.NetworkID] = m.To
	if m.Name != old.Name || m.VNI != old.VNI || !slices.Equal(m.VTEPs, old.VTEPs) {
		return Effect{Networks: []string{m.NetworkID}}
	}
	return Effect{Network: m.NetworkID, MACs: macs}
}
