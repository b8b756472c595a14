package l2gw

import (
	"net/netip"
	"time"
)

// DatabaseState is what an agent sees of one OVSDB database. It is immutable.
type DatabaseState struct {
	Name      string // as the operator named it
	Agent     string // host name of the agent that reports
	Connected bool
	Error     string // why not connected or not in sync, or ""
	InSync    bool   // the switch holds all that it should, as of SyncedAt
	SyncedAt  time.Time
	Schema    string // version of the switch's hardware_vtep schema
	// Losses are things that this switch cannot do and what that means, in words.
	Losses  []string
	Devices []DeviceState
	Rows    map[string]int // number of rows per table

	// Grant is the newest grant that the agent acted on, and Writer says that it
	// may write by it at this moment.
	Grant  Version
	Writer bool
	Lock   Locking
	Mode   Mode
	// ModeSince is when an operator set Mode, by a server's clock, or zero: of what
	// several agents of one database say, the latest counts.
	ModeSince time.Time
	Held      []HeldRemoval
}

// Locking is how an agent stands to the lock of an OVSDB database.
type Locking string

// The values of Locking.
const (
	LockingNone        Locking = ""            // not connected, or the lock was not asked for
	LockingWaiting     Locking = "waiting"     // another session holds it
	LockingHeld        Locking = "held"        // we hold it
	LockingStolen      Locking = "stolen"      // another session took it from us
	LockingUnsupported Locking = "unsupported" // the switch has no locks
)

// Mode is what an agent does with a database.
type Mode string

// The modes.
const (
	ModeRun     Mode = ""        // keeps it as it must be
	ModeObserve Mode = "observe" // computes and shows the difference, and writes nothing
	ModePaused  Mode = "paused"  // leaves it alone, for maintenance
)

// HeldRemoval is a removal of rows that waits for an operator's release, or, if
// the inventory caused it, for a second complete look at the inventory.
type HeldRemoval struct {
	NetworkID string // "": of the whole database
	Rows      int    // that would go
	Total     int    // rows that there are
	Reason    string
	Since     time.Time
	Confirms  bool // a second look at the inventory is enough
}

// DeviceState is a Physical_Switch as it reports itself.
type DeviceState struct {
	Name          string
	Description   string
	TunnelIPs     []netip.Addr
	ManagementIPs []string
	Faults        []string
	Ports         []PortState
	// Distrust is which of TunnelIPs are refused and why, or "". It is the
	// controller's word, not the switch's.
	Distrust string
}

// PortState is a Physical_Port as it reports itself.
type PortState struct {
	Name        string
	Description string
	Faults      []string
	Bindings    []PortBinding
}

// PortBinding is an entry of Physical_Port.vlan_bindings.
type PortBinding struct {
	VLAN          VLAN
	LogicalSwitch string // its name: for ours, the network's id
	Ours          bool
}

// Learned is a MAC that a switch found behind one of its ports (Ucast_Macs_Local).
type Learned struct {
	NetworkID string
	Host
}

// AgentState is an agent as a server sees it.
type AgentState struct {
	Name      string // host name
	Version   string // of its program
	Address   string // that it connected from, or ""; "… and …" if two agents have this name
	Connected bool
	Since     time.Time // connected or, if it is not, last heard of
	Databases []AgentDatabase
}

// AgentDatabase is a database that an agent names.
type AgentDatabase struct {
	Name      string
	Connected bool   // the agent is connected to it
	Writer    bool   // the agent writes to it
	Refused   string // why the agent may not have it, or ""
}
