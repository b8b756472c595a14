package l2gw

import "time"

// InventoryState tells whether it is known which networks there are, and
// whether what is known can be brought up to date.
type InventoryState struct {
	// Known tells that a complete inventory was read, now or before a restart.
	Known bool
	// Error says why the inventory cannot be read now, or "". What is known stays in force.
	Error    string
	Networks int // how many networks are known
}

// MACOrigin tells how a MAC came into a switch's tables.
type MACOrigin string

// The origins of a MAC.
const (
	MACLearned    MACOrigin = "learned"    // by the switch, behind one of its ports (Ucast_Macs_Local)
	MACProgrammed MACOrigin = "programmed" // by us, behind a VTEP (Ucast_Macs_Remote)
)

// MACEntry is one MAC that a switch knows.
type MACEntry struct {
	NetworkID string
	Host
	Origin MACOrigin
	// Note says what is wrong with the entry, such as a conflict with the
	// inventory or a MAC that flaps; or "".
	Note string
}

// Difference is one row or column of a switch that is not as it should be.
type Difference struct {
	Table  string // of hardware_vtep
	Row    string // what people call the row: "fa:16:3e:00:00:01 in net-a", "ps1/eth1 VLAN 100"
	Wanted string // "" if the row should not be there
	Held   string // "" if the row is missing
}

// Validation is the answer to the question whether a switch holds what it
// should, asked of the switch itself and not of what is remembered.
type Validation struct {
	Device      string
	Database    string
	CheckedAt   time.Time // UTC
	Differences []Difference
	// Error says why there could be no comparison, or "". With it, Differences say nothing.
	Error string
}

// InSync reports whether the comparison took place and found no difference.
func (v Validation) InSync() bool { return v.Error == "" && len(v.Differences) == 0 }
