// Package sqlserver runs real PostgreSQL and MariaDB servers for tests, from
// Debian's packages.
//
// A server is started once per test process, by the first test that asks for it,
// on a free port of 127.0.0.1 and a unix socket, with a data folder of its own.
// Both refuse to run as root, so under root they run as the user that their
// package made. Each test gets a database of its own in it. Nothing is synced to
// disk: what is committed survives kill -9 of the server, not a loss of power.
//
// A package that uses it calls [Main] in its TestMain. If the test's process dies
// instead of ending, the kernel ends the servers (PR_SET_PDEATHSIG) and the next
// run removes their folders.
package sqlserver
