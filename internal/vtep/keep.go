package vtep

import (
	"fmt"

	"l2gw"
	"l2gw/ovsdb"
)

// keeps reports whether no row of a network may be removed at present.
func (p *planner) keeps(id string) bool { return p.intent.Keep != nil && p.intent.Keep(id) }

// keepsBinding reports whether a binding to the logical switch of that name
// must stay since its network is kept.
func (p *planner) keepsBinding(network string, k l2gw.BindingKey) bool {
	if !p.keeps(network) {
		return false
	}
	unbinds := p.intent.Unbinds != nil && p.intent.Unbinds(network) && p.intent.Owned.Bindings[k] == network
	return !unbinds
}

// countRemoval notes how many of n's rows go, or would go if they were not kept.
func (p *planner) countRemoval(n *network, rows int) {
	if rows == 0 {
		return
	}
	if p.plan.Removals == nil {
		p.plan.Removals = make(map[string]Removal)
	}
	p.plan.Removals[n.id] = Removal{Rows: rows, Total: RowsOf(p.snap, n.id)}
	if p.keeps(n.id) {
		n.held = rows
	}
}

// RowsOf is how many rows a network has in the database, in the sense of
// [Removal]. It takes a few lookups, not a walk over the rows of the network.
func RowsOf(snap *ovsdb.Snapshot, network string) int {
	ls := snap.Table(tableLogicalSwitch).Lookup(byName, network).First()
	if ls == nil {
		return 0
	}
	total := 1 + snap.Table(tableUcastRemote).Lookup(byLogicalSwitch, ls.UUID()).Len()
	for r := range snap.Table(tableMcastRemote).Lookup(byLogicalSwitch, ls.UUID()).All() {
		if set := snap.Table(tableLocatorSet).Get((Mcast{r}).LocatorSet()); set != nil {
			total += set.Set("locators").Len()
		}
	}
	return total
}

// leaving is how many VTEPs get no more broadcasts once the flood set is as it
// should be. Further unknown-dst rows are merged into the first; what they alone have counts as well.
func (p *planner) leaving(f *flood) int {
	if len(f.rows) == 0 {
		return 0
	}
	stay := make(map[ovsdb.UUID]bool, len(f.want))
	for _, e := range f.want {
		stay[e.loc.uuid] = true
	}
	if f.settled {
		for v := range f.held.All() {
			stay[asUUID(v)] = true
		}
	}
	count := 0
	for _, r := range f.rows {
		for v := range p.locatorsOf(r).All() {
			if u := asUUID(v); !stay[u] {
				stay[u] = true // counted once
				count++
			}
		}
	}
	return count
}

// keptWords says how much of a network is kept, "" if nothing is.
func (n *network) keptWords() string {
	if n.held == 0 {
		return ""
	}
	return fmt.Sprintf("the removal of %d of its rows is held", n.held)
}
