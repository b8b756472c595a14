package agent

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"l2gw"
	"l2gw/internal/fabric"
)

// maxKeys is of how many keys of one kind a server is owed news one by one;
// from then on it is owed everything.
const maxKeys = 20_000

// reports are what servers are to know of one database: always the newest of
// each thing. Each stream has the keys of what it has yet to be told, not the
// messages, so that a server that does not listen costs a bounded amount of
// memory and holds up nobody. Written by the database's goroutine.
type reports struct {
	database string

	mu         sync.Mutex
	uplinks    map[*session]*uplink
	controller *session       // which is obeyed, or nil
	holding    fabric.Holding // its maps belong to reports
	state      *l2gw.DatabaseState
	learned    map[fabric.LearnedKey]l2gw.Learned // nil: not known yet
	bindings   map[l2gw.BindingKey]fabric.BindingResult
	networks   map[string]fabric.NetworkResult
	gone       gone
	orphans    *fabric.Orphans // nil: none
	version    l2gw.Version    // of the last word on the bindings, as of the last look
}

// gone is what was ours and is confirmed not to be there, with the version of
// the last word on the bindings when that was seen.
type gone struct {
	networks map[string]goneNetwork
	bindings map[l2gw.BindingKey]goneBinding
}

type goneNetwork struct {
	vni  l2gw.VNI
	seen l2gw.Version
}

type goneBinding struct {
	network string
	seen    l2gw.Version
}

// owed are keys that a server has yet to be told of.
type owed[K comparable] struct {
	all  bool
	keys map[K]struct{}
}

func (o *owed[K]) add(k K) {
	switch {
	case o.all:
	case len(o.keys) >= maxKeys:
		o.all, o.keys = true, nil
	default:
		if o.keys == nil {
			o.keys = map[K]struct{}{}
		}
		o.keys[k] = struct{}{}
	}
}

// take returns the values of all keys that are owed, in order, the keys that
// have none any more, and whether that is all there is.
func take[K comparable, V any](o *owed[K], now map[K]V, order func(a, b K) int) (set []V, gone []K, all bool) {
	var keys []K
	if o.all {
		keys = slices.Collect(maps.Keys(now))
	} else {
		keys = slices.Collect(maps.Keys(o.keys))
	}
	slices.SortFunc(keys, order)
	for _, k := range keys {
		if v, ok := now[k]; ok {
			set = append(set, v)
		} else {
			gone = append(gone, k)
		}
	}
	all = o.all
	*o = owed[K]{}
	return set, gone, all
}

// uplink is what one server has yet to be told of one database.
type uplink struct {
	state        bool
	orphans      bool // of the controller alone; see obey
	learned      owed[fabric.LearnedKey]
	bindings     owed[l2gw.BindingKey]
	networks     owed[string]
	goneNetworks owed[string]
	goneBindings owed[l2gw.BindingKey]
}

func newReports(database string) *reports {
	return &reports{
		database: database, uplinks: map[*session]*uplink{},
		holding:  fabric.Holding{Database: database, Networks: map[string]l2gw.Digest{}},
		bindings: map[l2gw.BindingKey]fabric.BindingResult{}, networks: map[string]fabric.NetworkResult{},
		gone: gone{map[string]goneNetwork{}, map[l2gw.BindingKey]goneBinding{}},
	}
}

// attach begins to tell a server, which is owed everything, and returns what is
// said of the database in Hello.
func (r *reports) attach(s *session) fabric.Holding {
	s.mu.Lock()
	s.uplinks[r] = struct{}{}
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uplinks[s] = &uplink{}
	r.oweAll(s)
	h := r.holding
	h.Networks = maps.Clone(h.Networks)
	return h
}

// detach ends that.
func (r *reports) detach(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.uplinks, s)
}

// all makes everything news to a server.
func (r *reports) all(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.oweAll(s)
}

func (r *reports) oweAll(s *session) {
	u := r.uplinks[s]
	if u == nil {
		return
	}
	u.state, u.orphans = true, s == r.controller
	u.learned.all, u.bindings.all, u.networks.all = true, true, true
	u.goneNetworks.all, u.goneBindings.all = true, true
	s.poke()
}

// news changes what there is to know, notes for each server what it has not
// been told, and wakes the senders.
func (r *reports) news(change func(owe func(func(*uplink)))) {
	r.mu.Lock()
	defer r.mu.Unlock()
	any := false
	change(func(owe func(*uplink)) {
		any = true
		for _, u := range r.uplinks {
			owe(u)
		}
	})
	if any {
		for s := range r.uplinks {
			s.poke()
		}
	}
}

// observed publishes what the database looks like.
func (r *reports) observed(state l2gw.DatabaseState) {
	r.news(func(owe func(func(*uplink))) {
		r.state = &state
		owe(func(u *uplink) { u.state = true })
	})
}

// hold publishes what a Hello says of the database.
func (r *reports) hold(change func(*fabric.Holding)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.holding)
}

// learn publishes all that the switches learned; it reports how much of that is news.
func (r *reports) learn(now map[fabric.LearnedKey]l2gw.Learned) {
	r.news(func(owe func(func(*uplink))) {
		if r.learned == nil {
			owe(func(u *uplink) { u.learned.all = true })
		}
		note := func(k fabric.LearnedKey) { owe(func(u *uplink) { u.learned.add(k) }) }
		for k, l := range now {
			if old, ok := r.learned[k]; !ok || !old.Equal(l.Host) {
				note(k)
			}
		}
		for k := range r.learned {
			if _, still := now[k]; !still {
				note(k)
			}
		}
		r.learned = now
	})
}

