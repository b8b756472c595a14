// Package emulator is a hardware_vtep switch in memory, for trying the product
// out and for tests: an OVSDB server with the hardware_vtep database of a
// switch, and as much of a switch's behaviour as a controller can see there.
//
// For each logical switch that is bound to one of its ports the emulator
// announces with an unknown-dst row in Mcast_Macs_Local that it takes
// broadcasts; when the last binding goes, it withdraws all of its local rows of
// that logical switch. It learns MACs when it is told to (Learn).
//
// It carries no packets, keeps nothing on disk, and reports no statistics,
// faults or BFD state.
package emulator
