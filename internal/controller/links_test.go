package controller

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
)

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) count(word string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), word)
}

func (a *testAgent) fed() (ok bool) {
	a.locked(func() { ok = a.replica.Complete && len(a.replica.Bindings) > 0 })
	return ok
}

// count is how many of the agent's messages are like that.
func (a *testAgent) count(like func(fabric.ToAgent) bool) (n int) {
	a.locked(func() {
		for _, m := range a.all {
			if like(m) {
				n++
			}
		}
	})
	return n
}

func is[M fabric.ToAgent](m fabric.ToAgent) bool { _, ok := m.(M); return ok }

// A copied state folder or configuration has two agents call themselves the same.
func TestTwoAgentsWithOneNameAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		db := newSQL()
		db.log = slog.New(slog.NewTextHandler(&log, nil))
		s := startServer(t, db, "s1")
		first := startAgent(t, s, hello("a", "db1"), fabric.Peer{Address: "192.0.2.1:99"})
		time.Sleep(time.Minute)
		second := startAgent(t, s, hello("a", "db1"), fabric.Peer{Address: "192.0.2.2:99"})
		startAgent(t, s, hello("b", "db2"), fabric.Peer{Address: "192.0.2.3:99"})
		address := func() string { return s.Agents()[0].Address }
		time.Sleep(fabric.Term)
		if n := log.count("same name"); n > 0 || address() != "192.0.2.2:99" {
			t.Errorf("so soon it may be one agent that has come back: %d lines, %s", n, address())
		}
		time.Sleep(5 * time.Minute)
		if n := log.count("same name"); n != 1 || log.count("agent=a address=192.0.2.2:99 other=192.0.2.1:99") != 1 {
			t.Errorf("%d lines: %s", n, log.b.String())
		}
		if got := address(); got != "192.0.2.2:99 and 192.0.2.1:99" || len(s.Agents()) != 2 {
			t.Errorf("agents %+v", s.Agents())
		}
		time.Sleep(repeatNamesakes)
		if n := log.count("same name"); n != 2 {
			t.Errorf("%d lines after a while", n)
		}
		first.locked(func() { first.mute = true })
		<-first.ended
		synctest.Wait()
		if got := address(); got != "192.0.2.2:99" {
			t.Errorf("the one that stays has address %s", got)
		}
		second.locked(func() { second.mute = true })
		<-second.ended
		synctest.Wait()
		if len(s.office.names) != 1 {
			t.Errorf("%d names are remembered", len(s.office.names))
		}
		// One that comes back before its stream is given up is one agent.
		third := startAgent(t, s, hello("a", "db1"), fabric.Peer{Address: "192.0.2.1:99"})
		time.Sleep(time.Minute)
		third.locked(func() { third.mute = true })
		startAgent(t, s, hello("a", "db1"), fabric.Peer{Address: "192.0.2.1:100"})
		time.Sleep(time.Hour)
		if n := log.count("same name"); n != 2 || address() != "192.0.2.1:100" {
			t.Errorf("%d lines, %s", n, address())
		}
	})
}

// An agent that is cut off without a word is not taken to be there for longer
// than a term, and one that beats is, however little it has to say.
func TestALinkOnWhichNothingIsHeardIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, newSQL(), "s1")
		a := startAgent(t, s, hello("a", "db1"), fabric.Peer{Address: "192.0.2.1:99"})
		wantWithin(t, time.Second, "the agent is there", func() bool { return len(s.Agents()) == 1 })
		time.Sleep(time.Hour)
		if g := s.Agents(); !g[0].Connected || g[0].Address != "192.0.2.1:99" || len(g[0].Databases) != 1 || !g[0].Databases[0].Connected {
			t.Errorf("after an hour: %+v", g)
		}
		a.locked(func() { a.mute = true })
		began := time.Now()
		err := <-a.ended
		if d := time.Since(began); !errors.Is(err, errSilent) || d > fabric.Term {
			t.Errorf("it ended after %v: %v", d, err)
		}
		synctest.Wait()
		g := s.Agents()
		if len(g) != 1 || g[0].Connected || !g[0].Since.Equal(time.Now()) || g[0].Databases[0].Connected {
			t.Errorf("an agent that is gone: %+v", g)
		}
		if d := s.Databases(); len(d) != 1 || d[0].Connected || d[0].Error != "no agent serves it" {
			t.Errorf("its database: %+v", d)
		}
		time.Sleep(forgetAgent + time.Second)
		if g := s.Agents(); len(g) != 0 {
			t.Errorf("after a day: %+v", g)
		}
	})
}

