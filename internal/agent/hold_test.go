package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"l2gw"
	"l2gw/internal/vtep"
)

// bench is a database as holds see it: rows by network, those that stand and those that should.
type bench struct {
	h              *holds
	now            time.Time
	stands, wanted map[string]map[int]bool
	standing       map[string]standing
	told           []string
	plans          int
}

func newBench(share float64, minimum int) *bench {
	b := &bench{
		h: newHolds(share, minimum), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		stands: map[string]map[int]bool{}, wanted: map[string]map[int]bool{}, standing: map[string]standing{},
	}
	b.h.tell = func(what string, r l2gw.HeldRemoval) { b.told = append(b.told, r.NetworkID+": "+what) }
	return b
}

// fill makes a bound network with rows 0 to n-1 that stand and are wanted.
func (b *bench) fill(id string, n int) {
	b.standing[id] = standsBound
	b.want(id, 0, n)
	b.stands[id] = maps.Clone(b.wanted[id])
}

func (b *bench) want(id string, from, to int) {
	b.wanted[id] = map[int]bool{}
	for i := from; i < to; i++ {
		b.wanted[id][i] = true
	}
}

func (b *bench) look(scope vtep.Scope) look {
	return look{
		scope: scope, now: b.now,
		standing: func(id string) standing { return b.standing[id] },
		total: func() int {
			n := 0
			for _, rows := range b.stands {
				n += len(rows)
			}
			return n
		},
	}
}

// plan plans as the planner does; scope may have single rows as MACs.
func (b *bench) plan(scope vtep.Scope) *vtep.Plan {
	return b.h.plan(b.look(scope), func(keep, _ func(string) bool) *vtep.Plan {
		b.plans++
		p := &vtep.Plan{Networks: map[string]vtep.Verdict{}, Removals: map[string]vtep.Removal{}}
		for id, rows := range b.stands {
			whole := scope.All || scope.Networks[id]
			r := vtep.Removal{Total: len(rows)}
			for i := range rows {
				if !b.wanted[id][i] && (whole || scope.MACs[id][l2gw.MAC{5: byte(i)}]) {
					r.Rows++
				}
			}
			if whole {
				p.Networks[id] = vtep.Verdict{}
			}
			if r.Rows > 0 {
				p.Removals[id] = r
			}
		}
		return p
	})
}

// pass plans and carries it out until nothing is left to do, and returns how many rows went.
func (b *bench) pass(scope vtep.Scope) map[string]int {
	went := map[string]int{}
	for id := range b.plan(scope).Removals {
		for i := range b.wanted[id] {
			b.stands[id][i] = true
		}
		if b.h.keeps(id) {
			continue
		}
		for i := range b.stands[id] {
			if !b.wanted[id][i] && (scope.All || scope.Networks[id] || scope.MACs[id][l2gw.MAC{5: byte(i)}]) {
				delete(b.stands[id], i)
				went[id]++
			}
		}
	}
	for id, rows := range b.wanted {
		if scope.All || scope.Networks[id] {
			if b.stands[id] == nil {
				b.stands[id] = map[int]bool{}
			}
			for i := range rows {
				b.stands[id][i] = true
			}
		}
	}
	b.plan(scope)
	return went
}

var everything = vtep.Scope{All: true}

