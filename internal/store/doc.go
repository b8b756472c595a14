// Package store keeps what must outlive the process, in SQL: the users' intent
// (gateways, connections and the bindings that they expand into), the log of
// changes by which a controller follows it, and what of each switch database is
// ours.
//
// Guarantees:
//   - What a method reported as done is done: no crash of the process or of the
//     machine loses it (SQLite: WAL with synchronous=FULL). What failed changed
//     nothing.
//   - All writes of intent happen one after another, ordered by the intent
//     revision: the first statement of each bumps that row, which every engine
//     locks. Checks within a write therefore never race.
//   - No two bindings of any gateway share a device, interface and VLAN.
//   - [Store.Bindings] and [Store.Changes] read one moment: all of a revision or
//     nothing of it.
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