// An agent may have some of the databases that it names only: it is told which
// not, once it is logged, and the others go on.
func TestADatabaseThatAnAgentMayNotHaveIsRefusedAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		db := newSQL(bound)
		db.log = slog.New(slog.NewTextHandler(&log, nil))
		s := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "it leads", s.leads)
		peer := fabric.Peer{Agent: "a", Databases: []string{"db1"}}
		for range 3 {
			a := startAgent(t, s, hello("a", "db1", "db2"), peer)
			wantWithin(t, 10*time.Second, "the agent is fed db1", a.fed)
			a.locked(func() {
				for _, m := range a.all {
					if _, refused := m.(fabric.Refused); refused != (m.About() == "db2") {
						t.Errorf("of %q it is told %+v", m.About(), m)
					}
				}
			})
			if n := a.count(is[fabric.Refused]); n != 1 {
				t.Errorf("%d refusals", n)
			}
			want := []l2gw.AgentDatabase{{Name: "db1", Connected: true, Writer: true}, {Name: "db2", Refused: "agent a may not have database db2: the server's list of agents does not say so"}}
			if g := s.Agents(); len(g) != 1 || !slices.Equal(g[0].Databases, want) {
				t.Errorf("agents: %+v", g)
			}
			if d := s.Databases(); len(d) != 1 {
				t.Errorf("its report on db2 is taken: %+v", d)
			}
			a.stream.Close()
			<-a.ended
		}
		if n := log.count("refused a database"); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
	})
}

// A certificate's name is the only one that an agent may give.
func TestAnAgentThatGivesAnothersNameIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, newSQL(), "s1")
		a := startAgent(t, s, hello("b", "db1"), fabric.Peer{Agent: "a"})
		if err := <-a.ended; err == nil || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("it ended: %v", err)
		}
		if len(s.Agents()) != 0 || a.count(is[fabric.Welcome]) != 0 {
			t.Error("it is listened to")
		}
	})
}

// digested is the Hello of an agent that comes back with what it was told.
func (a *testAgent) digested(name string) fabric.Hello {
	h := fabric.Holding{Database: "db1", Complete: true, Networks: map[string]l2gw.Digest{}}
	a.locked(func() {
		for id, s := range a.replica.Segments {
			h.Networks[id] = s.Digest()
		}
		for _, b := range a.replica.Bindings {
			h.Bindings += b.Digest()
		}
		if len(a.grants) > 0 {
			h.Grant = a.grants[len(a.grants)-1].Version
		}
	})
	return fabric.Hello{Protocol: fabric.ProtocolVersion, Agent: name, Databases: []fabric.Holding{h}}
}

