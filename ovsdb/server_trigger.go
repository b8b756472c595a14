package ovsdb

import (
	"slices"
	"time"
)

// trigger is a transact request that has not been answered. It is guarded by
// the server's mutex.
type trigger struct {
	from  *session
	id    any // of the request
	db    *database
	ops   []any
	since time.Time
	timer *time.Timer // nil unless it waits with a limit
}

// try carries out the transaction. If a wait blocks it, the trigger stays with
// its database, and is tried again when the database changes or the wait times out.
func (s *Server) try(t *trigger) {
	e := &execution{
		txn: newTxn(t.db), readOnly: t.db.readOnly, elapsed: time.Since(t.since),
		holds: func(name string) bool { return s.locks[name].owner() == t.from },
	}
	out := e.run(t.ops)
	if e.blocked {
		if !slices.Contains(t.db.triggers, t) {
			t.db.triggers = append(t.db.triggers, t)
		}
		t.stop() // it may be another wait now, with another limit
		if e.timeout >= 0 {
			t.timer = time.AfterFunc(e.timeout-e.elapsed, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if slices.Contains(t.db.triggers, t) { // neither answered nor cancelled meanwhile
					s.try(t)
					s.retryTriggers(t.db)
				}
			})
		}
		return
	}
	t.stop()
	t.db.triggers = slices.DeleteFunc(t.db.triggers, func(x *trigger) bool { return x == t })
	s.committed(t.db, e)
	t.from.reply(t.id, out)
}

func (t *trigger) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}
