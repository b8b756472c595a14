// Package client runs Debian's openstack client with networking-l2gw's plugin and
// our own command line side by side: the same arguments, each against a server of
// its own that started empty.
//
// What is compared after each command: standard output, byte for byte, with ids
// and times replaced by the order in which they appear; the exit code; and what
// the server holds then. Messages on standard error are not compared, but what
// the transcripts of the predecessor promise of them is tested in internal/cli.
//
// The real client shows every attribute that the server sends. Ours shows those
// that there have always been, and the others on request. So the real client
// speaks with the server through a relay that leaves them out where a command
// names no columns.
package client
