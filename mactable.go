package l2gw

import (
	"maps"
	"slices"
	"time"

	"l2gw/internal/cow"
)

// The rules of learned MACs.
const (
	// A MAC that moves more than MaxMoves times within MoveWindow is in two places
	// at once; it stays where it is until it has been quiet for MoveWindow
	// (RFC 7432 §15.1, whose defaults these are: N = 5, M = 180 s).
	MaxMoves   = 5
	MoveWindow = 180 * time.Second
	// MACHold is how long a MAC stays after its switch has aged it: switches age
	// in seconds, and a host that is silent is not gone.
	MACHold = 300 * time.Second
)

// MACTable decides, for one network, which of the MACs that switches learned the
// other gateways and the compute nodes are told of, and where they are.
//
//   - The inventory beats what is learned: a MAC that it knows is not told of
//     here; learned behind another VTEP it is reported as a conflict.
//   - Among databases the newest wins, at once. A claim is as old as its first
//     report without a break: repeating it makes it no newer. If the place of a
//     MAC gives it up while others claim it, the newest of these has it.
//   - A MAC that moves too often is frozen where it is ([MaxMoves]).
//   - A MAC that no switch claims any more stays for [MACHold].
//   - A database has at most so many MACs, those that it holds after ageing
//     included. Above that, a new claim displaces the MAC held longest; when none
//     is held, it waits until there is room. First come, first served.
//
// Hosts that are no unicast MAC behind a valid VTEP are passed over; of a MAC
// given twice in one call, the last counts. The table keeps the hosts' IPs, which
// must not be changed afterwards.
//
// The table has no clock: each call says the time, which must not go back (an
// earlier time counts as the latest seen). Not safe for concurrent use; the
// maps that it returns are immutable.
type MACTable struct {
	limit     int
	now       time.Time
	sequence  uint64
	inventory cow.Map[MAC, Host]
	sources   map[string]*macSource
	entries   map[MAC]*macEntry
	hosts     cow.Map[MAC, Host]

	frozen    map[MAC]bool
	conflicts map[MAC]bool

	txn     *cow.Txn[MAC, Host] // of the call under way
	changes map[MAC]Host        // likewise: as published before
	reports bool                // likewise: reports may have changed
}

// macSource is one database.
type macSource struct {
	claims   map[MAC]*macClaim
	accepted int      // claims that are not waiting
	waiting  macQueue // of claims that found no room
	held     macQueue // of entries that nobody claims and that were here
	heldLen  int
}

func (s *macSource) waitingLen() int { return len(s.claims) - s.accepted }

// macClaim is what one database says of one MAC.
type macClaim struct {
	host     Host
	sequence uint64 // of its first report at this place
	queued   uint64 // its id in the queue; 0 once it is accepted
}

// macEntry is a MAC with a place: a claim that was accepted, or the memory of one.
type macEntry struct {
	source string
	host   Host
	// seen is the newest claim that was looked at: only another is a new move.
	seen  uint64
	moves []time.Time // within MoveWindow, oldest first
	// heldUntil is when it goes; zero while some database claims it.
	heldUntil time.Time
	heldID    uint64
	// frozenUntil is when it may move again; zero if it is free.
	frozenUntil time.Time
}

// MACChanges is what one call changed of [MACTable.Hosts], what fell due with it included.
type MACChanges struct {
	Set   []Host // new, moved or with other addresses
	Unset []MAC
	// Reports is set if [MACTable.Reports] may have changed.
	Reports bool
}

// NewMACTable returns a table that takes up to limit MACs from each database; 0 means any number.
func NewMACTable(limit int) *MACTable {
	return &MACTable{
		limit:     limit,
		sources:   map[string]*macSource{},
		entries:   map[MAC]*macEntry{},
		frozen:    map[MAC]bool{},
		conflicts: map[MAC]bool{},
	}
}

// Hosts returns the learned hosts to tell others of: none that the inventory knows.
func (t *MACTable) Hosts() cow.Map[MAC, Host] { return t.hosts }

// SetInventory says which hosts the inventory knows. Unknown is not empty: as
// long as the inventory is not known, do not call it.
func (t *MACTable) SetInventory(now time.Time, hosts cow.Map[MAC, Host]) MACChanges {
	t.begin(now)
	t.inventory = hosts
	for mac := range t.entries {
		t.settle(mac)
	}
	return t.end()
}

