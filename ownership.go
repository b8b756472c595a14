package l2gw

// Ownership says what on one database is ours and may therefore be changed or
// removed. Everything else is foreign and stays. It includes tombstones: what
// is no longer wanted but not yet confirmed to be gone.
type Ownership struct {
	Networks map[string]VNI        // logical switches, by network id (their name)
	Bindings map[BindingKey]string // VLAN bindings, to the network id
}
