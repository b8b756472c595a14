package agent

import (
	"slices"
	"sync"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

const (
	// inboxLimit is how many messages may wait for a database's goroutine, besides
	// those of a snapshot.
	inboxLimit = 1024
	// askedLimit is how many commands may wait.
	askedLimit = 64
)

// granted is a grant, and when the beat was sent that it counts from.
type granted struct {
	fabric.Grant
	asked  time.Time
	speech uint64 // of which it is part
}

// renewed is a renewal of grants, and when the beat was sent that it answers.
type renewed struct {
	epoch  uint64
	asked  time.Time
	leased bool
}

// asked is a command, and who wants the answer.
type asked struct {
	fabric.Do
	by *session
}

// cut is the mark in an inbox where a controller's words end and, with the number
// that it has, another speech begins: by another server, on another stream, or to
// an agent that was not spoken to for a while.
type cut struct{ speech uint64 }

// About implements fabric.ToAgent.
func (cut) About() string { return "" }

// orders are what bears on who writes. Of each kind the newest counts, whatever
// order they came in.
type orders struct {
	ended   bool           // the stream that brought all grants before; what follows came since
	mode    fabric.Command // the last that an operator set, or ""
	modeAt  time.Time
	grant   *granted
	revoke  *fabric.Revoke
	renewed [2]renewed // the newest, and the newest that was leased
}

// inbox holds what servers have said and a database's goroutine, which may be
// waiting for a slow switch, has not heard yet. It never makes the giver wait,
// since other databases hang on the same stream. What becomes too much is
// thrown away, and the controller is asked for a snapshot; a snapshot takes the
// place of all that was said before it, and is never cut short by its length.
type inbox struct {
	wake chan struct{} // 1 place; receives when there is something

	mu       sync.Mutex
	orders   orders
	asked    []asked
	queue    []fabric.ToAgent
	snapshot bool // one has begun and not ended
	loose    int  // messages in queue that are not of a snapshot
	lost     bool
	speech   uint64       // the last that began
	revoked  l2gw.Version // what was taken back since it began, or since a newer grant
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) change(f func()) {
	b.mu.Lock()
	f()
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put adds a message on what must be held.
func (b *inbox) put(m fabric.ToAgent) { b.change(func() { b.add(m) }) }

func (b *inbox) add(m fabric.ToAgent) {
	switch m.(type) {
	case fabric.SnapshotBegin:
		b.clear()
		b.snapshot, b.lost = true, false
	case fabric.SnapshotEnd:
		b.snapshot = false
	default:
		if b.snapshot {
			break
		}
		if b.loose >= inboxLimit {
			b.clear()
			b.lost = true
		}
		if b.lost {
			return
		}
		b.loose++
	}
	b.queue = append(b.queue, m)
}

// clear throws away what waits, but not where the last speech begins.
func (b *inbox) clear() {
	b.queue = slices.DeleteFunc(b.queue, func(m fabric.ToAgent) bool { return m != fabric.ToAgent(cut{b.speech}) })
	b.loose = 0
}

// cut marks that what comes now is said by somebody else, or after a gap.
func (b *inbox) cut() {
	b.change(func() {
		b.orders.ended, b.orders.grant, b.orders.renewed = true, nil, [2]renewed{}
		b.begin()
	})
}

// begin begins another speech: no snapshot goes on over that.
func (b *inbox) begin() {
	b.snapshot, b.revoked = false, l2gw.Version{}
	b.speech++
	if last := len(b.queue) - 1; last >= 0 {
		if _, twice := b.queue[last].(cut); twice {
			b.queue = b.queue[:last]
		}
	}
	b.queue = append(b.queue, cut{b.speech})
}

// grant, revoke and renew take in an order. Only who is granted a database is
// told what it must hold: what comes after a Revoke is not to be built upon, and
// what comes after the Grant that follows is another account.
func (b *inbox) grant(g granted) {
	b.change(func() {
		if b.revoked != (l2gw.Version{}) && g.Version.Compare(b.revoked) > 0 {
			b.begin()
		}
		g.speech = b.speech
		if old := b.orders.grant; old == nil || old.Version.Compare(g.Version) <= 0 {
			b.orders.grant = &g
		}
	})
}

func (b *inbox) revoke(m fabric.Revoke) {
	b.change(func() {
		last := b.revoked
		b.begin()
		if b.revoked = m.Version; b.revoked.Compare(last) < 0 {
			b.revoked = last
		}
		if old := b.orders.revoke; old == nil || old.Version.Compare(m.Version) < 0 {
			b.orders.revoke = &m
		}
	})
}

func (b *inbox) renew(r renewed) {
	b.change(func() {
		b.orders.renewed[0] = r
		if r.leased {
			b.orders.renewed[1] = r
		}
	})
}

// ask adds a command; false: there are too many already. A mode counts at once,
// before any grant that comes after it.
func (b *inbox) ask(m asked) (ok bool) {
	b.change(func() {
		if ok = len(b.asked) < askedLimit; ok {
			if _, mode := modes[m.Command]; mode {
				b.orders.mode, b.orders.modeAt = m.Command, m.At
			}
			b.asked = append(b.asked, m)
		}
	})
	return ok
}

// take returns all messages in their order, and whether others were thrown away.
func (b *inbox) take() (messages []fabric.ToAgent, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages, lost = b.queue, b.lost
	b.queue, b.loose, b.lost = nil, 0, false
	return messages, lost
}

// takeOrders returns what bears on who writes.
func (b *inbox) takeOrders() orders {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.orders
	b.orders = orders{}
	return o
}

// takeAsked returns the commands.
func (b *inbox) takeAsked() []asked {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.asked
	b.asked = nil
	return all
}

// waiting reports whether there is something that a long pass should not hold
// up. Renewals are looked at on the way.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)+len(b.asked) > 0 || b.lost || b.orders.grant != nil || b.orders.revoke != nil
}
