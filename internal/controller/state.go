package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// state is all that the controller knows. It is guarded by Controller.mu.
type state struct {
	revision   int64 // of the intent
	intentRead bool
	bindings   map[l2gw.BindingKey]l2gw.Binding
	// The keys of bindings by network id, device name, connection id and gateway id.
	ofNetwork, ofDevice, ofConnection, ofGateway map[string]map[l2gw.BindingKey]bool

	inventoryRead  bool            // a complete inventory has been told
	inventoryError error           // why it cannot be read now, or nil
	directory      *l2gw.Directory // what clients see of it; nil if the source tells of segments only

	networks  map[string]*network           // those that the inventory knows or that are bound
	databases map[string]*database          // those that an agent reports or that hold rows of ours
	reporting map[string][]string           // device name → databases that report it, sorted
	binding   map[string]map[*database]bool // network id → databases on which it is bound
	where     *whereabouts
	aging     agingHeap // networks with learned MACs that age or thaw

	nodes   map[netip.Addr]int    // VTEPs of the inventory, and how many networks have each
	holders map[netip.Addr]string // tunnel IPs, and the database that had each first and still has it
	suspect map[netip.Addr]bool   // tunnel IPs that are to be judged anew

	// leading is set while this server feeds agents and writes to the store, with
	// version.Epoch. One that stands by keeps the same state in memory only.
	leading bool
	version l2gw.Version // the last one given out

	// unboundBy are the API requests that removed bindings which are yet to be
	// placed anew.
	unboundBy map[l2gw.BindingKey]string
}

// network is a network, its inventory and what the gateways add to it.
type network struct {
	id      string
	base    *l2gw.Segment  // as the inventory tells it; nil if it does not
	merged  *l2gw.Segment  // base with the gateways' tunnel IPs and learned hosts; nil unless bound and known
	learned *l2gw.MACTable // what switches learned on it; nil until they did
	ages    aging
}

// database is one OVSDB database: what is there, what must be there, what is ours.
type database struct {
	name     string
	observed l2gw.DatabaseState
	seen     time.Time             // when it was last observed connected, or zero
	tunnels  map[netip.Addr]bool   // all that its switches have had
	refused  map[netip.Addr]string // tunnel IPs that its switches may not have, and why
	owned    l2gw.Ownership
	wanted   map[l2gw.BindingKey]l2gw.Binding
	bound    map[string]int                // how many of wanted a network has, by its id
	binding  map[string]map[*database]bool // state.binding
	where    *whereabouts                  // state.where
	// When a network of ours was last bound there, as a version: later words to the agent are newer.
	boundSince map[string]l2gw.Version

	source *link // whose report on it counts; nil while no agent names it
	feed   *feed // to the agent that was granted it; nil while there is none, or another server leads

	// asked is what the store was asked to record as ours and has not recorded yet.
	asked l2gw.Ownership
	// tellings are the Orphans of agents that are not recorded yet as a whole.
	tellings map[*link]*telling
	// unboundBy are the API requests that removed bindings which are not confirmed gone.
	unboundBy map[l2gw.BindingKey]string
	// highest is the revision of the latest intent that an agent is known to have been
	// told of: another that is granted the database must know of it.
	highest int64
	holds   map[string]*hold // the removals that its agent holds, by network id
	lost    map[string]bool  // what findLost found

	bindingResults map[l2gw.BindingKey]fabric.BindingResult
	networkResults map[string]fabric.NetworkResult
	learned        map[fabric.LearnedKey]l2gw.Learned // what its switches report, as it came
	kept           map[fabric.LearnedKey]l2gw.Learned // of it, what the store has
	learnedNews    bool                               // learned may differ from kept
	keeping        bool                               // the store was asked to take what differs
}

func newState() state {
	return state{
		bindings:     map[l2gw.BindingKey]l2gw.Binding{},
		ofNetwork:    map[string]map[l2gw.BindingKey]bool{},
		ofDevice:     map[string]map[l2gw.BindingKey]bool{},
		ofConnection: map[string]map[l2gw.BindingKey]bool{},
		ofGateway:    map[string]map[l2gw.BindingKey]bool{},
		networks:     map[string]*network{},
		databases:    map[string]*database{},
		reporting:    map[string][]string{},
		binding:      map[string]map[*database]bool{},
		nodes:        map[netip.Addr]int{},
		holders:      map[netip.Addr]string{},
		suspect:      map[netip.Addr]bool{},
		where:        newWhereabouts(),
		leading:      true,
		version:      l2gw.Version{Epoch: 1},
		unboundBy:    map[l2gw.BindingKey]string{},
	}
}

func (s *state) nextVersion() l2gw.Version {
	s.version.Counter++
	return s.version
}

