package fabric

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"l2gw"
)

// granting is a story of a Granter, in seconds since it began.
type granting struct {
	t *testing.T
	*Granter
	start time.Time
}

func newGranting(t *testing.T) *granting {
	return &granting{t: t, Granter: NewGranter(), start: time.Unix(1_700_000_000, 0)}
}

func (g *granting) at(seconds float64) time.Time {
	return g.start.Add(time.Duration(seconds * float64(time.Second)))
}

func (g *granting) lead(at float64) { g.Lead(7, g.at(at)) }
func (g *granting) attach(l LinkID, c Claim, s float64) {
	g.Attach(l, map[string]Claim{"db": c}, g.at(s))
}
func (g *granting) claim(l LinkID, c Claim, s float64) { g.Claim(l, "db", c, g.at(s)) }

// decides checks what is sent, as "link: message" each.
func (g *granting) decides(at float64, want ...string) {
	g.t.Helper()
	orders, _ := g.Decide(g.at(at))
	var got []string
	for _, o := range orders {
		switch m := o.Message.(type) {
		case Grant:
			s := fmt.Sprintf("%d: grant %d.%d", o.Link, m.Version.Epoch, m.Version.Counter)
			if m.Steal {
				s += " steal"
			}
			if m.Clear > 0 {
				s += fmt.Sprintf(" clear %.1f", m.Clear.Seconds())
			}
			if m.Beat > 0 {
				s += fmt.Sprintf(" beat %d", m.Beat)
			}
			got = append(got, s)
			if m.Term != Term || m.Database != "db" {
				g.t.Errorf("%+v", m)
			}
		case Revoke:
			got = append(got, fmt.Sprintf("%d: revoke %d.%d", o.Link, m.Version.Epoch, m.Version.Counter))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		g.t.Errorf("at %v s (-want +got):\n%s", at, diff)
	}
}

// next checks when the Granter wants to be asked again; negative is never.
func (g *granting) next(now, want float64) {
	g.t.Helper()
	_, next := g.Decide(g.at(now))
	if got := next.Sub(g.start).Seconds(); next.IsZero() != (want < 0) || want >= 0 && got != want {
		g.t.Errorf("to be asked again at %v s (%v), want %v s", got, next, want)
	}
}

var (
	connected = Claim{Connected: true}
	version   = func(epoch, counter uint64) l2gw.Version { return l2gw.Version{Epoch: epoch, Counter: counter} }
)

func holding(counter uint64) Claim {
	return Claim{Grant: version(7, counter), Writer: true, Connected: true, Lock: l2gw.LockingHeld}
}

func with(counter uint64, l l2gw.Locking) Claim {
	return Claim{Grant: version(7, counter), Connected: true, Lock: l}
}

func TestAServerThatDoesNotLeadGrantsNothing(t *testing.T) {
	g := newGranting(t)
	g.attach(1, holding(1), 0)
	g.decides(100)
	g.next(100, -1)
	if _, _, ok := g.Holder("db"); ok {
		t.Error("there is a holder")
	}
	g.lead(101)
	g.decides(101, "1: grant 7.1 steal clear 6.3")
	g.Follow()
	g.decides(200)
	if _, _, ok := g.Holder("db"); ok {
		t.Error("there is a holder after the end of leading")
	}
}

func TestWhoeverWritesAlreadyGoesOnWriting(t *testing.T) {
	g := newGranting(t)
	g.attach(1, connected, 0)
	g.lead(10)
	g.decides(10)
	g.next(10, 13)
	g.attach(2, Claim{Grant: version(6, 5), Writer: true, Connected: true, Lock: l2gw.LockingHeld}, 12)
	g.decides(12, "2: grant 7.1 steal clear 4.3")
	g.claim(2, holding(1), 12)
	g.decides(13)
	g.next(13, -1)
	if l, v, ok := g.Holder("db"); l != 2 || v != version(7, 1) || !ok {
		t.Error(l, v, ok)
	}
}

func TestOfTwoThatBelieveToWriteTheNewerGrantCounts(t *testing.T) {
	g := newGranting(t)
	g.attach(1, Claim{Grant: version(5, 9), Writer: true, Connected: true}, 0)
	g.attach(2, Claim{Grant: version(6, 1), Writer: true, Connected: true}, 0)
	g.lead(10)
	g.decides(20, "2: grant 7.1 steal", "1: revoke 7.0")
}

// With a grant of earlier times it would stand in line for the lock, and might
// get it while the holder waits.
func TestGrantsOfEarlierTimesAreTakenBackOnce(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 1)
	g.decides(4, "1: grant 7.1 steal clear 2.3")
	g.claim(1, holding(1), 4)
	g.attach(2, Claim{Grant: version(6, 3), Connected: true, Lock: l2gw.LockingWaiting}, 5)
	g.decides(5, "2: revoke 7.0")
	g.claim(2, Claim{Grant: version(6, 3), Connected: false}, 6)
	g.decides(6)
	g.claim(2, Claim{Connected: true}, 7)
	g.decides(7)
}