func expectEqual(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestALargeLossIsHeldUntilItIsReleasedAndTheNextOneIsHeldAnew(t *testing.T) {
	b := newBench(0, 0)
	b.fill("net-a", 100)
	b.fill("net-b", 100)
	b.want("net-a", 90, 100)
	b.want("net-b", 10, 100) // 10 % may go
	expectEqual(t, "what went", map[string]int{"net-b": 10}, b.pass(everything))
	want := []l2gw.HeldRemoval{{NetworkID: "net-a", Rows: 90, Total: 100, Reason: "90 of 100 rows would go at once", Since: b.now, Confirms: true}}
	expectEqual(t, "held", want, b.h.list())
	if of, ok := b.h.of("net-a"); !ok || of != want[0] {
		t.Errorf("held of net-a: %+v", of)
	}
	if !b.h.unbinds("net-a") {
		t.Error("a user could not unbind a port of the held network")
	}

	b.now = b.now.Add(time.Hour)
	expectEqual(t, "what went an hour later", map[string]int{}, b.pass(everything))
	expectEqual(t, "held an hour later", want, b.h.list())
	if b.h.release("net-b") || !b.h.release("net-a") {
		t.Error("want net-a to be held and net-b not")
	}
	// Before it is carried out more is lost: that is a small loss of its own.
	b.want("net-a", 92, 100)
	expectEqual(t, "what went after the release", map[string]int{"net-a": 92}, b.pass(everything))
	expectEqual(t, "held", 0, len(b.h.list()))

	b.fill("net-a", 100)
	b.want("net-a", 90, 100)
	expectEqual(t, "what went when it happened again", map[string]int{}, b.pass(everything))
	expectEqual(t, "held", 1, len(b.h.list()))
}

func TestAReleaseIsNotForWhatIsLostBeforeItIsCarriedOut(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 200)
	b.want("net-a", 100, 200)
	b.pass(everything)
	b.h.release("net-a")
	b.want("net-a", 150, 200)
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))
	b.h.release("net-a")
	expectEqual(t, "what went", map[string]int{"net-a": 150}, b.pass(everything))
}

func TestAReleaseOutlivesALookAtSingleHosts(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 100)
	b.want("net-a", 90, 100)
	b.pass(everything)
	b.h.release("net-a")
	one := vtep.Scope{MACs: map[string]map[l2gw.MAC]bool{"net-a": {l2gw.MAC{5: 3}: true}}}
	expectEqual(t, "what went of one", map[string]int{"net-a": 1}, b.pass(one))
	expectEqual(t, "what went of all", map[string]int{"net-a": 89}, b.pass(everything))
}

func TestPlanningTheSameTwiceDoesNotCountTwice(t *testing.T) {
	macs := map[l2gw.MAC]bool{}
	for i := range 12 {
		macs[l2gw.MAC{5: byte(i)}] = true
	}
	for _, scope := range []vtep.Scope{everything, {MACs: map[string]map[l2gw.MAC]bool{"net-a": macs}}} {
		b := newBench(0.3, 10)
		b.fill("net-a", 100)
		b.want("net-a", 12, 100)
		for range 3 { // it was broken off before anything was sent
			b.plan(scope)
		}
		expectEqual(t, "what went", map[string]int{"net-a": 12}, b.pass(scope))
		b.want("net-a", 27, 100)
		expectEqual(t, "what went then", map[string]int{"net-a": 15}, b.pass(everything))
	}
}

func TestTheReleaseOfSomeNetworksDoesNotLetGoOfTheOthersThatAreHeldWithThem(t *testing.T) {
	b := newBench(0.3, 10)
	for i := range 20 {
		b.fill(fmt.Sprintf("net-%02d", i), 5)
		b.want(fmt.Sprintf("net-%02d", i), 0, 0)
	}
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))
	for i := range 18 {
		if !b.h.release(fmt.Sprintf("net-%02d", i)) {
			t.Fatalf("net-%02d was not held", i)
		}
	}
	expectEqual(t, "how many networks went", 18, len(b.pass(everything)))
	expectEqual(t, "what went later", map[string]int{}, b.pass(everything))
	expectEqual(t, "held", 2, len(b.h.list()))
}

func TestAHoldEndsWhenTheHostsAreBack(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 100)
	b.want("net-a", 90, 100)
	b.pass(everything)
	b.want("net-a", 50, 100)
	b.pass(everything)
	expectEqual(t, "held while half of them are missing", 1, len(b.h.list()))
	b.want("net-a", 5, 100)
	expectEqual(t, "what went", map[string]int{"net-a": 5}, b.pass(everything))
	expectEqual(t, "held", 0, len(b.h.list()))
	expectEqual(t, "told", []string{"net-a: a removal is held", "net-a: a removal is no longer held: most of the rows are wanted again"}, b.told)
}

