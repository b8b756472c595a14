package agent

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// remembering is a lab whose agent remembers, and what it runs with.
func remembering(t *testing.T) (*lab, Options) {
	t.Helper()
	l := &lab{server: newServer(t, "one").lead(1), db: newSwitch(t, ovsdbd.Options{})}
	o := Options{
		Servers: []Server{l.dial()}, StateDir: t.TempDir(),
		Databases: []DatabaseOptions{{Name: "tor", Connect: dialer(t, l.db)}},
	}
	l.agent, l.stop = run(t, o)
	l.server.agent()
	return l, o
}

// broughtBack is such a lab after the agent was started anew with no server, and has
// filled a switch that had lost everything.
func broughtBack(t *testing.T) (*lab, Options) {
	t.Helper()
	l, o := remembering(t)
	l.grant(1, 1)
	say(l.server, l, 5, 7)
	l.waitRows(5)
	wait(l.server, "the confirmation", active)
	l.stop()
	l.away.Store(true)
	l.db.Wipe()
	fillSwitch(l.db)
	l.agent, l.stop = run(t, o)
	l.waitRows(5)
	return l, o
}

func TestARestartedAgentWithNoServerRestoresAndRemovesNothingUntilAControllerConfirms(t *testing.T) {
	l, o := remembering(t)
	l.grant(1, 1)
	say(l.server, l, 5, 7)
	l.waitRows(5)
	wait(l.server, "the confirmation", active)
	l.stop()
	l.away.Store(true)
	// Two rows vanish meanwhile, and one is there that was wanted once.
	l.db.Transact("hardware_vtep", `
		{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:01"]]},
		{"op":"delete","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:02"]]},
		{"op":"update","table":"Ucast_Macs_Remote","where":[["MAC","==","02:00:00:00:00:03"]],"row":{"MAC":"02:00:00:00:00:99"}}`)
	l.agent, l.stop = run(t, o)
	l.waitRows(6) // 0 to 4, and 99
	if e := l.agent.epoch.Load(); e != 1 {
		t.Errorf("the highest epoch is %d", e)
	}

	l.away.Store(false)
	hello := l.server.agent()
	if d := hello.Databases[0]; hello.Epoch != 1 || !d.Complete || d.Revision != 7 || d.Networks[network] == 0 || d.Grant.Counter != 1 {
		t.Errorf("Hello after the restart: %+v", hello)
	}
	held := wait(l.server, "what is held", func(m fabric.Observed) bool { return len(m.State.Held) > 0 && m.State.Held[0].Rows > 0 })
	if h := held.State.Held[0]; h.NetworkID != "" || h.Rows != 1 || !strings.Contains(h.Reason, "no controller has confirmed") {
		t.Errorf("held: %+v", h)
	}
	say(l.server, l, 5, 7)
	l.waitRows(5)
	wait(l.server, "the end of that", func(m fabric.Observed) bool { return len(m.State.Held) == 0 && m.State.InSync })
}

// Another agent has removed the network meanwhile, so that nobody knows it as
// ours any more; and then this one, alone, has brought it back.
func TestWhatAnAgentBroughtBackFromItsDiskIsRemovedWhenNobodyWantsIt(t *testing.T) {
	l, _ := broughtBack(t)
	l.away.Store(false)
	l.server.agent()
	l.grant(1, 2)
	v := l.next()
	l.tell(fabric.SnapshotBegin{Database: "tor", Version: v}, fabric.Owned{Database: "tor", Version: v},
		fabric.SnapshotEnd{Database: "tor", Version: v, Revision: 9})
	orphans := wait(l.server, "what is unknown to the server", func(fabric.Orphans) bool { return true })
	l.tell(fabric.Owned{Database: "tor", Version: l.next(), Owned: orphans.Owned}, fabric.Bindings{Database: "tor", Version: l.next()})
	l.waitRows(0)
	gone := wait(l.server, "that it is gone", func(m fabric.Applied) bool { return len(m.Gone.Networks) > 0 })
	if len(gone.Gone.Bindings) != 1 {
		t.Errorf("gone: %+v", gone.Gone)
	}
}