func TestTheLeastLoadedConnectedAgentIsGranted(t *testing.T) {
	g := newGranting(t)
	four := map[string]Claim{"a": connected, "b": connected, "c": connected, "d": connected}
	g.Attach(1, map[string]Claim{"a": {}, "b": {}, "c": {}, "d": {}}, g.at(0))
	g.Attach(2, four, g.at(0))
	g.Attach(3, four, g.at(0))
	g.lead(0)
	got := map[LinkID]int{}
	orders, _ := g.Decide(g.at(3))
	for _, o := range orders {
		got[o.Link]++
	}
	if diff := cmp.Diff(map[LinkID]int{2: 2, 3: 2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAgentMayComeBackBeforeItsDatabaseIsGivenAway(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.attach(2, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, holding(1), 10)
	g.Beat(1, 4, g.at(11))
	g.Detach(1, g.at(12))
	g.decides(12)
	g.next(12, 14)
	g.attach(3, Claim{Grant: version(7, 1), Lock: l2gw.LockingNone}, 13) // it has started anew
	g.decides(13, "3: grant 7.2 steal")
	g.Detach(3, g.at(14))
	g.decides(16, "2: grant 7.3 steal clear 3.3") // Term after 13: nothing renewed it later
	// It comes again, too late.
	g.attach(4, Claim{Grant: version(7, 2), Writer: true, Connected: true}, 17)
	g.decides(17, "4: revoke 7.2")
}

// The server has not noticed that a stream is dead when the agent is there again.
func TestANewerStreamOfTheSameAgentTakesOverAtOnce(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, holding(1), 10)
	g.attach(2, holding(1), 11)
	g.decides(11, "1: revoke 7.1", "2: grant 7.2 steal clear 6.3")
	g.claim(2, holding(2), 11)
	g.Detach(1, g.at(17))
	g.decides(17)
	if l, _, _ := g.Holder("db"); l != 2 {
		t.Errorf("the holder is %d", l)
	}
}

func TestAGrantMovesToTheAgentThatIsConnected(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.attach(2, Claim{}, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, holding(1), 10)
	g.claim(1, Claim{Grant: version(7, 1)}, 20)
	g.decides(30) // nobody else is connected
	g.next(30, -1)
	g.claim(2, connected, 31)
	g.decides(31, "1: revoke 7.1", "2: grant 7.2 steal clear 6.3")
	g.claim(2, holding(2), 31)
	g.claim(1, connected, 32)
	g.decides(32) // and stays there
	g.claim(2, Claim{Grant: version(7, 2)}, 33)
	g.next(33, 38)
	g.claim(2, holding(2), 37)
	g.next(37, -1)
}

func TestALockThatMayBeAtAnotherOfOurAgentsIsStolen(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.Beat(1, 5, g.at(11))
	g.claim(1, with(1, l2gw.LockingWaiting), 11) // the grant expired before it could steal
	g.next(11, 12)
	g.decides(12, "1: grant 7.2 steal beat 5")
	g.claim(1, with(2, l2gw.LockingWaiting), 12)
	g.next(12, 14)
	g.decides(14, "1: grant 7.3 steal beat 5")
	g.claim(1, with(3, l2gw.LockingWaiting), 14)
	g.next(14, 18) // patience grows
	g.decides(18, "1: grant 7.4 steal beat 5")
	g.claim(1, holding(4), 18)
	g.next(18, -1)
}

func TestTheTimeBetweenGrantsThatAreOfNoUseHasABound(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, with(1, l2gw.LockingStolen), 10) // by whom is not known: it never had it under this grant
	for i, at := range []float64{10, 12, 16, 24, 40, 72, 132, 192} {
		counter := uint64(i + 2)
		g.decides(at, fmt.Sprintf("1: grant 7.%d steal", counter))
		g.claim(1, with(counter, l2gw.LockingStolen), at)
	}
}

// Its tenure remembers the theft, and so it does not even ask the new session for the lock.
func TestATheftThatNobodyHeardOfIsMended(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, holding(1), 10)
	g.claim(1, with(1, l2gw.LockingNone), 20)
	g.next(20, 22)
	g.decides(22, "1: grant 7.2 steal")
	g.claim(1, holding(2), 22)
	g.next(22, -1)
}

