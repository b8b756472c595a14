package main

import (
	"sync"
	"time"
)

const (
	limitedPause = time.Minute
	limitedSize  = 1000
	// limitedKinds is how many different things of one are told apart, so that a
	// peer with a new certificate each time does not fill the log either.
	limitedKinds = 20
)

// limited keeps what repeats itself from filling the log: a switch that is
// refused dials again every few seconds, for ever.
type limited struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[[2]string]*occurrences
}

type occurrences struct {
	logged time.Time
	since  int // how many since then
}

func newLimited() *limited { return &limited{now: time.Now, seen: map[[2]string]*occurrences{}} }

// allow says whether that who did what is to be logged now, and for how many
// times: the first, and then once a minute for all since. 0 is no. What is
// remembered is bounded; beyond that the log tells some things anew.
func (l *limited) allow(who, what string) (times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	key := [2]string{who, what}
	o := l.seen[key]
	if o == nil && l.kinds(who, now) >= limitedKinds {
		key[1] = ""
		o = l.seen[key]
	}
	if o == nil {
		for k, old := range l.seen {
			if len(l.seen) < limitedSize {
				break
			}
			if now.Sub(old.logged) >= limitedPause || len(l.seen) >= 2*limitedSize {
				delete(l.seen, k)
			}
		}
		l.seen[key] = &occurrences{logged: now}
		return 1
	}
	o.since++
	if now.Sub(o.logged) < limitedPause {
		return 0
	}
	times, o.logged, o.since = o.since, now, 0
	return times
}

// kinds is how many different things of that who were logged a short while ago.
func (l *limited) kinds(who string, now time.Time) (n int) {
	for k, o := range l.seen {
		if k[0] == who && now.Sub(o.logged) < limitedPause {
			n++
		}
	}
	return n
}
