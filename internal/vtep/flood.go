package vtep

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"l2gw/ovsdb"
)

// flood is the flood set of one network: the locator set of its unknown-dst row.
type flood struct {
	rows []*ovsdb.Row // the unknown-dst rows; the first is the one to keep
	held ovsdb.Set    // the locators of the first
	want []*endpoint
	// strict: a unicast row is only written for a VTEP that is in the set.
	strict bool
	// settled: the set stays as it is, or the switch has none.
	settled bool
	// guessed: that the set is ours was told from the unicast rows alone.
	guessed bool
	grown   map[*endpoint]bool // what transaction txn adds to the set
	txn     int
}

// wantFlood works out what the flood set should be. It comes after diffHosts,
// which knows what the unicast rows use.
func (p *planner) wantFlood(n *network) {
	f := &n.flood
	vteps := p.remoteVTEPs(n)
	if !p.caps.FloodSets {
		f.settled = true
		if len(vteps) > 0 {
			n.degraded = append(n.degraded, "broadcast reaches none: the switch's schema has no Mcast_Macs_Remote")
		}
		return
	}
	if n.row != nil {
		for _, r := range sortedRows(p.snap.Table(tableMcastRemote).Lookup(byLogicalSwitch, n.row.UUID())) {
			if (Mcast{r}).MAC() == unknownDst {
				f.rows = append(f.rows, r)
			}
		}
	}
	f.want, f.strict = vteps, true
	if !p.caps.SourceNode() {
		p.wantServiceNodes(n, vteps)
	}
	if !f.settled {
		// Of several rows the one that is right already is kept.
		slices.SortStableFunc(f.rows, func(a, b *ovsdb.Row) int {
			return cmp.Compare(order(p.floodIs(a, f.want)), order(p.floodIs(b, f.want)))
		})
	}
	if len(f.rows) > 0 {
		f.held = p.locatorsOf(f.rows[0])
	}
	f.guessed = f.strict && !p.caps.SourceNode() && len(f.rows) > 0 && len(vteps) > 0 &&
		!slices.ContainsFunc(vteps, func(e *endpoint) bool { return f.held.Has(e.loc.uuid) })
}

func order(first bool) int {
	if first {
		return 0
	}
	return 1
}

// wantServiceNodes is the rule for switches that cannot replicate by source
// node (see the package documentation).
func (p *planner) wantServiceNodes(n *network, vteps []*endpoint) {
	f := &n.flood
	if nodes := p.intent.Options.ServiceNodes; len(nodes) > 0 {
		f.want, f.strict = nil, false
		for _, a := range nodes {
			switch e := p.endpoint(a); {
			case e.where == unroutable:
				n.degraded = append(n.degraded, fmt.Sprintf("service node %s is not IPv4, and hardware_vtep knows VXLAN over IPv4 only", a))
			case e.where == remote && len(vteps) > 0 && !slices.Contains(f.want, e):
				f.want = append(f.want, e)
			}
		}
		return
	}
	if len(f.rows) > 0 && !slices.ContainsFunc(f.rows, func(r *ovsdb.Row) bool { return !p.isOperators(n, r, vteps) }) {
		f.settled, f.strict = true, false
		return
	}
	if len(vteps) > 1 {
		n.degraded = append(n.degraded, fmt.Sprintf("broadcast reaches one of %d: the switch cannot replicate by source node and has no service node", len(vteps)))
	}
}

// isOperators reports whether a flood set was put there by an operator: we
// write only VTEPs of the segment, and those that left it still have unicast rows when we look.
func (p *planner) isOperators(n *network, row *ovsdb.Row, vteps []*endpoint) bool {
	set := p.locatorsOf(row)
	for v := range set.All() {
		u := asUUID(v)
		if n.hosts.used[u] || slices.ContainsFunc(vteps, func(e *endpoint) bool { return e.loc.uuid == u }) {
			return false
		}
	}
	return set.Len() > 0
}

// remoteVTEPs are the VTEPs of the segment outside this database.
func (p *planner) remoteVTEPs(n *network) []*endpoint {
	var vteps []*endpoint
	var refused []netip.Addr
	seen := make(map[*endpoint]bool, len(n.seg.VTEPs))
	for _, a := range append(slices.Clip(n.seg.VTEPs), n.hosts.unlisted...) {
		e := p.endpoint(a)
		if seen[e] {
			continue
		}
		seen[e] = true
		switch e.where {
		case remote:
			vteps = append(vteps, e)
		case unroutable:
			refused = append(refused, e.addr)
		}
	}
	if len(refused) > 0 {
		n.degraded = append(n.degraded, refusal(refused))
	}
	return vteps
}

