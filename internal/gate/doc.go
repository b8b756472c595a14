// Package gate is the door of an HTTP server: how many connections there may be,
// whose goes when there are too many, and how long a client may take to read.
//
// There is no limit for one client, since a load balancer is one for everybody.
// While there is room, everybody is let in. When there is none, a connection on
// which no request is being answered makes room for the new one: the one that has
// been so for longest, of the client that has the most. Someone who opens
// connections and says nothing, or says it slowly, loses them to those who speak.
// Where every connection is at work, a client with few takes the place of one with
// many, and else the new one is told to come again later.
//
// What net/http refuses before any handler sees it is told in the form that the
// API's errors have, over TLS ([TLS]) as well, and so is that TLS is not what a client
// speaks. That there is no room is told in this form, too, but not to clients of TLS:
// their connection ends before its handshake.
//
// What it does not do: bound how fast requests come. That is a load balancer's.
package gate
