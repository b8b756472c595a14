package fabric

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"l2gw"
)

// A model of the whole: two servers with a lease in SQL, two agents that name
// the same database, a switch with or without locks, and all that may go wrong
// between them. Granter, Tenure and Replica in it are the real ones; what is
// around them is as simple as it can be and says what agents and controllers must do.

// mistakes are what an agent or a controller around the rules may do wrong. The
// model must find each of them, or it finds nothing.
type mistakes struct {
	noSecondLook     bool // an agent keeps a lock that it took when its grant had expired
	ignoresTheft     bool // an agent goes on after the lock was stolen
	anyRenewal       bool // an agent lets any stream of the same controller renew a grant
	removesWhenStale bool // an agent removes by a replica that is not up to date
	unknownIsGone    bool // a controller tells an unknown network as an empty one
	alwaysLeased     bool // a controller says that it has the lease although it cannot know
	reusesEpochs     bool // SQL is restored, and epochs begin again where they were then
	forgetsOrders    bool // a controller renews before it revokes
}

// world is all of it. Time passes only between the steps.
type world struct {
	draw    func(n int, what string) int // 0 to n-1
	locks   bool                         // the switch has locks
	wrong   mistakes
	now     time.Time
	servers [2]*modelServer
	agents  [2]*modelAgent
	cut     [2][2]bool // agent, server: nothing gets through
	sw      *modelSwitch

	// SQL.
	sqlCut   [2]bool // by server
	holder   int     // of the lease; -1: nobody
	epoch    uint64
	row      uint64 // the epoch that SQL knows of
	expires  time.Time
	revision int64
	intent   map[l2gw.BindingKey]string
	history  map[int64]map[l2gw.BindingKey]string // of intent, by revision
	owned    l2gw.Ownership

	inventory map[string]map[l2gw.MAC]bool

	// What only the model knows.
	led    map[uint64]time.Time       // when which epoch began
	clear  map[l2gw.Version]time.Time // when all grants that are older than this one have expired
	acted  l2gw.Version               // the newest grant under which a transaction was applied
	lacked map[string]bool            // hosts that a complete inventory did not have, at some time
	err    error
}

var networks = []string{"n1", "n2"}

func vlan(v int) l2gw.BindingKey {
	return l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: l2gw.VLAN(v)}
}

func newWorld(draw func(n int, what string) int, locks bool, wrong mistakes) *world {
	w := &world{
		draw: draw, locks: locks, wrong: wrong, now: seconds(0), holder: -1, revision: 1,
		intent: map[l2gw.BindingKey]string{vlan(1): "n1"}, inventory: map[string]map[l2gw.MAC]bool{},
		owned: l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}},
		led:   map[uint64]time.Time{}, clear: map[l2gw.Version]time.Time{}, lacked: map[string]bool{},
	}
	w.history = map[int64]map[l2gw.BindingKey]string{1: maps.Clone(w.intent)}
	for _, id := range networks {
		w.inventory[id] = map[l2gw.MAC]bool{{5: 1}: true, {5: 2}: true}
	}
	w.sw = newModelSwitch(w)
	for i := range w.servers {
		w.servers[i] = &modelServer{w: w, id: i, readable: true}
		w.servers[i].start()
	}
	for i := range w.agents {
		w.agents[i] = &modelAgent{w: w, id: i}
		w.agents[i].start()
	}
	return w
}

func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %.2f s: "+format, append([]any{w.now.Sub(seconds(0)).Seconds()}, args...)...)
	}
}

// step lets one thing happen.
func (w *world) step() {
	defer w.check()
	one := func(n int) int { return w.draw(n, "which") }
	switch kind := w.draw(100, "what happens"); {
	case kind < 20:
		w.now = w.now.Add(time.Duration([]int{20, 100, 700, 1900}[one(4)]) * time.Millisecond)
	case kind < 42:
		w.agents[one(2)].step()
	case kind < 62:
		w.servers[one(2)].step()
	case kind < 68:
		w.sw.step()
	case kind < 80: // everybody gets on for a while
		for range 5 * (1 + one(16)) {
			w.round()
		}
	case kind < 84:
		w.change()
	case kind < 86:
		id, mac := networks[one(2)], l2gw.MAC{5: byte(3 + one(2))}
		if w.inventory[id][mac] {
			delete(w.inventory[id], mac)
		} else {
			w.inventory[id][mac] = true
		}
	case kind < 97:
		w.fault(one(13), one(2), one(2))
	default:
		w.heal()
	}
}

