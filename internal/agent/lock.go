package agent

import (
	"context"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/ovsdb"
)

// lockTimeout bounds how long a switch may take to answer a call about its
// lock. One that takes longer has lost the session: what became of the call, only a new one tells.
const lockTimeout = 10 * time.Second

// landing is what a transaction may take to have its effect on a switch without
// locks: none is sent when the grant is good for less.
const landing = fabric.Term / 6

// locklessOps bounds the operations of one transaction there, so that it does
// not take longer.
const locklessOps = 100

// modes are the commands that set one.
var modes = map[fabric.Command]l2gw.Mode{
	fabric.CommandRun: l2gw.ModeRun, fabric.CommandObserve: l2gw.ModeObserve, fabric.CommandPause: l2gw.ModePaused,
}

// takeOrders takes in what bears on who writes.
func (d *database) takeOrders() {
	o := d.inbox.takeOrders()
	if o.ended {
		d.tenure.Ended()
	}
	if o.mode != "" {
		d.setMode(o.mode, o.modeAt)
	}
	if o.revoke != nil {
		d.tenure.Revoke(o.revoke.Version)
	}
	if g := o.grant; g != nil {
		if d.tenure.Grant(g.Grant, g.asked, d.now()) {
			d.grantedIn = g.speech
			d.dirty.all = true
			d.log.Info("the controller lets this agent write", "database", d.name,
				"epoch", g.Version.Epoch, "grant", g.Version.Counter, "steal", g.Steal)
		}
	}
	for _, r := range o.renewed {
		if !r.asked.IsZero() {
			d.tenure.Renew(r.epoch, r.asked, r.leased)
		}
	}
	if o.revoke != nil || o.grant != nil {
		d.told.stateDue = true
	}
}

// settleLock brings the lock of this session to where the grants want it:
// with us or in line for us, taken from whoever has it, or let go.
func (d *database) settleLock(ctx context.Context) {
	st := d.client.State()
	if st.Phase != ovsdb.Synced {
		return
	}
	if st.Session != d.lockSession {
		d.lockSession, d.thefts = st.Session, 0
	}
	if st.Lock == ovsdb.LockStolen && d.thefts == 0 {
		d.thefts++
		d.tenure.Stolen()
		d.told.stateDue = true
		d.log.Warn("another session took the lock; only observing until the controller gives a newer grant", "database", d.name, "lock", d.opts.Lock)
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	var err error
	switch granted := d.tenure.Granted(); {
	case st.Lock == ovsdb.LockUnsupported:
		return
	case !granted && (st.Lock == ovsdb.LockHeld || st.Lock == ovsdb.LockWaiting):
		err = d.client.ReleaseLock(ctx)
	case !granted || st.Lock == ovsdb.LockHeld:
		return
	case d.tenure.Steals(d.now()):
		d.thefts = 0
		if err = d.client.Steal(ctx); err == nil && !d.tenure.Steals(d.now()) {
			// It took so long that another may have been granted the database meanwhile.
			err = d.client.ReleaseLock(ctx)
		}
	case st.Lock == ovsdb.LockWaiting:
		return
	default:
		d.thefts = 0
		err = d.client.RequestLock(ctx)
	}
	d.told.stateDue = true
	if after := d.client.State(); err != nil && after.Session == st.Session && after.Lock != ovsdb.LockUnsupported {
		d.log.Warn("a call about the lock failed; beginning a new session", "database", d.name, "error", err)
		d.client.Disconnect(err)
	}
}

// writable says whether we may write now, if not, why, and until when that holds
// at most (zero: until something happens).
func (d *database) writable() (ok bool, why string, until time.Time) {
	st := d.client.State()
	switch {
	case st.Phase != ovsdb.Synced:
		return false, "not connected", until
	case !d.replica.Complete || d.grantedIn > d.toldIn:
		return false, "the controller has not told everything yet", until
	case d.mode == l2gw.ModePaused:
		return false, "paused by an operator" + d.sinceMode() + ": the switch is left alone", until
	case d.mode == l2gw.ModeObserve:
		return false, "observed only, as an operator said" + d.sinceMode() + ": nothing is written", until
	}
	now, lockless := d.now(), st.Lock == ovsdb.LockUnsupported
	ok, why, until = d.tenure.Writes(now, st.Lock == ovsdb.LockHeld, lockless)
	if ok && lockless {
		if until = until.Add(-landing); !now.Before(until) {
			return false, "the switch has no locks, and the grant is about to expire", time.Time{}
		}
	}
	return ok, why, until
}

// noteLock takes in that the lock is ours, before anything is written under it.
// If it has come to us since words of the controller are missing, another agent
// may have had it meanwhile, and known more: what it wrote is not to be removed.
func (d *database) noteLock() {
	if session := d.client.State().Session; session != d.heldIn {
		d.heldIn = session
		if !d.cutAt.IsZero() {
			d.holds.unheard(d.now())
		}
	}
}

// writer says whether the grants let us write now, whatever else stands in the way.
func (d *database) writer() bool {
	st := d.client.State()
	ok, _, _ := d.tenure.Writes(d.now(), st.Lock == ovsdb.LockHeld, st.Lock == ovsdb.LockUnsupported)
	return ok
}

func (d *database) sinceMode() string {
	if d.modeSince.IsZero() {
		return ""
	}
	return " at " + d.modeSince.UTC().Format(time.RFC3339)
}

// locking is how we stand to the lock, in the words of the domain.
func locking(s ovsdb.LockState) l2gw.Locking {
	return map[ovsdb.LockState]l2gw.Locking{
		ovsdb.LockWaiting: l2gw.LockingWaiting, ovsdb.LockHeld: l2gw.LockingHeld,
		ovsdb.LockStolen: l2gw.LockingStolen, ovsdb.LockUnsupported: l2gw.LockingUnsupported,
	}[s]
}

// setMode does as an operator said at a time (zero: now), unless another said
// something else since.
func (d *database) setMode(command fabric.Command, at time.Time) {
	mode := modes[command]
	switch {
	case at.IsZero() && mode == d.mode || !at.IsZero() && !at.After(d.modeSince):
		return
	case at.IsZero():
		at = d.now()
	}
	was := d.mode
	d.mode, d.modeSince, d.told.stateDue = mode, at, true
	if mode == was {
		return
	}
	d.dirty.all = true
	d.log.Info("the mode is another", "database", d.name, "command", command)
}