// An operator's hand took the lock: the agent stands in line, and takes nothing back.
func TestAnOperatorsHandIsLeftTheLock(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, holding(1), 10)
	g.claim(1, with(1, l2gw.LockingStolen), 20)
	g.decides(20, "1: grant 7.2")
	g.claim(1, with(2, l2gw.LockingWaiting), 20)
	g.next(20, -1)
	g.Detach(1, g.at(30))
	g.attach(2, with(2, l2gw.LockingWaiting), 31)
	g.decides(31, "2: grant 7.3")
	g.claim(2, holding(3), 40) // the operator has left
	g.Detach(2, g.at(50))
	g.attach(3, holding(3), 51)
	g.decides(51, "3: grant 7.4 steal")
}

func TestAGrantThatWasNotTakenComesAgain(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.next(10, 16)
	g.decides(16, "1: grant 7.2 steal")
	g.next(16, 22)
}

// All grants before the last one count, not only the one just before it.
func TestOnASwitchWithoutLocksAGrantWaitsForAllOlderOnes(t *testing.T) {
	g := newGranting(t)
	g.lead(0)
	g.attach(1, connected, 0)
	g.attach(2, connected, 0)
	g.decides(10, "1: grant 7.1 steal")
	g.claim(1, Claim{Grant: version(7, 1), Connected: true, Writer: true, Lock: l2gw.LockingUnsupported}, 10)
	g.Beat(1, 9, g.at(19))
	g.Detach(1, g.at(20))
	g.decides(22, "2: grant 7.2 steal clear 3.3")
	g.Detach(2, g.at(22))
	g.attach(3, Claim{Grant: version(7, 2), Connected: true}, 23)
	g.decides(23, "3: grant 7.3 steal clear 2.3") // it is the same agent, and the first one's time is not over
}

// An agent that the controller before had chosen took the lock back, in the last
// moments in which its grant was good.
func TestATheftByAnOlderGrantIsNoOperatorsHand(t *testing.T) {
	g := newGranting(t)
	g.attach(1, connected, 0)
	g.lead(0)
	g.decides(3, "1: grant 7.1 steal clear 3.3")
	g.claim(1, holding(1), 3)
	g.claim(1, with(1, l2gw.LockingStolen), 5)
	g.decides(5, "1: grant 7.2 steal clear 1.3")
}

func TestWhoseReportCounts(t *testing.T) {
	g := newGranting(t)
	source := func(want LinkID) {
		t.Helper()
		if l, ok := g.Source("db"); l != want || !ok {
			t.Errorf("link %d's report counts (%v), want %d", l, ok, want)
		}
	}
	if _, ok := g.Source("db"); ok {
		t.Error("somebody's report on an unknown database counts")
	}
	g.attach(3, Claim{Grant: version(5, 1)}, 0)
	g.attach(2, Claim{Grant: version(5, 1)}, 0)
	source(2)
	g.attach(4, Claim{Grant: version(5, 2)}, 0)
	source(4)
	g.claim(2, connected, 0)
	source(2)
	g.claim(3, Claim{Grant: version(5, 1), Writer: true, Connected: true}, 0)
	source(3)
	g.lead(10)
	source(3)
	g.decides(13, "3: grant 7.1 steal clear 3.3", "4: revoke 7.0")
	g.claim(3, Claim{}, 14)
	source(3)
}
