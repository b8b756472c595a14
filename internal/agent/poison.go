package agent

import (
	"math/rand/v2"
	"time"

	"l2gw/internal/vtep"
)

// Backoff of a row that the switch refuses.
const (
	minPoison = time.Second
	maxPoison = time.Minute
)

// poisoned is a subject whose rows the switch refuses: it is left out of the
// plans until its time comes, so that it fails alone.
type poisoned struct {
	reason string
	tries  int
	until  time.Time
	due    bool // it was given out by poison.due since
}

// poison are the refused subjects, and while a refused transaction is being
// narrowed down, those that are held back to see whether the rest goes through.
type poison struct {
	refused  map[vtep.Subject]*poisoned
	heldBack map[vtep.Subject]bool
	culprits int // how many single subjects were found in this search
}

// blocked tells a plan what to leave out.
func (p *poison) blocked(now time.Time) func(vtep.Subject) bool {
	if len(p.refused)+len(p.heldBack) == 0 {
		return nil
	}
	return func(s vtep.Subject) bool {
		if p.heldBack[s] {
			return true
		}
		x := p.refused[s]
		return x != nil && now.Before(x.until)
	}
}

// refuse notes that the switch refused a subject, for longer each time.
func (p *poison) refuse(s vtep.Subject, reason string, now time.Time) {
	if p.refused == nil {
		p.refused = map[vtep.Subject]*poisoned{}
	}
	x := p.refused[s]
	if x == nil {
		x = &poisoned{}
		p.refused[s] = x
	}
	wait := min(minPoison<<min(x.tries, 10), maxPoison)
	wait += rand.N(wait / 4)
	x.tries++
	x.reason, x.until, x.due = reason, now.Add(wait), false
}

// narrow holds back half of the subjects of a refused transaction. It returns
// false if there is only one: then that one is to blame.
func (p *poison) narrow(subjects []vtep.Subject) bool {
	if len(subjects) < 2 {
		return false
	}
	if p.heldBack == nil {
		p.heldBack = map[vtep.Subject]bool{}
	}
	for _, s := range subjects[(len(subjects)+1)/2:] {
		p.heldBack[s] = true
	}
	return true
}

// release lets all that was held back be tried again; it reports whether there was any.
func (p *poison) release() bool {
	had := len(p.heldBack) > 0
	p.heldBack = nil
	return had
}

// next is when the first refused subject falls due, or zero. One that is due
// already is known to be looked at, and waits for nothing but that.
func (p *poison) next() time.Time {
	var t time.Time
	for _, x := range p.refused {
		if !x.due && (t.IsZero() || x.until.Before(t)) {
			t = x.until
		}
	}
	return t
}

// due returns the subjects whose time has come since it was last asked.
func (p *poison) due(now time.Time) []vtep.Subject {
	var due []vtep.Subject
	for s, x := range p.refused {
		if !x.due && !now.Before(x.until) {
			x.due = true
			due = append(due, s)
		}
	}
	return due
}

// heal forgets the refused subjects that a scope covers and that are not
// blocked any more: they went through or are not wanted.
func (p *poison) heal(s vtep.Scope, now time.Time) {
	for subject, x := range p.refused {
		if !now.Before(x.until) && covers(s, subject) {
			delete(p.refused, subject)
		}
	}
}

func covers(s vtep.Scope, x vtep.Subject) bool {
	return s.All || s.Networks[x.Network] || s.MACs[x.Network][x.MAC]
}
