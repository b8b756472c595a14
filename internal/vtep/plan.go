package vtep

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"l2gw"
	"l2gw/ovsdb"
)

// MakePlan compares what the database holds with what it must hold and returns
// the way from one to the other, as far as it can be told from this snapshot.
// It is pure: the same arguments give the same plan.
//
// Subjects for which blocked is true are left out of the transactions (but not
// of the differences); blocked may be nil. A scope of single MACs takes time in proportion to
// their number, whatever else the database holds, if Intent.ByNetwork is set.
//
// Send the transactions, and plan the same scope again once they are seen in
// the snapshot, until a plan has none.
func MakePlan(snap *ovsdb.Snapshot, caps Capabilities, intent *Intent, scope Scope, blocked func(Subject) bool) *Plan {
	if blocked == nil {
		blocked = func(Subject) bool { return false }
	}
	p := &planner{
		snap:      snap,
		caps:      caps,
		intent:    intent,
		isBlocked: blocked,
		bound:     boundNetworks(intent),
		own:       tunnelIPs(snap),
		endpoints: make(map[netip.Addr]*endpoint),
		b:         newBuilder(intent.Options),
		stages:    make(map[string]stage),
		unbound:   make(map[vlanOfPort]bool),
		dropped:   make(map[ovsdb.UUID]int),
		plan: &Plan{
			Bindings: make(map[l2gw.BindingKey]Verdict),
			Networks: make(map[string]Verdict),
			Gone:     l2gw.Ownership{Networks: make(map[string]l2gw.VNI), Bindings: make(map[l2gw.BindingKey]string)},
		},
	}
	whole := p.networks(scope)
	if err := caps.Err(); err != nil {
		p.refuseAll(whole, err)
		return p.plan
	}
	p.readRoom()
	for _, macs := range scope.MACs {
		p.singles += len(macs)
	}
	for _, id := range slices.Sorted(maps.Keys(scope.MACs)) {
		if whole[id] {
			continue
		}
		if macs := slices.SortedFunc(maps.Keys(scope.MACs[id]), compareMACs); !p.planMACs(id, macs) {
			whole[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(whole)) {
		p.planNetwork(id)
	}
	// Whatever removes comes after whatever adds: a locator that one network
	// gives up and another takes is then never collected in between.
	for _, remove := range p.later {
		remove()
	}
	p.confirmGone(scope, whole)
	p.plan.Txns = p.b.txns
	p.plan.More = p.deferred && len(p.b.txns) > 0
	return p.plan
}

// Operations is how many operations the transactions have.
func (p *Plan) Operations() int {
	n := 0
	for _, t := range p.Txns {
		n += len(t.Ops)
	}
	return n
}

// InSync reports whether the part of the database that was looked at holds all
// that it should and nothing of ours besides.
func (p *Plan) InSync() bool { return len(p.Txns) == 0 && len(p.Differences) == 0 }

// planner is the making of one plan.
type planner struct {
	snap      *ovsdb.Snapshot
	caps      Capabilities
	intent    *Intent
	isBlocked func(Subject) bool
	bound     map[string][]l2gw.BindingKey
	own       map[netip.Addr]bool
	endpoints map[netip.Addr]*endpoint
	survey    *ports // nil until it is needed

	b        *builder
	plan     *Plan
	later    []func() // removals
	deferred bool     // something can only be planned once the transactions are seen
	room     int      // how many more rows Ucast_Macs_Remote may have
	fullFor  string   // why room is limited, or ""
	singles  int      // how many MACs are to be looked at alone
	stages   map[string]stage
	unbound  map[vlanOfPort]bool
	dropped  map[ovsdb.UUID]int // locators that a row ceased to use, and in which transaction
}

type vlanOfPort struct {
	port ovsdb.UUID
	vlan l2gw.VLAN
}

// networks are those to be looked at whole.
func (p *planner) networks(scope Scope) map[string]bool {
	whole := make(map[string]bool)
	for id, in := range scope.Networks {
		if in {
			whole[id] = true
		}
	}
	if scope.All {
		for id := range p.bound {
			whole[id] = true
		}
		for id := range p.intent.Owned.Networks {
			whole[id] = true
		}
	}
	return whole
}

func (p *planner) refuseAll(whole map[string]bool, err error) {
	v := Verdict{l2gw.StatusError, err.Error()}
	for id := range whole {
		p.plan.Networks[id] = v
		for _, k := range p.bound[id] {
			p.plan.Bindings[k] = v
		}
	}
}

// ports returns the survey of all ports, made when it is first needed.
func (p *planner) ports() *ports {
	if p.survey == nil {
		p.survey = surveyPorts(p.snap)
	}
	return p.survey
}

// readRoom finds out how many more MACs the switch takes.
func (p *planner) readRoom() {
	p.room = math.MaxInt
	macs := p.snap.Table(tableUcastRemote)
	limit := int64(p.intent.Options.MaxMACs)
	if macs != nil && (limit == 0 || macs.Layout().Table.MaxRows < limit) {
		limit = macs.Layout().Table.MaxRows // what the switch's schema says of itself
	}
	if limit > 0 && limit < math.MaxInt64 {
		p.room = max(0, int(limit)-macs.Len())
		p.fullFor = fmt.Sprintf("at most %d MACs fit", limit)
	}
	var full []string
	for r := range p.snap.Table(tablePhysicalSwitch).All() {
		if s := (PhysicalSwitch{r}); slices.Contains(s.Faults(), faultMACTable) {
			full = append(full, s.Name())
		}
	}
	if len(full) > 0 {
		slices.Sort(full)
		p.room = 0
		p.fullFor = fmt.Sprintf("the MAC table of %s is full", strings.Join(full, ", "))
	}
}

// endpoint is a VTEP as it is seen from this database.
type endpoint struct {
	addr  netip.Addr
	where whereabouts
	loc   ref // the locator, if there is one or this plan inserts it
}

type whereabouts int

const (
	remote     whereabouts = iota // behind the overlay: rows are written for it
	local                         // a tunnel IP of this database: the switch knows its own
	unroutable                    // hardware_vtep cannot express it
)

func (p *planner) endpoint(a netip.Addr) *endpoint {
	if e, ok := p.endpoints[a]; ok {
		return e
	}
	u := a.Unmap()
	if u != a {
		e := p.endpoint(u)
		p.endpoints[a] = e
		return e
	}
	e := &endpoint{addr: a}
	switch {
	case !a.Is4() || a.IsUnspecified() || a.IsMulticast():
		e.where = unroutable
	case p.own[a]:
		e.where = local
	}
	for r := range p.snap.Table(tableLocator).Lookup(byDstIP, a.String()).All() {
		if (Locator{r}).Plain() {
			e.loc.uuid = r.UUID()
		}
	}
	p.endpoints[a] = e
	return e
}

// locate returns the value to refer to e's locator by in the next operation; it
// inserts the locator if nobody has. False: that must wait until an earlier transaction is seen.
func (p *planner) locate(e *endpoint, s Subject) (ovsdb.Value, bool) {
	if e.loc.uuid.IsZero() && e.loc.name == "" {
		name := p.b.name("vtep")
		p.b.add(s, ovsdb.Insert(tableLocator, string(name),
			ovsdb.Cell{Column: "encapsulation_type", Value: vxlanOverIPv4},
			ovsdb.Cell{Column: "dst_ip", Value: e.addr.String()}))
		e.loc = ref{name: name, txn: p.b.id}
	}
	if txn, ok := p.dropped[e.loc.uuid]; ok && txn != p.b.id {
		p.deferred = true // that may have been the last one to use it, and it would be gone by now
		return nil, false
	}
	v, ok := e.loc.in(p.b)
	if !ok {
		p.deferred = true
	}
	return v, ok
}

// isOurs reports whether a logical switch of that name is ours.
func (p *planner) isOurs(name string) bool {
	_, ours := p.intent.Owned.Networks[name]
	return ours
}

// labelOf is what people call a network: its name if we know it.
func (p *planner) labelOf(id string) string {
	if s := p.intent.Segments[id]; s != nil && s.Name != "" {
		return s.Name
	}
	return id
}

func (p *planner) differ(table, row, wanted, held string) {
	p.plan.Differences = append(p.plan.Differences, Difference{Table: table, Row: row, Wanted: wanted, Held: held})
}

// confirmGone tells which tombstones have nothing left in the database.
func (p *planner) confirmGone(scope Scope, whole map[string]bool) {
	for k, id := range p.intent.Owned.Bindings {
		if !scope.All && !whole[id] {
			continue
		}
		if b, wanted := p.intent.Bindings[k]; wanted && b.NetworkID == id {
			continue
		}
		if port, _, v := p.ports().find(k); v.Status == "" {
			if ls := p.snap.Table(tableLogicalSwitch).Get(port.Binding(k.VLAN)); ls != nil && (LogicalSwitch{ls}).Name() == id {
				continue
			}
		} else if v.Status == l2gw.StatusError { // two of that name: no telling
			continue
		}
		p.plan.Gone.Bindings[k] = id
	}
}

func compareMACs(a, b l2gw.MAC) int { return bytes.Compare(a[:], b[:]) }

func compareRows(a, b *ovsdb.Row) int {
	x, y := a.UUID(), b.UUID()
	return bytes.Compare(x[:], y[:])
}

func sortedRows(rows ovsdb.Rows) []*ovsdb.Row { return slices.SortedFunc(rows.All(), compareRows) }