func (s *state) database(name string) *database {
	d, ok := s.databases[name]
	if !ok {
		d = &database{
			name:           name,
			observed:       l2gw.DatabaseState{Name: name},
			owned:          noOwnership(),
			asked:          noOwnership(),
			unboundBy:      map[l2gw.BindingKey]string{},
			holds:          map[string]*hold{},
			wanted:         map[l2gw.BindingKey]l2gw.Binding{},
			bound:          map[string]int{},
			binding:        s.binding,
			where:          s.where,
			refused:        map[netip.Addr]string{},
			boundSince:     map[string]l2gw.Version{},
			bindingResults: map[l2gw.BindingKey]fabric.BindingResult{},
			networkResults: map[string]fabric.NetworkResult{},
			learned:        map[fabric.LearnedKey]l2gw.Learned{},
			tunnels:        map[netip.Addr]bool{},
		}
		s.databases[name] = d
	}
	return d
}

func (s *state) network(id string) *network {
	n, ok := s.networks[id]
	if !ok {
		n = &network{id: id}
		s.networks[id] = n
	}
	return n
}

// setBinding takes in a binding or its removal, and keeps the lookups right.
func (s *state) setBinding(b l2gw.Binding, set bool) {
	k := b.BindingKey
	if old, ok := s.bindings[k]; ok {
		unlist(s.ofNetwork, old.NetworkID, k)
		unlist(s.ofDevice, k.Device, k)
		unlist(s.ofConnection, old.ConnectionID, k)
		unlist(s.ofGateway, old.GatewayID, k)
		delete(s.bindings, k)
	}
	if !set {
		return
	}
	s.bindings[k] = b
	list(s.ofNetwork, b.NetworkID, k)
	list(s.ofDevice, k.Device, k)
	list(s.ofConnection, b.ConnectionID, k)
	list(s.ofGateway, b.GatewayID, k)
}

func list(index map[string]map[l2gw.BindingKey]bool, by string, k l2gw.BindingKey) {
	if index[by] == nil {
		index[by] = map[l2gw.BindingKey]bool{}
	}
	index[by][k] = true
}

func unlist(index map[string]map[l2gw.BindingKey]bool, by string, k l2gw.BindingKey) {
	delete(index[by], k)
	if len(index[by]) == 0 {
		delete(index, by)
	}
}

// gone reports whether a complete inventory lacks the network.
func (s *state) gone(network string) bool {
	n := s.networks[network]
	return s.inventoryRead && (n == nil || n.base == nil)
}

// home tells which databases a binding belongs on. Usually that is the one that
// reports the device. While nobody does, it is where the binding has been
// before: a switch that is away, or has lost its database, keeps what it had.
// If several databases report the device, only those that had it before keep it.
func (s *state) home(k l2gw.BindingKey) []string { return s.homeAmong(k, s.where.of(k)) }

// homeAmong is home for who knows on which databases the binding may be recorded as ours.
func (s *state) homeAmong(k l2gw.BindingKey, databases []*database) []string {
	reporting := s.reporting[k.Device]
	if len(reporting) == 1 {
		return reporting
	}
	var had []string
	for _, d := range databases {
		if _, ok := d.owned.Bindings[k]; ok && (len(reporting) == 0 || slices.Contains(reporting, d.name)) {
			had = append(had, d.name)
		}
	}
	slices.Sort(had)
	return had
}

// gateways are the tunnel IPs of all devices on which the network is bound, but
// for those that are refused.
func (s *state) gateways(network string) []netip.Addr {
	devices := map[string]bool{}
	for k := range s.ofNetwork[network] {
		devices[k.Device] = true
	}
	var ips []netip.Addr
	for name := range devices {
		for _, db := range s.reporting[name] {
			d := s.databases[db]
			if d.bound[network] == 0 {
				continue
			}
			for _, dev := range d.observed.Devices {
				if dev.Name == name {
					ips = append(ips, d.believed(dev)...)
				}
			}
		}
	}
	return ips
}

// want takes a binding in, or with nil its removal, and counts the network's.
func (d *database) want(k l2gw.BindingKey, b *l2gw.Binding) {
	if old, ok := d.wanted[k]; ok {
		delete(d.wanted, k)
		if d.bound[old.NetworkID]--; d.bound[old.NetworkID] == 0 {
			d.unbound(old.NetworkID)
		}
	}
	if b == nil {
		return
	}
	d.wanted[k] = *b
	d.where.placed(k, d)
	if d.bound[b.NetworkID]++; d.bound[b.NetworkID] == 1 {
		if d.binding[b.NetworkID] == nil {
			d.binding[b.NetworkID] = map[*database]bool{}
		}
		d.binding[b.NetworkID][d] = true
	}
}

// unbound takes in that a network is not bound there any more: its segment is of no use to the agent.
func (d *database) unbound(network string) {
	delete(d.bound, network)
	delete(d.binding[network], d)
	if len(d.binding[network]) == 0 {
		delete(d.binding, network)
	}
	if d.feed != nil && d.feed.holds(network) {
		d.feed.network(network).whole()
	}
}

func cloneOwnership(o l2gw.Ownership) l2gw.Ownership {
	return l2gw.Ownership{Networks: maps.Clone(o.Networks), Bindings: maps.Clone(o.Bindings)}
}