// UpdateInventory is [MACTable.SetInventory] for a caller who knows which MACs
// differ from the inventory before: it looks at no others.
func (t *MACTable) UpdateInventory(now time.Time, hosts cow.Map[MAC, Host], changed []MAC) MACChanges {
	t.begin(now)
	t.inventory = hosts
	for _, mac := range changed {
		t.settle(mac)
	}
	return t.end()
}

// Full says that a database has learned exactly these.
func (t *MACTable) Full(now time.Time, database string, hosts []Host) MACChanges {
	t.begin(now)
	hosts, stays := usable(hosts)
	if s := t.sources[database]; s != nil {
		var gone []MAC
		for mac := range s.claims {
			if _, ok := stays[mac]; !ok {
				gone = append(gone, mac)
			}
		}
		slices.SortFunc(gone, MAC.Compare)
		for _, mac := range gone {
			t.drop(database, s, mac)
		}
	}
	for _, h := range hosts {
		t.claim(database, h)
	}
	return t.end()
}

// Delta says that a database has learned these (or their addresses anew) and no
// longer has those. Saying it twice is as good as once.
func (t *MACTable) Delta(now time.Time, database string, learned []Host, gone []MAC) MACChanges {
	t.begin(now)
	if s := t.sources[database]; s != nil {
		for _, mac := range gone {
			t.drop(database, s, mac)
		}
	}
	learned, _ = usable(learned)
	for _, h := range learned {
		t.claim(database, h)
	}
	return t.end()
}

// usable returns the hosts that a table can take, each MAC once, and their places in the list.
func usable(hosts []Host) ([]Host, map[MAC]int) {
	list := make([]Host, 0, len(hosts))
	index := make(map[MAC]int, len(hosts))
	for _, h := range hosts {
		if !h.MAC.IsUnicast() || !h.VTEP.IsValid() {
			continue
		}
		if i, twice := index[h.MAC]; twice {
			list[i] = h
			continue
		}
		index[h.MAC] = len(list)
		list = append(list, h)
	}
	return list, index
}

// Forget withdraws all that a database said, at once and without holding it: the
// network is no longer bound there. A database that cannot be read is not forgotten.
func (t *MACTable) Forget(now time.Time, database string) MACChanges {
	t.begin(now)
	s := t.source(database) // a MAC may be frozen there although it claims nothing
	delete(t.sources, database)
	t.reports = true
	for _, mac := range slices.SortedFunc(maps.Keys(t.entries), MAC.Compare) {
		switch e := t.entries[mac]; {
		case e == nil: // displaced meanwhile
		case e.source == database:
			t.remove(mac)
			t.settle(mac) // to the newest of the others, if any; not a move
		case s.claims[mac] != nil:
			t.settle(mac)
		}
	}
	return t.end()
}

// Thaw lets a frozen MAC move again, as an operator asks.
func (t *MACTable) Thaw(now time.Time, mac MAC) MACChanges {
	t.begin(now)
	t.thaw(mac)
	return t.end()
}

// Advance does what is due by now. See [MACTable.Deadline].
func (t *MACTable) Advance(now time.Time) MACChanges {
	t.begin(now)
	return t.end()
}

// Deadline returns when something is due next without any report, and whether
// anything is: then call [MACTable.Advance].
func (t *MACTable) Deadline() (next time.Time, any bool) {
	sooner := func(d time.Time) {
		if !any || d.Before(next) {
			next, any = d, true
		}
	}
	for name, s := range t.sources {
		if mac, ok := t.oldestHeld(name, s); ok {
			sooner(t.entries[mac].heldUntil)
		}
	}
	for mac := range t.frozen {
		sooner(t.entries[mac].frozenUntil)
	}
	return next, any
}

func (t *MACTable) begin(now time.Time) {
	if now.After(t.now) {
		t.now = now
	}
	t.txn = t.hosts.Txn()
	t.changes = map[MAC]Host{}
	t.reports = false
	t.expire()
}

