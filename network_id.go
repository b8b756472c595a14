package l2gw

import "github.com/google/uuid"

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
