package vtep

import (
	"cmp"
	"fmt"
	"slices"

	"l2gw"
	"l2gw/ovsdb"
)

// network is one network in the making of a plan.
type network struct {
	id    string
	label string
	seg   *l2gw.Segment // nil if unknown
	row   *ovsdb.Row    // its logical switch, or nil
	ls    ref
	stage stage
	// verdict is what the logical switch alone says: zero if nothing stands against it.
	verdict  Verdict
	degraded []string // what does not work, in words
	held     int      // rows that would be removed if they were not kept

	hosts hostDiff
	flood flood
}

// stage says what is to be done with a network's logical switch.
type stage int

const (
	foreign  stage = iota // neither wanted nor ours
	absent                // not wanted and not there
	unwanted              // to be removed
	frozen                // neither to be written nor to be removed; verdict says why
	rebuilt               // to be removed, then made anew
	missing               // to be made
	ready                 // stands; its contents are to be made right
)

// judge decides what is to be done with a network. With a logical switch that is right
// it needs a few index lookups only.
func (p *planner) judge(id string) *network {
	n := &network{id: id, label: p.labelOf(id), seg: p.intent.Segments[id]}
	if n.row = p.snap.Table(tableLogicalSwitch).Lookup(byName, id).First(); n.row != nil {
		n.ls.uuid = n.row.UUID()
	}
	ours := p.isOurs(id)
	switch bound := len(p.bound[id]) > 0; {
	case !bound && !ours:
		n.stage = foreign
	case !bound && n.row == nil:
		n.stage = absent
	case !bound:
		n.stage = unwanted
	case !ours:
		// What is written before it is recorded as ours could never be removed.
		n.freeze(l2gw.StatusBuild, "network %s is not recorded as ours yet", n.label)
	case n.seg == nil && n.row == nil:
		n.freeze(l2gw.StatusBuild, "network %s is not known yet", n.label)
	case n.seg == nil:
		n.stage = frozen
	case n.seg.VNI == 0 || n.seg.VNI > l2gw.MaxVNI:
		n.freeze(l2gw.StatusError, "VNI %d of network %s is not within 1 to %d", n.seg.VNI, n.label, l2gw.MaxVNI)
	default:
		p.claim(n)
	}
	return n
}

func (n *network) freeze(s l2gw.Status, format string, args ...any) {
	n.stage, n.verdict = frozen, Verdict{s, fmt.Sprintf(format, args...)}
}

// claim decides whether a wanted network may have its VNI, and what follows for
// its logical switch.
func (p *planner) claim(n *network) {
	vni := n.seg.VNI
	key, hasKey := int64(0), false
	if n.row != nil {
		key, hasKey = LogicalSwitch{n.row}.TunnelKey()
	}
	holds := hasKey && key == int64(vni)
	if hasKey && !holds && p.keeps(n.id) { // whoever has its VNI
		n.stage = rebuilt
		n.verdict = Verdict{l2gw.StatusBuild, fmt.Sprintf("the VNI is %d and was %d: the logical switch stays as it is, since the removal of its rows is held", vni, key)}
		return
	}

	waits := "" // a logical switch of ours that is going to give the VNI up
	for _, r := range p.otherHolders(n) {
		name := LogicalSwitch{r}.Name()
		other := p.intent.Segments[name]
		switch {
		case !p.isOurs(name):
			n.freeze(l2gw.StatusError, "VNI %d is used by logical switch %s, which is not ours", vni, name)
			return
		case len(p.bound[name]) > 0 && other == nil:
			if !holds {
				n.freeze(l2gw.StatusBuild, "VNI %d is held by logical switch %s, whose network is not known at present", vni, name)
				return
			}
		case len(p.bound[name]) > 0 && other.VNI == vni:
			if !holds || name < n.id {
				n.freeze(l2gw.StatusError, "VNI %d is also that of network %s", vni, p.labelOf(name))
				return
			}
		case !holds:
			if s := p.stageOf(name); s != unwanted && s != rebuilt {
				n.freeze(l2gw.StatusBuild, "VNI %d is held by logical switch %s, which cannot be changed at present", vni, name)
				return
			}
			waits = name
		}
	}
	before := ""
	if !holds {
		before = p.precededBy(n)
	}
	switch {
	case holds:
		n.stage = ready
	case before != "":
		n.freeze(l2gw.StatusError, "VNI %d is also that of network %s", vni, p.labelOf(before))
	case hasKey:
		n.stage = rebuilt
		n.verdict = Verdict{l2gw.StatusBuild, fmt.Sprintf("the VNI is %d and was %d: the logical switch is being made anew", vni, key)}
	case n.row == nil && !p.present(n.id):
		n.freeze(l2gw.StatusPending, "none of the switches that network %s is bound on is in this database", n.label)
	case waits != "":
		n.freeze(l2gw.StatusBuild, "VNI %d is still held by logical switch %s, which is to give it up", vni, waits)
	case n.row == nil:
		n.stage = missing
	default:
		n.stage = ready // without a tunnel key: it can be filled in
	}
}

// stageOf tells what is going to be done with another network. Networks that wait
// for each other in a circle all give their VNIs up.
func (p *planner) stageOf(id string) stage {
	if p.keeps(id) {
		return frozen // it gives nothing up
	}
	if s, ok := p.stages[id]; ok {
		return s
	}
	p.stages[id] = rebuilt
	s := p.judge(id).stage
	p.stages[id] = s
	return s
}

// otherHolders are the logical switches that have n's VNI and are not n's own, by name.
func (p *planner) otherHolders(n *network) []*ovsdb.Row {
	var others []*ovsdb.Row
	for r := range p.snap.Table(tableLogicalSwitch).Lookup(byTunnelKey, ovsdb.NewSet(int64(n.seg.VNI))).All() {
		if r != n.row {
			others = append(others, r)
		}
	}
	slices.SortFunc(others, func(a, b *ovsdb.Row) int {
		return cmp.Compare(LogicalSwitch{a}.Name(), LogicalSwitch{b}.Name())
	})
	return others
}

// precededBy names the first network with n's VNI that comes before n and that
// is to be made as well, or "".
func (p *planner) precededBy(n *network) string {
	first := ""
	for id := range p.bound {
		if s := p.intent.Segments[id]; s == nil || s.VNI != n.seg.VNI || id >= n.id || first != "" && id >= first || !p.isOurs(id) {
			continue
		}
		if p.snap.Table(tableLogicalSwitch).Lookup(byName, id).Len() > 0 || p.present(id) {
			first = id
		}
	}
	return first
}

// present reports whether a device that the network is bound on is in this database.
func (p *planner) present(id string) bool {
	devices := p.ports().devices
	return slices.ContainsFunc(p.bound[id], func(k l2gw.BindingKey) bool { return len(devices[k.Device]) > 0 })
}