// An agent that comes back with what it was told is told that it is the same.
func TestAnAgentThatComesBackIsSentWhatIsNewOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := netA()
		second.NetworkID, second.VNI = "bb", 5002
		other := bound
		other.VLAN, other.NetworkID, other.Revision = 8, "bb", 2
		s := startServer(t, newSQL(bound, other), "s1", netA(), second)
		a := startAgent(t, s, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "the agent is fed", a.fed)
		if a.count(is[fabric.Segment]) != 2 || a.count(is[fabric.Bindings]) != 1 {
			t.Errorf("at first: %v", a.all)
		}
		a.stream.Close()
		<-a.ended
		b := startAgent(t, s, a.digested("a"), fabric.Peer{})
		ended := func() bool { return b.count(is[fabric.SnapshotEnd]) == 1 }
		wantWithin(t, 10*time.Second, "the snapshot is told", ended)
		if b.count(is[fabric.SameNetwork]) != 2 || b.count(is[fabric.SameBindings]) != 1 || b.count(is[fabric.Segment])+b.count(is[fabric.Bindings]) > 0 {
			t.Errorf("when it came back: %+v", b.all)
		}
		if err := b.stream.Send(t.Context(), fabric.Ask{Database: "db1", NetworkID: "bb"}); err != nil {
			t.Fatal(err)
		}
		wantWithin(t, time.Second, "what it asks for is told whole", func() bool { return b.count(is[fabric.Segment]) == 1 })
		b.stream.Close()
		<-b.ended
		h := a.digested("a")
		h.Databases[0].Networks["bb"]++
		h.Databases[0].Bindings++
		b = startAgent(t, s, h, fabric.Peer{})
		wantWithin(t, 10*time.Second, "the snapshot is told", ended)
		if b.count(is[fabric.SameNetwork]) != 1 || b.count(is[fabric.SameBindings]) != 0 || b.count(is[fabric.Segment]) != 1 || b.count(is[fabric.Bindings]) != 1 {
			t.Errorf("with another bb: %+v", b.all)
		}
	})
}

// Of two agents one is fed. When it goes, the other is, and its report counts
// from then on: it is asked for all of it.
func TestTheOtherAgentIsFedWhenOneGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, newSQL(bound), "s1", netA())
		wantWithin(t, time.Second, "it leads", s.leads)
		a := startAgent(t, s, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "a is fed", a.fed)
		b := startAgent(t, s, hello("b", "db1"), fabric.Peer{})
		time.Sleep(time.Minute)
		if b.count(is[fabric.Grant])+b.count(is[fabric.SnapshotBegin]) > 0 {
			t.Errorf("b is fed as well: %v", b.all)
		}
		learned := fabric.Learned{Database: "db1", Full: true, Set: []l2gw.Learned{
			{NetworkID: "a", Host: l2gw.Host{MAC: l2gw.MAC{2, 0, 0, 0, 0, 9}, VTEP: tunnel["db1"]}},
		}}
		if err := b.stream.Send(t.Context(), learned); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if macs, _ := s.MACs("ps1"); slices.ContainsFunc(macs, func(m l2gw.MACEntry) bool { return m.Origin == l2gw.MACLearned }) {
			t.Error("what b reports counts, and a was granted the database")
		}
		if d := s.Databases(); len(d) != 1 || d[0].Agent != "a" {
			t.Errorf("databases: %+v", d)
		}
		a.stream.Close()
		wantWithin(t, 10*time.Second, "b is fed", b.fed)
		if n := b.count(func(m fabric.ToAgent) bool { d, ok := m.(fabric.Do); return ok && d.Command == fabric.CommandReport }); n != 1 {
			t.Errorf("b was asked %d times for its report", n)
		}
		if d := s.Databases(); len(d) != 1 || d[0].Agent != "b" || !d[0].Connected {
			t.Errorf("databases: %+v", d)
		}
	})
}

// answering has the agent answer the next command, and returns what it was.
func (a *testAgent) answering(t *testing.T, with string) fabric.Do {
	t.Helper()
	var do fabric.Do
	wantWithin(t, time.Second, "a command arrives", func() (ok bool) {
		a.locked(func() {
			for i, m := range a.all {
				if do, ok = m.(fabric.Do); ok {
					a.all = slices.Delete(a.all, i, i+1)
					return
				}
			}
		})
		return ok
	})
	if err := a.stream.Send(t.Context(), fabric.Done{ID: do.ID, Error: with}); err != nil {
		t.Fatal(err)
	}
	return do
}

