package vtep

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"l2gw"
	"l2gw/ovsdb"
)

// hostDiff is the difference between the hosts of a network and its rows in
// Ucast_Macs_Remote.
type hostDiff struct {
	wanted int
	insert []l2gw.Host
	update []hostRow
	extra  []*ovsdb.Row // rows of no host that should be here
	twice  []hostRow    // further rows of a MAC that has one
	// used are the locators of the network's unicast rows, wanted or not.
	used map[ovsdb.UUID]bool
	// unlisted are VTEPs of hosts that the segment's list lacks.
	unlisted []netip.Addr

	unwritten int // hosts that do not fit into the table
	blocked   int // rows left out since the switch refuses them
	// removedIn has, for each transaction that deletes rows of the network, one of them.
	removedIn map[int]ovsdb.UUID
}

// hostRow is a row and the host that it is for; of a second row of a MAC also the first.
type hostRow struct {
	row  *ovsdb.Row
	host l2gw.Host
	kept *ovsdb.Row
}

// hostAt tells whether a row is wanted for h, and where it should point.
func (p *planner) hostAt(h l2gw.Host) (*endpoint, bool) {
	e := p.endpoint(h.VTEP)
	return e, e.where == remote && h.MAC.IsUnicast()
}

// diffHosts compares all hosts of a network with all its rows.
func (p *planner) diffHosts(n *network) {
	d := &n.hosts
	d.used = make(map[ovsdb.UUID]bool)
	var last ovsdb.UUID
	var kept map[l2gw.MAC]*ovsdb.Row // of the hosts that are wanted
	var wrong []l2gw.MAC
	if n.row != nil {
		rows := p.snap.Table(tableUcastRemote).Lookup(byLogicalSwitch, n.row.UUID())
		kept = make(map[l2gw.MAC]*ovsdb.Row, min(rows.Len(), n.seg.Hosts.Len()))
		var twice []l2gw.MAC
		for r := range rows.All() {
			if at := (Ucast{r}).Locator(); at != last {
				d.used[at], last = true, at
			}
			mac, _, ok := parseMAC(Ucast{r}.MAC())
			var h l2gw.Host
			var e *endpoint
			if ok {
				if h, ok = n.seg.Hosts.Get(mac); ok {
					e, ok = p.hostAt(h)
				}
			}
			if !ok {
				d.extra = append(d.extra, r)
				continue
			}
			if kept[mac] != nil {
				twice = append(twice, mac)
				continue
			}
			kept[mac] = r
			if !isRight(Ucast{r}, h, e) {
				wrong = append(wrong, mac)
			}
		}
		slices.SortFunc(twice, compareMACs)
		for _, mac := range slices.Compact(twice) {
			h, _ := n.seg.Hosts.Get(mac)
			kept[mac] = p.keepOne(n, p.rowsOf(rows, mac), h)
			if e, _ := p.hostAt(h); !isRight(Ucast{kept[mac]}, h, e) {
				wrong = append(wrong, mac)
			}
		}
	}
	slices.SortFunc(wrong, compareMACs)
	for _, mac := range slices.Compact(wrong) {
		h, _ := n.seg.Hosts.Get(mac)
		if e, _ := p.hostAt(h); !isRight(Ucast{kept[mac]}, h, e) {
			d.update = append(d.update, hostRow{row: kept[mac], host: h})
		}
	}
	for _, h := range n.seg.Hosts.All() {
		e, ok := p.hostAt(h)
		if ok {
			d.wanted++
		}
		if e.where != local && !n.seg.HasVTEP(h.VTEP) && !slices.Contains(d.unlisted, h.VTEP) {
			d.unlisted = append(d.unlisted, h.VTEP)
		}
	}
	slices.SortFunc(d.unlisted, netip.Addr.Compare)
	if missing := d.wanted - len(kept); missing > 0 {
		d.insert = make([]l2gw.Host, 0, missing)
		for mac, h := range n.seg.Hosts.All() {
			if _, ok := p.hostAt(h); ok && kept[mac] == nil {
				d.insert = append(d.insert, h)
			}
		}
		slices.SortFunc(d.insert, func(a, b l2gw.Host) int { return compareMACs(a.MAC, b.MAC) })
	}
	slices.SortFunc(d.extra, func(a, b *ovsdb.Row) int {
		return cmp.Or(cmp.Compare(Ucast{a}.MAC(), Ucast{b}.MAC()), compareRows(a, b))
	})
}

