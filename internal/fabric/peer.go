package fabric

import "slices"

// Peer is what the transport knows of an agent at the other end of a stream.
type Peer struct {
	// Agent is the only name that it may give in Hello; "" is any.
	Agent string
	// Databases are those that it may have; nil is all.
	Databases []string
	Address   string // for logs
}

// May reports whether the agent may have a database.
func (p Peer) May(database string) bool {
	return p.Databases == nil || slices.Contains(p.Databases, database)
}
