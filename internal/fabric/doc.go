// Package fabric is what servers and agents say to one another.
//
// A server's controller tells an agent what each of its databases must hold
// ([Bindings], [Segment], [SegmentDelta]) and what in it is ours ([Owned]); the
// agent tells what it sees ([Observed], [Learned]) and how far it has come
// ([Applied]). Both speak through a [Stream]; [Pipe] is the one that joins the
// two halves of `l2gw standalone` in one process; [NewHandler] and [NewDialer] join
// them over the network: one HTTP/2 stream per agent and server, with protobuf
// messages (proto/l2gw/fabric/v1). [Agents] says who is let in.
//
// Guaranteed: messages of one stream arrive in order, each at most once, and a
// sender waits while the receiver's buffer is full. A [Replica] takes messages
// that come twice, ignores older versions, drops a snapshot that was cut, and
// asks for a network anew when a delta does not fit what it holds.
//
// Who writes: a [Granter] on the server that leads says so, and a [Tenure] on the
// agent makes of it what may be done at a moment. On a switch with locks, one
// agent writes at a time because the switch says so; an agent takes the lock by
// force only while its grant is good and its server surely leads, and never again
// under a grant under which it was taken from it. On a switch without locks, no two
// agents may write at one moment, whatever is lost, late or stopped, as long as
// clocks run and what was sent to the switch arrives within a part of a second. The
// model in the tests shows both, and what agents and controllers must do for it.
//
// Not guaranteed: that only the newest grant writes. With a lock, an agent that
// has lost every server stands in line for it and restores what it knows; the
// agent with the newest grant takes the lock back. Nor that a message arrives: a
// stream that breaks has lost what was under way; the next one starts with
// [Hello] and a snapshot.
package fabric
