package agent

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"l2gw"
	"l2gw/internal/vtep"
)

const (
	defaultHoldShare   = 0.3
	defaultHoldMinimum = 10
	// holdWindow is over how long removals that were too small to be held add up.
	holdWindow = time.Minute
	// totalFor is how long the number of all rows is good enough to say that a loss is small.
	totalFor = 5 * time.Second
	// freeRounds is how many plans of one pass may begin and end holds; later ones only begin some.
	freeRounds = 3
)

// standing is why a network has rows in the database, or has no claim to them any more.
type standing int

const (
	standsUnbound standing = iota // the user did away with it: its removal is never held by itself
	standsBound                   // it is bound; what goes of it goes since the inventory says so
	standsLost                    // users want it bound, and the inventory does not have it
)

// holds decides which removals of one database wait, and remembers them. It is
// pure but for what it remembers, and belongs to the database's goroutine.
//
// A removal is held if it takes more than minimum rows and more than share of
// what a network has, or if it takes most of several networks and together more than that of the
// whole database. What was let through within the last minute adds to it. What a user
// unbound is not held. A held network is kept ([vtep.Intent]) until somebody
// releases it or the rows that would go are wanted again; time alone lets nothing go.
// A release is for so many rows as are held at that moment: whatever goes beyond them is judged anew.
//
// The whole database is held after a server came back with an older intent, and
// as long as no controller has confirmed what was read from disk, or what was
// known before others may have written. That holds also what users did.
//
// Each pass makes its plans by plan. With each other event that a method is
// named for that method is called; then everything is to be looked at again.
type holds struct {
	share   float64 // 1 and more: only the whole database is ever held
	minimum int
	// tell hears what begins and ends to be held, with words on it; it may be nil.
	tell func(what string, held l2gw.HeldRemoval)
	// changes grows whenever list or state changes.
	changes uint64
	kept    uint64 // grows whenever other networks are kept than before

	networks map[string]*held
	peak     int // the most rows that the networks with shared had together
	// let is what may go of a network without being judged again: what was let
	// through or released, and is not seen to be gone. single is the same for single MACs.
	let, single map[string]int
	recent      map[string][]loss // let through lately, oldest first

	restored    time.Time // since when the intent is older than what was seen, or zero
	unconfirmed time.Time // since when the controller's last words may be missing, or zero
	highest     int64     // intent revision that was seen
	heard       int64     // the last one
	// While the whole database is held: what would go, and what was released of it.
	whole    map[string]vtep.Removal
	released map[string]bool

	total   int // rows of ours in the database, as of totalAt
	totalAt time.Time
}

// held is one network that is kept.
type held struct {
	since       time.Time
	reason      string
	rows, total int
	peak        int  // the most rows that would have gone
	shared      bool // held for what the whole database would lose
	lost        bool // see standsLost
}

type loss struct {
	at   time.Time
	rows int
}

// newHolds makes holds. A share of 0 or less is 0.3, a minimum of 0 or less is 10.
func newHolds(share float64, minimum int) *holds {
	if share <= 0 {
		share = defaultHoldShare
	}
	if minimum <= 0 {
		minimum = defaultHoldMinimum
	}
	return &holds{
		share: share, minimum: minimum,
		networks: map[string]*held{}, let: map[string]int{}, single: map[string]int{}, recent: map[string][]loss{},
		whole: map[string]vtep.Removal{}, released: map[string]bool{},
	}
}

// look is what holds must know of the database besides the plan. Its functions are called within plan only.
type look struct {
	scope    vtep.Scope
	now      time.Time
	standing func(network string) standing
	// total is how many rows all networks of ours have (vtep.RowsOf); it is called rarely.
	total func() int
}

// plan returns the plan that make makes with the right networks kept.
// make gets [vtep.Intent] Keep and Unbinds; it is called again, with the same
// snapshot, when its plan would remove what must be held.
func (h *holds) plan(l look, make func(keep, unbinds func(string) bool) *vtep.Plan) *vtep.Plan {
	for round := 0; ; round++ {
		p := make(h.keeps, h.unbinds)
		if !h.judge(l, p, round < freeRounds) {
			return p
		}
	}
}

// keeps is Intent.Keep.
func (h *holds) keeps(network string) bool {
	return h.wholeHeld() && !h.released[network] || h.networks[network] != nil
}

// unbinds is Intent.Unbinds: users go on unbinding ports of a network that has
// lost too many hosts. A network that is lost has lost its bindings by that.
func (h *holds) unbinds(network string) bool {
	n := h.networks[network]
	return n != nil && !n.lost && (!h.wholeHeld() || h.released[network])
}

func (h *holds) wholeHeld() bool { return !h.restored.IsZero() || !h.unconfirmed.IsZero() }