// change is a user's.
func (w *world) change() {
	w.set(vlan(2+w.draw(2, "vlan")), append(networks, "")[w.draw(3, "network")])
}

// set binds a VLAN to a network, or to none.
func (w *world) set(k l2gw.BindingKey, network string) {
	if w.intent[k] = network; network == "" {
		delete(w.intent, k)
	}
	w.revision++
	w.history[w.revision] = maps.Clone(w.intent)
}

func (w *world) fault(kind, i, j int) {
	a, s := w.agents[i], w.servers[j]
	switch kind {
	case 0:
		if st := a.streams[j]; st != nil {
			st.lost = true
		}
	case 1:
		w.cut[i][j] = !w.cut[i][j]
	case 2:
		a.paused = !a.paused
	case 3:
		s.paused = !s.paused
	case 4:
		if a.up {
			a.kill()
		} else {
			a.start()
		}
	case 5:
		if s.up {
			s.kill()
		} else {
			s.start()
		}
	case 6:
		w.sqlCut[j] = !w.sqlCut[j]
	case 7:
		s.readable = !s.readable
	case 8:
		a.sw.drop()
	case 9:
		w.sw.reachable[i] = !w.sw.reachable[i]
		if j == 1 && a.sw != nil {
			a.sw.ghost = true // the switch has not noticed
		}
	case 10:
		w.sw.accident(i*2 + j)
	case 11:
		w.sw.slow[i] = !w.sw.slow[i] && w.locks
	case 12: // with all servers stopped, SQL is restored from a backup of long ago; only the lease matters here
		for _, s := range w.servers {
			s.kill()
		}
		w.row, w.holder = 0, -1
	}
}

// round lets everybody do all that there is to do.
func (w *world) round() {
	w.now = w.now.Add(100 * time.Millisecond)
	for _, a := range w.agents {
		a.step()
	}
	for _, s := range w.servers {
		s.step()
	}
	w.sw.step()
	w.check()
}

// check looks at what must hold at every moment.
func (w *world) check() {
	if w.locks {
		return // the switch itself sees to it that only one writes at a time
	}
	var writers []int
	for _, a := range w.agents {
		if a.up && a.sw != nil {
			if ok, _, _ := a.tenure.Writes(w.now, false, true); ok {
				writers = append(writers, a.id)
			}
		}
	}
	if len(writers) > 1 {
		w.failf("both agents may write to a switch without locks, by grants %v and %v", w.agents[0].tenure.Version(), w.agents[1].tenure.Version())
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.sqlCut, w.cut = [2]bool{}, [2][2]bool{}
	w.sw.heal()
	for _, s := range w.servers {
		if s.paused, s.readable = false, true; !s.up {
			s.start()
		}
	}
	for _, a := range w.agents {
		if a.paused = false; !a.up {
			a.start()
		}
	}
}

// settle ends all faults but one, perhaps, and tells how long it took until the
// switch held exactly what users want.
func (w *world) settle() time.Duration {
	w.heal()
	if i := w.draw(6, "an agent that never reaches the switch"); i < 2 {
		w.sw.reachable[i] = false
	}
	start, stable := w.now, 0
	const patience = 2 * time.Minute
	for w.err == nil && w.now.Sub(start) < patience {
		w.round()
		if stable++; !w.sw.right() {
			stable = 0
		}
		if stable > 100 { // and it stays so
			return w.now.Sub(start) - 10*time.Second
		}
	}
	w.failf("the switch does not hold what it must %v after the last fault:\n%s", patience, w.describe())
	return patience
}

func (w *world) describe() string {
	s := fmt.Sprintf("wanted %v %v\nheld   %v %v\nlease of server %d, epoch %d\n", w.intent, w.inventory, w.sw.bindings, w.sw.hosts, w.holder, w.epoch)
	for _, v := range w.servers {
		l, g, ok := v.granter.Holder("db")
		s += fmt.Sprintf("server %d: epoch %d, holder %d %v %v, wants %v, links %v\n", v.id, v.epoch, l, g, ok, v.wanted, len(v.links))
	}
	for _, a := range w.agents {
		lock := l2gw.LockingNone
		if a.sw != nil {
			lock = a.sw.view
		}
		ok, why, _ := a.tenure.Writes(w.now, lock == l2gw.LockingHeld, lock == l2gw.LockingUnsupported)
		s += fmt.Sprintf("agent %d: epoch %d, grant %v, lock %q, writes %v %s; complete %v, current %v, %v\n",
			a.id, a.epoch, a.tenure.Version(), lock, ok, why, a.replica.Complete, a.current, a.replica.Bindings)
	}
	return s
}

// run is one history of the world, with as many steps as there are.
func (w *world) run(steps int) (took time.Duration, err error) {
	for range steps {
		if w.step(); w.err != nil {
			return 0, w.err
		}
	}
	took = w.settle()
	return took, w.err
}

func TestWhateverHappensTheRulesHold(t *testing.T) {
	for name, locks := range map[string]bool{"on a switch with locks": true, "on a switch without locks": false} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }, locks, mistakes{})
				if _, err := w.run(rapid.IntRange(20, 300).Draw(t, "steps")); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// histories are found by chance alone: faster than rapid, and with as many steps as one likes.
