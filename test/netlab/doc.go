// Package netlab gives tests a network of their own: hosts that are network
// namespaces, and links between them that can be cut and slowed down.
//
// The test itself moves into the laboratory's hub ([Enter]), so that
// what it starts, database servers say, is reached by all hosts. Each host has a
// link to the hub, and any two hosts may have one of their own.
//
// A link that is cut loses what is sent in silence, in one direction or both, as
// a broken cable or a wrong firewall rule does: nobody is told, and connections
// find out by themselves. It needs root and iproute2.
//
// If the test's process dies, the kernel removes the namespaces of its hosts
// with the last process in them; names that are left are removed by the next run.
package netlab
