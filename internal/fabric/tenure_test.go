package fabric

import (
	"testing"
	"time"
)

// tenureStory is a Tenure with a clock that counts seconds.
type tenureStory struct {
	*testing.T
	Tenure
}

func seconds(s float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(s * float64(time.Second)))
}

func (t *tenureStory) granted(counter uint64, steal bool, asked, now, clear float64, want bool) {
	t.Helper()
	g := Grant{Version: v(counter), Steal: steal, Term: Term, Clear: time.Duration(clear * float64(time.Second))}
	if t.Grant(g, seconds(asked), seconds(now)) != want {
		t.Errorf("grant %d, asked for at %v, counts at %v: %v", counter, asked, now, !want)
	}
}

func (t *tenureStory) writes(now float64, locked, lockless, want bool, until float64) {
	t.Helper()
	ok, why, at := t.Writes(seconds(now), locked, lockless)
	if ok != want || ok != (why == "") || at.IsZero() != (until == 0) || until != 0 && !at.Equal(seconds(until)) {
		t.Errorf("writes at %v: %v (%q) until %v; want %v until %v", now, ok, why, at.Sub(seconds(0)).Seconds(), want, until)
	}
}

func (t *tenureStory) steals(now float64, want bool) {
	t.Helper()
	if t.Steals(seconds(now)) != want {
		t.Errorf("steals at %v: %v", now, !want)
	}
}

func TestWithoutAGrantAnAgentOnlyObserves(t *testing.T) {
	s := tenureStory{T: t}
	s.writes(1, true, false, false, 0)
	s.writes(1, false, true, false, 0)
	s.steals(1, false)
	if s.Granted() || s.Version() != version(0, 0) {
		t.Error("there is a grant")
	}
}

func TestWithTheLockAGrantIsGoodForEver(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 1, 5, true)
	s.writes(1, true, false, true, 0)
	s.writes(1000, true, false, true, 0)
	s.writes(1000, false, false, false, 0)
}

func TestOnlyANewerGrantThatCameInTimeCounts(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(2, true, 0, 6, 0, false)
	s.granted(2, true, 0, 5, 0, true)
	s.granted(2, true, 5, 5, 0, false)
	s.granted(1, true, 5, 5, 0, false)
	s.Revoke(v(3))
	s.granted(3, true, 5, 5, 0, false)
	s.writes(5, true, false, false, 0)
	s.granted(4, true, 5, 5, 0, true)
	s.Revoke(v(3)) // it comes late
	s.writes(5, true, false, true, 0)
	if s.Version() != v(4) {
		t.Error(s.Version())
	}
}

// While SQL is away, nobody knows whether another server leads by now: the lock
// may be at the agent that it chose.
func TestALockIsOnlyStolenByTheWordOfAServerThatSurelyLeads(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 1, 0, true)
	s.steals(1, false)
	s.Renew(1, seconds(2), false)
	s.steals(2, false)
	s.Renew(1, seconds(2), true)
	s.steals(7.9, true)
	s.steals(8, false)
	s.Renew(2, seconds(9), true) // a newer controller, which has granted us nothing
	s.steals(9, false)
	s.Renew(1, seconds(9), true) // the one before it comes late
	s.steals(9, false)
}

func TestAWordAheadOfTheGrantIsAsGood(t *testing.T) {
	s := tenureStory{T: t}
	s.Renew(1, seconds(2), true)
	s.granted(1, true, 4, 5, 0, true)
	s.steals(7.9, true)
	s.steals(8, false)
	s = tenureStory{T: t}
	s.Renew(1, seconds(4), true)
	s.granted(1, true, 2, 5, 0, true)
	s.steals(7.9, true)
	s.steals(8, false) // the grant itself counts from when it was asked for
}

func TestAGrantThatMayNotStealStandsInLine(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, false, 0, 0, 0, true)
	s.Renew(1, seconds(0), true)
	s.steals(0, false)
	if !s.Granted() {
		t.Error("it does not even stand in line")
	}
}

func TestAfterATheftOnlyANewerGrantCounts(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 0, 0, true)
	s.Renew(1, seconds(0), true)
	s.Stolen()
	s.writes(0, true, false, false, 0)
	s.steals(0, false)
	if s.Granted() || s.Version() != v(1) {
		t.Error("it does not say under which grant the lock was stolen, or stands in line")
	}
	s.granted(2, true, 0, 1, 0, true)
	s.writes(1, true, false, true, 0)
	s.steals(1, true)
}

func TestAfterARestartAnAgentStandsInLineAndTakesNothing(t *testing.T) {
	s := tenureStory{T: t}
	s.Restore(v(3))
	s.Renew(1, seconds(0), true)
	s.steals(0, false)
	s.writes(0, false, true, false, 0)
	s.writes(0, true, false, true, 0)
	s.granted(4, true, 0, 1, 0, true)
	s.steals(1, true)
	s.Restore(v(3)) // too late
	if s.Version() != v(4) {
		t.Error(s.Version())
	}
}

func TestOnASwitchWithoutLocksAGrantBeginsAndEnds(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 1, 3, true)
	s.writes(1, false, true, false, 4) // older grants are not over
	s.writes(4, false, true, false, 0) // nobody said that the server leads
	s.Renew(1, seconds(4), true)
	s.writes(4, false, true, true, 10)
	s.Renew(1, seconds(6), false) // the lease is not sure any more
	s.writes(9, false, true, true, 10)
	s.writes(10, false, true, false, 0)
	s.Renew(1, seconds(3), true) // an old answer takes nothing away and gives nothing
	s.writes(10, false, true, false, 0)
	s.Renew(1, seconds(10), true)
	s.writes(10, false, true, true, 16)
	s.Revoke(v(1))
	s.Renew(1, seconds(11), true)
	s.writes(11, false, true, false, 0)
}

// The grants of the controller before are void on this switch as soon as the
// new one may have granted it to another agent: its answers renew its own alone.
func TestANewerControllerDoesNotRenewTheGrantsOfTheOneBefore(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 0, 0, true)
	s.Renew(1, seconds(0), true)
	s.writes(1, false, true, true, 6)
	s.Renew(2, seconds(3), true)
	s.writes(3, false, true, false, 0)
}

// Between two streams the server may have given the database away, and it may
// answer a Beat before it says so.
func TestAnotherStreamOfTheSameServerRenewsNothing(t *testing.T) {
	s := tenureStory{T: t}
	s.granted(1, true, 0, 0, 0, true)
	s.Renew(1, seconds(0), true)
	s.Ended()
	s.Renew(1, seconds(5), true)
	s.writes(5, false, true, true, 6)
	s.writes(6, false, true, false, 0)
	s.granted(2, true, 5, 6, 0, true)
	s.writes(6, false, true, true, 11)
	s.Renew(1, seconds(7), true)
	s.writes(6, false, true, true, 13)
}
