// Package agent keeps switch databases as a controller wants them.
//
// For each OVSDB database one goroutine owns everything: what must be held (a
// fabric.Replica), what is held (the client's snapshot), and what has to be
// looked at (the dirty keys). It is level-based: a message, a change in the
// switch or a timer only says where to look; what to do follows from comparing
// the two whole states there. After a reconnect, after any doubt, and from time
// to time, it looks everywhere.
//
// Guaranteed: nothing is written before a complete snapshot of what must be held
// has come, without a grant, or without the database's lock where the switch has
// locks. Stopping the agent changes nothing on any switch.
//
// Not guaranteed: that a row which the switch refuses is written. It is reported,
// and tried again with backoff, alone.
package agent
