package fabric

import (
	"net/netip"
	"time"

	"l2gw"
)

// ProtocolVersion is what this program speaks.
const ProtocolVersion = 1

const (
	// Term is for how long a grant is good without a renewal. A server gives up a
	// stream on which it has heard nothing for so long, and so does an agent.
	Term = 6 * time.Second
	// BeatInterval is how often an agent sends a Beat.
	BeatInterval = Term / 3
)

// ToAgent is a message from a server to an agent.
type ToAgent interface {
	// About is the database that the message is about, or "".
	About() string
}

// ToServer is a message from an agent to a server.
type ToServer interface{ toServer() }

// Welcome is the server's first message. It comes again whenever the server
// becomes the controller or ceases to be it.
type Welcome struct {
	Protocol   int
	Features   []string // see the Feature constants; unknown ones mean nothing
	Server     string
	Controller bool   // this server feeds agents
	Epoch      uint64 // of its lease, if it is the controller
}

// Refused says that the agent may not have a database that it named in Hello,
// and why. Nothing else is said of that database, and no report on it is taken.
type Refused struct {
	Database string
	Reason   string
}

// Grant lets the agent write to a database; without one it observes. Grants are
// ordered by their versions over all agents: of two, the newer one counts. See
// [Tenure] for what an agent makes of it and [Granter] for who gets it when.
type Grant struct {
	Database string
	Version  l2gw.Version
	// Steal lets the agent take the lock from whoever has it, for as long as the
	// grant has not expired. Without it, the agent stands in line.
	Steal bool
	// Term is how long the grant is good from the moment at which the agent sent
	// Beat (0: its Hello). A Renewal begins it anew.
	Term time.Duration
	Beat uint64
	// Clear is how long after the arrival of this message all older grants have
	// expired. Only on a switch without locks does the agent wait for that.
	Clear time.Duration
}

// Revoke takes back all grants up to a version.
type Revoke struct {
	Database string
	Version  l2gw.Version
}

// Renewal answers a Beat: all grants that this stream has brought and not
// revoked are good for another Term from the moment at which the agent sent it.
type Renewal struct {
	Beat  uint64
	Epoch uint64
	// Leased is set if the server knew at this moment that nobody else can hold
	// the controller's lease. Grants on switches without locks live by such ones only.
	Leased bool
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
	// Revision is that of the intent that the account is of. One that is lower
	// than the agent has seen is from a database that was restored from a backup:
	// removals are held until an operator releases them.
	Revision int64
}

// SameNetwork, within a snapshot, stands for the segment that the agent's Hello
// had a digest of.
type SameNetwork struct {
	Database  string
	NetworkID string
	Version   l2gw.Version // that the segment has from now on
	Digest    l2gw.Digest
}

// SameBindings, within a snapshot, stands for all bindings that the agent's
// Hello had a digest of.
type SameBindings struct {
	Database string
	Version  l2gw.Version
	Digest   l2gw.Digest
}

// Bindings changes the bindings of a database. It must come after the Owned
// that covers Set. Outside a snapshot, one follows each Owned, be it empty, with
// the same version: before, the agent does not take the Owned for true, since what
// is about to be bound would pass for ours and unwanted.
type Bindings struct {
	Database string
	Version  l2gw.Version
	// Revision is that of the intent. Within a snapshot, it is the highest that an
	// agent of the database is known to have seen, if that is more than the
	// snapshot's; else 0.
	Revision int64
	Set      []l2gw.Binding
	Unset    []Unbound
}

// Unbound is a binding that is not wanted any more.
type Unbound struct {
	l2gw.BindingKey
	Request string // id of the API request that removed it, or ""
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
	// Digest is that of the segment at version To: an agent that comes to another
	// one asks for the network anew.
	Digest l2gw.Digest
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
	// Lost are networks of Owned that are not bound because the inventory does
	// not have them any more, although users want them bound. Removing their rows
	// is a removal caused by the inventory, and may be held.
	Lost []string
}

// Recorded answers Orphans: all of them are recorded as ours, and the agent need
// not tell them again.
type Recorded struct {
	Database string
	Telling  uint64 // of the Orphans
}

// Command is what an operator asks of an agent.
type Command string

// The commands.
const (
	// CommandValidate compares what should be with what is, and changes nothing.
	CommandValidate Command = "validate"
	// CommandResync looks at the whole database at once instead of at the next audit.
	CommandResync Command = "resync"
	// CommandReport asks for all that the agent reports of the database, anew.
	CommandReport Command = "report"
	// CommandRelease lets go of the removals that are held: of one network, or of
	// the whole database if Do.NetworkID is "".
	CommandRelease Command = "release"
	// CommandRun, CommandObserve and CommandPause set the database's l2gw.Mode.
	CommandRun     Command = "run"
	CommandObserve Command = "observe"
	CommandPause   Command = "pause"
)

// Reads reports whether the command changes nothing, so that a server may give
// it that is not the controller.
func (c Command) Reads() bool { return c == CommandValidate || c == CommandReport }

// Do asks for a command; the answer is a Done with the same ID.
type Do struct {
	ID        uint64
	Database  string
	Command   Command
	NetworkID string // CommandRelease only; "": all
	Epoch     uint64 // of the controller that says so; 0 for commands that only read
	// At is when the operator set a mode, by the server's clock: of two the later
	// one counts. Zero is now. Nothing for other commands.
	At time.Time
}

// About implements ToAgent.
func (m Welcome) About() string { return "" }

// About implements ToAgent.
func (m Refused) About() string { return m.Database }

// About implements ToAgent.
func (m Renewal) About() string { return "" }

// About implements ToAgent.
func (m SameNetwork) About() string { return m.Database }

// About implements ToAgent.
func (m SameBindings) About() string { return m.Database }

// About implements ToAgent.
func (m Grant) About() string { return m.Database }

// About implements ToAgent.
func (m Revoke) About() string { return m.Database }

// About implements ToAgent.
func (m Recorded) About() string { return m.Database }

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
	Features  []string
	Agent     string // host name
	Version   string // of the program
	Databases []Holding
	Epoch     uint64 // the highest seen
}

// Holding is a database of an agent, and what the agent knows of what it must
// hold: with it, a server sends only what differs.
type Holding struct {
	Database string
	Grant    l2gw.Version // the newest grant that it acted on, or zero
	Writer   bool         // it may write by that grant at this moment
	// The digests of a complete replica; nothing of one that is not.
	Complete bool
	Bindings l2gw.Digest
	Networks map[string]l2gw.Digest // by network id; those that are unknown are not there
	Revision int64                  // the highest intent revision seen
}

// Beat says that the agent is there, and asks for a Renewal. An agent sends one
// every [BeatInterval] to each server.
type Beat struct {
	Sequence uint64 // counts from 1 in each stream
	Epoch    uint64 // the highest seen
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

// Orphans are rows that the agent has written and that the server does not know
// as ours: its database was restored from a backup, or they were removed while
// the agent could not hear of it. The controller records them as ours, so that
// they can be removed, and answers with Recorded. Until then the agent tells them
// on each new stream.
type Orphans struct {
	Database string
	Owned    l2gw.Ownership
	// Telling is another one whenever Owned is, within one life of the agent; 0
	// wants no answer.
	Telling uint64
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
	ClassHeld       Class = "held"         // waits for an operator, or for a second look at the inventory
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
func (Beat) toServer()     {}
func (Orphans) toServer()  {}
func (Observed) toServer() {}
func (Learned) toServer()  {}
func (Applied) toServer()  {}
func (Ask) toServer()      {}
func (Done) toServer()     {}
