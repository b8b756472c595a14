package l2gw

// Remembered is what was last seen of one OVSDB database, as it is kept over
// restarts: a switch that is away is unknown, not gone, and so its tunnel IPs
// and what it learned stay in the segments of the other gateways.
type Remembered struct {
	// Devices have their names and tunnel IPs, and nothing else.
	Devices []DeviceState
	Learned []Learned
}
