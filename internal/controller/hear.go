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
			if !c.mayConfirm(l, d) {
				m.Gone = l2gw.Ownership{}
			}
			c.hearApplied(ctx, d, m)
		}
	case fabric.Orphans:
		// Of any agent that has the database: what one wrote while it was alone it
		// tells also if another one is let write now.
		if d := c.state.databases[m.Database]; d != nil && l.shares[m.Database] != nil {
			c.hearOrphans(l, d, m)
		}
	}
}

// mayConfirm reports whether the agent's word counts that something is gone: on
// a server that leads, only of the agent that it lets write, by the grant that it has.
func (c *Controller) mayConfirm(l *link, d *database) bool {
	if !c.state.leading {
		return true // it writes nothing
	}
	c.office.mu.Lock()
	id, grant, ok := c.office.granter.Holder(d.name)
	c.office.mu.Unlock()
	claim := l.shares[d.name].claim
	return ok && id == l.id && (claim.Writer || claim.Grant == grant)
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
		s.hearHolds(d, now.Held, c.opts.Now())
		d.noteDevices()
		changed := changedDevices(old.Devices, now.Devices)
		for name := range changed {
			s.report(name)
			maps.Copy(affected, s.ofDevice[name])
		}
		if len(changed) > 0 {
			news = true
			s.suspectAll(d)
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
	})
	if news {
		c.rememberDevices(d)
	}
	c.place(ctx, affected)
}

// report finds out anew which databases report a device.
func (s *state) report(device string) {
	var in []string
	for _, d := range s.where.reporting(device) {
		in = append(in, d.name)
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

// manyResults is how many results are kept of what is not wanted, so far as is known.
const manyResults = 1000

// forgetResults forgets those of what no user wants.
func (d *database) forgetResults(s *state) {
	maps.DeleteFunc(d.bindingResults, func(k l2gw.BindingKey, _ fabric.BindingResult) bool { _, ok := s.bindings[k]; return !ok })
	maps.DeleteFunc(d.networkResults, func(id string, _ fabric.NetworkResult) bool { return len(s.ofNetwork[id]) == 0 })
}

func (c *Controller) hearApplied(ctx context.Context, d *database, m fabric.Applied) {
	var gone l2gw.Ownership
	c.locked(func() {
		s := &c.state
		// A server that stands by may hear of what another feeds before it has
		// read of it itself, and will not be told again.
		for _, r := range m.Bindings {
			if _, ok := d.wanted[r.Key]; ok || !s.leading {
				d.bindingResults[r.Key] = r
			}
		}
		for _, r := range m.Networks {
			if d.bound[r.NetworkID] > 0 || !s.leading {
				d.networkResults[r.NetworkID] = r
			} else {
				delete(d.networkResults, r.NetworkID)
			}
		}
		if len(d.bindingResults)+len(d.networkResults) > 2*(len(d.wanted)+len(d.bound))+manyResults {
			d.forgetResults(s)
		}
		if gone = s.noLonger(d, m); isNothing(gone) {
			return
		}
		c.logRemoved(ctx, d, gone.Bindings)
		for id := range gone.Networks {
			delete(d.owned.Networks, id)
			delete(d.lost, id)
			delete(d.networkResults, id)
			delete(d.boundSince, id)
		}
		for k := range gone.Bindings {
			delete(d.owned.Bindings, k)
			delete(d.unboundBy, k)
		}
		d.tellOwned()
		if s.leading {
			// Until it is written the store has too much as ours, which does no harm:
			// whoever reads it has it confirmed gone once more.
			c.writer.disown(s.version.Epoch, d.name, gone)
		}
	})
}

// noLonger is the part of what the agent confirms as gone that is recorded as
// ours and was not wanted again since the agent looked, be it only for a while:
// it may have been written anew.
//
// The agent looked under the last word that it had had on the bindings. Words of
// another epoch say nothing of what this controller has bound since, or of what
// the one before it had bound when that word was under way: none of them counts.
// The agent looks again once it has heard ours. Within one epoch the order of
// words is that of one counter over all agents, so that it does not matter
// whether the agent that looked is the one that was told to bind.
//
// A server that does not lead has bound nothing itself, and what it takes to be
// ours it reads anew before it leads.
func (s *state) noLonger(d *database, m fabric.Applied) l2gw.Ownership {
	out := noOwnership()
	if s.leading && m.Version.Epoch != s.version.Epoch {
		return out
	}
	still := func(network string) bool {
		return !s.leading || d.boundSince[network].Compare(m.Version) <= 0
	}
	coming := map[string]bool{} // networks that are wanted as soon as that is recorded
	for id := range d.asked.Networks {
		coming[id] = true
	}
	for _, id := range d.asked.Bindings {
		coming[id] = true
	}
	for id := range m.Gone.Networks {
		if vni, ours := d.owned.Networks[id]; ours && d.bound[id] == 0 && !coming[id] && still(id) {
			out.Networks[id] = vni
		}
	}
	for k, id := range m.Gone.Bindings {
		_, wanted := d.wanted[k]
		_, asked := d.asked.Bindings[k]
		if !wanted && !asked && d.owned.Bindings[k] == id && still(id) {
			out.Bindings[k] = id
		}
	}
	return out
}

// maxLines is how many bindings that are gone together are logged one by one.
const maxLines = 50

// logRemoved tells of the bindings that a switch has let go of.
func (c *Controller) logRemoved(ctx context.Context, d *database, gone map[l2gw.BindingKey]string) {
	level := slog.LevelInfo
	if len(gone) > maxLines {
		c.log.Info("the switch has let go of bindings", "database", d.name, "bindings", len(gone))
		level = slog.LevelDebug
	}
	for _, k := range slices.SortedFunc(maps.Keys(gone), compareKeys) {
		c.log.Log(ctx, level, "the switch has let go of a binding", "database", d.name, "network_id", gone[k],
			"device", k.Device, "interface", k.Interface, "vlan", k.VLAN, "request_id", d.unboundBy[k])
	}
}