// rowsOf are the rows of a MAC, however it is written.
func (p *planner) rowsOf(rows ovsdb.Rows, mac l2gw.MAC) []*ovsdb.Row {
	var found []*ovsdb.Row
	for r := range rows.All() {
		if m, _, ok := parseMAC(Ucast{r}.MAC()); ok && m == mac {
			found = append(found, r)
		}
	}
	return found
}

// keepOne chooses among several rows of one MAC: a right one, else one that
// points to the right VTEP, else any. The others are to be removed.
func (p *planner) keepOne(n *network, rows []*ovsdb.Row, h l2gw.Host) *ovsdb.Row {
	e := p.endpoint(h.VTEP)
	slices.SortFunc(rows, func(a, b *ovsdb.Row) int {
		return cmp.Or(
			cmp.Compare(order(isRight(Ucast{a}, h, e)), order(isRight(Ucast{b}, h, e))),
			cmp.Compare(order(Ucast{a}.Locator() == e.loc.uuid), order(Ucast{b}.Locator() == e.loc.uuid)),
			compareRows(a, b))
	})
	for _, r := range rows[1:] {
		n.hosts.twice = append(n.hosts.twice, hostRow{row: r, host: h, kept: rows[0]})
	}
	return rows[0]
}

// isRight reports whether a row says of h just what it should.
func isRight(row Ucast, h l2gw.Host, e *endpoint) bool {
	if e.loc.uuid.IsZero() || row.Locator() != e.loc.uuid {
		return false
	}
	if _, canonical, _ := parseMAC(row.MAC()); !canonical {
		return false
	}
	if len(h.IPs) == 0 {
		return row.IP() == ""
	}
	var text [64]byte
	return string(h.IPs[0].Unmap().AppendTo(text[:0])) == row.IP()
}

// firstIP is what is written for a host's addresses: the schema has room for one.
func firstIP(h l2gw.Host) string {
	if len(h.IPs) == 0 {
		return ""
	}
	return h.IPs[0].Unmap().String()
}

// writeHosts updates and inserts what diffHosts found.
func (p *planner) writeHosts(n *network) {
	d := &n.hosts
	for _, u := range d.update {
		p.differ(tableUcastRemote, u.host.MAC.String()+" in "+n.label, hostWords(u.host.VTEP.Unmap().String(), firstIP(u.host)), p.heldWords(u.row))
		p.updateHost(n, u)
	}
	for _, h := range d.insert {
		p.differ(tableUcastRemote, h.MAC.String()+" in "+n.label, hostWords(h.VTEP.Unmap().String(), firstIP(h)), "")
		p.insertHost(n, h)
	}
	for _, t := range d.twice {
		p.differ(tableUcastRemote, t.host.MAC.String()+" in "+n.label, "", p.heldWords(t.row)+" (a second row)")
	}
	for _, r := range d.extra {
		p.differ(tableUcastRemote, Ucast{r}.MAC()+" in "+n.label, "", p.heldWords(r))
	}
	if d.unwritten > 0 {
		n.degraded = append(n.degraded, fmt.Sprintf("%d of %d hosts are written, since %s; what is sent to the others is flooded",
			d.wanted-d.unwritten, d.wanted, p.fullFor))
	}
	for _, t := range d.twice {
		if p.isBlocked(Subject{Network: n.id, MAC: t.host.MAC}) {
			d.blocked++
		}
	}
	for _, r := range d.extra {
		if p.isBlocked(extraSubject(n, r)) {
			d.blocked++
		}
	}
	if d.blocked > 0 {
		n.degraded = append(n.degraded, fmt.Sprintf("%d rows that the switch refused are left out for now", d.blocked))
	}
}