// expire removes what was held long enough and lets go what was quiet long enough.
func (t *MACTable) expire() {
	for name, s := range t.sources {
		for {
			mac, ok := t.oldestHeld(name, s)
			if !ok || t.entries[mac].heldUntil.After(t.now) {
				break
			}
			s.heldLen--
			t.remove(mac)
		}
		if len(s.claims) == 0 && s.heldLen == 0 {
			delete(t.sources, name)
		}
	}
	var due []MAC
	for mac := range t.frozen {
		if !t.entries[mac].frozenUntil.After(t.now) {
			due = append(due, mac)
		}
	}
	for _, mac := range due {
		t.thaw(mac)
	}
}

func (t *MACTable) thaw(mac MAC) {
	if !t.frozen[mac] {
		return
	}
	delete(t.frozen, mac)
	t.reports = true
	e := t.entries[mac]
	e.frozenUntil, e.moves = time.Time{}, nil
	t.settle(mac)
}

func (t *MACTable) end() MACChanges {
	t.hosts = t.txn.Commit()
	t.txn = nil
	c := MACChanges{Reports: t.reports}
	for mac, before := range t.changes {
		after, is := t.hosts.Get(mac)
		switch {
		case is && !after.Equal(before):
			c.Set = append(c.Set, after)
		case !is && before.VTEP.IsValid():
			c.Unset = append(c.Unset, mac)
		}
	}
	t.changes = nil
	slices.SortFunc(c.Set, func(a, b Host) int { return a.MAC.Compare(b.MAC) })
	slices.SortFunc(c.Unset, MAC.Compare)
	return c
}

// claim takes what a database says of one MAC.
func (t *MACTable) claim(database string, h Host) {
	s := t.source(database)
	c := s.claims[h.MAC]
	switch {
	case c == nil:
		t.sequence++
		c = &macClaim{host: h, sequence: t.sequence}
		s.claims[h.MAC] = c
		t.admit(database, s, h.MAC, c)
	case c.host.VTEP != h.VTEP: // it moved between two devices of this database
		t.sequence++
		c.host, c.sequence = h, t.sequence
	case c.host.Equal(h):
		return
	default:
		c.host = h
	}
	if c.queued == 0 {
		t.settle(h.MAC)
	}
}

// admit decides whether there is room for a new claim.
func (t *MACTable) admit(database string, s *macSource, mac MAC, c *macClaim) {
	e := t.entries[mac]
	heldHere := e != nil && !e.heldUntil.IsZero() && e.source == database // its room is its own
	if t.limit > 0 && !heldHere && s.accepted+s.heldLen >= t.limit {
		oldest, ok := t.oldestHeld(database, s)
		if !ok {
			c.queued = c.sequence
			s.waiting.push(mac, c.queued, s.waitingLen(), s.isWaiting)
			t.reports = true
			return
		}
		s.heldLen--
		t.remove(oldest)
	}
	s.accepted++
}

// drop takes back what a database said of one MAC.
func (t *MACTable) drop(database string, s *macSource, mac MAC) {
	c := s.claims[mac]
	if c == nil {
		return
	}
	delete(s.claims, mac)
	if c.queued != 0 {
		t.reports = true
		return
	}
	s.accepted--
	t.settle(mac)
	// As long as claims wait, nothing is held but perhaps what was just dropped.
	if next, ok := s.waiting.oldest(s.isWaiting); ok {
		if held, ok := t.oldestHeld(database, s); ok {
			s.heldLen--
			t.remove(held)
		}
		s.claims[next].queued = 0
		s.accepted++
		t.reports = true
		t.settle(next)
	}
}

func (s *macSource) isWaiting(mac MAC, id uint64) bool {
	c := s.claims[mac]
	return c != nil && c.queued == id
}

// oldestHeld returns the MAC that has been held longest for a database.
func (t *MACTable) oldestHeld(database string, s *macSource) (MAC, bool) {
	return s.held.oldest(t.isHeld(database))
}

// Holds reports whether a MAC stays for [MACHold] that the database claimed last and
// nobody claims any more.
func (t *MACTable) Holds(database string, mac MAC) bool {
	e := t.entries[mac]
	return e != nil && e.source == database && !e.heldUntil.IsZero()
}

func (t *MACTable) isHeld(database string) func(MAC, uint64) bool {
	return func(mac MAC, id uint64) bool {
		e := t.entries[mac]
		return e != nil && e.source == database && e.heldID == id && !e.heldUntil.IsZero()
	}
}

