package l2gw

// The resources of which a project may have only so many.
const (
	QuotaGateways    = "l2_gateway"
	QuotaConnections = "l2_gateway_connection"
)

// Unlimited is the limit of a project that may have any number.
const Unlimited = -1

// QuotaUsage is how many a project may have of something, and has.
type QuotaUsage struct {
	Limit int // [Unlimited]: any number
	Used  int
}
