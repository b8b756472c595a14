// Package l2gw is the domain: what an operator declares, what an overlay
// network consists of, what a switch reports, and the rules that join them.
//
// A user declares a [Gateway] (ports of switches) and a [Connection] (this
// network on that gateway). Each connection expands into [Binding] values: one
// per device, interface and VLAN. The network itself is a [Segment]: a VNI and
// the [Host] values behind each VTEP. Everything else in the product turns
// bindings and segments into rows of a switch's database, and what the switch
// says into a [Status].
//
// The package does no I/O and imports nothing of the product but the immutable
// map that holds a segment's hosts.
package l2gw
