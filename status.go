package l2gw

// Status tells how far an intent has become true. The order is by gravity.
type Status string

// The statuses, worst first (design: Status).
const (
	StatusError    Status = "ERROR"    // cannot be applied; the reason says what stands in the way
	StatusDown     Status = "DOWN"     // the switch or port reports a fault, or the port vanished
	StatusDegraded Status = "DEGRADED" // works in part
	StatusPending  Status = "PENDING"  // the device is not known or never connected
	StatusBuild    Status = "BUILD"    // not yet confirmed by the switch
	StatusActive   Status = "ACTIVE"   // confirmed
)

// BindingStatus is the status of one binding and its reason (or "").
type BindingStatus struct {
	Binding
	Status Status
	Reason string
}
