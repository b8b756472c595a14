// Package heat runs Debian's Heat against the product: stacks with networks,
// gateways and connections are created, changed and deleted by its engine, in the
// cloud of test/cloud. Heat's API and engine are one process with SQLite, as
// heat-all starts them, so that no message broker is needed.
package heat