// judge takes a plan in and reports whether another one must be made, since
// other networks are to be kept than those it was made with.
func (h *holds) judge(l look, p *vtep.Plan, mayEnd bool) bool {
	before := h.kept
	if h.wholeHeld() {
		h.noteWhole(l, p)
	}
	h.forgetGone(l, p, mayEnd)
	var fresh []string // networks that lose more than was judged so far
	for _, id := range slices.Sorted(maps.Keys(p.Removals)) {
		if h.wholeHeld() && !h.released[id] {
			continue // kept anyway; it is judged when that ends
		}
		if h.judgeNetwork(l, p, id, mayEnd) {
			fresh = append(fresh, id)
		}
	}
	h.judgeDatabase(l, p, fresh, mayEnd)
	if h.kept != before {
		return true
	}
	for id := range p.Removals {
		if !h.keeps(id) {
			h.pass(l, p, id)
		}
	}
	return false
}

// looked reports whether the plan looked at a network whole.
func (l look) looked(p *vtep.Plan, id string) bool {
	_, whole := p.Networks[id]
	return whole || l.scope.All || l.scope.Networks[id]
}

// all are the networks that were looked at whole, of those that may have been noted.
func all[V any](l look, p *vtep.Plan, noted map[string]V) iter.Seq[string] {
	if l.scope.All {
		return maps.Keys(noted)
	}
	return func(yield func(string) bool) {
		for id := range p.Networks {
			if !yield(id) {
				return
			}
		}
		for id := range l.scope.Networks {
			if _, twice := p.Networks[id]; !twice && !yield(id) {
				return
			}
		}
	}
}

// noteWhole keeps account of what would go of the whole database.
func (h *holds) noteWhole(l look, p *vtep.Plan) {
	for id := range all(l, p, h.whole) {
		if _, noted := h.whole[id]; noted && p.Removals[id].Rows == 0 {
			delete(h.whole, id)
			h.changes++
		}
	}
	for id, r := range p.Removals {
		if old := h.whole[id]; old != r && (l.looked(p, id) || r.Rows > old.Rows) {
			h.whole[id] = r
			h.changes++
		}
	}
}

// forgetGone forgets what was noted of networks that lose nothing any more.
func (h *holds) forgetGone(l look, p *vtep.Plan, mayEnd bool) {
	for id := range l.scope.MACs {
		if p.Removals[id].Rows == 0 {
			delete(h.single, id)
		}
	}
	for id := range all(l, p, h.let) {
		if _, noted := h.let[id]; noted && p.Removals[id].Rows == 0 {
			delete(h.let, id)
			h.changes++
		}
	}
	for id := range all(l, p, h.networks) {
		switch {
		case !mayEnd || h.networks[id] == nil:
		case l.standing(id) == standsUnbound:
			h.discount(id)
			h.end(id, "the user has unbound the network")
		case p.Removals[id].Rows == 0:
			h.end(id, "nothing would be removed any more")
		}
	}
	for id, list := range h.recent {
		old := 0
		for old < len(list) && l.now.Sub(list[old].at) >= holdWindow {
			old++
		}
		if list = list[old:]; len(list) == 0 {
			delete(h.recent, id)
		} else {
			h.recent[id] = list
		}
	}
}

// judgeNetwork decides about one network for itself. It reports whether the
// plan would take more of it than was decided about before.
func (h *holds) judgeNetwork(l look, p *vtep.Plan, id string, mayEnd bool) bool {
	r, stands := p.Removals[id], l.standing(id)
	if stands == standsUnbound {
		return false
	}
	if n := h.networks[id]; n != nil {
		n.lost = stands == standsLost
		if !l.looked(p, id) {
			return false // single MACs say nothing of the whole
		}
		if n.rows != r.Rows || n.total != r.Total {
			n.rows, n.total, n.peak = r.Rows, r.Total, max(n.peak, r.Rows)
			h.changes++
		}
		if mayEnd && !n.shared && h.over(r.Rows, r.Total, n.peak) {
			h.end(id, "most of the rows are wanted again")
		}
		return false
	}
	more := h.more(l, p, id)
	if more == 0 {
		return false
	}
	rows := more + sum(h.recent[id])
	base := h.base(id, r, more)
	if !h.exceeds(rows, base) {
		return true
	}
	reason := fmt.Sprintf("%d of %d rows would go at once", more, r.Total)
	switch {
	case stands == standsLost:
		reason = fmt.Sprintf("the inventory does not have the network any more, and its %d rows would go", r.Rows)
	case rows > more:
		reason = fmt.Sprintf("%d of %d rows would be gone within %v", rows, base, holdWindow)
	}
	h.begin(id, held{since: l.now, reason: reason, rows: r.Rows, total: r.Total, peak: r.Rows, lost: stands == standsLost})
	return true
}

