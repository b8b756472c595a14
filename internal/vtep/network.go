package vtep

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"l2gw"
	"l2gw/ovsdb"
)

// planNetwork looks at a network whole.
func (p *planner) planNetwork(id string) {
	n := p.judge(id)
	switch n.stage {
	case foreign:
		return
	case absent:
		p.plan.Gone.Networks[id] = p.intent.Owned.Networks[id]
		return
	case unwanted:
		p.plan.Networks[id] = p.remove(n)
		return
	case rebuilt:
		if v := p.remove(n); v.Reason != "" && !p.keeps(id) {
			n.verdict.Reason += "; " + v.Reason
		}
		p.bindAll(n)
		p.plan.Networks[id] = n.verdict
		p.deferred = p.deferred || !p.keeps(id)
		return
	case frozen:
		p.bindAll(n)
		p.unbindStale(n)
		switch {
		case n.verdict.Status == "":
			n.verdict = Verdict{l2gw.StatusActive, "its hosts are not known at present; its rows stay as they are"}
		case n.row == nil:
			p.differ(tableLogicalSwitch, n.label, p.describe(n), "")
		default:
			p.differ(tableLogicalSwitch, n.label, p.describe(n), n.verdict.Reason)
		}
		p.plan.Networks[id] = n.verdict
		return
	}

	p.diffHosts(n)
	p.wantFlood(n)
	p.writeLogicalSwitch(n)
	p.growFlood(n)
	p.bindAll(n)
	p.countRemoval(n, len(n.hosts.extra)+p.leaving(&n.flood))
	p.writeHosts(n)
	if !p.keeps(id) {
		p.later = append(p.later, func() {
			p.removeHosts(n)
			p.shrinkFlood(n)
		})
	}
	p.unbindStale(n)

	switch {
	case n.row == nil:
		n.verdict = Verdict{Status: l2gw.StatusBuild}
	case len(n.degraded) > 0:
		if n.held > 0 {
			n.degraded = append(n.degraded, n.keptWords())
		}
		n.verdict = Verdict{l2gw.StatusDegraded, strings.Join(n.degraded, "; ")}
	default:
		n.verdict = Verdict{l2gw.StatusActive, n.keptWords()}
	}
	p.plan.Networks[id] = n.verdict
}

// describe says what the logical switch of n should be.
func (p *planner) describe(n *network) string {
	if n.seg == nil {
		return "logical switch " + n.id
	}
	return fmt.Sprintf("logical switch %s with VNI %d", n.id, n.seg.VNI)
}

func (n *network) subject() Subject { return Subject{Network: n.id} }

// wantedColumns are the columns of a logical switch that we decide, but its
// name and its key.
func (p *planner) wantedColumns(n *network) []ovsdb.Cell {
	var cells []ovsdb.Cell
	if l := p.snap.Table(tableLogicalSwitch).Layout(); l.Has("description") && n.seg.Name != "" {
		cells = append(cells, ovsdb.Cell{Column: "description", Value: writable(n.seg.Name)})
	}
	if p.caps.ReplicationMode {
		mode := serviceNode
		if p.caps.SourceNode() {
			mode = sourceNode
		}
		cells = append(cells, ovsdb.Cell{Column: "replication_mode", Value: ovsdb.NewSet(mode)})
	}
	return cells
}

// writable is a text as it will be read back: OVSDB strings are UTF-8 without
// null characters (RFC 7047 §3.1), and what never comes to be equal would be written for ever.
func writable(text string) string {
	return strings.Map(func(r rune) rune { // each byte that is no UTF-8 is a RuneError
		if r == 0 {
			return utf8.RuneError
		}
		return r
	}, text)
}

// writeLogicalSwitch makes the logical switch or mends its columns. When it is
// made, the flood set and the first rows come in the same transaction.
func (p *planner) writeLogicalSwitch(n *network) {
	key := ovsdb.Cell{Column: "tunnel_key", Value: ovsdb.Set{}}
	if n.stage == missing {
		p.differ(tableLogicalSwitch, n.label, p.describe(n), "")
		if p.isBlocked(n.subject()) {
			return
		}
		p.b.reserve(min(p.b.fresh(), 4+p.missingLocators(n.flood.want)+len(p.bound[n.id])))
		name := p.b.name("ls")
		key.Value = ovsdb.NewSet(int64(n.seg.VNI))
		cells := append([]ovsdb.Cell{{Column: "name", Value: n.id}, key}, p.wantedColumns(n)...)
		p.b.add(n.subject(), ovsdb.Insert(tableLogicalSwitch, string(name), cells...))
		n.ls = ref{name: name, txn: p.b.id}
		return
	}
	var ops []ovsdb.Op
	var change []ovsdb.Cell
	if _, hasKey := (LogicalSwitch{n.row}).TunnelKey(); !hasKey {
		p.differ(tableLogicalSwitch, n.label+": tunnel_key", fmt.Sprint(n.seg.VNI), "no VNI")
		ops = append(ops, ovsdb.WaitEqual(tableLogicalSwitch, n.row.UUID(), key))
		change = append(change, ovsdb.Cell{Column: "tunnel_key", Value: ovsdb.NewSet(int64(n.seg.VNI))})
	}
	for _, c := range p.wantedColumns(n) {
		if held := n.row.Get(c.Column); !ovsdb.Equal(held, c.Value) {
			p.differ(tableLogicalSwitch, n.label+": "+c.Column, words(c.Value), words(held))
			change = append(change, c)
		}
	}
	if len(change) == 0 || p.isBlocked(n.subject()) {
		return
	}
	p.b.reserve(len(ops) + 1)
	p.b.add(n.subject(), ops...)
	p.b.add(n.subject(), ovsdb.Update(tableLogicalSwitch, ovsdb.ByUUID(n.row.UUID()), change...))
}

// words shows a value of a column to people.
func words(v ovsdb.Value) string {
	switch v := v.(type) {
	case ovsdb.Set:
		if v.Len() == 0 {
			return "(not set)"
		}
		return strings.Join(texts(v), ", ")
	case string:
		if v == "" {
			return `""`
		}
		return v
	}
	return fmt.Sprint(v)
}
