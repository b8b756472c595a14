package agent

import (
	"context"
	"time"
)

// pace bounds the operations that are sent to one database: a token bucket.
// It belongs to one goroutine.
type pace struct {
	rate  float64 // operations per second; 0: no bound
	burst float64
	now   func() time.Time

	tokens float64
	at     time.Time // as of which tokens is right
}

// newPace makes a full bucket of burst operations that fills by rate operations
// a second. A rate of 0 or less does not bound anything; a burst of 0 or less is what fills in one second.
func newPace(rate, burst int, now func() time.Time) *pace {
	p := &pace{rate: float64(max(rate, 0)), burst: float64(burst), now: now, at: now()}
	if burst <= 0 {
		p.burst = max(p.rate, 1)
	}
	p.tokens = p.burst
	return p
}

// take takes n operations out of the bucket and returns 0, or it takes nothing
// and returns how long to wait before it is worth trying again. More than burst operations may go
// at once when the bucket is full, as a transaction cannot be cut; those after them wait the longer.
func (p *pace) take(n int) time.Duration {
	if p.rate == 0 || n <= 0 {
		return 0
	}
	now := p.now()
	if passed := now.Sub(p.at); passed > 0 { // a clock that was set back gives nothing
		p.tokens = min(p.burst, p.tokens+passed.Seconds()*p.rate)
	}
	p.at = now
	need := min(float64(n), p.burst)
	if p.tokens < need {
		return max(time.Duration((need-p.tokens)/p.rate*float64(time.Second)), time.Millisecond)
	}
	p.tokens -= float64(n)
	return 0
}

// wait waits until n operations may be sent, or ctx ends. early, if not nil, ends the
// wait as well; the result then says that nothing was taken.
func (p *pace) wait(ctx context.Context, n int, early <-chan struct{}) (taken bool, err error) {
	for {
		d := p.take(n)
		if d == 0 {
			return true, nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-early:
			timer.Stop()
			return false, nil
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		}
	}
}
