// Package inventory says what networks an overlay has and which hosts are
// behind which VTEP.
//
// A [Source] reads this somewhere and tells a [Sink]: first everything, from
// then on what differs. What it guarantees:
//
//   - Every [Update] without Err is a complete newer answer. A network that is
//     not mentioned is as it was; one that is gone is in Removed. An answer that
//     is the same as before is told, too.
//   - What cannot be read is not gone. While the source cannot read, it says so
//     in Err, once per reason, and all that it said before stands.
//   - Segments are immutable, and one that did not change is the same pointer.
//
// What it does not: it keeps no promise about when a change is seen, it does not
// know which networks are bound anywhere, and it gives segments no version:
// that is the controller's, who also decides whether a large removal is believed.
//
// The file source ([NewFile]) reads a YAML file, for which docs/inventory.md is
// the reference.
package inventory