// apply publishes how bindings and networks stand.
func (r *reports) apply(version l2gw.Version, bindings []fabric.BindingResult, networks []fabric.NetworkResult) {
	r.news(func(owe func(func(*uplink))) {
		r.version = version
		for _, b := range bindings {
			r.bindings[b.Key] = b
			owe(func(u *uplink) { u.bindings.add(b.Key) })
		}
		for _, n := range networks {
			r.networks[n.NetworkID] = n
			owe(func(u *uplink) { u.networks.add(n.NetworkID) })
		}
	})
}

// forget drops what was said of bindings and networks that nobody asks about any more.
func (r *reports) forget(binding func(l2gw.BindingKey) bool, network func(string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.bindings, func(k l2gw.BindingKey, _ fabric.BindingResult) bool { return binding(k) })
	maps.DeleteFunc(r.networks, func(id string, _ fabric.NetworkResult) bool { return network(id) })
}

// let publishes what is gone as of the last look at a scope: covered tells what
// else was said to be gone and is not any more.
func (r *reports) let(version l2gw.Version, now l2gw.Ownership, covered func(network string) bool) {
	r.news(func(owe func(func(*uplink))) {
		maps.DeleteFunc(r.gone.networks, func(id string, _ goneNetwork) bool { return covered(id) })
		maps.DeleteFunc(r.gone.bindings, func(_ l2gw.BindingKey, g goneBinding) bool { return covered(g.network) })
		for id, vni := range now.Networks {
			r.gone.networks[id] = goneNetwork{vni, version}
			owe(func(u *uplink) { u.goneNetworks.add(id) })
		}
		for k, id := range now.Bindings {
			r.gone.bindings[k] = goneBinding{id, version}
			owe(func(u *uplink) { u.goneBindings.add(k) })
		}
	})
}

// owned drops what the controller has let go of from what is said to be gone.
func (r *reports) owned(o l2gw.Ownership) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.gone.networks, func(id string, _ goneNetwork) bool { _, still := o.Networks[id]; return !still })
	maps.DeleteFunc(r.gone.bindings, func(k l2gw.BindingKey, _ goneBinding) bool { _, still := o.Bindings[k]; return !still })
}

// obey takes in which server is the controller, if any is. It is owed what the
// controller may not know as ours: others could not record it, and one that has just
// begun to lead could not before.
func (r *reports) obey(controller *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.controller = controller
	r.oweOrphans()
}

func (r *reports) oweOrphans() {
	if u := r.uplinks[r.controller]; u != nil {
		u.orphans = true
		r.controller.poke()
	}
}

// orphaned publishes what we wrote and the controller does not know as ours.
func (r *reports) orphaned(o *fabric.Orphans) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orphans = o
	r.oweOrphans()
}

// collect adds what a server has yet to be told to messages.
func (r *reports) collect(s *session, messages []fabric.ToServer) []fabric.ToServer {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.uplinks[s]
	if u == nil {
		return messages
	}
	// What is to be recorded as ours first: what is said of it then makes sense.
	if u.orphans && r.orphans != nil {
		messages = append(messages, *r.orphans)
	}
	u.orphans = false
	if u.state && r.state != nil {
		messages = append(messages, fabric.Observed{Database: r.database, State: *r.state})
		u.state = false
	}
	if r.learned != nil {
		set, lost, full := take(&u.learned, r.learned, func(a, b fabric.LearnedKey) int {
			return cmp.Or(cmp.Compare(a.NetworkID, b.NetworkID), a.MAC.Compare(b.MAC))
		})
		if full || len(set)+len(lost) > 0 {
			messages = append(messages, fabric.Learned{Database: r.database, Full: full, Set: set, Gone: lost})
		}
	}
	bindings, _, _ := take(&u.bindings, r.bindings, compareKeys)
	networks, _, _ := take(&u.networks, r.networks, cmp.Compare[string])
	if len(bindings)+len(networks) > 0 {
		messages = append(messages, fabric.Applied{Database: r.database, Version: r.version, Bindings: bindings, Networks: networks})
	}
	return r.collectGone(u, messages)
}

func (r *reports) collectGone(u *uplink, messages []fabric.ToServer) []fabric.ToServer {
	byVersion := map[l2gw.Version]l2gw.Ownership{}
	at := func(v l2gw.Version) l2gw.Ownership {
		o, ok := byVersion[v]
		if !ok {
			o = l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
			byVersion[v] = o
		}
		return o
	}
	for id, g := range r.gone.networks {
		if _, due := u.goneNetworks.keys[id]; due || u.goneNetworks.all {
			at(g.seen).Networks[id] = g.vni
		}
	}
	for k, g := range r.gone.bindings {
		if _, due := u.goneBindings.keys[k]; due || u.goneBindings.all {
			at(g.seen).Bindings[k] = g.network
		}
	}
	u.goneNetworks, u.goneBindings = owed[string]{}, owed[l2gw.BindingKey]{}
	for _, v := range slices.SortedFunc(maps.Keys(byVersion), l2gw.Version.Compare) {
		messages = append(messages, fabric.Applied{Database: r.database, Version: v, Gone: byVersion[v]})
	}
	return messages
}

func compareKeys(a, b l2gw.BindingKey) int {
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VLAN, b.VLAN))
}