// The same, but another agent is let write before this one is told anything.
func TestWhatAnAgentBroughtBackIsToldAlsoIfAnotherOneIsLetWrite(t *testing.T) {
	l, _ := broughtBack(t)
	l.away.Store(false)
	l.server.agent()
	l.tell(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 2}})
	orphans := wait(l.server, "what may be unknown to the server", func(fabric.Orphans) bool { return true })
	if orphans.Owned.Networks[network] != 5001 || len(orphans.Owned.Bindings) != 1 {
		t.Errorf("it is told %+v", orphans.Owned)
	}
}

// A server that was started a moment ago has the agent before it leads, and cannot
// record anything then.
func TestWhatAnAgentBroughtBackIsToldToAServerOnceItLeads(t *testing.T) {
	l, _ := broughtBack(t)
	l.server.lead(0)
	l.away.Store(false)
	l.server.agent()
	wait(l.server, "the first report", func(m fabric.ToServer) bool {
		if o, ok := m.(fabric.Orphans); ok {
			t.Errorf("it is told to a server that stands by: %+v", o)
		}
		_, first := m.(fabric.Observed)
		return first
	})
	l.server.lead(2)
	o := wait(l.server, "what may be unknown to it", func(fabric.Orphans) bool { return true })
	if o.Owned.Networks[network] != 5001 || len(o.Owned.Bindings) != 1 {
		t.Errorf("it is told %+v", o.Owned)
	}
}

// It goes on telling them on each new stream, also after a restart, until the
// controller says that they are recorded; what it told before that counts no more.
func TestWhatAnAgentBroughtBackIsToldUntilItIsRecorded(t *testing.T) {
	l, o := broughtBack(t)
	any := func(fabric.Orphans) bool { return true }
	l.away.Store(false)
	l.server.agent()
	l.tell(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 2}})
	told := wait(l.server, "what may be unknown to the server", any)
	if told.Telling == 0 {
		t.Error("it is told under no number, so that nobody can answer")
	}
	l.tell(fabric.Recorded{Database: "tor", Telling: told.Telling + 1}) // of something else
	l.stop()
	l.agent, l.stop = run(t, o)
	l.server.agent()
	again := wait(l.server, "the same after a restart", any)
	if diff := cmp.Diff(told.Owned, again.Owned); diff != "" {
		t.Errorf("it is told otherwise (-before +after):\n%s", diff)
	}

	l.tell(fabric.Recorded{Database: "tor", Telling: again.Telling})
	l.tell(fabric.Do{ID: 1, Database: "tor", Command: fabric.CommandValidate}) // is answered after it
	wait(l.server, "the answer", func(m fabric.Done) bool { return m.ID == 1 })
	l.stop()
	l.agent, l.stop = run(t, o)
	l.server.agent()
	l.tell(fabric.Do{ID: 2, Database: "tor", Command: fabric.CommandValidate})
	wait(l.server, "the answer", func(m fabric.ToServer) bool {
		if o, ok := m.(fabric.Orphans); ok {
			t.Errorf("it is told again: %+v", o)
		}
		d, ok := m.(fabric.Done)
		return ok && d.ID == 2
	})
}

