package agent

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
	"l2gw/ovsdb"
)

// Result is how a transaction ended.
type Result string

// The results.
const (
	ResultDone    Result = "done"    // the switch holds it
	ResultStale   Result = "stale"   // the database had changed meanwhile; it is planned again
	ResultRefused Result = "refused" // the switch will not have it; what is at fault is looked for
	ResultFailed  Result = "failed"  // the session or the lock was lost, or there was no answer
)

// Meter is told what happens on one database. It is called by the goroutine
// that keeps the database, so it must not wait.
type Meter interface {
	// Transaction: one ended, so long after it was sent.
	Transaction(r Result, operations int, took time.Duration)
	// Refused: the switch refuses so many more rows or bindings; the rest goes on without them.
	Refused(subjects int)
	// Confirmed: the switch was seen to hold all that had been heard of, so long
	// after the first of it was heard. What the switch refuses does not count.
	Confirmed(lag time.Duration)
}

// noMeter measures nothing.
type noMeter struct{}

func (noMeter) Transaction(Result, int, time.Duration) {}
func (noMeter) Refused(int)                            {}
func (noMeter) Confirmed(time.Duration)                {}

// Standing is how a database stands at this moment.
type Standing struct {
	Name      string
	Connected bool // a session is in sync
	Granted   bool // the controller lets us write
	Locked    bool // we hold the database's lock, or the switch has no locks
	InSync    bool // the switch holds all that is wanted, and nothing else has been heard since
	Sessions  uint64
	// Rows by table, as last seen.
	Rows map[string]int
	// What must be held: Hosts are those of all networks that are bound, also
	// those behind the database's own switches, which get no rows there.
	Bindings, Networks, Hosts int
	Refused                   int // rows and bindings that the switch refuses, left out for now
	Waiting                   int // logical switches that go once the switch has withdrawn its own rows
	// Missed is how many operations the last look at everything found to be
	// needed. Between reconnects, everything but 0 is what no event had told of,
	// or what somebody else undid.
	Missed int
	// Pending is for how long something heard of is not confirmed yet; 0: nothing is.
	Pending time.Duration
	// Held is how many removals wait for a release; Mode what an operator wants.
	Held int
	Mode l2gw.Mode
	// Denied says why servers do not let this agent have the database, by server.
	Denied map[string]string
}

// Standings tells how each database stands, by name. It may be called at any
// time by anybody, and makes no work for those who keep the databases.
func (a *Agent) Standings() []Standing {
	a.mu.Lock()
	databases := slices.Collect(maps.Values(a.databases))
	denied := map[string]map[string]string{}
	for s := range a.sessions {
		for name, reason := range s.refused {
			if denied[name] == nil {
				denied[name] = map[string]string{}
			}
			denied[name][s.link.server.Name] = reason
		}
	}
	a.mu.Unlock()
	all := make([]Standing, 0, len(databases))
	for _, d := range databases {
		s := d.standing()
		s.Denied = denied[d.name]
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y Standing) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// figures are what the goroutine of run lets others see of its state.
type figures struct {
	granted, inSync           bool
	bindings, networks, hosts int
	refused, waiting, missed  int
	held                      int
	mode                      l2gw.Mode
}

// measures are written by the goroutine of run and read by anybody.
type measures struct {
	published atomic.Pointer[figures]
	heardAt   atomic.Int64 // when the oldest change that is not confirmed was heard, Unix ns; 0: there is none
}

func (d *database) standing() Standing {
	st, snap := d.client.State(), d.client.Snapshot()
	s := Standing{
		Name: d.name, Connected: st.Phase == ovsdb.Synced, Sessions: st.Session,
		Locked: st.Lock == ovsdb.LockHeld || st.Lock == ovsdb.LockUnsupported,
	}
	if snap != nil {
		s.Rows = map[string]int{}
		for table := range vtep.Tables() {
			if t := snap.Table(table); t != nil {
				s.Rows[table] = t.Len()
			}
		}
	}
	if f := d.measures.published.Load(); f != nil {
		s.Granted = f.granted
		s.Bindings, s.Networks, s.Hosts = f.bindings, f.networks, f.hosts
		s.Refused, s.Waiting, s.Missed = f.refused, f.waiting, f.missed
		s.InSync, s.Held, s.Mode = f.inSync, f.held, f.mode
	}
	if at := d.measures.heardAt.Load(); at != 0 {
		s.InSync = false
		if s.Granted { // else it is another's work
			s.Pending = max(d.now().Sub(time.Unix(0, at)), 0)
		}
	}
	s.InSync = s.InSync && s.Connected && s.Granted && s.Locked
	return s
}

// publish lets others see how the database stands.
func (d *database) publish(inSync, count bool) {
	f := figures{
		granted: d.tenure.Granted(), inSync: inSync, refused: len(d.poison.refused), waiting: len(d.waiting), missed: d.missed,
		held: len(d.holds.list()), mode: d.mode,
	}
	f.bindings, f.networks = len(d.replica.Bindings), len(d.replica.ByNetwork)
	old := d.measures.published.Load()
	switch {
	case count: // takes time in proportion to the networks
		for _, s := range d.replica.Segments {
			f.hosts += s.Hosts.Len()
		}
	case old != nil:
		f.hosts = old.hosts
	}
	if old == nil || *old != f {
		d.measures.published.Store(&f)
	}
}

// heard notes when the oldest of what is to be looked at was heard of.
func (d *database) heard() {
	if d.measures.heardAt.Load() == 0 && !d.dirty.empty() {
		d.measures.heardAt.Store(d.now().UnixNano())
	}
}

// caughtUp notes that nothing that was heard of is left to do.
func (d *database) caughtUp() {
	at := d.measures.heardAt.Load()
	if at == 0 || !d.dirty.empty() {
		return
	}
	d.measures.heardAt.Store(0)
	d.meter.Confirmed(max(d.now().Sub(time.Unix(0, at)), 0))
}

// resultOf is how a transaction with this error ended.
func resultOf(err error) Result {
	switch e, ok := errors.AsType[*ovsdb.TransactError](err); {
	case err == nil:
		return ResultDone
	case errors.Is(err, ovsdb.ErrTimedOut):
		return ResultStale
	case ok && isRefusal(e):
		return ResultRefused
	}
	return ResultFailed
}