func refusal(refused []netip.Addr) string {
	what := fmt.Sprintf("VTEP %s is", refused[0])
	if refused[0].Is6() {
		what += " IPv6"
	} else {
		what += " no host's IPv4 address"
	}
	if more := len(refused) - 1; more > 0 {
		what += fmt.Sprintf(" (and %d more are such)", more)
	}
	return what + ", and hardware_vtep knows VXLAN over IPv4 only"
}

func (p *planner) locatorsOf(row *ovsdb.Row) ovsdb.Set {
	if set := p.snap.Table(tableLocatorSet).Get((Mcast{row}).LocatorSet()); set != nil {
		return set.Set("locators")
	}
	return ovsdb.Set{}
}

// floodIs reports whether the row's set has just the wanted locators.
func (p *planner) floodIs(row *ovsdb.Row, want []*endpoint) bool {
	held := p.locatorsOf(row)
	return held.Len() == len(want) && !slices.ContainsFunc(want, func(e *endpoint) bool { return !held.Has(e.loc.uuid) })
}

// missingLocators is how many locators would have to be inserted.
func (p *planner) missingLocators(want []*endpoint) int {
	count := 0
	for _, e := range want {
		if e.loc.uuid.IsZero() {
			count++
		}
	}
	return count
}

// has reports whether the flood set surely has e when the next operation is carried out.
func (f *flood) has(e *endpoint, b *builder) bool {
	return !e.loc.uuid.IsZero() && f.held.Has(e.loc.uuid) || f.txn == b.id && f.grown[e]
}

// growFlood adds to the flood set what it lacks. It never takes anything out at the
// same time: what leaves the set leaves it when nothing uses it any more.
func (p *planner) growFlood(n *network) {
	f := &n.flood
	if more := len(f.rows) - 1; more > 0 {
		p.differ(tableMcastRemote, unknownDst+" in "+n.label, "one row", fmt.Sprintf("%d rows", more+1))
	}
	if f.settled || len(f.rows) == 0 && len(f.want) == 0 {
		return
	}
	if len(f.rows) > 0 && p.floodIs(f.rows[0], f.want) {
		return
	}
	held := ""
	if len(f.rows) > 0 {
		held = p.addresses(f.held)
	}
	p.differ(tableMcastRemote, unknownDst+" in "+n.label, wantedAddresses(f.want), held)

	var lacking []*endpoint
	for _, e := range f.want {
		if !f.has(e, p.b) {
			lacking = append(lacking, e)
		}
	}
	if len(lacking) == 0 || p.isBlocked(n.subject()) {
		return
	}
	s := n.subject()
	if n.row != nil { // else the room is reserved, and the name is good in this transaction only
		p.b.reserve(min(p.b.fresh(), 4+p.missingLocators(lacking)))
	}
	ls, ok := n.ls.in(p.b)
	if !ok {
		p.deferred = true
		return
	}
	members := slices.Collect(f.held.All())
	grown := make(map[*endpoint]bool, len(lacking))
	for _, e := range lacking {
		if p.b.room() <= 3 && e.loc.uuid.IsZero() { // guard, set and row must fit in
			p.deferred = true
			continue
		}
		if v, ok := p.locate(e, s); ok {
			members = append(members, v)
			grown[e] = true
		}
	}
	if len(grown) == 0 {
		return // all of them are in flight
	}
	if len(f.rows) > 0 {
		p.b.add(s, ovsdb.WaitEqual(tableMcastRemote, f.rows[0].UUID(),
			ovsdb.Cell{Column: "locator_set", Value: Mcast{f.rows[0]}.LocatorSet()}))
	}
	set := p.b.name("flood")
	p.b.add(s, ovsdb.Insert(tableLocatorSet, string(set), ovsdb.Cell{Column: "locators", Value: ovsdb.NewSet(members...)}))
	if len(f.rows) > 0 {
		p.b.add(s, ovsdb.Update(tableMcastRemote, ovsdb.ByUUID(f.rows[0].UUID()), ovsdb.Cell{Column: "locator_set", Value: set}))
	} else {
		p.b.add(s, ovsdb.Insert(tableMcastRemote, "",
			ovsdb.Cell{Column: "MAC", Value: unknownDst},
			ovsdb.Cell{Column: "logical_switch", Value: ls},
			ovsdb.Cell{Column: "locator_set", Value: set},
			ovsdb.Cell{Column: "ipaddr", Value: ""}))
	}
	f.grown, f.txn = grown, p.b.id
	if len(f.want) < f.held.Len()+len(grown) {
		p.deferred = true // and then it shrinks
	}
}

