package fabric

import (
	"time"

	"l2gw"
)

// Tenure is an agent's right to write to one database: what the grants that it
// was given come to at a moment. It belongs to one goroutine, and all times are
// readings of the agent's monotonic clock. The zero Tenure has none.
//
// On a switch with locks the lock decides who writes, and the newest grant
// decides who has the lock: a grant alone lets an agent stand in line, and only
// one that has not expired, from a server that surely was the controller, lets it
// take the lock from somebody else. So an agent that lost every server goes on
// writing for as long as nobody takes the lock.
//
// On a switch without locks the grant itself decides, and ends when it expires.
//
// The monotonic clock stands still while a machine is suspended. A switch without
// locks must not be written to from machines that are suspended and resumed.
type Tenure struct {
	grant    l2gw.Version // the newest that was heard of, revoked ones included
	held     bool         // grant is ours, and was not revoked
	ended    bool         // the stream that brought it is not there any more
	steal    bool
	term     time.Duration
	good     time.Time    // until when the grant is good
	clear    time.Time    // when all older grants have expired
	sure     time.Time    // until when no newer controller's grants can be clear
	sureOf   uint64       // the epoch of which sure speaks
	stolenAt l2gw.Version // the grant under which the lock was stolen
	stolen   bool
}

// Grant takes in a grant whose Beat was sent at asked. It reports whether it
// counts: it is newer than all before, and did not take so long to arrive that
// the server may have given the database to somebody else meanwhile.
func (t *Tenure) Grant(g Grant, asked, now time.Time) bool {
	until := asked.Add(g.Term)
	if g.Version.Compare(t.grant) <= 0 || !now.Before(until) {
		return false
	}
	t.grant, t.held, t.ended, t.steal, t.term = g.Version, true, false, g.Steal, g.Term
	t.good, t.clear = until, now.Add(g.Clear)
	return true
}

// Renew takes in that the Beat sent at asked was answered by a server that leads
// with this epoch. That renews what the server granted by a stream that is still there.
//
// Leased is what the answer said of the lease. A server that had it while the
// Beat was under way is followed by controllers that began to lead after asked:
// none of their grants is clear before asked and Term. That is true of whatever
// this server has granted, before or after.
func (t *Tenure) Renew(epoch uint64, asked time.Time, leased bool) {
	if leased && epoch >= t.sureOf {
		if epoch > t.sureOf {
			t.sureOf, t.sure = epoch, time.Time{}
		}
		t.sure = later(t.sure, asked.Add(Term))
	}
	if t.held && !t.ended && epoch == t.grant.Epoch {
		t.good = later(t.good, asked.Add(t.term))
	}
}

// Ended takes in that the stream which brought the newest grant has ended, or is
// not obeyed any more. It must be told before any Renewal of another stream, even
// one to the same server: that may have given the database away between the two,
// and may say so only after it has answered a Beat. If it has not, it gives a
// newer grant.
func (t *Tenure) Ended() { t.ended = true }

// surely is until when nobody can have been given a newer grant that is clear.
func (t *Tenure) surely() time.Time {
	switch {
	case t.sureOf != t.grant.Epoch:
		return time.Time{}
	case t.good.Before(t.sure):
		return t.good
	}
	return t.sure
}

// Revoke takes in that grants up to a version are taken back.
func (t *Tenure) Revoke(v l2gw.Version) {
	if v.Compare(t.grant) >= 0 {
		t.grant, t.held = v, false
	}
}

// Restore takes in, after a restart, that this grant was acted on, and not
// revoked. It lets the agent stand in line for the lock, and no more.
func (t *Tenure) Restore(v l2gw.Version) {
	if v.Compare(t.grant) > 0 {
		t.grant, t.held, t.steal, t.term = v, true, false, 0
	}
}

// Stolen takes in that another session took the lock: from now on the agent
// observes, until it is given a newer grant.
func (t *Tenure) Stolen() { t.stolen, t.stolenAt = true, t.grant }

// Granted reports whether there is a grant under which the lock was not stolen:
// the agent may hold the lock, or stand in line for it.
func (t *Tenure) Granted() bool {
	return t.held && !(t.stolen && t.stolenAt.Compare(t.grant) >= 0)
}

// Steals reports whether the lock may be taken from whoever has it. Ask again
// after it was taken: if the answer is no by then, the grant expired meanwhile
// and another may have it by now, so that the lock must be released at once.
func (t *Tenure) Steals(now time.Time) bool {
	return t.Granted() && t.steal && now.Before(t.surely())
}

// Version is the newest grant that was acted on, or zero.
func (t *Tenure) Version() l2gw.Version {
	if !t.held {
		return l2gw.Version{}
	}
	return t.grant
}

// Writes says whether the agent may write now, and if not, why and until when
// it may not (zero: until something happens). Locked tells that it holds the
// lock of a switch, lockless that the switch has none.
func (t *Tenure) Writes(now time.Time, locked, lockless bool) (ok bool, why string, until time.Time) {
	switch {
	case !t.held:
		return false, "another agent writes to this database", time.Time{}
	case !t.Granted():
		return false, "another session took the lock, and the controller has not given a newer grant yet", time.Time{}
	case locked:
		return true, "", time.Time{}
	case !lockless:
		return false, "another session holds the lock", time.Time{}
	case now.Before(t.clear):
		return false, "the switch has no locks, and the agent that wrote before may not have stopped yet", t.clear
	case !now.Before(t.surely()):
		return false, "the switch has no locks, and no controller has renewed the grant", time.Time{}
	}
	return true, "", t.surely()
}
