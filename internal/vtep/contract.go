package vtep

import (
	"net/netip"

	"l2gw"
	"l2gw/ovsdb"
)

// Intent is what one switch database must hold, and what in it is ours. The
// maps belong to the caller and are only read.
type Intent struct {
	Bindings map[l2gw.BindingKey]l2gw.Binding
	// ByNetwork has the keys of Bindings by network id. It may be nil: then it
	// is worked out for each plan, which takes time in proportion to Bindings.
	ByNetwork map[string][]l2gw.BindingKey
	// Segments by network id. A network that is bound and has no segment here is
	// unknown: its rows stay as they are.
	Segments map[string]*l2gw.Segment
	Owned    l2gw.Ownership
	Options  Options
	// Keep names networks of which no row may be removed, whatever else is done
	// for them; nil: all may. What is left out for it is counted in Plan.Removals.
	// VTEPs that left stay in the flood set, and a logical switch with another VNI is not rebuilt.
	Keep func(network string) bool
	// Unbinds names kept networks of which bindings may be removed nonetheless, if they
	// are recorded as ours: a user has done away with those. nil: none.
	Unbinds func(network string) bool
	// Terse leaves the hosts out of Plan.Differences: naming 10,000 of them
	// takes as long as planning them.
	Terse bool
}

// Options are the operator's settings for one database.
type Options struct {
	// ServiceNodes replicate broadcasts for switches that cannot do it themselves.
	ServiceNodes []netip.Addr
	// MaxMACs limits the Ucast_Macs_Remote rows of the database; 0: no known limit.
	MaxMACs int
	// Lock is the OVSDB lock that each transaction asserts; "" if the switch has none.
	Lock string
	// MaxOps limits the operations of one transaction; 0: 1,000. Less than 16 counts as 16.
	MaxOps int
}

// Scope limits a plan to a part of the database. Scopes add up: what any of
// them names is looked at.
type Scope struct {
	// All networks, bindings and tombstones.
	All bool
	// Networks to look at whole.
	Networks map[string]bool
	// MACs to look at alone, by network id. A network where a MAC cannot be
	// judged alone (its logical switch or its flood set is not right, the table is full) is looked at whole.
	MACs map[string]map[l2gw.MAC]bool
}

// Subject is what an operation is about, so that a failure can be told to whom it concerns.
type Subject struct {
	Network string          // or ""
	Binding l2gw.BindingKey // or zero
	MAC     l2gw.MAC        // or zero
}

// Txn is one transaction: its operations and, for each, its subject.
type Txn struct {
	Ops      []ovsdb.Op
	Subjects []Subject
}

// Plan is the way from what a database holds to what it must hold.
type Plan struct {
	// Txns are to be sent in this order; they may be pipelined. Each is guarded,
	// so that one that no longer fits fails and changes nothing.
	Txns []Txn
	// More is set if further transactions can only be planned once these are
	// seen in the snapshot.
	More bool
	// Differences names each difference between wanted and held.
	Differences []Difference
	// Bindings has the verdict on each binding in scope.
	Bindings map[l2gw.BindingKey]Verdict
	// Networks has the verdict on each network that was looked at whole. Hosts
	// that are still to be written do not count against it (design: Status).
	Networks map[string]Verdict
	// Waiting are logical switches that can only be removed when the switch has
	// withdrawn its own rows.
	Waiting []string
	// Removals counts, per network of which rows go, or would go if Intent.Keep
	// allowed it, how many those are and how many the network has there. What goes
	// only after others are seen to be gone is counted from the beginning.
	Removals map[string]Removal
	// Gone is what was ours, is no longer wanted, and is confirmed not to be there.
	Gone l2gw.Ownership
}

// Removal is how many rows of a network go, of how many. What goes and comes
// again, since the logical switch is rebuilt with another VNI, does not count. Rows are its unicast rows,
// the members of its flood sets (each of them a VTEP that is reached) and its logical switch.
// A further row of a MAC that keeps one, and a member that is in two sets, do not go in
// this sense: nothing is lost with them. VLAN bindings do not count: they are what users ask for one by one.
type Removal struct{ Rows, Total int }

// Verdict is what the held contents say about a binding or a network.
type Verdict struct {
	Status l2gw.Status // ACTIVE, BUILD, DOWN, DEGRADED, ERROR or PENDING
	Reason string
}

// Difference is one row or column that is not as it should be.
type Difference = l2gw.Difference
