package vtep

import (
	"fmt"
	"slices"

	"l2gw"
	"l2gw/ovsdb"
)

// bindAll binds the VLANs of a network and gives the verdict on each binding.
func (p *planner) bindAll(n *network) {
	for _, k := range slices.SortedFunc(slices.Values(p.bound[n.id]), compareKeys) {
		p.plan.Bindings[k] = p.bind(n, k)
	}
}

func (p *planner) bind(n *network, k l2gw.BindingKey) Verdict {
	port, dev, v := p.ports().find(k)
	if v.Status != "" {
		p.differ(tablePhysicalPort, place(k), n.label, "")
		if gravity(n.verdict.Status) < gravity(v.Status) && n.verdict.Status != "" {
			return n.verdict
		}
		return v
	}
	held := port.Binding(k.VLAN)
	v = Verdict{Status: l2gw.StatusActive}
	switch other := p.snap.Table(tableLogicalSwitch).Get(held); {
	case !held.IsZero() && held == n.ls.uuid:
		if n.verdict.Status != "" {
			v = n.verdict
		}
	case !held.IsZero() && (other == nil || !p.isOurs(LogicalSwitch{other}.Name())):
		name := held.String()
		if other != nil {
			name = LogicalSwitch{other}.Name()
		}
		p.differ(tablePhysicalPort, place(k), n.label, "logical switch "+name+", which is not ours")
		return Verdict{l2gw.StatusError, fmt.Sprintf("VLAN %d of %s/%s is bound to logical switch %s, which is not ours", k.VLAN, k.Device, k.Interface, name)}
	case !held.IsZero() && p.keepsBinding(LogicalSwitch{other}.Name(), k):
		p.differ(tablePhysicalPort, place(k), n.label, p.labelOf(LogicalSwitch{other}.Name()))
		return Verdict{l2gw.StatusBuild, fmt.Sprintf("VLAN %d of %s/%s is still bound to %s, whose removals are held",
			k.VLAN, k.Device, k.Interface, p.labelOf(LogicalSwitch{other}.Name()))}
	default:
		was := ""
		if other != nil {
			was = p.labelOf(LogicalSwitch{other}.Name())
		}
		p.differ(tablePhysicalPort, place(k), n.label, was)
		v = Verdict{Status: l2gw.StatusBuild}
		if n.verdict.Status != "" {
			v = n.verdict
		}
		p.writeBinding(n, k, port, held)
	}
	if fault := dev.fault(port); fault != "" && gravity(l2gw.StatusDown) < gravity(v.Status) {
		v = Verdict{l2gw.StatusDown, fault}
	}
	return v
}

// writeBinding binds a VLAN to n's logical switch if that may be written. A mutation
// removes only the very pair that it names and never replaces one, so it needs no guard.
func (p *planner) writeBinding(n *network, k l2gw.BindingKey, port PhysicalPort, held ovsdb.UUID) {
	s := Subject{Network: n.id, Binding: k}
	switch {
	case n.stage == rebuilt, n.verdict.Status != "", p.isBlocked(s):
		return
	}
	p.b.reserve(1)
	ls, ok := n.ls.in(p.b)
	if !ok {
		p.deferred = p.deferred || n.ls.name != ""
		return
	}
	var change []ovsdb.Mutation
	if !held.IsZero() {
		change = append(change, ovsdb.Mutation{Column: "vlan_bindings", Mutator: "delete", Value: vlanPair(k.VLAN, held)})
		p.unbound[vlanOfPort{port.UUID(), k.VLAN}] = true
	}
	change = append(change, ovsdb.Mutation{Column: "vlan_bindings", Mutator: "insert", Value: vlanPair(k.VLAN, ls)})
	p.b.add(s, ovsdb.Mutate(tablePhysicalPort, ovsdb.ByUUID(port.UUID()), change...))
}

// unbindStale removes bindings to n's logical switch that nobody wants. Of a network whose rows
// stay as they are only those go that are recorded as ours, which a user has deleted.
func (p *planner) unbindStale(n *network) {
	if n.row == nil {
		return
	}
	for _, b := range p.ports().bound[n.row.UUID()] {
		if w, wanted := p.intent.Bindings[b.at]; wanted && w.NetworkID == n.id {
			continue
		}
		if n.stage == frozen && p.intent.Owned.Bindings[b.at] != n.id {
			continue
		}
		p.unbind(n, b)
	}
}

func (p *planner) unbind(n *network, b boundVLAN) {
	at := vlanOfPort{b.port.UUID(), b.at.VLAN}
	if !p.unbound[at] {
		p.differ(tablePhysicalPort, place(b.at), "", n.label)
	}
	s := Subject{Network: n.id, Binding: b.at}
	if p.isBlocked(s) || p.keepsBinding(n.id, b.at) {
		return
	}
	ls := n.row.UUID()
	p.later = append(p.later, func() {
		if p.unbound[at] {
			return // another network has taken its place
		}
		p.unbound[at] = true
		p.b.reserve(1)
		p.b.add(s, ovsdb.Mutate(tablePhysicalPort, ovsdb.ByUUID(b.port.UUID()),
			ovsdb.Mutation{Column: "vlan_bindings", Mutator: "delete", Value: vlanPair(b.at.VLAN, ls)}))
		if w, wanted := p.intent.Bindings[b.at]; wanted && w.NetworkID != n.id {
			p.deferred = true // its place is free now
		}
	})
}

func vlanPair(v l2gw.VLAN, ls ovsdb.Value) ovsdb.Map {
	return ovsdb.NewMap(ovsdb.Pair{Key: int64(v), Value: ls})
}

// gravity orders statuses, worst first.
func gravity(s l2gw.Status) int {
	order := []l2gw.Status{l2gw.StatusError, l2gw.StatusDown, l2gw.StatusDegraded, l2gw.StatusPending, l2gw.StatusBuild, l2gw.StatusActive}
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}