func TestWhatAUserUnboundIsNotHeldAndWhatTheInventoryLostIs(t *testing.T) {
	b := newBench(0.3, 10)
	for _, id := range []string{"unbound", "lost", "lost and small"} {
		b.fill(id, 100)
		b.want(id, 0, 0)
	}
	b.fill("others", 500)
	b.fill("lost and small", 8)
	b.want("lost and small", 0, 0)
	b.standing["unbound"], b.standing["lost"], b.standing["lost and small"] = standsUnbound, standsLost, standsLost
	expectEqual(t, "what went", map[string]int{"unbound": 100, "lost and small": 8}, b.pass(everything))
	if b.h.unbinds("lost") {
		t.Error("the bindings of a network that the inventory lost may go")
	}
	expectEqual(t, "reason", "the inventory does not have the network any more, and its 100 rows would go", b.h.list()[0].Reason)
	b.standing["lost"] = standsUnbound
	expectEqual(t, "what went once the user unbound it", map[string]int{"lost": 100}, b.pass(everything))
}

func TestSmallRemovalsAddUpOverAMinute(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 100)
	for i := range 3 { // 20 rows, each time
		b.want("net-a", 20*(i+1), 100)
		b.pass(vtep.Scope{Networks: map[string]bool{"net-a": true}})
		b.now = b.now.Add(2 * time.Second)
	}
	expectEqual(t, "rows that stand", 80, len(b.stands["net-a"]))
	expectEqual(t, "reason", "40 of 100 rows would be gone within 1m0s", b.h.list()[0].Reason)
	b.now = b.now.Add(time.Hour)
	expectEqual(t, "what went an hour later, when nothing else had gone lately", map[string]int{}, b.pass(everything))

	slow := newBench(0.3, 10)
	slow.fill("net-a", 100)
	for i := range 3 {
		slow.want("net-a", 15*(i+1), 100)
		slow.pass(everything)
		slow.now = slow.now.Add(61 * time.Second)
	}
	expectEqual(t, "rows that stand if it goes slowly", 55, len(slow.stands["net-a"]))
}

func TestManySmallNetworksAreHeldForWhatTheDatabaseWouldLose(t *testing.T) {
	for _, apart := range []bool{false, true} {
		t.Run(fmt.Sprintf("one by one %v", apart), func(t *testing.T) {
			b := newBench(0.3, 10)
			for i := range 100 {
				b.fill(fmt.Sprintf("net-%02d", i), 5)
			}
			b.fill("healthy", 100)
			b.want("healthy", 2, 100)
			for i := range 90 {
				b.want(fmt.Sprintf("net-%02d", i), 0, 0)
				if apart {
					b.pass(vtep.Scope{Networks: map[string]bool{fmt.Sprintf("net-%02d", i): true}})
					b.now = b.now.Add(10 * time.Millisecond)
				}
			}
			went := b.pass(everything)
			expectEqual(t, "what went of the healthy one", 2, went["healthy"])
			rows := 0
			for id, r := range b.stands {
				if strings.HasPrefix(id, "net-") {
					rows += len(r)
				}
			}
			if rows < 500-180 {
				t.Errorf("%d rows of 500 are left, want 70 %% of the database's 600 to be", rows)
			}
			if n := len(b.h.list()); n < 50 {
				t.Errorf("%d networks are held", n)
			}
			if b.plans > 3*100 {
				t.Errorf("%d plans", b.plans)
			}

			// They are back but for a few, and what is left goes.
			for i := range 90 {
				b.fill(fmt.Sprintf("net-%02d", i), 5)
			}
			b.want("net-07", 0, 0)
			b.now = b.now.Add(time.Hour)
			expectEqual(t, "what went in the end", map[string]int{"net-07": 5}, b.pass(everything))
			expectEqual(t, "held in the end", 0, len(b.h.list()))
		})
	}
}

