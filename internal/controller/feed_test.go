package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"l2gw"
	"l2gw/internal/cow"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
)

// memory is a Store whose writes can be made to fail.
type memory struct {
	owned  map[string]l2gw.Ownership
	broken bool
}

var errBroken = errors.New("the store is away")

func (m *memory) Bindings(context.Context) (int64, []l2gw.Binding, error) { return 1, nil, nil }

func (m *memory) Changes(_ context.Context, since int64) (int64, []store.BindingChange, bool, error) {
	return since, nil, true, nil
}
func (m *memory) Subscribe() (<-chan struct{}, func()) { return nil, func() {} }

func (m *memory) Ownerships(context.Context) (map[string]l2gw.Ownership, error) { return m.owned, nil }

func (m *memory) Remembered(context.Context) (map[string]l2gw.Remembered, error) { return nil, nil }

func (m *memory) RememberDevices(context.Context, uint64, string, []l2gw.DeviceState) error {
	return nil
}

func (m *memory) RememberLearned(context.Context, uint64, string, []l2gw.Learned, []l2gw.Learned) error {
	return nil
}

func (m *memory) Own(_ context.Context, _ uint64, db string, more l2gw.Ownership) error {
	if m.broken {
		return errBroken
	}
	if m.owned[db].Networks == nil {
		m.owned[db] = l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
	}
	maps.Copy(m.owned[db].Networks, more.Networks)
	maps.Copy(m.owned[db].Bindings, more.Bindings)
	return nil
}

func (m *memory) Disown(_ context.Context, _ uint64, db string, gone l2gw.Ownership) error {
	if m.broken {
		return errBroken
	}
	for id := range gone.Networks {
		delete(m.owned[db].Networks, id)
	}
	for k := range gone.Bindings {
		delete(m.owned[db].Bindings, k)
	}
	return nil
}

// agent is a model of an agent: its replica, and the messages on their way.
type modelAgent struct {
	link    *link
	replica *fabric.Replica
	grant   l2gw.Version
}

func (a *modelAgent) apply(m fabric.ToAgent) (ask string) { return a.replica.Apply(m).Ask }

// world is a controller without goroutines, and what an omniscient observer knows.
type world struct {
	c      *Controller
	store  *memory
	agents map[string]*modelAgent // by database

	intent   map[l2gw.BindingKey]l2gw.Binding
	revision int64
	networks map[string]map[l2gw.MAC]l2gw.Host // the inventory; nil map: not there
	segments map[string]*l2gw.Segment          // as told last
	learned  map[fabric.LearnedKey]l2gw.Host   // by database db1 alone
}