// shrinkFlood takes out of the flood set what is no longer wanted and what no
// unicast row in the snapshot uses, and removes all unknown-dst rows but one.
func (p *planner) shrinkFlood(n *network) {
	f := &n.flood
	if len(f.rows) == 0 || p.isBlocked(n.subject()) {
		return
	}
	s := n.subject()
	kept := f.rows[0]
	full := !slices.ContainsFunc(f.want, func(e *endpoint) bool { return e.loc.uuid.IsZero() || !f.held.Has(e.loc.uuid) })
	if !f.settled && !full {
		p.deferred = true // first it grows
		return
	}

	if f.ends() {
		p.removeFlood(n)
		return
	}
	for _, r := range f.rows[1:] {
		inUse := slices.ContainsFunc(slices.Collect(p.locatorsOf(r).All()), func(v ovsdb.Value) bool {
			return n.hosts.used[asUUID(v)] && !f.held.Has(v)
		})
		if inUse && f.strict {
			p.deferred = true
			continue
		}
		p.b.reserve(2)
		p.b.add(s, ovsdb.WaitEqual(tableMcastRemote, kept.UUID(),
			ovsdb.Cell{Column: "MAC", Value: unknownDst},
			ovsdb.Cell{Column: "logical_switch", Value: Mcast{kept}.LogicalSwitch()},
			ovsdb.Cell{Column: "locator_set", Value: Mcast{kept}.LocatorSet()}))
		p.b.add(s, ovsdb.Delete(tableMcastRemote, ovsdb.ByUUID(r.UUID())))
	}
	if f.settled {
		return
	}

	var members []ovsdb.Value
	for v := range f.held.All() {
		u := asUUID(v)
		if f.strict && n.hosts.used[u] || slices.ContainsFunc(f.want, func(e *endpoint) bool { return e.loc.uuid == u }) {
			members = append(members, v)
		}
	}
	if len(members) > len(f.want) {
		p.deferred = true // until the unicast rows that use the others are gone
	}
	if len(members) == f.held.Len() {
		return
	}
	p.b.reserve(3)
	set := p.b.name("flood")
	p.b.add(s,
		ovsdb.WaitEqual(tableMcastRemote, kept.UUID(), ovsdb.Cell{Column: "locator_set", Value: Mcast{kept}.LocatorSet()}),
		ovsdb.Insert(tableLocatorSet, string(set), ovsdb.Cell{Column: "locators", Value: ovsdb.NewSet(members...)}),
		ovsdb.Update(tableMcastRemote, ovsdb.ByUUID(kept.UUID()), ovsdb.Cell{Column: "locator_set", Value: set}))
}

// ends reports whether nothing is left to reach, so that the set is to go.
func (f *flood) ends() bool { return len(f.want) == 0 && !f.settled && len(f.rows) > 0 }

// removeFlood takes the flood set away when nothing is left to reach, in one
// transaction with the last unicast rows: no VTEP is outside the set for a moment, and the rows
// from which one can tell that the set is ours and not an operator's are there as long as it is.
func (p *planner) removeFlood(n *network) {
	if n.hosts.blocked > 0 || n.hosts.remain {
		return
	}
	for _, r := range n.flood.rows {
		p.b.reserve(2)
		p.b.add(n.subject(),
			ovsdb.WaitEqual(tableMcastRemote, r.UUID(), ovsdb.Cell{Column: "locator_set", Value: Mcast{r}.LocatorSet()}),
			ovsdb.Delete(tableMcastRemote, ovsdb.ByUUID(r.UUID())))
	}
}

// addresses shows a set of locators to people.
func (p *planner) addresses(set ovsdb.Set) string {
	var addrs []string
	for v := range set.All() {
		addrs = append(addrs, p.address(asUUID(v)))
	}
	slices.Sort(addrs)
	return strings.Join(addrs, ", ")
}

func (p *planner) address(locator ovsdb.UUID) string {
	r := p.snap.Table(tableLocator).Get(locator)
	if r == nil {
		return locator.String()
	}
	if key, keyed := r.Int("tunnel_key"); keyed {
		return fmt.Sprintf("%s with tunnel key %d", Locator{r}.DstIP(), key)
	}
	return Locator{r}.DstIP()
}

func wantedAddresses(want []*endpoint) string {
	addrs := make([]string, len(want))
	for i, e := range want {
		addrs[i] = e.addr.String()
	}
	slices.Sort(addrs)
	return strings.Join(addrs, ", ")
}
