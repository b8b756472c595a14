package fabric

import (
	"time"

	"l2gw"
)

// LinkID names a stream between this server and an agent.
type LinkID uint64

// Claim is how an agent that names a database stands to it.
type Claim struct {
	Grant     l2gw.Version // the newest that it acted on
	Writer    bool         // it writes
	Connected bool         // it is connected to the switch
	Lock      l2gw.Locking
}

// Order is a message for the agent at the other end of a link.
type Order struct {
	Link    LinkID
	Message ToAgent // Grant or Revoke
}

// Granter decides which agent writes to which database, on a server that leads,
// and whose report on a database counts, on every server. It is pure: what
// happens is told to it, and nothing happens in it by itself. Not safe for use
// by several goroutines.
type Granter struct{}

// NewGranter returns a granter of a server that does not lead.
func NewGranter() *Granter { return &Granter{} }

// Lead takes in that this server is the controller from now on, with an epoch
// that is higher than all before.
func (g *Granter) Lead(epoch uint64, now time.Time) {}

// Follow takes in that this server is not the controller.
func (g *Granter) Follow() {}

// Attach takes in that an agent is there with these databases.
func (g *Granter) Attach(link LinkID, claims map[string]Claim, now time.Time) {}

// Detach takes in that a stream ended.
func (g *Granter) Detach(link LinkID, now time.Time) {}

// Beat takes in that an agent is there: the last Beat that arrived, and when.
func (g *Granter) Beat(link LinkID, sequence uint64, now time.Time) {}

// Claim takes in how an agent stands to a database now.
func (g *Granter) Claim(link LinkID, database string, c Claim, now time.Time) {}

// Decide returns what is to be sent, and when it must be asked again at the
// latest (zero: when something happens).
func (g *Granter) Decide(now time.Time) (orders []Order, next time.Time) {
	return nil, time.Time{}
}

// Holder returns who was granted the database by this server, as it leads.
func (g *Granter) Holder(database string) (link LinkID, grant l2gw.Version, ok bool) {
	return 0, l2gw.Version{}, false
}

// Source returns the link whose report on the database counts: the holder's, or
// on a server that does not lead that of the newest claim; ok is false if nobody
// names the database.
func (g *Granter) Source(database string) (link LinkID, ok bool) {
	return 0, false
}
