package agent

import (
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// notice turns changes of the switch's database into what has to be looked at.
func (d *database) notice(ch ovsdb.Changes) {
	d.told.stateDue = true
	if d.opts.deaf && !ch.Reset {
		return
	}
	if ch.Reset {
		d.dirty.all, d.stalls, d.stalledTo = true, 0, time.Time{}
		d.told.learnedDue = true
		return
	}
	var found dirty
	for table, rows := range ch.Rows {
		switch table {
		case "Ucast_Macs_Local":
			d.told.learnedDue = true
			// A logical switch that is to be removed may wait for this row to go.
			for _, c := range rows {
				d.noticeOf(&found, ch, c)
			}
		case "Ucast_Macs_Remote":
			for _, c := range rows {
				d.noticeMAC(&found, ch, c.Old)
				d.noticeMAC(&found, ch, c.New)
			}
		case "Mcast_Macs_Remote", "Mcast_Macs_Local":
			for _, c := range rows {
				d.noticeOf(&found, ch, c)
			}
		case "Physical_Locator", "Physical_Locator_Set":
			// Seen through the rows that refer to them.
		case "Physical_Port":
			for _, c := range rows {
				d.noticePort(&found, ch, c)
			}
		case "Logical_Switch":
			d.told.learnedDue = true
			for _, c := range rows {
				d.noticeLogicalSwitch(&found, c)
			}
		default:
			found.all = true
			d.told.learnedDue = true
		}
	}
	if ch.New == d.confirmedAt {
		found.without(d.confirmedScope)
	}
	d.dirty.add(vtep.Scope{All: found.all, Networks: found.networks, MACs: found.macs})
}

// noticeOf marks the networks of a MAC row whole; a row of a logical switch
// that is not ours is none of our business.
func (d *database) noticeOf(found *dirty, ch ovsdb.Changes, c ovsdb.Change) {
	for _, r := range []*ovsdb.Row{c.Old, c.New} {
		if id := d.networkOf(ch, r); id != "" {
			found.network(id)
		}
	}
}

func (d *database) noticeMAC(found *dirty, ch ovsdb.Changes, r *ovsdb.Row) {
	id := d.networkOf(ch, r)
	if id == "" {
		return
	}
	mac, err := l2gw.ParseMAC(r.Str("MAC"))
	if err != nil || mac.String() != r.Str("MAC") {
		found.network(id) // only a look at the whole network finds rows that are written otherwise
		return
	}
	found.mac(id, mac)
}

// networkOf is the network of the logical switch that a MAC row refers to, or "".
func (d *database) networkOf(ch ovsdb.Changes, r *ovsdb.Row) string {
	if r == nil {
		return ""
	}
	return d.ours(ch, r.Ref("logical_switch"))
}

// ours is the network of a logical switch that is ours, or "".
func (d *database) ours(ch ovsdb.Changes, logicalSwitch ovsdb.UUID) string {
	for _, snap := range []*ovsdb.Snapshot{ch.New, ch.Old} {
		if ls := snap.Table("Logical_Switch").Get(logicalSwitch); ls != nil {
			name := ls.Str("name")
			if _, ours := d.replica.Owned.Networks[name]; ours {
				return name
			}
			return ""
		}
	}
	return ""
}

// noticePort marks the networks whose bindings on a port, or what is in their
// way, may have changed. Each binding that we write is seen here again.
func (d *database) noticePort(found *dirty, ch ovsdb.Changes, c ovsdb.Change) {
	if c.Old == nil || c.New == nil || c.Old.Str("name") != c.New.Str("name") {
		found.all = true // which bindings that concerns, only a look at all tells
		return
	}
	faults := !ovsdb.Equal(c.Old.Get("port_fault_status"), c.New.Get("port_fault_status"))
	was, is := c.Old.Map("vlan_bindings"), c.New.Map("vlan_bindings")
	vlans := map[l2gw.VLAN]bool{}
	for _, m := range []ovsdb.Map{was, is} {
		for vlan, ls := range m.All() {
			before, _ := was.Get(vlan)
			after, _ := is.Get(vlan)
			if ovsdb.Equal(before, after) {
				continue
			}
			if n, ok := vlan.(int64); ok {
				vlans[l2gw.VLAN(n)] = true
			}
			if u, ok := ls.(ovsdb.UUID); ok {
				if id := d.ours(ch, u); id != "" {
					found.network(id)
				}
			}
		}
	}
	if !faults && len(vlans) == 0 {
		return
	}
	for k, b := range d.replica.Bindings {
		if k.Interface == c.New.Str("name") && (faults || vlans[k.VLAN]) {
			found.network(b.NetworkID)
		}
	}
}

// noticeLogicalSwitch marks the network of a logical switch, and those that want its VNI.
func (d *database) noticeLogicalSwitch(found *dirty, c ovsdb.Change) {
	if c.Old != nil && c.New != nil && c.Old.Str("name") != c.New.Str("name") {
		found.all = true // it may be named in anybody's reason
		return
	}
	for _, r := range []*ovsdb.Row{c.Old, c.New} {
		if r == nil {
			continue
		}
		name := r.Str("name")
		if _, ours := d.replica.Owned.Networks[name]; ours || len(d.replica.ByNetwork[name]) > 0 {
			found.network(name)
		}
		if vni, ok := r.Int("tunnel_key"); ok {
			for id, seg := range d.replica.Segments {
				if int64(seg.VNI) == vni {
					found.network(id)
				}
			}
		}
	}
}