func TestCommandsGoToWhomTheyConcern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newSQL(bound)
		s := startServer(t, db, "s1", netA())
		wantWithin(t, time.Second, "it leads", s.leads)
		other := startServer(t, db, "s2", netA())
		a := startAgent(t, s, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, 10*time.Second, "a is fed", a.fed)
		b := startAgent(t, s, hello("b", "db1"), fabric.Peer{})
		c := startAgent(t, other, hello("a", "db1"), fabric.Peer{})
		wantWithin(t, time.Second, "all are there", func() bool { return len(s.Agents()) == 2 && len(other.Agents()) == 1 })
		run := func(s *server, name string, cmd fabric.Command) <-chan error {
			done := make(chan error, 1)
			go func() { done <- s.Command(t.Context(), name, cmd, "") }()
			return done
		}
		done := run(s, "ps1", fabric.CommandRelease)
		if do := a.answering(t, ""); do.Database != "db1" || do.Command != fabric.CommandRelease || do.Epoch != 1 {
			t.Errorf("it was told %+v", do)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		// It is told as well, but nobody waits for it: it may have held the same before.
		if do := b.answering(t, "no removal is held there"); do.Database != "db1" || do.Command != fabric.CommandRelease {
			t.Errorf("the other was told %+v", do)
		}
		done = run(s, "db1", fabric.CommandPause) // for all: either may be granted it next
		a.answering(t, "")
		b.answering(t, "no space left on device")
		if err := <-done; l2gw.ErrorCode(err) != l2gw.Conflict || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("its error: %v", err)
		}
		done = run(other, "ps1", fabric.CommandReport) // changes nothing: any server may
		if do := c.answering(t, ""); do.Epoch != 0 {
			t.Errorf("it was told %+v", do)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-run(other, "ps1", fabric.CommandRelease); l2gw.ErrorCode(err) != l2gw.Unavailable || !strings.Contains(err.Error(), "server s1 is") {
			t.Errorf("on the server that stands by: %v", err)
		}
		if err := <-run(s, "nobody", fabric.CommandRelease); l2gw.ErrorCode(err) != l2gw.NotFound {
			t.Errorf("of a device that nobody knows: %v", err)
		}
		if err := <-run(s, "ps1", fabric.CommandResync); l2gw.ErrorCode(err) != l2gw.Unavailable || !strings.Contains(err.Error(), "did not answer") {
			t.Errorf("without an answer: %v", err)
		}
		a.stream.Close()
		b.stream.Close()
		<-a.ended
		<-b.ended
		synctest.Wait()
		if err := <-run(s, "ps1", fabric.CommandResync); l2gw.ErrorCode(err) != l2gw.Unavailable || !strings.Contains(err.Error(), "no agent serves database db1") {
			t.Errorf("without an agent: %v", err)
		}
	})
}

// However much there is to tell, no more of it than one slice is made at once,
// and what changes meanwhile is told as well.
func TestALargeSnapshotIsMadeInSlices(t *testing.T) {
	w := newWorld()
	for i := range 1000 {
		id := "n" + string(rune('A'+i%26)) + strings.Repeat("x", i/26)
		w.networks[id] = map[l2gw.MAC]l2gw.Host{{2, 0, 0, 0, 0, 1}: {MAC: l2gw.MAC{2, 0, 0, 0, 0, 1}, VTEP: netip.MustParseAddr("10.77.0.11")}}
		w.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: l2gw.VLAN(i + 1)}, id)
	}
	w.write()
	ids := make([]string, 0, len(w.networks))
	for id := range w.networks {
		ids = append(ids, id)
	}
	w.tell(true, ids...)
	w.write()
	w.reconnect("db1")
	a, late := w.agents["db1"], false
	for more := true; more; {
		var msgs []fabric.ToAgent
		if msgs, _, more = w.c.collect(a.link); len(msgs) > slice+4 {
			t.Errorf("%d messages at once", len(msgs))
		}
		for _, m := range msgs {
			a.apply(m)
		}
		if !late {
			late = true
			w.networks["late"] = map[l2gw.MAC]l2gw.Host{}
			w.tell(false, "late")
			w.bind(l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: 2000}, "late")
			w.write()
		}
	}
	if r := a.replica; !r.Complete || len(r.Bindings) != 1001 || len(r.Segments) != 1001 {
		t.Errorf("complete %v, %d bindings, %d segments", r.Complete, len(r.Bindings), len(r.Segments))
	}
}