// Two databases with a device each.
var (
	devices = map[string]string{"db1": "ps1", "db2": "ps2"}
	tunnel  = map[string]netip.Addr{"db1": netip.MustParseAddr("10.77.0.1"), "db2": netip.MustParseAddr("10.77.0.2")}
	now     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func newWorld() *world {
	w := &world{
		store: &memory{owned: map[string]l2gw.Ownership{}}, agents: map[string]*modelAgent{},
		intent: map[l2gw.BindingKey]l2gw.Binding{}, networks: map[string]map[l2gw.MAC]l2gw.Host{},
		segments: map[string]*l2gw.Segment{}, learned: map[fabric.LearnedKey]l2gw.Host{},
	}
	w.c = New(Options{Store: w.store, Now: func() time.Time { return now }})
	w.c.changeIntent(context.Background(), 1, nil)
	for db := range devices {
		w.reconnect(db)
	}
	return w
}

// write lets the store take what it will, and the controller hear of it.
func (w *world) write() { w.c.writeNow() }

func (c *Controller) writeNow() {
	for {
		c.writer.hurry()
		c.writer.write(context.Background())
		select {
		case f := <-c.events:
			f(context.Background())
		default:
			return
		}
	}
}

// reconnect is an agent that comes (back) and knows nothing.
func (w *world) reconnect(db string) {
	if old := w.agents[db]; old != nil {
		w.c.unregister(old.link)
		w.c.detach(context.Background(), old.link)
	}
	var grant l2gw.Version // that it acted on, as it still knows
	if old := w.agents[db]; old != nil {
		grant = old.grant
	}
	a := &modelAgent{replica: fabric.NewReplica()}
	h := fabric.Holding{Database: db, Grant: grant}
	a.link = newLink(fabric.Hello{Agent: "agent-" + db, Databases: []fabric.Holding{h}}, fabric.Peer{}, nil, now)
	w.agents[db] = a
	w.c.register(a.link)
	w.c.attach(context.Background(), a.link)
	_, a.grant, _ = w.c.office.granter.Holder(db)
	w.c.hearLink(context.Background(), a.link, fabric.Observed{Database: db, State: l2gw.DatabaseState{
		Name: db, Connected: true, Grant: a.grant, Writer: a.grant != (l2gw.Version{}),
		Devices: []l2gw.DeviceState{{Name: devices[db], TunnelIPs: []netip.Addr{tunnel[db]}}},
	}})
	if db == "db1" {
		m := fabric.Learned{Database: db, Full: true}
		for key, h := range w.learned {
			m.Set = append(m.Set, l2gw.Learned{NetworkID: key.NetworkID, Host: h})
		}
		w.c.hearLink(context.Background(), a.link, m)
	}
}

// deliver hands over what the controller has to say; the agent's questions go back.
func (w *world) deliver(t *rapid.T, db string, twice bool) {
	if !w.store.broken {
		w.write()
	}
	a := w.agents[db]
	for _, m := range w.collect(a.link) {
		for range 1 + map[bool]int{true: 1}[twice] {
			if id := a.apply(m); id != "" {
				w.c.hearLink(context.Background(), a.link, fabric.Ask{Database: db, NetworkID: id})
			}
		}
		if o, ok := m.(fabric.Owned); ok {
			for k, id := range o.Owned.Bindings {
				if w.store.owned[db].Bindings[k] != id {
					t.Fatalf("%s was told that %s is ours, and the store does not know", db, k)
				}
			}
		}
	}
}

// collect is all that is to be sent to an agent.
func (w *world) collect(l *link) []fabric.ToAgent {
	all := w.c.urgent(l)
	for {
		msgs, _, more := w.c.collect(l)
		if all = append(all, msgs...); !more {
			return all
		}
	}
}

func (w *world) bind(k l2gw.BindingKey, network string) {
	w.revision++
	b := l2gw.Binding{BindingKey: k, NetworkID: network, ConnectionID: "c-" + network, Revision: w.revision}
	set := network != ""
	if set {
		w.intent[k] = b
	} else {
		b = w.intent[k]
		delete(w.intent, k)
	}
	w.c.changeIntent(context.Background(), w.revision, []store.BindingChange{{Binding: b, Set: set}})
}

// tell lets the inventory tell of networks; all of them, or one with its delta.
func (w *world) tell(complete bool, ids ...string) {
	u := inventory.Update{Complete: complete}
	for _, id := range ids {
		hosts := w.networks[id]
		if hosts == nil {
			if !complete && w.segments[id] != nil {
				u.Removed = append(u.Removed, id)
			}
			delete(w.segments, id)
			continue
		}
		seg := &l2gw.Segment{NetworkID: id, Name: id, VNI: l2gw.VNI(5000 + len(id))}
		txn := cow.Map[l2gw.MAC, l2gw.Host]{}.Txn()
		for mac, h := range hosts {
			txn.Set(mac, h)
			if !slices.Contains(seg.VTEPs, h.VTEP) {
				seg.VTEPs = append(seg.VTEPs, h.VTEP)
			}
		}
		seg.Hosts = txn.Commit()
		slices.SortFunc(seg.VTEPs, netip.Addr.Compare)
		ch := inventory.Change{Segment: seg}
		if old := w.segments[id]; old != nil && !complete {
			ch.Delta = &inventory.Delta{}
			for mac, h := range hosts {
				if o, ok := old.Hosts.Get(mac); !ok || !o.Equal(h) {
					ch.Delta.Set = append(ch.Delta.Set, h)
				}
			}
			for mac := range old.Hosts.Keys() {
				if _, ok := hosts[mac]; !ok {
					ch.Delta.Removed = append(ch.Delta.Removed, mac)
				}
			}
		}
		w.segments[id] = seg
		u.Changed = append(u.Changed, ch)
	}
	w.c.takeInventory(context.Background(), u)
}

// want is what the agent of a database must know, from first principles.
func (w *world) want(db string, inventoryRead bool) (map[l2gw.BindingKey]string, map[string]string) {
	bindings, segments := map[l2gw.BindingKey]string{}, map[string]string{}
	for k, b := range w.intent {
		if k.Device != devices[db] || inventoryRead && w.segments[b.NetworkID] == nil {
			continue
		}
		bindings[k] = b.NetworkID
		seg := w.segments[b.NetworkID]
		if seg == nil {
			continue
		}
		vteps := slices.Clone(seg.VTEPs)
		for other, dev := range devices {
			for k2, b2 := range w.intent {
				if k2.Device == dev && b2.NetworkID == b.NetworkID && !slices.Contains(vteps, tunnel[other]) {
					vteps = append(vteps, tunnel[other])
				}
			}
		}
		slices.SortFunc(vteps, netip.Addr.Compare)
		hosts := maps.Collect(seg.Hosts.All())
		for key, h := range w.learned {
			if _, known := hosts[key.MAC]; key.NetworkID == b.NetworkID && !known && w.binds("db1", b.NetworkID, inventoryRead) {
				hosts[key.MAC] = h
			}
		}
		segments[b.NetworkID] = describeSegment(seg.VNI, vteps, hosts)
	}
	return bindings, segments
}

// binds reports whether the network is bound on the database.
func (w *world) binds(db, network string, inventoryRead bool) bool {
	for k, b := range w.intent {
		if k.Device == devices[db] && b.NetworkID == network && (!inventoryRead || w.segments[network] != nil) {
			return true
		}
	}
	return false
}

func describeSegment(vni l2gw.VNI, vteps []netip.Addr, hosts map[l2gw.MAC]l2gw.Host) string {
	var lines []string
	for mac, h := range hosts {
		lines = append(lines, fmt.Sprint(mac, " ", h.VTEP))
	}
	slices.Sort(lines)
	return fmt.Sprint(vni, vteps, lines)
}

// Whatever happens in whatever order, and however often agents come anew,
// messages come twice or the store fails, in the end each agent knows exactly
// what it must; and it is never told that something is ours before the store is.
func TestAgentsEndUpKnowingWhatTheyMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		read := false
		network := rapid.SampledFrom([]string{"a", "bb", "ccc"})
		database := rapid.SampledFrom([]string{"db1", "db2"})
		mac := rapid.Custom(func(t *rapid.T) l2gw.MAC {
			return l2gw.MAC{2, 0, 0, 0, 0, rapid.Byte().Draw(t, "mac") & 15}
		})
		vtep := rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{10, 77, 0, 11 + rapid.Byte().Draw(t, "vtep")&3})
		})
		all := func() { w.tell(true, "a", "bb", "ccc"); read = true }
		t.Repeat(map[string]func(*rapid.T){
			"bind": func(t *rapid.T) {
				k := l2gw.BindingKey{Device: devices[database.Draw(t, "db")], Interface: "eth1", VLAN: l2gw.VLAN(rapid.IntRange(1, 3).Draw(t, "vlan"))}
				if _, bound := w.intent[k]; bound {
					w.bind(k, "")
				} else {
					w.bind(k, network.Draw(t, "network"))
				}
			},
			"host": func(t *rapid.T) {
				id := network.Draw(t, "network")
				if w.networks[id] == nil {
					w.networks[id] = map[l2gw.MAC]l2gw.Host{}
				}
				m := mac.Draw(t, "mac")
				if _, there := w.networks[id][m]; there && rapid.Bool().Draw(t, "remove") {
					delete(w.networks[id], m)
				} else {
					w.networks[id][m] = l2gw.Host{MAC: m, VTEP: vtep.Draw(t, "vtep")}
				}
				if read {
					w.tell(false, id)
				}
			},
			"network goes": func(t *rapid.T) {
				id := network.Draw(t, "network")
				w.networks[id] = nil
				if read {
					w.tell(false, id)
				}
			},
			"inventory is read": func(*rapid.T) { all() },
			"inventory fails": func(*rapid.T) {
				w.c.takeInventory(context.Background(), inventory.Update{Err: errBroken})
			},
			"a switch learns": func(t *rapid.T) {
				key := fabric.LearnedKey{NetworkID: network.Draw(t, "network"), MAC: mac.Draw(t, "mac")}
				h := l2gw.Host{MAC: key.MAC, VTEP: tunnel["db1"]}
				w.learned[key] = h
				w.c.hearLink(context.Background(), w.agents["db1"].link, fabric.Learned{
					Database: "db1", Set: []l2gw.Learned{{NetworkID: key.NetworkID, Host: h}},
				})
			},
			"agent comes anew": func(t *rapid.T) { w.reconnect(database.Draw(t, "db")) },
			"messages come":    func(t *rapid.T) { w.deliver(t, database.Draw(t, "db"), rapid.Bool().Draw(t, "twice")) },
			"": func(t *rapid.T) {
				for id, n := range w.c.state.networks {
					for _, seg := range []*l2gw.Segment{n.base, n.merged} {
						if seg != nil && seg.HostSum != seg.SumHosts() {
							t.Fatalf("network %s: the sum of its hosts is not kept right", id)
						}
					}
				}
			},
			"the store goes":    func(*rapid.T) { w.store.broken = true },
			"the store is back": func(*rapid.T) { w.store.broken = false; w.write() },
		})
		w.store.broken = false
		w.write()
		for db, a := range w.agents {
			for range 3 { // a question and its answer
				w.deliver(t, db, false)
			}
			bindings, segments := w.want(db, read)
			got := map[l2gw.BindingKey]string{}
			for k, b := range a.replica.Bindings {
				got[k] = b.NetworkID
			}
			if diff := cmp.Diff(bindings, got); diff != "" {
				t.Fatalf("%s: bindings (-want +got):\n%s", db, diff)
			}
			known := map[string]string{}
			for id, s := range a.replica.Segments {
				if len(a.replica.ByNetwork[id]) > 0 {
					known[id] = describeSegment(s.VNI, s.VTEPs, maps.Collect(s.Hosts.All()))
				}
			}
			if diff := cmp.Diff(segments, known); diff != "" {
				t.Fatalf("%s: segments (-want +got):\n%s", db, diff)
			}
			if !a.replica.Complete {
				t.Fatalf("%s never got a complete snapshot", db)
			}
			for k, id := range bindings {
				if a.replica.Owned.Bindings[k] != id {
					t.Fatalf("%s does not know that %s is ours", db, k)
				}
			}
		}
	})
}

