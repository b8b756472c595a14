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
// Not guaranteed: that a message arrives. A stream that breaks has lost what was
// under way; the next one starts with [Hello] and a snapshot.
package fabric