func TestAnOlderIntentHoldsEverythingUntilItIsReleased(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 100)
	b.fill("net-b", 3)
	b.h.revision(100, b.now)
	b.pass(everything)
	if !b.h.revision(90, b.now) {
		t.Fatal("an older revision was taken as it is")
	}
	b.standing["net-b"] = standsUnbound
	b.want("net-a", 95, 100)
	b.want("net-b", 0, 0)
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))
	why := "the servers' database is older than what was seen (intent revision 90, and it was 100): it may have been restored from a backup"
	expectEqual(t, "held", []l2gw.HeldRemoval{{Rows: 98, Total: 103, Reason: why, Since: b.now}}, b.h.list())
	of, _ := b.h.of("net-a")
	expectEqual(t, "held of net-a", l2gw.HeldRemoval{NetworkID: "net-a", Rows: 95, Total: 100, Reason: why, Since: b.now}, of)
	if r, ok := b.h.of("net-c"); ok {
		t.Errorf("held of a network that loses nothing: %+v", r)
	}

	b.h.revision(101, b.now) // others have worked with the restored database meanwhile
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))

	if !b.h.release("net-b") || b.h.release("net-b") {
		t.Error("want net-b to be released once")
	}
	expectEqual(t, "what went", map[string]int{"net-b": 3}, b.pass(everything))
	if !b.h.release("") {
		t.Error("nothing was held")
	}
	expectEqual(t, "what went", map[string]int{"net-a": 95}, b.pass(everything))
	if b.h.revision(101, b.now) || b.h.revision(102, b.now) || len(b.h.list()) > 0 {
		t.Error("what was released is held again")
	}
	if !b.h.revision(91, b.now) {
		t.Error("the next backup was taken as it is")
	}
}

func TestAnIntentThatIsOlderThanAnotherAgentHasSeenHoldsEverything(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 5)
	b.h.revision(90, b.now)
	b.h.seenElsewhere(80)
	if b.h.revision(90, b.now) {
		t.Error("what is as new as all that was seen is held")
	}
	b.h.seenElsewhere(100)
	if !b.h.revision(90, b.now) {
		t.Error("an older revision was taken as it is")
	}
	b.want("net-a", 5, 5)
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))
	b.h.release("")
	expectEqual(t, "what went", map[string]int{"net-a": 5}, b.pass(everything))
}

func TestAfterTheReleaseOfABackupItsRevisionIsGoodEnough(t *testing.T) {
	b := newBench(0.3, 10)
	b.h.revision(100, b.now)
	b.h.revision(90, b.now)
	b.h.release("")
	if b.h.revision(91, b.now) {
		t.Error("the database that was released is held again")
	}
}

func TestNothingGoesBeforeAControllerHasConfirmedWhatIsOnDisk(t *testing.T) {
	b := newBench(0.3, 10)
	b.h.unheard(b.now)
	b.fill("net-a", 100)
	b.want("net-a", 95, 100)
	b.fill("net-b", 100)
	b.want("net-b", 5, 100)
	expectEqual(t, "what went", map[string]int{}, b.pass(everything))
	b.h.release("")
	expectEqual(t, "what went after a release", map[string]int{}, b.pass(everything))
	expectEqual(t, "held", []l2gw.HeldRemoval{{Rows: 100, Total: 200, Reason: "no controller has confirmed yet that what this agent knows is the newest", Since: b.now}}, b.h.list())
	b.h.confirmed()
	expectEqual(t, "what went", map[string]int{"net-b": 5}, b.pass(everything))
	expectEqual(t, "held for itself", "net-a", b.h.list()[0].NetworkID)
}

func TestAShareOfOneHoldsNothingButWholeDatabases(t *testing.T) {
	b := newBench(1, 10)
	b.fill("net-a", 100)
	b.want("net-a", 0, 0)
	expectEqual(t, "what went", map[string]int{"net-a": 100}, b.pass(everything))
	b.h.revision(5, b.now)
	if !b.h.revision(4, b.now) {
		t.Error("a restored backup is not held")
	}
}

func TestHoldsOutliveARestart(t *testing.T) {
	b := newBench(0.3, 10)
	b.fill("net-a", 100)
	b.want("net-a", 90, 100)
	b.fill("net-b", 100)
	b.want("net-b", 90, 100)
	b.h.revision(7, b.now)
	b.pass(everything)
	b.h.release("net-b")
	b.h.revision(6, b.now)
	b.plan(everything)

	data, err := json.Marshal(b.h.state())
	if err != nil {
		t.Fatal(err)
	}
	var s holdState
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	list := b.h.list()
	b.h = newHolds(0.3, 10)
	b.h.restore(s)
	expectEqual(t, "held", list, b.h.list())
	expectEqual(t, "state", s, b.h.state())
	b.h.release("")
	expectEqual(t, "what went", map[string]int{"net-a": 90, "net-b": 90}, b.pass(everything))
}

