package l2gw

import (
	"maps"
	"slices"
)

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

// CheckUse fails as [QuotaBelowUse] if a limit, by resource, is below what is used.
func CheckUse(limits map[string]int, used map[string]QuotaUsage) error {
	for _, resource := range slices.Sorted(maps.Keys(limits)) {
		if limit := limits[resource]; limit != Unlimited && used[resource].Used > limit {
			return QuotaBelowUse(resource, limit, used[resource].Used)
		}
	}
	return nil
}