func hostWords(vtep, ip string) string {
	if ip == "" {
		return "at " + vtep
	}
	return "at " + vtep + ", IP " + ip
}

func (p *planner) heldWords(r *ovsdb.Row) string {
	return hostWords(p.address(Ucast{r}.Locator()), Ucast{r}.IP())
}

// updateHost makes a row right in place, so that the MAC is never absent.
func (p *planner) updateHost(n *network, u hostRow) {
	s := Subject{Network: n.id, MAC: u.host.MAC}
	if p.isBlocked(s) {
		n.hosts.blocked++
		return
	}
	e := p.endpoint(u.host.VTEP)
	p.b.reserve(2)
	locator, ok := p.locatorFor(n, e, s)
	if !ok {
		return
	}
	row, cells := Ucast{u.row}, make([]ovsdb.Cell, 0, 3)
	if mac := u.host.MAC.String(); row.MAC() != mac {
		cells = append(cells, ovsdb.Cell{Column: "MAC", Value: mac})
	}
	if locator != ovsdb.Value(row.Locator()) {
		cells = append(cells, ovsdb.Cell{Column: "locator", Value: locator})
	}
	if ip := firstIP(u.host); row.IP() != ip {
		cells = append(cells, ovsdb.Cell{Column: "ipaddr", Value: ip})
	}
	p.b.add(s, ovsdb.Update(tableUcastRemote, ovsdb.ByUUID(row.UUID()), cells...))
}

func (p *planner) insertHost(n *network, h l2gw.Host) {
	s := Subject{Network: n.id, MAC: h.MAC}
	if p.isBlocked(s) {
		n.hosts.blocked++
		return
	}
	if p.room <= 0 {
		n.hosts.unwritten++
		return
	}
	p.b.reserve(2)
	ls, ok := n.ls.in(p.b)
	if !ok {
		p.deferred = true
		return
	}
	locator, ok := p.locatorFor(n, p.endpoint(h.VTEP), s)
	if !ok {
		return
	}
	p.room--
	p.b.add(s, ovsdb.Insert(tableUcastRemote, "",
		ovsdb.Cell{Column: "MAC", Value: h.MAC.String()},
		ovsdb.Cell{Column: "logical_switch", Value: ls},
		ovsdb.Cell{Column: "locator", Value: locator},
		ovsdb.Cell{Column: "ipaddr", Value: firstIP(h)}))
}

// locatorFor returns the locator for a unicast row, if the row may be written in the next operation.
func (p *planner) locatorFor(n *network, e *endpoint, s Subject) (ovsdb.Value, bool) {
	if n.flood.strict && !n.flood.has(e, p.b) {
		p.deferred = true
		return nil, false
	}
	return p.locate(e, s)
}

// removeHosts removes what diffHosts found to be too much.
func (p *planner) removeHosts(n *network) {
	d := &n.hosts
	d.removedIn = make(map[int]ovsdb.UUID)
	for _, t := range d.twice {
		s := Subject{Network: n.id, MAC: t.host.MAC}
		if p.isBlocked(s) {
			continue
		}
		p.b.reserve(2)
		p.b.add(s,
			// Somebody may have mended it already, by removing the other row.
			ovsdb.WaitEqual(tableUcastRemote, t.kept.UUID(), ovsdb.Cell{Column: "logical_switch", Value: Ucast{t.kept}.LogicalSwitch()}),
			ovsdb.Delete(tableUcastRemote, ovsdb.ByUUID(t.row.UUID())))
		p.deferred = p.deferred || n.hosts.unwritten > 0
	}
	for _, r := range d.extra {
		s := extraSubject(n, r)
		if p.isBlocked(s) {
			continue
		}
		p.b.reserve(1)
		p.b.add(s, ovsdb.Delete(tableUcastRemote, ovsdb.ByUUID(r.UUID())))
		d.removedIn[p.b.id] = r.UUID()
		p.deferred = p.deferred || n.hosts.unwritten > 0
	}
}

