// Package fabricpb has the messages between server and agent as they go over
// the wire. It is generated from proto/l2gw/fabric/v1 by `make proto`, but for
// this file; package fabric alone uses it.
package fabricpb