// Without a grant to stand on, an agent that comes back does not write: another may.
func TestARestartedAgentWhoseGrantWasTakenBackDoesNotWrite(t *testing.T) {
	l, o := remembering(t)
	l.grant(1, 1)
	l.snapshot(5)
	wait(l.server, "the confirmation", active)
	l.tell(fabric.Revoke{Database: "tor", Version: l2gw.Version{Epoch: 1, Counter: 1}})
	wait(l.server, "the reason", observed("another agent writes"))
	l.stop()
	l.away.Store(true)
	l.db.Wipe()
	fillSwitch(l.db)
	l.agent, _ = run(t, o)
	product.Eventually(t, "the agent is connected, knows all and does not write", func() error {
		if s := l.agent.Standings()[0]; !s.Connected || s.Bindings != 1 || s.Granted || s.Locked {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if n := l.rows(); n != 0 {
		t.Errorf("there are %d rows", n)
	}
}

func TestTwoAgentsDoNotShareAStateFolder(t *testing.T) {
	o := Options{Name: "a", StateDir: t.TempDir()}
	first, err := openDisk(o.StateDir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	second, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another agent works in it") {
		t.Errorf("Run = %v", err)
	}
}

func TestWhatIsOnTheDiskComesBackAsItWas(t *testing.T) {
	d, err := openDisk(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	names := []string{"tor", "..", "a/b", "Tor", "", "t\x00r", strings.Repeat("x", 300), strings.Repeat("x", 299) + "y", "a%2fb"}
	files := map[string]string{}
	for i, name := range names {
		if other, twice := files[fileName(name)]; twice || strings.ContainsAny(fileName(name), "/.\x00") {
			t.Errorf("%q and %q have the file %q", name, other, fileName(name))
		}
		files[fileName(name)] = name
		s := diskState{
			Database: name, Grant: diskVersion{1, uint64(i)}, Mode: l2gw.ModePaused, ModeSince: time.Unix(5, 0).UTC(),
			Orphans: diskOrphans{map[string]l2gw.VNI{"n": 5}, []diskBinding{{"ps1", "eth1", 100, "n"}}},
		}
		m := []fabric.ToAgent{fabric.SnapshotEnd{Database: name, Revision: int64(i)}}
		if err := d.writeState(s); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if err := d.writeReplica(name, m); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		s.Format = diskFormat
		if got, ok := d.readState(name); !ok || !cmp.Equal(got, s) {
			t.Errorf("%q: %s", name, cmp.Diff(s, got))
		}
		if got := d.readReplica(name); !cmp.Equal(got, m) {
			t.Errorf("%q: %s", name, cmp.Diff(m, got))
		}
	}
	d.writeEpoch(12)
	if e := d.readEpoch(); e != 12 {
		t.Errorf("epoch %d", e)
	}
	d.forget("tor")
	if _, ok := d.readState("tor"); ok || d.readReplica("tor") != nil {
		t.Error("it is not forgotten")
	}
}

// Whatever a crash, a full disk or another version of the program left there: it
// is set aside, and the agent goes on with what the controller tells.
func TestAFileThatCannotBeReadIsSetAside(t *testing.T) {
	dir := t.TempDir()
	d, err := openDisk(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.writeState(diskState{Database: "tor"}); err != nil {
		t.Fatal(err)
	}
	if err := d.writeReplica("tor", []fabric.ToAgent{fabric.SnapshotEnd{Database: "tor", Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	d.writeEpoch(3)
	whole := map[string][]byte{}
	for _, name := range []string{"tor.state", "tor.replica", "epoch"} {
		if whole[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, good := range whole {
		flipped := slices.Clone(good)
		flipped[len(flipped)/2] ^= 0x40
		for what, bad := range map[string][]byte{
			"empty": {}, "cut": good[:len(good)/2], "other": []byte("l2gw replica, format 0\n"),
			"older": []byte(strings.ReplaceAll(string(good), `"format": 1`, `"format": 0`) + "x"), "flipped": flipped,
		} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			switch name {
			case "tor.state":
				if what == "flipped" {
					continue // a small file that a person may edit has no sum
				}
				if _, ok := d.readState("tor"); ok {
					t.Errorf("%s: %s is believed", name, what)
				}
			case "tor.replica":
				if m := d.readReplica("tor"); m != nil {
					t.Errorf("%s: %s is believed: %v", name, what, m)
				}
			case "epoch":
				if what == "flipped" {
					continue
				}
				if e := d.readEpoch(); e != 0 {
					t.Errorf("%s: %s is believed: %d", name, what, e)
				}
			}
			if aside, err := os.ReadFile(path + ".unreadable"); err != nil || !slices.Equal(aside, bad) {
				t.Errorf("%s: %s is not set aside: %v", name, what, err)
			}
		}
	}
}