func extraSubject(n *network, r *ovsdb.Row) Subject {
	mac, _, _ := parseMAC(Ucast{r}.MAC())
	return Subject{Network: n.id, MAC: mac}
}

// planMACs looks at single MACs of a network. It returns false, having planned
// nothing, if that network must be looked at whole.
func (p *planner) planMACs(id string, macs []l2gw.MAC) bool {
	n := p.judge(id)
	if n.stage != ready || len(n.degraded) > 0 {
		return false
	}
	if key, ok := (LogicalSwitch{n.row}).TunnelKey(); !ok || key != int64(n.seg.VNI) {
		return false
	}
	if !p.floodHolds(n) {
		return false
	}
	if p.fullFor != "" && p.room <= p.singles {
		return false // others may have to stand back, or may come in
	}
	d := &n.hosts
	for _, mac := range macs {
		rows := p.rowsAlone(n, mac)
		h, wanted := n.seg.Hosts.Get(mac)
		var e *endpoint
		if wanted {
			e, wanted = p.hostAt(h)
			if wanted && n.flood.strict && !n.flood.has(e, p.b) {
				return false
			}
		}
		switch {
		case !wanted:
			d.extra = append(d.extra, rows...)
		case len(rows) == 0:
			d.insert = append(d.insert, h)
		default:
			row := rows[0]
			if len(rows) > 1 {
				row = p.keepOne(n, rows, h)
			}
			if !isRight(Ucast{row}, h, e) {
				d.update = append(d.update, hostRow{row: row, host: h})
			}
		}
	}
	p.writeHosts(n)
	p.later = append(p.later, func() { p.removeHosts(n) })
	return true
}

// rowsAlone are the rows of a MAC as it is usually written; a full plan finds the others.
func (p *planner) rowsAlone(n *network, mac l2gw.MAC) []*ovsdb.Row {
	table := p.snap.Table(tableUcastRemote)
	text := mac.String()
	rows := slices.Collect(table.Lookup(byMAC, n.row.UUID(), text).All())
	if upper := upperCase(text); upper != text {
		rows = append(rows, slices.Collect(table.Lookup(byMAC, n.row.UUID(), upper).All())...)
	}
	return rows
}

func upperCase(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'a' <= c && c <= 'f' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// floodHolds reports whether the flood set of a network is as large as it
// should be and reads what is in it; it takes a few lookups, not a walk over all VTEPs.
func (p *planner) floodHolds(n *network) bool {
	f := &n.flood
	f.settled = true
	if !p.caps.FloodSets || !p.caps.SourceNode() {
		return false
	}
	for r := range p.snap.Table(tableMcastRemote).Lookup(byLogicalSwitch, n.row.UUID()).All() {
		if (Mcast{r}).MAC() == unknownDst {
			f.rows = append(f.rows, r)
		}
	}
	// IPv6 addresses sort after IPv4 ones; that they are refused is said by the plan of the whole network.
	v4, _ := slices.BinarySearchFunc(n.seg.VTEPs, netip.IPv6Unspecified(), netip.Addr.Compare)
	want := v4
	for a := range p.own {
		if n.seg.HasVTEP(a) {
			want--
		}
	}
	if want == 0 && len(f.rows) == 0 {
		f.strict = true
		return true
	}
	if len(f.rows) != 1 {
		return false
	}
	f.held, f.strict = p.locatorsOf(f.rows[0]), true
	return f.held.Len() == want
}
