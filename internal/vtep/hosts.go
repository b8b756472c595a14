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
	// remain tells that rows were left for the next plan to remove.
	remain bool
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

// wantedHost is a host that a row is wanted for, and its row. A full plan looks at
// each of 100,000 of them: they lie side by side.
type wantedHost struct {
	mac  l2gw.MAC
	ip   netip.Addr // the first, or none
	at   *endpoint
	kept *ovsdb.Row
}

// diffHosts compares all hosts of a network with all its rows.
func (p *planner) diffHosts(n *network) {
	d := &n.hosts
	d.used = make(map[ovsdb.UUID]bool)
	hosts, index := p.wantedHosts(n)
	d.wanted = len(hosts)

	var wrong []l2gw.MAC
	missing := d.wanted
	if n.row != nil {
		table := p.snap.Table(tableUcastRemote)
		rows := table.Lookup(byLogicalSwitch, n.row.UUID())
		at := ucastColumns(table)
		var last ovsdb.UUID
		var twice []l2gw.MAC
		look := func(c *heldCells) {
			if c.locator != last {
				d.used[c.locator], last = true, c.locator
			}
			mac, canonical, ok := parseMAC(c.mac)
			i, wanted := index[mac]
			if !ok || !wanted {
				d.extra = append(d.extra, c.row)
				return
			}
			h := &hosts[i]
			if h.kept != nil {
				twice = append(twice, mac)
				return
			}
			h.kept = c.row
			missing--
			if !canonical || c.locator.IsZero() || c.locator != h.at.loc.uuid || !isIP(c.ip, h.ip) {
				wrong = append(wrong, mac)
			}
		}
		// The rows lie scattered in memory. Reading a batch of them before looking at any
		// lets the processor fetch many at once instead of one after the other.
		batch := make([]heldCells, 0, 128)
		flush := func() {
			for i := range batch {
				at.read(&batch[i])
			}
			for i := range batch {
				look(&batch[i])
			}
			batch = batch[:0]
		}
		for r := range rows.All() {
			if batch = append(batch, heldCells{row: r}); len(batch) == cap(batch) {
				flush()
			}
		}
		flush()
		slices.SortFunc(twice, compareMACs)
		for _, mac := range slices.Compact(twice) {
			h, _ := n.seg.Hosts.Get(mac)
			hosts[index[mac]].kept = p.keepOne(n, p.rowsOf(rows, mac), h)
			wrong = append(wrong, mac)
		}
	}
	slices.SortFunc(wrong, compareMACs)
	for _, mac := range slices.Compact(wrong) {
		h, _ := n.seg.Hosts.Get(mac)
		row := hosts[index[mac]].kept
		if e, _ := p.hostAt(h); !isRight(Ucast{row}, h, e) {
			d.update = append(d.update, hostRow{row: row, host: h})
		}
	}
	if missing > 0 {
		d.insert = make([]l2gw.Host, 0, missing)
		for i := range hosts {
			if hosts[i].kept == nil {
				h, _ := n.seg.Hosts.Get(hosts[i].mac)
				d.insert = append(d.insert, h)
			}
		}
		slices.SortFunc(d.insert, func(a, b l2gw.Host) int { return compareMACs(a.MAC, b.MAC) })
	}
	slices.SortFunc(d.extra, func(a, b *ovsdb.Row) int {
		return cmp.Or(cmp.Compare(Ucast{a}.MAC(), Ucast{b}.MAC()), compareRows(a, b))
	})
}

// wantedHosts are the hosts of n that rows are wanted for, and where each is in the slice.
func (p *planner) wantedHosts(n *network) ([]wantedHost, map[l2gw.MAC]int32) {
	hosts := make([]wantedHost, 0, n.seg.Hosts.Len())
	index := make(map[l2gw.MAC]int32, n.seg.Hosts.Len())
	listed := make(map[*endpoint]bool, len(n.seg.VTEPs))
	for _, a := range n.seg.VTEPs {
		listed[p.endpoint(a)] = true
	}
	var vtep netip.Addr // hosts of one VTEP often come together
	var e *endpoint
	for mac, h := range n.seg.Hosts.All() {
		if e == nil || h.VTEP != vtep {
			e, vtep = p.endpoint(h.VTEP), h.VTEP
			if e.where != local && !listed[e] {
				listed[e] = true
				n.hosts.unlisted = append(n.hosts.unlisted, h.VTEP)
			}
		}
		if e.where != remote || !mac.IsUnicast() {
			continue
		}
		w := wantedHost{mac: mac, at: e}
		if len(h.IPs) > 0 {
			w.ip = h.IPs[0].Unmap()
		}
		index[mac] = int32(len(hosts))
		hosts = append(hosts, w)
	}
	slices.SortFunc(n.hosts.unlisted, netip.Addr.Compare)
	return hosts, index
}

// columnsOfUcast are the positions of the columns of Ucast_Macs_Remote, -1 if there is none.
type columnsOfUcast struct{ mac, locator, ip int }

