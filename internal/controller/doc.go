// Package controller joins what users declare, what the inventory knows and what
// switches report into what each switch database must hold, feeds it to the
// agents, and tells how far it has become true.
//
// All changes of its state are made by one goroutine ([Controller.Run]); readers
// (the API, the feeds) see the state between two events, never within one.
//
// That goroutine never waits for SQL. Intent is read by another, what is to be
// kept is written by a third, and what they come to arrives as events. While SQL
// is away, what switches and inventory tell goes on to the agents, what users
// took away before is removed, and what would have to be recorded first waits.
//
// One server at a time leads, by a lease in SQL; the others stand by: they hear,
// compute and answer the same, but feed nobody and write nothing. A controller
// without SQL goes on until it hears of another, by a refused write or from an
// agent, and then stops at once, whatever the loop is at.
//
// Guaranteed: what is fed to an agent as ours has been recorded as ours before
// (Store.Own), and is disowned only when the agent confirmed that it is gone.
// What is not known (a network that the inventory has not told of, a device that
// nobody reports) never removes anything.
//
// Not guaranteed: that events are kept one by one. Several changes of one network
// may reach an agent as one.
package controller