func history(seed uint64, steps int, locks bool, wrong mistakes) (*world, time.Duration, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(func(n int, _ string) int { return r.IntN(n) }, locks, wrong)
	took, err := w.run(steps)
	return w, took, err
}

func TestLongHistoriesEndWell(t *testing.T) {
	for _, locks := range []bool{true, false} {
		var longest time.Duration
		for seed := range uint64(40) {
			_, took, err := history(seed, 1000, locks, mistakes{})
			if err != nil {
				t.Fatalf("seed %d, locks %v: %v", seed, locks, err)
			}
			longest = max(longest, took)
		}
		t.Logf("locks %v: at most %v until the switch is right", locks, longest)
	}
}

// Each mistake that an agent or a controller could make around the rules is found.
func TestTheModelFindsMistakes(t *testing.T) {
	for name, m := range map[string]struct {
		locks bool
		first uint64 // the seed to begin with: it was found there
		wrong mistakes
	}{
		"a theft is ignored":                          {true, 0, mistakes{ignoresTheft: true}},
		"any stream renews":                           {false, 0, mistakes{anyRenewal: true}},
		"a stale agent removes":                       {true, 0, mistakes{removesWhenStale: true}},
		"unknown is gone":                             {true, 0, mistakes{unknownIsGone: true}},
		"the lease is believed in":                    {false, 0, mistakes{alwaysLeased: true}},
		"epochs come again":                           {true, 0, mistakes{reusesEpochs: true}},
		"renewals overtake what takes the grant back": {false, 1000, mistakes{forgetsOrders: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range uint64(4000) {
				seed := m.first + i
				if _, _, err := history(seed, 400, m.locks, m.wrong); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("the model does not find it")
		})
	}
}

// An agent takes the lock of a dead session of its own, and hangs before it hears
// that it has it. By the time it goes on, another was granted the database.
func TestALockThatCameTooLateIsGivenBack(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		w := newWorld(func(n int, what string) int {
			if what == "the loop is free" {
				return 0
			}
			return n - 1
		}, true, mistakes{noSecondLook: forgets})
		until := func(what string, done func() bool) {
			t.Helper()
			for range 300 {
				if w.round(); done() {
					return
				}
			}
			t.Fatalf("never: %s\n%s", what, w.describe())
		}
		w.set(vlan(2), "n2")
		until("all is well", w.sw.right)
		first, second := w.agents[0], w.agents[1]
		if first.claim().Writer == second.claim().Writer {
			t.Fatal("not one of them writes")
		} else if second.claim().Writer {
			first, second = second, first
		}
		// The switch has not noticed that the session is dead, and is slow to let
		// the new one have the lock.
		first.sw.ghost, w.sw.reachable[first.id] = true, false
		w.round()
		w.sw.reachable[first.id] = true
		first.step()
		w.sw.step()
		if first.step(); !first.stealing {
			t.Fatalf("it does not try to take the lock\n%s", w.describe())
		}
		w.sw.slow[first.id], first.paused = true, true
		until("the other has taken over", func() bool { return second.claim().Writer })
		w.set(vlan(2), "")
		until("the other has written", w.sw.right)
		w.sw.slow[first.id] = false
		w.sw.step()
		first.paused = false
		for range 20 {
			w.round()
		}
		if (w.err != nil) != forgets {
			t.Errorf("forgets to look again: %v; %v", forgets, w.err)
		}
		if !forgets {
			if w.settle(); w.err != nil {
				t.Error(w.err)
			}
		}
	}
}

func hostRow(network string, mac l2gw.MAC) string { return fmt.Sprint(network, " ", mac) }