func ucastColumns(t *ovsdb.Table) columnsOfUcast {
	at := columnsOfUcast{-1, -1, -1}
	for i, c := range t.Layout().Columns {
		switch c.Name {
		case "MAC":
			at.mac = i
		case "locator":
			at.locator = i
		case "ipaddr":
			at.ip = i
		}
	}
	return at
}

// heldCells are a row of Ucast_Macs_Remote and what it holds.
type heldCells struct {
	row     *ovsdb.Row
	mac, ip string
	locator ovsdb.UUID
}

// read is Ucast's MAC, Locator and IP, without a search for the columns in each of very many rows.
func (c columnsOfUcast) read(to *heldCells) {
	values := to.row.Values()
	if c.mac >= 0 {
		to.mac, _ = values[c.mac].(string)
	}
	if c.locator >= 0 {
		to.locator, _ = values[c.locator].(ovsdb.UUID)
	}
	if c.ip >= 0 {
		to.ip, _ = values[c.ip].(string)
	}
}

// isIP reports whether text is just how ip is written; no address is "".
func isIP(text string, ip netip.Addr) bool {
	if !ip.IsValid() {
		return text == ""
	}
	var b [64]byte
	return string(ip.AppendTo(b[:0])) == text
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
	_, canonical, _ := parseMAC(row.MAC())
	return canonical && row.IP() == firstIP(h)
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
	if !p.intent.Terse {
		p.explainHosts(n)
	}
	for _, u := range d.update {
		p.updateHost(n, u)
	}
	for _, h := range d.insert {
		p.insertHost(n, h)
	}
	if d.unwritten > 0 {
		n.degraded = append(n.degraded, fmt.Sprintf("%d of %d hosts are written, since %s; what is sent to the others is flooded",
			d.wanted-d.unwritten, d.wanted, p.fullFor))
	}
	if !p.keeps(n.id) {
		p.countRefused(n)
	}
	if d.blocked > 0 {
		n.degraded = append(n.degraded, fmt.Sprintf("%d rows that the switch refused are left out for now", d.blocked))
	}
}

// countRefused counts the rows that are to be removed and that the switch refused to.
func (p *planner) countRefused(n *network) {
	for _, t := range n.hosts.twice {
		if p.isBlocked(Subject{Network: n.id, MAC: t.host.MAC}) {
			n.hosts.blocked++
		}
	}
	for _, r := range n.hosts.extra {
		if p.isBlocked(extraSubject(n, r)) {
			n.hosts.blocked++
		}
	}
}

// explainHosts names what is different about the hosts of a network.
func (p *planner) explainHosts(n *network) {
	d := &n.hosts
	for _, u := range d.update {
		p.differ(tableUcastRemote, u.host.MAC.String()+" in "+n.label, hostWords(u.host.VTEP.Unmap().String(), firstIP(u.host)), p.heldWords(u.row))
	}
	for _, h := range d.insert {
		p.differ(tableUcastRemote, h.MAC.String()+" in "+n.label, hostWords(h.VTEP.Unmap().String(), firstIP(h)), "")
	}
	for _, t := range d.twice {
		p.differ(tableUcastRemote, t.host.MAC.String()+" in "+n.label, "", p.heldWords(t.row)+" (a second row)")
	}
	for _, r := range d.extra {
		p.differ(tableUcastRemote, Ucast{r}.MAC()+" in "+n.label, "", p.heldWords(r))
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
	if _, ok := p.dropped[row.Locator()]; !ok && e.loc.uuid != row.Locator() {
		p.dropped[row.Locator()] = p.b.id
	}
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
	if f := &n.flood; !e.loc.uuid.IsZero() && f.held.Has(e.loc.uuid) {
		return e.loc.uuid, true // the flood set keeps it alive
	}
	return p.locate(e, s)
}

// removeHosts removes what diffHosts found to be too much.
func (p *planner) removeHosts(n *network) {
	d := &n.hosts
	if n.flood.guessed && !n.flood.settled && len(d.extra)+len(d.twice) > 0 {
		p.deferred = true // these rows tell whose the flood set is, until it has a VTEP of the segment
		return
	}
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
	extra := d.extra
	if f := &n.flood; f.ends() {
		// The flood set goes in one transaction with the last of them.
		if last := max(1, p.b.fresh()-2*len(f.rows)); len(extra) > last {
			extra, d.remain = extra[last:], true
			p.deferred = true
		} else {
			p.b.reserve(min(p.b.fresh(), len(extra)+2*len(f.rows)))
		}
	}
	for _, r := range extra {
		s := extraSubject(n, r)
		if p.isBlocked(s) {
			continue
		}
		p.b.reserve(1)
		p.b.add(s, ovsdb.Delete(tableUcastRemote, ovsdb.ByUUID(r.UUID())))
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
	p.countRemoval(n, len(d.extra))
	p.writeHosts(n)
	if !p.keeps(id) {
		p.later = append(p.later, func() { p.removeHosts(n) })
	}
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
