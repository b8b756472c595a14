package ovsdb

import (
	"math/rand/v2"
	"time"
)

// Backoff is how long to wait between attempts to connect. The zero value is
// 0.2 s at first, twice as long after each failure, at most 10 s.
type Backoff struct {
	Min, Max time.Duration
	// Rand is a source of numbers in [0, 1), for tests; nil is math/rand's. Each
	// wait is between half and the whole of its length, so that clients which
	// lost one server do not all come back at the same moment.
	Rand func() float64
}

// Delay is the wait after the given number of failures in a row, from 1.
func (b Backoff) Delay(failures int) time.Duration {
	if b.Min <= 0 {
		b.Min = 200 * time.Millisecond
	}
	if b.Max <= 0 {
		b.Max = 10 * time.Second
	}
	if b.Rand == nil {
		b.Rand = rand.Float64
	}
	d := b.Min
	for ; failures > 1 && d < b.Max; failures-- {
		d *= 2
	}
	d = min(d, b.Max)
	return d/2 + time.Duration(b.Rand()*float64(d/2))
}
