package store

import (
	"fmt"
	"log/slog"
	"maps"
	"time"
)

// Option changes what [Open] opens.
type Option func(*Store) error

// WithQuotaDefaults gives the limits, by resource, of projects that have none of
// their own. What is not named is unlimited. See [Store.SetQuota] for what is
// right.
func WithQuotaDefaults(limits map[string]int) Option {
	return func(s *Store) error {
		if err := checkLimits(limits); err != nil {
			return fmt.Errorf("quota: %w", err)
		}
		maps.Copy(s.quotas, limits)
		return nil
	}
}

// WithPool sets how many reading connections to a server are kept, and how many
// more there may be for a moment; size 0 means any number. There are six more, for
// writing and for leases. SQLite, which is no server, has its own number.
func WithPool(size, overflow int) Option {
	return func(s *Store) error {
		if size < 0 || overflow < -1 {
			return fmt.Errorf("a pool of %d connections and %d more: it must be 0 (no limit) or more, and -1 (no limit) or more", size, overflow)
		}
		if s.tuning.poolSize, s.tuning.poolOverflow = size, overflow; size == 0 || overflow == -1 {
			s.tuning.poolSize, s.tuning.poolOverflow = max(size, readConnections), -max(size, readConnections)
		}
		return nil
	}
}

// WithConnectionLifetime sets after what time a connection to a server is
// replaced by another; 0 or less: never.
func WithConnectionLifetime(d time.Duration) Option {
	return func(s *Store) error {
		s.tuning.lifetime = max(0, d)
		return nil
	}
}

// WithLogger sets where that is told which no call returns: what becomes of files
// for TLS that change. Else it is slog.Default.
func WithLogger(log *slog.Logger) Option {
	return func(s *Store) error {
		s.tuning.log = log
		return nil
	}
}

// WithRetries lets [Open] try again, that many times at that interval, while the
// server cannot be reached; -1: until its context ends. A server that refuses the
// login or lacks the database is not tried again.
func WithRetries(n int, interval time.Duration) Option {
	return func(s *Store) error {
		if n < -1 || interval <= 0 {
			return fmt.Errorf("%d retries at intervals of %v: it must be -1 (without end) or more, and more than 0s", n, interval)
		}
		s.tuning.retries, s.tuning.retryInterval = n, interval
		return nil
	}
}

// WithSyncWait sets wsrep_sync_wait of the sessions with a node of a Galera
// cluster: 1, which is usual, lets reads wait for what was written on other
// nodes; 0 lets them be late; for other bits see Galera's documentation.
func WithSyncWait(mask int) Option {
	return func(s *Store) error {
		if mask < 0 || mask > 15 {
			return fmt.Errorf("wsrep_sync_wait %d: it must be 0 to 15", mask)
		}
		s.tuning.syncWait = mask
		return nil
	}
}
