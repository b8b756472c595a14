package vtep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"l2gw"
	"l2gw/ovsdb"
)

// remove takes a logical switch of ours away with all that refers to it:
// bindings, unicast rows, the flood set, and at last, when the switch has
// withdrawn its own rows, the logical switch. The verdict says what it waits for.
func (p *planner) remove(n *network) Verdict {
	ls := n.row.UUID()
	p.differ(tableLogicalSwitch, n.label, "", fmt.Sprintf("logical switch %s", n.id))
	blocked := p.isBlocked(n.subject())
	for _, b := range p.ports().bound[ls] {
		p.unbind(n, b)
		blocked = blocked || p.isBlocked(Subject{Network: n.id, Binding: b.at})
	}
	ucast := sortedRows(p.snap.Table(tableUcastRemote).Lookup(byLogicalSwitch, ls))
	slices.SortStableFunc(ucast, func(a, b *ovsdb.Row) int { return cmp.Compare(Ucast{a}.MAC(), Ucast{b}.MAC()) })
	mcast := sortedRows(p.snap.Table(tableMcastRemote).Lookup(byLogicalSwitch, ls))
	for _, r := range ucast {
		p.differ(tableUcastRemote, Ucast{r}.MAC()+" in "+n.label, "", p.heldWords(r))
	}
	for _, r := range mcast {
		p.differ(tableMcastRemote, Mcast{r}.MAC()+" in "+n.label, "", p.addresses(p.locatorsOf(r)))
	}
	rows := RowsOf(p.snap, n.id)
	if n.stage == rebuilt && p.present(n.id) {
		rows = p.unwanted(n, ucast) // the others come again
	}
	p.countRemoval(n, rows)
	if p.keeps(n.id) {
		return Verdict{l2gw.StatusBuild, "its removal is held"}
	}
	waits := p.waitsFor(n)

	p.later = append(p.later, func() {
		p.b.reserve(min(p.b.fresh(), len(ucast)+len(mcast)))
		first, split := p.b.id, false
		for _, r := range ucast {
			s := extraSubject(n, r)
			if p.isBlocked(s) {
				blocked = true
				continue
			}
			p.b.reserve(1)
			p.b.add(s, ovsdb.Delete(tableUcastRemote, ovsdb.ByUUID(r.UUID())))
			split = split || p.b.id != first
		}
		if blocked {
			return
		}
		if split || len(ucast) > 0 && p.b.room() < len(mcast) {
			p.deferred = true // the flood set goes when the last of them is seen to be gone
			return
		}
		for _, r := range mcast {
			p.b.reserve(1)
			p.b.add(n.subject(), ovsdb.Delete(tableMcastRemote, ovsdb.ByUUID(r.UUID())))
		}
		if waits != "" {
			p.plan.Waiting = append(p.plan.Waiting, n.id)
			return
		}
		// In a transaction of its own: should the switch add a local row at this
		// moment, only this one fails.
		p.b.close()
		p.b.add(n.subject(),
			ovsdb.WaitEqual(tableLogicalSwitch, ls, ovsdb.Cell{Column: "name", Value: n.id}),
			ovsdb.Delete(tableLogicalSwitch, ovsdb.ByUUID(ls)))
		p.b.close()
	})
	if waits != "" {
		return Verdict{l2gw.StatusBuild, "its removal waits until " + waits}
	}
	return Verdict{Status: l2gw.StatusBuild}
}

// unwanted is how many of a network's unicast rows are of no host that is to have one.
func (p *planner) unwanted(n *network, rows []*ovsdb.Row) int {
	_, wanted := p.wantedHosts(n)
	count := 0
	for _, r := range rows {
		mac, _, ok := parseMAC(Ucast{r}.MAC())
		if _, is := wanted[mac]; !ok || !is {
			count++
		}
	}
	return count
}

// waitsFor says who else refers to the logical switch, "" if nobody.
func (p *planner) waitsFor(n *network) string {
	ls := n.row.UUID()
	var waits []string
	own := p.snap.Table(tableUcastLocal).Lookup(byLogicalSwitch, ls).Len() + p.snap.Table(tableMcastLocal).Lookup(byLogicalSwitch, ls).Len()
	if own > 0 {
		waits = append(waits, fmt.Sprintf("the switch withdraws %d rows of its own", own))
	}
	var routers []string
	for r := range p.snap.Table(tableLogicalRouter).All() {
		for _, to := range r.Map("switch_binding").All() {
			if asUUID(to) == ls {
				routers = append(routers, r.Str("name"))
				break
			}
		}
	}
	if len(routers) > 0 {
		slices.Sort(routers)
		waits = append(waits, "logical router "+strings.Join(routers, ", ")+" no longer refers to it")
	}
	return strings.Join(waits, " and ")
}
