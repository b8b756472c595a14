// Package vtep knows what a hardware_vtep database (vtep(5)) must hold so that
// a switch bridges VLANs and overlay networks, and how to get there from what
// it holds.
//
// The unit is the OVSDB database, which may describe several switches that
// share logical switches and MAC tables. Everything here is a pure function of
// a snapshot: [Probe] tells what the switch can do, [Observe] and [LearnedMACs]
// what it reports, and [MakePlan] compares intent with contents and returns
// the difference in words and as transactions. Nothing here talks to a switch.
//
// What a plan guarantees, for a single writer and for each commit on the way,
// whichever of its transactions succeed:
//
//   - Rows and bindings that are not ours ([l2gw.Ownership]) are neither changed
//     nor removed. A binding or a VNI that somebody else has is never taken.
//   - A network that is bound and whose segment is unknown keeps its rows.
//   - A network that Intent.Keep names loses no row, whatever else is done for it.
//   - No two logical switches get the same VNI, and tunnel_key is never changed
//     in place: a logical switch with another VNI is rebuilt.
//   - The flood set has a VTEP before or with its first unicast row, and loses it
//     after its last one has been seen to be gone.
//   - A MAC that moves is one update of its row; no second row of a MAC is added.
//   - All conditions are on _uuid, and no transaction is longer than the limit.
//
// Once a plan has no transactions, the database holds what it should, but for
// what the plan's verdicts name.
//
// What it does not guarantee: that a snapshot is recent (guards make a plan
// from an old one fail in part, not do harm), nor uniqueness against a second
// writer that ignores the lock; duplicates are mended by the next full plan.
//
// # Decisions
//
// Two networks with one VNI: the one whose logical switch stands there keeps
// it; if there is none, the first by id gets it. The other is in error and its
// rows stay as they are.
//
// A network all of whose devices are missing from the database is kept right if
// its logical switch stands there with the right VNI, and is not created otherwise.
//
// Mcast_Macs_Remote rows of MACs other than unknown-dst are left alone, also
// under a logical switch of ours, until that is removed.
//
// The flood set of a switch that cannot replicate by source node is the
// configured service nodes. Without those, a set that an operator wrote stays:
// a set none of whose locators is a VTEP of the segment or carries a unicast row
// of the logical switch. (A set that we wrote has only VTEPs of the segment, and those
// that have left it still carry rows when the set is judged. A VTEP without hosts that
// was the only one and was exchanged for another while nobody looked is taken for
// an operator's; configuring service nodes overrides it.) Otherwise the set is all VTEPs, of which
// such a switch serves one at a time.
package vtep