// An agent confirms that a network is gone, and the store is slow to take that.
// Meanwhile the network is bound and unbound again, so that the agent has written
// it anew: it is not gone, and forgotten it would stay in the switch for ever.
func TestWhatWasBoundAgainSinceItWasConfirmedGoneIsStillOurs(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	k := l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 1}
	confirm := func() {
		a := w.agents["db1"]
		if !w.store.broken {
			w.write()
		}
		for _, m := range w.collect(a.link) {
			a.apply(m)
		}
		w.c.hearLink(context.Background(), a.link, fabric.Applied{
			Database: "db1", Version: a.replica.Seen(), Gone: l2gw.Ownership{
				Networks: map[string]l2gw.VNI{"a": 5001}, Bindings: map[l2gw.BindingKey]string{k: "a"},
			},
		})
	}
	w.bind(k, "a")
	w.bind(k, "")
	w.store.broken = true
	confirm()
	w.store.broken = false
	w.bind(k, "a")
	w.bind(k, "")
	w.write()
	if o := w.store.owned["db1"]; o.Networks["a"] == 0 || o.Bindings[k] != "a" {
		t.Errorf("it is forgotten: %+v", o)
	}
	confirm()
	w.write()
	if o := w.store.owned["db1"]; len(o.Networks)+len(o.Bindings) > 0 {
		t.Errorf("it was confirmed anew, and is remembered: %+v", o)
	}
}