// over reports whether what is left of a held removal is no longer worth
// holding. Time alone does not make it so.
func (h *holds) over(rows, total, peak int) bool {
	return rows <= peak/2 && (rows <= h.minimum || float64(rows) <= h.share*float64(total))
}

// judgeDatabase decides about the networks that lose more than the share of
// themselves, if only together they lose enough to be held.
func (h *holds) judgeDatabase(l look, p *vtep.Plan, fresh []string, mayEnd bool) {
	if l.scope.All && mayEnd && h.endShared(l) {
		return // what is left is judged by the next plan
	}
	going := 0
	var most []string
	for _, id := range fresh {
		if h.networks[id] != nil {
			continue
		}
		more, r := h.more(l, p, id), p.Removals[id]
		going += more
		if float64(more+sum(h.recent[id])) > h.share*float64(h.base(id, r, more)) {
			most = append(most, id)
		}
	}
	if len(most) == 0 || h.share >= 1 {
		return
	}
	waiting, begun := 0, false // a hold of several networks
	for _, n := range h.networks {
		waiting += n.rows
		begun = begun || n.shared
	}
	gone := 0
	for _, list := range h.recent {
		gone += sum(list)
	}
	rows := going + waiting + gone
	recent := l.now.Sub(h.totalAt) < totalFor
	if rows <= h.minimum || recent && !h.exceeds(rows, h.total) {
		return
	}
	if !recent || !begun { // a few rows too little must not begin a hold
		h.total, h.totalAt = l.total(), l.now
	}
	if !h.exceeds(rows, h.total+gone) {
		return
	}
	if !begun {
		h.peak = 0
	}
	for _, id := range most {
		r := p.Removals[id]
		h.begin(id, held{
			since: l.now, reason: fmt.Sprintf("%d of %d rows of the database would go", rows, h.total+gone),
			rows: r.Rows, total: r.Total, peak: r.Rows, shared: true, lost: l.standing(id) == standsLost,
		})
		h.peak += r.Rows
	}
}

// endShared ends what is held for the whole database's sake once most of it is
// wanted again, and reports whether it did.
func (h *holds) endShared(l look) bool {
	rows := 0
	var shared []string
	for _, id := range slices.Sorted(maps.Keys(h.networks)) {
		if n := h.networks[id]; n.shared {
			rows, shared = rows+n.rows, append(shared, id)
		}
	}
	h.peak = max(h.peak, rows)
	if len(shared) == 0 || !h.over(rows, l.total(), h.peak) {
		return false
	}
	for _, id := range shared {
		h.end(id, "most of the rows are wanted again")
	}
	return true
}

func (h *holds) exceeds(rows, base int) bool {
	return h.share < 1 && rows > h.minimum && float64(rows) > h.share*float64(base)
}

// more is how many rows the plan takes of a network beyond what was let through.
func (h *holds) more(l look, p *vtep.Plan, id string) int {
	allowed := h.let[id]
	if !l.looked(p, id) {
		allowed += h.single[id]
	}
	return max(0, p.Removals[id].Rows-allowed)
}

// base is how many rows a network had before what was let through lately went,
// without those that are released and still on their way.
func (h *holds) base(id string, r vtep.Removal, more int) int {
	return r.Total + sum(h.recent[id]) - (r.Rows - more)
}

// pass notes that a removal is let through.
func (h *holds) pass(l look, p *vtep.Plan, id string) {
	r := p.Removals[id]
	if more := h.more(l, p, id); more > 0 && l.standing(id) != standsUnbound {
		h.recent[id] = append(h.recent[id], loss{l.now, more})
	}
	if !l.looked(p, id) {
		h.single[id] = r.Rows
		return
	}
	delete(h.single, id)
	if h.let[id] != r.Rows {
		h.let[id] = r.Rows
		h.changes++
	}
}

func sum(list []loss) int {
	rows := 0
	for _, l := range list {
		rows += l.rows
	}
	return rows
}

func (h *holds) begin(id string, n held) {
	h.networks[id] = &n
	h.changes++
	h.kept++
	h.say("a removal is held", n.report(id))
}

func (h *holds) end(id, why string) {
	n := h.networks[id]
	delete(h.networks, id)
	h.changes++
	h.kept++
	h.say("a removal is no longer held: "+why, n.report(id))
}

// discount forgets a network's part of what is held together, when it goes: only rows
// that are wanted again make the loss smaller.
func (h *holds) discount(id string) {
	if n := h.networks[id]; n.shared {
		h.peak = max(0, h.peak-n.peak)
	}
}

func (h *holds) say(what string, r l2gw.HeldRemoval) {
	if h.tell != nil {
		h.tell(what, r)
	}
}

func (n *held) report(id string) l2gw.HeldRemoval {
	return l2gw.HeldRemoval{NetworkID: id, Rows: n.rows, Total: n.total, Reason: n.reason, Since: n.since, Confirms: true}
}

