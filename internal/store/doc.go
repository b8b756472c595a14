// Package store keeps what must outlive the process, in SQL: the users' intent
// (gateways, connections and the bindings that they expand into; quotas), the log of
// changes by which a controller follows it, what of each switch database is ours,
// and which server is the controller.
//
// Guarantees:
//   - What a method reported as done is done: no crash of the process or of the
//     machine loses it (SQLite: WAL with synchronous=FULL). What failed changed
//     nothing.
//   - All writes of intent happen one after another, ordered by the intent
//     revision: the first statement of each bumps that row, which every engine
//     locks. Checks within a write therefore never race.
//   - No two bindings of any gateway share a device, interface and VLAN.
//   - No project is given more than its quota: the transaction that creates counts.
//   - A page of a list costs the same wherever it stands, in the orders and by the
//     filters for which there is an index: by creation, name, project, network.
//   - [Store.Bindings] and [Store.Changes] read one moment: all of a revision or
//     nothing of it.
//   - Of all servers one has a lease ([Store.AcquireLease]) at a time, by the
//     database's clock. What is written with the epoch of a lease is written while
//     nobody else has taken it, or not at all ([l2gw.ErrFenced]).
//   - A renewal returns when its context ends, even if the database server hangs.
//     On a server it has connections of its own, so that it waits for no write
//     of intent.
//
// Not guaranteed: that a change notice ([Store.Subscribe]) comes for what another
// process wrote, nor one for each write; whoever must not miss anything compares
// [Store.Revision] at intervals. The change log is trimmed; Changes says when it
// no longer reaches back far enough.
//
// Errors that users may see are [l2gw.Error] values; their codes are named at
// each method. [l2gw.Unavailable] may come from all of them. The caller's
// context bounds each call.
package store
