package l2gw

import "time"

// Network is a network as far as a user chooses one: what the inventory says of
// it, without its hosts.
type Network struct {
	ID          string
	Name        string
	Description string
	ProjectID   string // whose it is; "" if nobody's
	Shared      bool   // every project may see and use it
	VNI         VNI    // of its VXLAN segment; 0 if it has none, or several
	MTU         int    // bytes of an IP packet that the network promises; 0 if unknown
	// Segments are what carries the network; nil: VXLAN with VNI, alone.
	Segments []NetworkSegment
}

// NetworkSegment is one of the parts that make up a network (Neutron's "provider network").
type NetworkSegment struct {
	Type            string // "vxlan", "vlan", "flat" …
	PhysicalNetwork string // "" if its type has none
	SegmentationID  int    // VNI, VLAN or key; 0 if its type has none
}

// SegmentVXLAN is the type of a segment that gateways can be connected to.
const SegmentVXLAN = "vxlan"

// Connectable reports why no gateway can be connected to the network: it has no
// VXLAN segment (NotFound), or several (Conflict).
func (n *Network) Connectable() error {
	if n.VNI != 0 {
		return nil
	}
	for _, s := range n.Segments {
		if s.Type == SegmentVXLAN {
			return MultipleVXLANSegments(n.ID)
		}
	}
	return NetworkWithoutVXLAN(n.ID)
}

// Parts are what carries the network: its Segments, or the one that its VNI stands for.
func (n *Network) Parts() []NetworkSegment {
	if n.Segments == nil {
		return []NetworkSegment{{Type: SegmentVXLAN, SegmentationID: int(n.VNI)}}
	}
	return n.Segments
}

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
