package controller

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"l2gw"
	"l2gw/internal/fabric"
)

// hear takes in what an agent says.
func (c *Controller) hear(ctx context.Context, l *link, m fabric.ToServer) {
	switch m := m.(type) {
	case fabric.Observed:
		if d := c.served(l, m.Database); d != nil {
			c.hearObserved(ctx, d, m.State)
		}
	case fabric.Learned:
		if d := c.served(l, m.Database); d != nil {
			c.locked(func() { c.state.hearLearned(d, m, c.opts.Now()) })
		}
	case fabric.Applied:
		if d := c.served(l, m.Database); d != nil {
			c.hearApplied(ctx, d, m)
		}
	case fabric.Ask:
		if d := c.served(l, m.Database); d != nil {
			c.locked(func() {
				if m.NetworkID == "" {
					d.feed.snapshot = true
				} else {
					d.feed.network(m.NetworkID).full = true
				}
				l.poke()
			})
		}
	case fabric.Done:
		c.answer(m)
	}
}

// served returns the database if it is this link that serves it.
func (c *Controller) served(l *link, name string) *database {
	f := l.feeds[name]
	if f == nil || f.database.feed != f {
		return nil
	}
	return f.database
}

// hearObserved takes in what a database looks like. A database that is not
// connected says nothing new about its devices: they are as they were.
func (c *Controller) hearObserved(ctx context.Context, d *database, now l2gw.DatabaseState) {
	s := &c.state
	affected := map[l2gw.BindingKey]bool{}
	news := false
	c.locked(func() {
		old := d.observed
		if !now.Connected {
			now.Devices, now.Rows, now.Schema, now.Losses, now.SyncedAt = old.Devices, old.Rows, old.Schema, old.Losses, old.SyncedAt
		} else {
			d.seen = c.opts.Now()
		}
		d.observed = now
		d.noteTunnels()
		changed := changedDevices(old.Devices, now.Devices)
		for name := range changed {
			s.report(name)
			maps.Copy(affected, s.ofDevice[name])
		}
		if len(changed) > 0 {
			news = true
			c.distrustTunnels() // first: no MAC behind such an address is believed, even for a moment
		}
		networks := map[string]bool{}
		for k := range affected {
			networks[s.bindings[k].NetworkID] = true
		}
		for id := range networks {
			s.relearn(d, id, c.opts.Now())
			if n := s.networks[id]; n != nil && n.merged != nil {
				s.mergeHosts(n, nil) // the tunnel IPs may be others
			}
		}
		s.wakeFeeds()
	})
	if news {
		c.rememberDevices(ctx, d)
	}
	c.place(ctx, affected)
}

// report finds out anew which databases report a device.
func (s *state) report(device string) {
	var in []string
	for name, d := range s.databases {
		if slices.ContainsFunc(d.observed.Devices, func(x l2gw.DeviceState) bool { return x.Name == device }) {
			in = append(in, name)
		}
	}
	if fresh := slices.DeleteFunc(slices.Clone(in), func(name string) bool { return s.databases[name].isMemory() }); len(fresh) > 0 {
		in = fresh
	}
	slices.Sort(in)
	if len(in) == 0 {
		delete(s.reporting, device)
		return
	}
	s.reporting[device] = in
}

// changedDevices are the names of the devices that came, went or have other tunnel IPs.
func changedDevices(old, now []l2gw.DeviceState) map[string]bool {
	names := map[string]bool{}
	for _, o := range old {
		names[o.Name] = true
	}
	for _, n := range now {
		i := slices.IndexFunc(old, func(o l2gw.DeviceState) bool { return o.Name == n.Name })
		if i >= 0 && slices.Equal(old[i].TunnelIPs, n.TunnelIPs) {
			delete(names, n.Name)
		} else {
			names[n.Name] = true
		}
	}
	return names
}

func (c *Controller) hearApplied(ctx context.Context, d *database, m fabric.Applied) {
	var gone l2gw.Ownership
	c.locked(func() {
		for _, r := range m.Bindings {
			if _, ok := d.wanted[r.Key]; ok {
				d.bindingResults[r.Key] = r
			}
		}
		for _, r := range m.Networks {
			if d.bound[r.NetworkID] > 0 {
				d.networkResults[r.NetworkID] = r
			} else {
				delete(d.networkResults, r.NetworkID)
			}
		}
		gone = d.noLonger(m.Gone, m.Version)
	})
	if len(gone.Networks)+len(gone.Bindings) == 0 {
		return
	}
	if err := c.opts.Store.Disown(ctx, d.name, gone); err != nil {
		c.log.Warn("cannot record that rows of ours are gone; trying again", "database", d.name, "error", err)
		c.later(func(ctx context.Context) {
			c.hearApplied(ctx, d, fabric.Applied{Database: d.name, Version: m.Version, Gone: gone})
		})
		return
	}
	c.logRemoved(ctx, d.name, gone.Bindings)
	c.locked(func() {
		for id := range gone.Networks {
			delete(d.owned.Networks, id)
			delete(d.networkResults, id)
			delete(d.boundSince, id)
		}
		for k := range gone.Bindings {
			delete(d.owned.Bindings, k)
		}
		if d.feed != nil {
			d.feed.owned = true
			d.feed.link.poke()
		}
	})
}

// noLonger is the part of gone that is recorded as ours and was not wanted again
// since the agent looked, be it only for a while: it may have written it anew.
func (d *database) noLonger(gone l2gw.Ownership, seen l2gw.Version) l2gw.Ownership {
	out := l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
	for id, vni := range gone.Networks {
		if _, ours := d.owned.Networks[id]; ours && d.bound[id] == 0 && d.boundSince[id].Compare(seen) <= 0 {
			out.Networks[id] = vni
		}
	}
	for k, id := range gone.Bindings {
		if _, wanted := d.wanted[k]; !wanted && d.owned.Bindings[k] == id && d.boundSince[id].Compare(seen) <= 0 {
			out.Bindings[k] = id
		}
	}
	return out
}

// maxLines is how many bindings that are gone together are logged one by one.
const maxLines = 50

// logRemoved tells of the bindings that a switch has let go of.
func (c *Controller) logRemoved(ctx context.Context, database string, gone map[l2gw.BindingKey]string) {
	level := slog.LevelInfo
	if len(gone) > maxLines {
		c.log.Info("the switch has let go of bindings", "database", database, "bindings", len(gone))
		level = slog.LevelDebug
	}
	for _, k := range slices.SortedFunc(maps.Keys(gone), compareKeys) {
		c.log.Log(ctx, level, "the switch has let go of a binding", "database", database, "network_id", gone[k],
			"device", k.Device, "interface", k.Interface, "vlan", k.VLAN)
	}
}
