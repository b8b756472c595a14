package main

import (
	"context"
	"time"

	"l2gw/internal/store"
)

// datedLeases gives no epoch twice, even if the database is restored from a
// backup: the lease's row is older then, and counting on from it would give
// epochs that agents know from another server already. So an epoch is never
// less than the milliseconds since 1970. The clock need not be right for that, and if
// it is behind, agents tell of the higher epoch, and the server takes one above it.
type datedLeases struct{ *store.Store }

// AcquireLease implements controller.Leases.
func (s datedLeases) AcquireLease(ctx context.Context, name, holder string, term time.Duration, above uint64) (epoch uint64, held bool, err error) {
	return s.Store.AcquireLease(ctx, name, holder, term, max(above, uint64(time.Now().UnixMilli())))
}
