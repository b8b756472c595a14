package agent

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// told is what was published last, so that only news is.
type told struct {
	state      l2gw.DatabaseState
	stateSent  bool
	stateDue   bool // something may have changed
	countsDue  bool // as much time has passed that counts are news
	learnedDue bool
	bindings   map[l2gw.BindingKey]fabric.BindingResult
	logged     map[l2gw.BindingKey]fabric.BindingResult // which is told to the log alone, and once
	networks   map[string]fabric.NetworkResult
}

func newTold() told {
	return told{
		stateDue: true,
		bindings: map[l2gw.BindingKey]fabric.BindingResult{},
		logged:   map[l2gw.BindingKey]fabric.BindingResult{},
		networks: map[string]fabric.NetworkResult{},
	}
}

// report publishes what is new.
func (d *database) report() {
	if d.heldAt != d.holds.changes {
		d.heldAt, d.told.stateDue = d.holds.changes, true
	}
	// The state first: once it says that there is a session, there is a snapshot.
	st := d.client.State()
	snap := d.client.Snapshot()
	if d.told.stateDue || d.told.countsDue {
		state := d.state(snap, st)
		d.reports.hold(func(h *fabric.Holding) { h.Grant, h.Writer, h.Revision = state.Grant, state.Writer, d.holds.highest })
		d.publish(state.InSync, d.told.countsDue)
		if !d.told.countsDue {
			// What changes with every row is told once a tick.
			state.Rows = d.told.state.Rows
			if state.InSync == d.told.state.InSync {
				state.SyncedAt = d.told.state.SyncedAt
			}
		}
		d.told.stateDue, d.told.countsDue = false, false
		if state.Connected != d.told.state.Connected {
			d.logConnection(state)
		}
		if !d.told.stateSent || !reflect.DeepEqual(state, d.told.state) {
			d.told.state, d.told.stateSent = state, true
			d.reports.observed(state)
		}
	}
	synced := st.Phase == ovsdb.Synced
	// While the switch is away, what it learned stays as it was.
	if d.told.learnedDue && synced && d.replica.Complete {
		d.told.learnedDue = false
		now := map[fabric.LearnedKey]l2gw.Learned{}
		for _, l := range vtep.LearnedMACs(snap, d.intent()) {
			now[fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}] = l
		}
		d.reports.learn(now)
	}
}

func (d *database) logConnection(s l2gw.DatabaseState) {
	if s.Connected {
		d.log.Info("the switch database is connected", "database", d.name, "schema", s.Schema, "devices", len(s.Devices))
		return
	}
	d.log.Warn("the connection to the switch database is lost", "database", d.name, "error", s.Error)
}

func (d *database) state(snap *ovsdb.Snapshot, st ovsdb.State) l2gw.DatabaseState {
	s := l2gw.DatabaseState{
		Name: d.name, Agent: d.agent.opts.Name, Connected: st.Phase == ovsdb.Synced, SyncedAt: d.syncedAt,
		Grant: d.tenure.Version(), Writer: d.writer(), Lock: locking(st.Lock), Mode: d.mode, ModeSince: d.modeSince, Held: d.holds.list(),
	}
	ok, why, _ := d.writable()
	switch {
	case !s.Connected && st.Err != nil:
		s.Error = st.Err.Error()
	case !ok && d.mode == l2gw.ModeObserve && d.missed > 0 && d.replica.Complete && s.Connected:
		s.Error = fmt.Sprintf("%s; %d operations would be", why, d.missed)
	case !ok:
		s.Error = why
	default:
		s.Error = cmp.Or(d.lastError, d.overdue())
	}
	s.InSync = ok && d.dirty.empty() && d.lastError == "" && len(d.poison.refused) == 0
	if !s.Connected {
		return s
	}
	s.Schema, s.Losses = snap.Schema.Version, d.capabilities(snap).Losses()
	s.Devices = d.devices(snap)
	s.Rows = map[string]int{}
	for table := range vtep.Tables() {
		if t := snap.Table(table); t != nil {
			s.Rows[table] = t.Len()
		}
	}
	return s
}

