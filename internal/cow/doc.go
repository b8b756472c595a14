// Package cow has one thing: Map, a hash map whose values never change.
//
// Adding to a Map or removing from it gives another Map; the old one stays as
// it was, and both share nearly all of their memory. That lets one goroutine
// go on changing a table of 100,000 rows while any number of readers walk a
// snapshot of it, with no lock and no copy.
//
// The structure is a compressed hash array mapped prefix tree (CHAMP:
// Steindorfer and Vinju, "Optimizing Hash-Array Mapped Tries for Fast and Lean
// Immutable JVM Collections", OOPSLA 2015). Bulk changes go through a Txn, which
// copies each node at most once.
//
// Not guaranteed: any order of iteration, not even the same one in two runs.
package cow
