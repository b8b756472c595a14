package l2gw

import "github.com/google/uuid"

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

// networkNamespace is the name space (RFC 9562 §5.5) of ids derived from names.
// It must never change: ids made with it stand in databases and switches.
var networkNamespace = uuid.MustParse("0f6d7c9e-52a4-5b0e-9d1f-6c1f5a3e8b42")

// NetworkIDFromName derives the id of a network that has only a name, as the
// same name gives the same id everywhere and at any time (UUID version 5).
func NetworkIDFromName(name string) string {
	return uuid.NewSHA1(networkNamespace, []byte(name)).String()
}

// portIDFromMAC derives the id of a port that has none (UUID version 5, in the
// name space of its network): ports are told apart by their MAC within a network.
func portIDFromMAC(networkID string, mac MAC) uuid.UUID {
	space, err := uuid.Parse(networkID)
	if err != nil {
		space = uuid.NewSHA1(networkNamespace, []byte(networkID))
	}
	return uuid.NewSHA1(space, mac[:])
}
