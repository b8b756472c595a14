package controller

import (
	"cmp"
	"net/netip"
	"slices"

	"l2gw"
)

// whereabouts finds the databases that something concerns without a look at all
// of them. A database is listed when it comes to have a thing, and struck off by
// the first who may change the list and finds that it has it no more.
type whereabouts struct {
	places  map[l2gw.BindingKey][]*database // on which a binding is wanted or recorded as ours
	devices map[string][]*database          // that have a switch of this name
	tunnels map[netip.Addr][]*database      // that have a switch with this tunnel IP
}

func newWhereabouts() *whereabouts {
	return &whereabouts{
		places: map[l2gw.BindingKey][]*database{}, devices: map[string][]*database{}, tunnels: map[netip.Addr][]*database{},
	}
}

// placed notes that a binding is wanted, or recorded as ours, on a database.
func (w *whereabouts) placed(k l2gw.BindingKey, d *database) { enlist(w.places, k, d) }

// of are the databases on which a binding is wanted or recorded as ours. It
// changes nothing, so that readers may ask.
func (w *whereabouts) of(k l2gw.BindingKey) (have []*database) {
	for _, d := range w.places[k] {
		if d.placed(k) {
			have = append(have, d)
		}
	}
	return have
}

// strike is of for who may change the list.
func (w *whereabouts) strike(k l2gw.BindingKey) []*database {
	have, _ := strike(w.places, k, func(d *database) bool { return d.placed(k) })
	return have
}

// placed reports whether a binding is wanted there or recorded as ours.
func (d *database) placed(k l2gw.BindingKey) bool {
	_, wanted := d.wanted[k]
	_, ours := d.owned.Bindings[k]
	return wanted || ours
}

// reported notes that a database has a switch of this name.
func (w *whereabouts) reported(device string, d *database) { enlist(w.devices, device, d) }

// reporting are the databases that have a switch of this name.
func (w *whereabouts) reporting(device string) []*database {
	have, _ := strike(w.devices, device, func(d *database) bool {
		return slices.ContainsFunc(d.observed.Devices, func(x l2gw.DeviceState) bool { return x.Name == device })
	})
	return have
}

// tunnel notes that a database has a switch with this tunnel IP.
func (w *whereabouts) tunnel(ip netip.Addr, d *database) { enlist(w.tunnels, ip, d) }

// having are the databases that have a switch with this tunnel IP, and those
// that had one when that was asked last, or since.
func (w *whereabouts) having(ip netip.Addr) (have, had []*database) {
	return strike(w.tunnels, ip, func(d *database) bool { return d.reports(ip) })
}

func enlist[K comparable](list map[K][]*database, k K, d *database) {
	if i, found := slices.BinarySearchFunc(list[k], d, byName); !found {
		list[k] = slices.Insert(list[k], i, d)
	}
}

// strike returns the databases listed that have the thing, by name, and those that
// had it, which are struck off.
func strike[K comparable](list map[K][]*database, k K, has func(*database) bool) (have, had []*database) {
	for _, d := range list[k] {
		if has(d) {
			have = append(have, d)
		} else {
			had = append(had, d)
		}
	}
	switch {
	case len(have) == 0:
		delete(list, k)
	case len(had) > 0:
		list[k] = slices.Clone(have)
	}
	return have, had
}

func byName(a, b *database) int { return cmp.Compare(a.name, b.name) }

// own takes in that more is recorded as ours.
func (d *database) own(more l2gw.Ownership) {
	for id, vni := range more.Networks {
		d.owned.Networks[id] = vni
	}
	for k, id := range more.Bindings {
		d.owned.Bindings[k] = id
		d.where.placed(k, d)
	}
}