// release lets go what is held of a network, or of the whole database if it is
// "", and reports whether anything was. Only what is held now goes: a later loss is judged anew.
// That no controller has confirmed anything yet cannot be released.
func (h *holds) release(network string) bool {
	if network != "" {
		r, whole := h.whole[network]
		n := h.networks[network]
		if h.wholeHeld() && whole && h.unconfirmed.IsZero() && !h.released[network] {
			h.released[network] = true
			h.let[network] = r.Rows
			h.changes++
		} else if n == nil {
			return false
		}
		if n != nil {
			h.let[network] = n.rows
			h.discount(network)
			h.end(network, "it was released")
		}
		return true
	}
	any := len(h.networks) > 0
	for _, id := range slices.Sorted(maps.Keys(h.networks)) {
		h.let[id] = h.networks[id].rows
		h.end(id, "it was released")
	}
	if !h.restored.IsZero() {
		any = true
		r := h.reportWhole()
		h.restored, h.highest = time.Time{}, h.heard
		h.changes++
		h.say("a removal is no longer held: it was released", r)
		h.endWhole(true)
	}
	return any
}

// endWhole forgets what was noted of the whole database once it is not held any more.
func (h *holds) endWhole(release bool) {
	if h.wholeHeld() {
		return
	}
	for id, r := range h.whole {
		if release {
			h.let[id] = r.Rows
		}
	}
	clear(h.whole)
	clear(h.released)
}

// revision takes in the intent revision of a complete snapshot or of a change;
// 0 says nothing. It reports whether the whole database is held from now on, since an older intent has come back.
func (h *holds) revision(revision int64, now time.Time) bool {
	if revision == 0 || revision == h.heard {
		return false
	}
	h.heard = revision
	h.changes++
	if revision >= h.highest {
		h.highest = revision
		return false
	}
	if !h.restored.IsZero() {
		return false
	}
	h.restored = now
	h.say("a removal is held", h.reportWhole())
	return true
}

// seenElsewhere takes in that another agent of the database was told of that
// revision, and may have written by it. What comes next is compared with it.
func (h *holds) seenElsewhere(revision int64) {
	if revision > h.highest {
		h.highest, h.heard = revision, 0
		h.changes++
	}
}

// unheard says that what must be held is known from disk only, or from before
// another agent may have written: until confirmed nothing is removed.
func (h *holds) unheard(now time.Time) {
	if h.unconfirmed.IsZero() {
		h.unconfirmed = now
		h.changes++
	}
}

// awaitsWord reports whether no controller has confirmed yet what must be held.
func (h *holds) awaitsWord() bool { return !h.unconfirmed.IsZero() }

// confirmed says that a controller has told everything. Call it after revision.
// It reports whether something was held for the want of it.
func (h *holds) confirmed() bool {
	if h.unconfirmed.IsZero() {
		return false
	}
	h.unconfirmed = time.Time{}
	h.changes++
	h.endWhole(false)
	return true
}

// of is what is held of one network, by itself or with the whole database. It is
// quick, whatever else is held.
func (h *holds) of(network string) (l2gw.HeldRemoval, bool) {
	if n := h.networks[network]; n != nil {
		return n.report(network), true
	}
	r, whole := h.whole[network]
	if !whole || !h.wholeHeld() || h.released[network] {
		return l2gw.HeldRemoval{}, false
	}
	since, reason := h.whyWhole()
	return l2gw.HeldRemoval{NetworkID: network, Rows: r.Rows, Total: r.Total, Reason: reason, Since: since}, true
}

// whyWhole says since when and why the whole database is held.
func (h *holds) whyWhole() (time.Time, string) {
	if h.restored.IsZero() {
		return h.unconfirmed, "no controller has confirmed yet that what this agent knows is the newest"
	}
	return h.restored, fmt.Sprintf("the servers' database is older than what was seen (intent revision %d, and it was %d): it may have been restored from a backup",
		h.heard, h.highest)
}

func (h *holds) reportWhole() l2gw.HeldRemoval {
	var r l2gw.HeldRemoval
	r.Since, r.Reason = h.whyWhole()
	for id, w := range h.whole {
		if !h.released[id] {
			r.Rows += w.Rows
			r.Total += w.Total
		}
	}
	return r
}

// list is what is held, the whole database first, then by network.
func (h *holds) list() []l2gw.HeldRemoval {
	var list []l2gw.HeldRemoval
	if h.wholeHeld() {
		list = append(list, h.reportWhole())
	}
	for id, n := range h.networks {
		list = append(list, n.report(id))
	}
	slices.SortFunc(list, func(a, b l2gw.HeldRemoval) int { return cmp.Compare(a.NetworkID, b.NetworkID) })
	return list
}
