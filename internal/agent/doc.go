// Package agent keeps switch databases as a controller wants them.
//
// For each OVSDB database one goroutine owns everything: what must be held (a
// fabric.Replica), what is held (the client's snapshot), and what has to be
// looked at (the dirty keys). It is level-based: a message, a change in the
// switch or a timer only says where to look; what to do follows from comparing
// the two whole states there. After a reconnect, after any doubt, and from time
// to time, it looks everywhere. No server, however slow, makes it wait: what it
// has to report is published by key, and each stream takes from there what its
// server has not been told yet.
//
// Many servers are connected; one is obeyed: the last that said it is the
// controller, under an epoch that is no lower than any seen before. Databases
// outlive streams: with no server at all, the agent goes on healing its switches.
//
// Guaranteed: nothing is written before a complete snapshot of what must be held
// has come, without a grant, or without the database's lock where the switch has
// locks; where it has none, not after the grant has expired. Every transaction
// asserts the lock. Who is granted a database on a new stream, or again after a
// revocation, writes nothing before all was told anew: until then what it knows may
// be older than what another agent has written. From what was read from the disk
// alone, nothing is removed, nor from what was known before the lock came back while
// no controller was there. An operator's mode counts before a grant that follows it.
// Large removals that no user asked for wait (see holds). Stopping the agent, or
// taking a database from it, changes nothing on any switch.
//
// Not guaranteed: that a row which the switch refuses is written. It is reported,
// and tried again with backoff, alone. Nor that the disk has the last seconds of
// what the controller said; grants, modes and releases it has at once. Where the disk does not
// take the epoch of a new controller, the agent obeys it all the same, and says so.
// Nor, on a switch without locks, that what was sent under a grant has its effect
// before the grant expires: one small transaction at a time is under way there, and
// none is sent when the grant is good for less than a second, but a switch or a
// network that takes longer than that for one may carry it out late. The agent that
// writes by then finds what it did by the change, or by its next look at everything.
package agent
