package ovsdb

import (
	"errors"
	"net"
	"time"
)

const (
	// repeatReason is after how long a reason that goes on is told again.
	repeatReason = 10 * time.Minute
	// maxReasons is how many are told apart.
	maxReasons = 20
)

// outage is the time since the last session. It knows what was told of it: a
// server that is away for a week is tried every few seconds.
type outage struct {
	attempts int
	told     map[string]time.Time
}

// failed counts an attempt that failed, and says whether its reason is news: it is
// another, or was told a good while ago.
func (o *outage) failed(reason error, now time.Time) bool {
	o.attempts++
	text := reason.Error()
	if op, ok := errors.AsType[*net.OpError](reason); ok {
		text = op.Err.Error() // without our port, which is another each time
	}
	if at, known := o.told[text]; known && now.Sub(at) < repeatReason {
		return false
	}
	if o.told == nil || len(o.told) >= maxReasons {
		o.told = make(map[string]time.Time)
	}
	o.told[text] = now
	return true
}