// devices are the switches as they report themselves; they are looked at anew
// only if one of the tables that tell of them is another.
func (d *database) devices(snap *ovsdb.Snapshot) []l2gw.DeviceState {
	from := [...]*ovsdb.Table{
		snap.Table("Physical_Switch"), snap.Table("Physical_Port"), snap.Table("Logical_Switch"),
	}
	if from != d.seenIn || d.seen == nil {
		d.seen, _ = vtep.Observe(snap, d.replica.Owned)
		d.seenIn = from
	}
	return d.seen
}

// confirm takes note that nothing is left to do in a scope, and says so.
func (d *database) confirm(snap *ovsdb.Snapshot, scope vtep.Scope, plan *vtep.Plan) {
	now := d.now()
	d.confirmedAt, d.confirmedScope = snap, scope
	d.poison.heal(scope, now)
	d.noteWaiting(scope, plan)
	d.syncedAt, d.lastError = now, ""
	d.forgetRequests(scope)
	d.told.stateDue = true

	version := d.replica.Seen()
	var bindings []fabric.BindingResult
	var networks []fabric.NetworkResult
	for k, v := range plan.Bindings {
		b, wanted := d.replica.Bindings[k]
		if !wanted {
			continue
		}
		r := fabric.BindingResult{Key: k, Revision: b.Revision, Status: v.Status, Reason: v.Reason}
		if x := d.refusal(func(s vtep.Subject) bool { return s.Binding == k }); x != "" {
			r.Status, r.Reason, r.Class = l2gw.StatusError, "the switch refuses it: "+x, fabric.ClassRetry
		}
		if d.told.bindings[k] != r {
			d.told.bindings[k] = r
			bindings = append(bindings, r)
		}
	}
	d.logBindings(bindings)
	for id, v := range plan.Networks {
		r := fabric.NetworkResult{NetworkID: id, Status: v.Status, Reason: v.Reason}
		if seg := d.replica.Segments[id]; seg != nil {
			r.Version = seg.Version
		}
		if x := d.refusal(func(s vtep.Subject) bool { return s.Network == id && s.Binding == (l2gw.BindingKey{}) }); x != "" {
			r.Status, r.Reason, r.Class = l2gw.StatusDegraded, "the switch refuses some rows: "+x, fabric.ClassRetry
		}
		if held := d.heldOf(id); held != "" && !r.Status.Worse(l2gw.StatusDegraded) {
			r.Status, r.Reason, r.Class = l2gw.StatusDegraded, held, fabric.ClassHeld
		}
		// A new version alone is no news: hosts come and go all the time.
		if old, ok := d.told.networks[id]; !ok || old.Status != r.Status || old.Reason != r.Reason || !scopeIsMACs(scope) {
			d.logNetwork(r, old)
			d.told.networks[id] = r
			networks = append(networks, r)
		}
	}
	if !scopeIsMACs(scope) {
		unwanted := func(k l2gw.BindingKey) bool { _, wanted := d.replica.Bindings[k]; return !wanted }
		unbound := func(id string) bool {
			_, ours := d.replica.Owned.Networks[id]
			return !ours && len(d.replica.ByNetwork[id]) == 0
		}
		of := func(k l2gw.BindingKey, _ fabric.BindingResult) bool { return unwanted(k) }
		maps.DeleteFunc(d.told.bindings, of)
		maps.DeleteFunc(d.told.logged, of)
		maps.DeleteFunc(d.told.networks, func(id string, _ fabric.NetworkResult) bool { return unbound(id) })
		d.reports.forget(unwanted, unbound)
	}
	if len(bindings)+len(networks) > 0 {
		d.reports.apply(version, bindings, networks)
	}
	gone := plan.Gone
	if ok, _, _ := d.writable(); !ok {
		gone = l2gw.Ownership{} // another may be writing it
	}
	d.reports.let(version, gone, func(network string) bool { return scope.All || scope.Networks[network] })
}

// heldOf says which removal of a network's rows is held, or "".
func (d *database) heldOf(network string) string {
	if h, held := d.holds.of(network); held {
		return fmt.Sprintf("the removal of %d of %d rows is held: %s; `l2gw device release` lets it go", h.Rows, h.Total, h.Reason)
	}
	return ""
}

func scopeIsMACs(s vtep.Scope) bool { return !s.All && len(s.Networks) == 0 }

// refusal is why the switch refuses any of the subjects, or "".
func (d *database) refusal(concerns func(vtep.Subject) bool) string {
	for s, x := range d.poison.refused {
		if concerns(s) {
			return x.reason
		}
	}
	return ""
}
