package agent

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// told is what the controller has been told, so that only news is sent.
type told struct {
	state      l2gw.DatabaseState
	stateSent  bool
	stateDue   bool // something may have changed
	countsDue  bool // as much time has passed that counts are news
	learned    map[fabric.LearnedKey]l2gw.Learned
	learnedDue bool
	full       bool // the next Learned replaces all before
	bindings   map[l2gw.BindingKey]fabric.BindingResult
	logged     map[l2gw.BindingKey]fabric.BindingResult // which is told to the log alone, and once
	networks   map[string]fabric.NetworkResult
}

func newTold() told {
	return told{
		stateDue: true, full: true,
		learned:  map[fabric.LearnedKey]l2gw.Learned{},
		bindings: map[l2gw.BindingKey]fabric.BindingResult{},
		logged:   map[l2gw.BindingKey]fabric.BindingResult{},
		networks: map[string]fabric.NetworkResult{},
	}
}

// report tells the controller what is new.
func (d *database) report(ctx context.Context) error {
	for len(d.outbox) > 0 {
		if err := d.send(ctx, d.outbox[0]); err != nil {
			return err
		}
		d.outbox = d.outbox[1:]
	}
	// The state first: once it says that there is a session, there is a snapshot.
	st := d.client.State()
	snap := d.client.Snapshot()
	if d.told.stateDue || d.told.countsDue {
		state := d.state(snap, st)
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
			if err := d.send(ctx, fabric.Observed{Database: d.name, State: state}); err != nil {
				return err
			}
		}
	}
	synced := st.Phase == ovsdb.Synced
	// While the switch is away, what it learned stays as it was.
	if d.told.learnedDue && synced && d.replica.Complete {
		d.told.learnedDue = false
		return d.reportLearned(ctx, snap)
	}
	return nil
}

func (d *database) logConnection(s l2gw.DatabaseState) {
	if s.Connected {
		d.log.Info("the switch database is connected", "database", d.name, "schema", s.Schema, "devices", len(s.Devices))
		return
	}
	d.log.Warn("the connection to the switch database is lost", "database", d.name, "error", s.Error)
}

func (d *database) state(snap *ovsdb.Snapshot, st ovsdb.State) l2gw.DatabaseState {
	s := l2gw.DatabaseState{Name: d.name, Agent: d.agent, Connected: st.Phase == ovsdb.Synced, SyncedAt: d.syncedAt}
	ok, why := d.writable()
	switch {
	case !s.Connected && st.Err != nil:
		s.Error = st.Err.Error()
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

// reportLearned sends how what the switches learned differs from what was told.
func (d *database) reportLearned(ctx context.Context, snap *ovsdb.Snapshot) error {
	now := map[fabric.LearnedKey]l2gw.Learned{}
	m := fabric.Learned{Database: d.name, Full: d.told.full}
	for _, l := range vtep.LearnedMACs(snap, d.intent()) {
		key := fabric.LearnedKey{NetworkID: l.NetworkID, MAC: l.MAC}
		now[key] = l
		if old, ok := d.told.learned[key]; m.Full || !ok || !old.Equal(l.Host) {
			m.Set = append(m.Set, l)
		}
	}
	for key := range d.told.learned {
		if _, still := now[key]; !still && !m.Full {
			m.Gone = append(m.Gone, key)
		}
	}
	if !m.Full && len(m.Set)+len(m.Gone) == 0 {
		return nil
	}
	slices.SortFunc(m.Set, func(a, b l2gw.Learned) int {
		return cmp.Or(cmp.Compare(a.NetworkID, b.NetworkID), slices.Compare(a.MAC[:], b.MAC[:]))
	})
	d.told.learned, d.told.full = now, false
	return d.send(ctx, m)
}

// confirm takes note that nothing is left to do in a scope, and says so.
func (d *database) confirm(snap *ovsdb.Snapshot, scope vtep.Scope, plan *vtep.Plan) {
	now := d.now()
	d.confirmedAt, d.confirmedScope = snap, scope
	d.poison.heal(scope, now)
	d.noteWaiting(scope, plan)
	d.syncedAt, d.lastError = now, ""
	d.told.stateDue = true

	m := fabric.Applied{Database: d.name, Version: d.replica.Seen(), Gone: plan.Gone}
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
			m.Bindings = append(m.Bindings, r)
		}
	}
	d.logBindings(m.Bindings)
	for id, v := range plan.Networks {
		r := fabric.NetworkResult{NetworkID: id, Status: v.Status, Reason: v.Reason}
		if seg := d.replica.Segments[id]; seg != nil {
			r.Version = seg.Version
		}
		if x := d.refusal(func(s vtep.Subject) bool { return s.Network == id && s.Binding == (l2gw.BindingKey{}) }); x != "" {
			r.Status, r.Reason, r.Class = l2gw.StatusDegraded, "the switch refuses some rows: "+x, fabric.ClassRetry
		}
		// A new version alone is no news: hosts come and go all the time.
		if old, ok := d.told.networks[id]; !ok || old.Status != r.Status || old.Reason != r.Reason || !scopeIsMACs(scope) {
			d.logNetwork(r, old)
			d.told.networks[id] = r
			m.Networks = append(m.Networks, r)
		}
	}
	if !scopeIsMACs(scope) {
		unwanted := func(k l2gw.BindingKey, _ fabric.BindingResult) bool {
			_, wanted := d.replica.Bindings[k]
			return !wanted
		}
		maps.DeleteFunc(d.told.bindings, unwanted)
		maps.DeleteFunc(d.told.logged, unwanted)
	}
	if len(m.Bindings)+len(m.Networks)+len(m.Gone.Networks)+len(m.Gone.Bindings) > 0 {
		d.outbox = append(d.outbox, m)
	}
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
