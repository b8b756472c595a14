// Package ovsdb speaks OVSDB (RFC 7047, with the extensions of ovsdb-server(7)):
// a client that mirrors a database, and a server for programs and tests.
//
// The layers, each usable without those above it:
//
//   - Schema, Value, Op: what a database is made of and what can be done to it.
//   - Conn: one JSON-RPC session over any net.Conn. Calls, pipelined
//     transactions, locks, echoes both ways.
//   - Dial, Dialer, Listen: connections to servers, and from servers that dial in;
//     over TCP, TLS and unix sockets.
//   - Client: a copy of chosen tables of one database, kept over any number of
//     sessions. Snapshot is the copy, Subscribe tells what changes in it.
//
// # What a Client guarantees
//
// A Snapshot is immutable and is the contents between two transactions of the
// server: never a part of one. Reading it takes no lock, and it never goes back
// within a session.
//
// When Transact, or Wait of a Pending, returns without an error, the Client's
// Snapshot has what the transaction did to the mirrored tables and columns. It
// rests on the server sending a transaction's update to a monitor before the
// answer, as ovsdb-server does; and
// on both being acted on in their order here.
//
// While there is no session the last Snapshot stays, stale; State tells. After a
// new session the contents that it found replace those before in one step, and
// a Subscription says Reset. Against a clustered server only what changed since
// is transferred, and there is no Reset.
//
// What a Subscription says adds up: the rows named in Changes lead from Old to
// New, or Reset is set. Changes that are not read are merged, and beyond 65,536
// rows become a Reset; a reader that stands still costs the Client nothing but that.
//
// A peer that sends what it may not, be it no JSON, a value of the wrong type or
// a change to a row that is not there, ends the session with a reason, and the
// contents are read anew. A Snapshot with doubtful contents is never published.
//
// Transactions of one Client, in one session, are carried out in the order of
// the calls that sent them. One that fails does not hold back the next.
//
// Each wait of a method ends when its context does, and the session goes on.
//
// # What it does not guarantee
//
// A transaction is sent at most once and never again by itself. If the session ends before
// the answer, the error is ErrConnectionLost and the transaction was carried out
// or not: look at the next Snapshot.
//
// Locked in State is what the server said last. It may have given the lock to
// another since: a transaction that relies on the lock must Assert it.
//
// A lock belongs to a session. A Client asks for it again in each, also if it was
// stolen in the one before (see ClientOptions.LockLater).
//
// Between two Changes a row may have changed more than once; the steps between
// are not told. There is no order among rows.
//
// Within a session that talks to a cluster the Snapshot may be behind the leader.
//
// # Limits
//
// A message of a peer is bounded (ConnOptions.MaxMessage, 1 GiB) and so is its
// nesting (10,000). The rows of a monitor are read as they come in: beside the
// rows themselves, the text of one row and a buffer of 64 KiB is held. What is
// queued to be written is bounded by senders waiting above 4 MiB.
//
// A server is single-threaded and answers no echo while it makes up a large
// answer. While initial contents are awaited it may therefore be silent for 24
// times as long as otherwise.
package ovsdb