// settle puts a MAC where it belongs by the claims and the inventory.
func (t *MACTable) settle(mac MAC) {
	e := t.entries[mac]
	source, best := t.newest(mac)
	_, known := t.inventory.Get(mac)
	if e != nil && known { // it is told of by others: there are no moves to count
		e.moves, e.frozenUntil = nil, time.Time{}
		if t.frozen[mac] {
			delete(t.frozen, mac)
			t.reports = true
		}
	}
	switch {
	case best == nil && e == nil:
		return
	case best == nil && known: // nothing was told of it, so nothing is held
		t.unhold(e)
		t.remove(mac)
		return
	case best == nil:
		if t.hold(mac, e); t.entries[mac] == nil {
			return
		}
	case e == nil:
		e = &macEntry{source: source, host: best.host, seen: best.sequence}
		t.entries[mac] = e
	default:
		t.unhold(e)
		t.place(mac, e, source, best, known)
	}
	t.publish(mac, e)
}

// place moves an entry to the claim that is to have it, if it may move.
func (t *MACTable) place(mac MAC, e *macEntry, source string, best *macClaim, known bool) {
	moved := e.source != source || e.host.VTEP != best.host.VTEP
	if moved && !known {
		again := e.seen != best.sequence
		e.seen = best.sequence
		e.moves = slices.DeleteFunc(e.moves, func(m time.Time) bool { return !m.Add(MoveWindow).After(t.now) })
		if t.frozen[mac] || len(e.moves) >= MaxMoves {
			if again {
				t.frozen[mac] = true
				e.frozenUntil = t.now.Add(MoveWindow)
				t.reports = true
			}
			return
		}
		e.moves = append(e.moves, t.now)
	}
	e.source, e.host, e.seen = source, best.host, best.sequence
}

func (t *MACTable) newest(mac MAC) (source string, best *macClaim) {
	for name, s := range t.sources {
		if c := s.claims[mac]; c != nil && c.queued == 0 && (best == nil || c.sequence > best.sequence) {
			source, best = name, c
		}
	}
	return source, best
}

// hold keeps an entry that nobody claims any more for a while, if there is room.
func (t *MACTable) hold(mac MAC, e *macEntry) {
	if !e.heldUntil.IsZero() {
		return
	}
	s := t.source(e.source)
	if t.limit > 0 && s.accepted+s.heldLen >= t.limit { // it was frozen here while the place had no claim
		oldest, ok := t.oldestHeld(e.source, s)
		if !ok {
			t.remove(mac)
			return
		}
		s.heldLen--
		t.remove(oldest)
	}
	t.sequence++
	e.heldUntil, e.heldID = t.now.Add(MACHold), t.sequence
	s.heldLen++
	s.held.push(mac, e.heldID, s.heldLen, t.isHeld(e.source))
}

func (t *MACTable) source(database string) *macSource {
	s := t.sources[database]
	if s == nil {
		s = &macSource{claims: map[MAC]*macClaim{}}
		t.sources[database] = s
	}
	return s
}

func (t *MACTable) unhold(e *macEntry) {
	if !e.heldUntil.IsZero() {
		e.heldUntil = time.Time{}
		t.sources[e.source].heldLen--
	}
}

// remove forgets an entry; what is published of it goes.
func (t *MACTable) remove(mac MAC) {
	delete(t.entries, mac)
	if t.frozen[mac] || t.conflicts[mac] {
		delete(t.frozen, mac)
		delete(t.conflicts, mac)
		t.reports = true
	}
	t.publish(mac, nil)
}

// publish makes what is told of a MAC equal to its entry (nil: nothing).
func (t *MACTable) publish(mac MAC, e *macEntry) {
	if e != nil {
		known, ok := t.inventory.Get(mac)
		if ok && known.VTEP != e.host.VTEP {
			t.conflicts[mac] = true
			t.reports = true
		} else if t.conflicts[mac] {
			delete(t.conflicts, mac)
			t.reports = true
		}
		if ok {
			e = nil
		}
	}
	before, was := t.txn.Get(mac)
	if e == nil && !was || e != nil && was && before.Equal(e.host) {
		return
	}
	if _, noted := t.changes[mac]; !noted {
		t.changes[mac] = before
	}
	if e == nil {
		t.txn.Delete(mac)
	} else {
		t.txn.Set(mac, e.host)
	}
}
