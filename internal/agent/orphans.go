package agent

import (
	"maps"

	"l2gw"
	"l2gw/internal/fabric"
)

// orphan adds what was ours to what the controller may not know as ours.
func (d *database) orphan(was l2gw.Ownership) {
	o := l2gw.Ownership{Networks: maps.Clone(d.orphans.Networks), Bindings: maps.Clone(d.orphans.Bindings)}
	if o.Networks == nil {
		o.Networks = map[string]l2gw.VNI{}
	}
	if o.Bindings == nil {
		o.Bindings = map[l2gw.BindingKey]string{}
	}
	maps.Copy(o.Networks, was.Networks)
	maps.Copy(o.Bindings, was.Bindings)
	d.orphans = o
}

// noteUnconfirmed has the controller told what is about to be written by an
// account that no controller has confirmed: another agent may have removed it
// meanwhile, and may be let write again before this one is told anything more. Then
// nobody would know these rows as ours. Of what it does know, it makes nothing.
func (d *database) noteUnconfirmed() {
	if !d.holds.awaitsWord() {
		return
	}
	d.orphan(d.replica.Owned)
	if told := d.orphanedAs; maps.Equal(d.orphans.Networks, told.Networks) && maps.Equal(d.orphans.Bindings, told.Bindings) {
		return
	}
	d.orphanedAs = d.orphans
	d.orphaned++
	d.publishOrphans()
}

// noteOrphans takes in what the controller knows as ours by now: the rest is told to it.
func (d *database) noteOrphans() {
	now := d.replica.Owned
	next := l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
	for id, vni := range d.orphans.Networks {
		if _, known := now.Networks[id]; !known {
			next.Networks[id] = vni
		}
	}
	for k, id := range d.orphans.Bindings {
		if _, known := now.Bindings[k]; !known {
			next.Bindings[k] = id
		}
	}
	told := d.orphanedAs
	d.orphans = next
	if maps.Equal(next.Networks, told.Networks) && maps.Equal(next.Bindings, told.Bindings) {
		return
	}
	d.orphanedAs = next
	d.orphaned++
	d.publishOrphans()
	if n := len(next.Networks) + len(next.Bindings); n > 0 {
		d.log.Warn("the controller does not know rows that may be ours: its database was restored from a backup, or they were removed while this agent was away",
			"database", d.name, "networks", len(next.Networks), "bindings", len(next.Bindings))
	}
}

// recorded takes in that the controller has recorded them as ours: they need not
// be told again. What was told since then is under another number.
func (d *database) recorded(telling uint64) {
	if telling != d.orphaned {
		return
	}
	d.orphans, d.orphanedAs = l2gw.Ownership{}, l2gw.Ownership{}
	d.orphaned++
	d.publishOrphans()
}

func (d *database) publishOrphans() {
	if len(d.orphans.Networks)+len(d.orphans.Bindings) == 0 {
		d.reports.orphaned(nil)
		return
	}
	d.reports.orphaned(&fabric.Orphans{Database: d.name, Owned: d.orphans, Telling: d.orphaned})
}