// A host was learned behind a switch that then changes its tunnel IP, or on which the
// network is no longer bound: nobody must be sent to where it was, held or not.
func TestALearnedHostIsNotHeldWhereNobodyBridgesItsNetwork(t *testing.T) {
	w := newWorld()
	w.networks["a"] = map[l2gw.MAC]l2gw.Host{}
	w.tell(true, "a")
	mac, old, other := l2gw.MAC{2, 0, 0, 0, 0, 9}, netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("10.77.0.8")
	agent := w.agents["db1"].link
	observe := func(ip netip.Addr) {
		w.c.hearLink(context.Background(), agent, fabric.Observed{Database: "db1", State: l2gw.DatabaseState{
			Name: "db1", Connected: true, Devices: []l2gw.DeviceState{
				{Name: "ps1", TunnelIPs: []netip.Addr{ip}}, {Name: "ps3", TunnelIPs: []netip.Addr{netip.MustParseAddr("10.77.0.3")}},
			},
		}})
	}
	learn := func(vtep netip.Addr) {
		w.write()
		w.c.hearLink(context.Background(), agent, fabric.Learned{Database: "db1", Set: []l2gw.Learned{
			{NetworkID: "a", Host: l2gw.Host{MAC: mac, VTEP: vtep}},
		}})
		if h, ok := w.c.state.networks["a"].merged.Hosts.Get(mac); !ok || h.VTEP != vtep {
			t.Fatalf("it was not learned: %+v", h)
		}
	}
	gone := func(why string) {
		t.Helper()
		if h, ok := w.c.state.networks["a"].merged.Hosts.Get(mac); ok {
			t.Errorf("%s, and the host is still at %v", why, h.VTEP)
		}
	}
	w.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth1"}, "a")
	w.bind(l2gw.BindingKey{Device: "ps3", Interface: "eth1"}, "a")
	observe(old)
	learn(old)
	w.c.hearLink(context.Background(), agent, fabric.Learned{Database: "db1", Gone: []fabric.LearnedKey{{NetworkID: "a", MAC: mac}}})
	if !w.c.state.networks["a"].merged.Hosts.Has(mac) {
		t.Fatal("a host that aged should be held")
	}
	observe(other)
	gone("the tunnel IP is another")
	learn(other)
	w.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth1"}, "")
	gone("the network is bound on the other switch alone")
}
