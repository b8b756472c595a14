package fabric

import (
	"net/netip"
	"time"

	"l2gw"
)

// ProtocolVersion is what this program speaks.
const ProtocolVersion = 1

// ToAgent is a message from a server to an agent.
type ToAgent interface {
	// About is the database that the message is about, or "".
	About() string
}

// ToServer is a message from an agent to a server.
type ToServer interface{ toServer() }

// Welcome is the server's first message.
type Welcome struct {
	Protocol   int
	Server     string
	Controller bool   // this server feeds agents
	Epoch      uint64 // of its lease, if it is the controller
}

// Grant lets the agent write to a database; without one it observes.
type Grant struct {
	Database string
	Epoch    uint64
}

// Revoke takes a grant back.
type Revoke struct {
	Database string
	Epoch    uint64
}

// SnapshotBegin starts a complete account of what a database must hold. What
// was said of it before stays in force until SnapshotEnd.
type SnapshotBegin struct {
	Database string
	Version  l2gw.Version
}

// SnapshotEnd makes the account valid as a whole.
type SnapshotEnd struct {
	Database string
	Version  l2gw.Version
}

// Bindings changes the bindings of a database. It must come after the Owned
// that covers Set.
type Bindings struct {
	Database string
	Version  l2gw.Version
	Set      []l2gw.Binding
	Unset    []l2gw.BindingKey
}

// Segment is a network that is bound on a database, whole.
type Segment struct {
	Database string
	Segment  *l2gw.Segment
}

// SegmentDelta changes a network that the agent holds at version From.
type SegmentDelta struct {
	Database  string
	NetworkID string
	From, To  l2gw.Version
	Name      string
	VNI       l2gw.VNI
	MTU       int
	VTEPs     []netip.Addr // all of them, sorted
	Set       []l2gw.Host  // added or changed
	Removed   []l2gw.MAC
}

// SegmentUnknown says that nothing is known of a network: its rows stay as they are.
type SegmentUnknown struct {
	Database  string
	NetworkID string
	Version   l2gw.Version
}

// SegmentGone says that a network is not bound on the database any more, so that
// the agent may forget the segment. What becomes of the rows follows from the
// bindings alone.
type SegmentGone struct {
	Database  string
	NetworkID string
	Version   l2gw.Version
}

// Owned says what of a database is ours, whole.
type Owned struct {
	Database string
	Version  l2gw.Version
	Owned    l2gw.Ownership
}

// Command is what an operator asks of an agent.
type Command string

// The commands.
const (
	// CommandValidate compares what should be with what is, and changes nothing.
	CommandValidate Command = "validate"
	// CommandResync looks at the whole database at once instead of at the next audit.
	CommandResync Command = "resync"
)

// Do asks for a command; the answer is a Done with the same ID.
type Do struct {
	ID       uint64
	Database string
	Command  Command
}

// About implements ToAgent.
func (m Welcome) About() string { return "" }

// About implements ToAgent.
func (m Grant) About() string { return m.Database }

// About implements ToAgent.
func (m Revoke) About() string { return m.Database }

// About implements ToAgent.
func (m SnapshotBegin) About() string { return m.Database }

// About implements ToAgent.
func (m SnapshotEnd) About() string { return m.Database }

// About implements ToAgent.
func (m Bindings) About() string { return m.Database }

// About implements ToAgent.
func (m Segment) About() string { return m.Database }

// About implements ToAgent.
func (m SegmentDelta) About() string { return m.Database }

// About implements ToAgent.
func (m SegmentUnknown) About() string { return m.Database }

// About implements ToAgent.
func (m SegmentGone) About() string { return m.Database }

// About implements ToAgent.
func (m Owned) About() string { return m.Database }

// About implements ToAgent.
func (m Do) About() string { return m.Database }

// Hello is the agent's first message.
type Hello struct {
	Protocol  int
	Agent     string // host name
	Version   string // of the program
	Databases []string
	Epoch     uint64 // the highest seen
}

// Observed is what the agent sees of a database, whole.
type Observed struct {
	Database string
	State    l2gw.DatabaseState
}

// LearnedKey names a learned MAC.
type LearnedKey struct {
	NetworkID string
	MAC       l2gw.MAC
}

// Learned is what a database's switches learned. A full one replaces all that was said before.
type Learned struct {
	Database string
	Full     bool
	Set      []l2gw.Learned
	Gone     []LearnedKey
}

// Class says what becomes of something that was not applied.
type Class string

// The classes.
const (
	ClassOK         Class = ""             // applied
	ClassRetry      Class = "retry"        // tried again by itself
	ClassDoNotRetry Class = "do-not-retry" // stays so until something changes
)

// BindingResult says how one binding stands in the switch.
type BindingResult struct {
	Key      l2gw.BindingKey
	Revision int64 // of the binding that was looked at
	Status   l2gw.Status
	Reason   string
	Class    Class
}

// NetworkResult says how one network stands in the switch.
type NetworkResult struct {
	NetworkID string
	Version   l2gw.Version // of the segment that was looked at
	Status    l2gw.Status
	Reason    string
	Class     Class
}

// Applied acknowledges bindings and networks, and confirms what is gone.
type Applied struct {
	Database string
	// Version is the last word on the bindings that the agent had when it looked:
	// what was bound after it is not gone.
	Version  l2gw.Version
	Bindings []BindingResult
	Networks []NetworkResult
	Gone     l2gw.Ownership
}

// Ask asks for a network, or with NetworkID "" for a snapshot of the database, anew.
type Ask struct {
	Database  string
	NetworkID string
}

// Done answers a Do.
type Done struct {
	ID          uint64
	Error       string // why the command could not be carried out, or ""
	At          time.Time
	Differences []l2gw.Difference
}

func (Hello) toServer()    {}
func (Observed) toServer() {}
func (Learned) toServer()  {}
func (Applied) toServer()  {}
func (Ask) toServer()      {}
func (Done) toServer()     {}