// Two networks that want to change their VNIs: one is judged only once the other is let go.
func TestPlansThatBringNewRemovalsToLightComeToAnEnd(t *testing.T) {
	b := newBench(0.3, 10)
	b.standing["net-a"], b.standing["net-b"] = standsBound, standsBound
	plans := 0
	p := b.h.plan(b.look(everything), func(keep, _ func(string) bool) *vtep.Plan {
		plans++
		p := &vtep.Plan{Removals: map[string]vtep.Removal{}}
		// Each is only about to go as long as the other is not kept.
		for _, pair := range [][2]string{{"net-a", "net-b"}, {"net-b", "net-a"}} {
			if !keep(pair[1]) {
				p.Removals[pair[0]] = vtep.Removal{Rows: 50, Total: 50}
			}
		}
		return p
	})
	if plans > 2*freeRounds {
		t.Errorf("%d plans", plans)
	}
	for id := range p.Removals {
		if !b.h.keeps(id) {
			t.Errorf("%s would go", id)
		}
	}
}

func TestNoNetworkEverLosesMoreThanItsShareWithinAMinuteUnlessReleased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.SampledFrom([]float64{0.1, 0.3, 0.9}).Draw(t, "share")
		minimum := rapid.IntRange(1, 12).Draw(t, "minimum")
		b := newBench(share, minimum)
		ids := []string{"net-a", "net-b", "net-c"}
		type loss struct {
			at   time.Time
			rows int
		}
		gone := map[string][]loss{}
		within := func(id string) int {
			n := 0
			for _, l := range gone[id] {
				if b.now.Sub(l.at) < holdWindow {
					n += l.rows
				}
			}
			return n
		}
		for _, id := range ids {
			b.fill(id, rapid.IntRange(0, 60).Draw(t, "rows of "+id))
		}
		released := map[string]bool{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			id := rapid.SampledFrom(ids).Draw(t, "network")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				b.standing[id] = rapid.SampledFrom([]standing{standsBound, standsLost, standsUnbound}).Draw(t, "standing")
				if b.standing[id] != standsBound {
					b.want(id, 0, 0)
				}
			case 1:
				if b.h.release(id) {
					released[id] = true
				}
			case 2:
				b.now = b.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			default:
				if b.standing[id] == standsBound {
					from := rapid.IntRange(0, 60).Draw(t, "from")
					b.want(id, from, rapid.IntRange(from, 60).Draw(t, "to"))
				}
			}
			scope := everything
			if rapid.Bool().Draw(t, "one network") {
				scope = vtep.Scope{Networks: map[string]bool{id: true}}
			}
			before := map[string]int{}
			for _, id := range ids {
				before[id] = len(b.stands[id])
			}
			went := b.pass(scope)
			for _, id := range slices.Sorted(maps.Keys(went)) {
				n := went[id]
				if b.standing[id] == standsUnbound {
					continue
				}
				if released[id] {
					delete(released, id)
					continue
				}
				if rows, base := within(id)+n, before[id]+within(id); rows > minimum && float64(rows) > share*float64(base) {
					t.Fatalf("%s lost %d of %d rows within a minute", id, rows, base)
				}
				gone[id] = append(gone[id], loss{b.now, n})
			}
			for _, r := range b.h.list() {
				if r.Rows == 0 || !b.h.keeps(r.NetworkID) {
					t.Fatalf("%+v is listed", r)
				}
			}
		}
		// The hosts are back: nothing is held. The users go: everything does.
		for _, id := range ids {
			b.standing[id] = standsBound
			b.wanted[id] = maps.Clone(b.stands[id])
		}
		b.pass(everything)
		if held := b.h.list(); len(held) > 0 {
			t.Fatalf("all is as it should be, and held is %+v", held)
		}
		for _, id := range ids {
			b.standing[id] = standsUnbound
			b.want(id, 0, 0)
		}
		b.pass(everything)
		for _, id := range ids {
			if len(b.stands[id]) > 0 {
				t.Fatalf("%s is unbound, and %d rows stand", id, len(b.stands[id]))
			}
		}
	})
}
