package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"l2gw"
)

// mirror is a sink that believes nothing but the updates, and checks their form.
type mirror struct {
	t        interface{ Fatalf(string, ...any) }
	segments map[string]*l2gw.Segment
	hosts    map[string]map[l2gw.MAC]l2gw.Host // by deltas alone
	errs     []error
	began    time.Time // of the newest answer
}

func (m *mirror) Inventory(u Update) {
	if u.Err != nil {
		if u.Complete || u.Changed != nil || u.Removed != nil {
			m.t.Fatalf("an update with an error and contents: %+v", u)
		}
		m.errs = append(m.errs, u.Err)
		return
	}
	if u.Began.IsZero() || u.Began.Before(m.began) {
		m.t.Fatalf("an answer that was read from %v on, after one from %v on", u.Began, m.began)
	}
	m.began = u.Began
	if u.Complete != (m.segments == nil) {
		m.t.Fatalf("Complete = %v, want it in the first update alone", u.Complete)
	}
	if m.segments == nil {
		m.segments, m.hosts = map[string]*l2gw.Segment{}, map[string]map[l2gw.MAC]l2gw.Host{}
	}
	for i, c := range u.Changed {
		id := c.Segment.NetworkID
		if i > 0 && id <= u.Changed[i-1].Segment.NetworkID {
			m.t.Fatalf("changes are not in the order of their ids")
		}
		if (c.Delta == nil) != (m.segments[id] == nil) {
			m.t.Fatalf("network %s: Delta %v, known before: %v", id, c.Delta, m.segments[id] != nil)
		}
		old := m.segments[id]
		m.segments[id] = c.Segment
		if c.Delta == nil {
			m.hosts[id] = maps.Collect(c.Segment.Hosts.All())
			continue
		}
		for _, h := range c.Delta.Set {
			if was, ok := m.hosts[id][h.MAC]; ok && was.Equal(h) {
				m.t.Fatalf("host %v is told as different and is not", h)
			}
			m.hosts[id][h.MAC] = h
		}
		for _, mac := range c.Delta.Removed {
			if _, ok := m.hosts[id][mac]; !ok {
				m.t.Fatalf("host %v is told as removed and was not there", mac)
			}
			delete(m.hosts[id], mac)
		}
		if s := c.Segment; c.Delta.Empty() && s.Name == old.Name && s.VNI == old.VNI && s.MTU == old.MTU && slices.Equal(s.VTEPs, old.VTEPs) {
			m.t.Fatalf("network %s is told as changed and is not", id)
		}
	}
	for _, id := range u.Removed {
		if m.segments[id] == nil {
			m.t.Fatalf("network %s is told as removed and was not there", id)
		}
		delete(m.segments, id)
		delete(m.hosts, id)
	}
}

// model is a slow, obvious picture of a file.
type model struct {
	networks map[string]modelNetwork // by name
	ports    map[string]map[l2gw.MAC][]modelPort
}

type modelNetwork struct{ vni, mtu int }

type modelPort struct {
	host int
	ips  []string
}

func (m *model) text() string {
	var b strings.Builder
	b.WriteString("networks:")
	if len(m.networks) == 0 {
		b.WriteString(" []")
	}
	b.WriteString("\n")
	for name, n := range m.networks {
		fmt.Fprintf(&b, "- {name: %s, vni: %d, mtu: %d}\n", name, n.vni, n.mtu)
	}
	b.WriteString("hosts: [{name: h0, vtep: 10.0.0.1}, {name: h1, vtep: 10.0.0.2}, {name: h2, vtep: 10.0.0.3}]\nports:")
	ports := "\n"
	for name, macs := range m.ports {
		for mac, on := range macs {
			for _, p := range on {
				ports += fmt.Sprintf("- {network: %s, host: h%d, mac: \"%s\", ips: [%s]}\n", name, p.host, mac, strings.Join(p.ips, ", "))
			}
		}
	}
	if ports == "\n" {
		ports = " []\n"
	}
	return b.String() + ports
}

func (m *model) check(t *rapid.T, got *mirror) {
	if len(got.segments) != len(m.networks) {
		t.Fatalf("%d networks, want %d", len(got.segments), len(m.networks))
	}
	for name, n := range m.networks {
		id := l2gw.NetworkIDFromName(name)
		s := got.segments[id]
		if s == nil || s.Name != name || int(s.VNI) != n.vni || s.MTU != n.mtu || (s.Version != l2gw.Version{}) {
			t.Fatalf("network %s: %+v, want %+v", name, s, n)
		}
		vteps := map[netip.Addr]bool{}
		if s.Hosts.Len() != len(m.ports[name]) || len(got.hosts[id]) != len(m.ports[name]) {
			t.Fatalf("network %s: %d hosts, %d by deltas, want %d", name, s.Hosts.Len(), len(got.hosts[id]), len(m.ports[name]))
		}
		for mac, on := range m.ports[name] {
			for _, p := range on {
				vteps[vtepOf(p.host)] = true
			}
			last := on[len(on)-1]
			want := l2gw.Host{MAC: mac, VTEP: vtepOf(last.host)}
			for _, ip := range last.ips {
				want.IPs = append(want.IPs, netip.MustParseAddr(ip))
			}
			if h, _ := s.Hosts.Get(mac); !h.Equal(want) || !got.hosts[id][mac].Equal(want) {
				t.Fatalf("host %v, by deltas %v, want %v", h, got.hosts[id][mac], want)
			}
		}
		if len(s.VTEPs) != len(vteps) || !slices.IsSortedFunc(s.VTEPs, netip.Addr.Compare) {
			t.Fatalf("VTEPs %v, want %v", s.VTEPs, vteps)
		}
		for _, v := range s.VTEPs {
			if !vteps[v] {
				t.Fatalf("VTEPs %v, want %v", s.VTEPs, vteps)
			}
		}
	}
}

func vtepOf(host int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(host + 1)}) }

// Whatever is done to a file, all that was told adds up to what it says; what a
// broken one says changes nothing; and what did not change is the same pointer.
func TestUpdatesAddUpToTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			m     = model{networks: map[string]modelNetwork{}, ports: map[string]map[l2gw.MAC][]modelPort{}}
			got   = &mirror{t: t}
			f     = NewFile(FileOptions{Path: "f", Logger: slog.New(slog.DiscardHandler)})
			names = rapid.SampledFrom([]string{"a", "b", "c"})
			macs  = rapid.Custom(func(t *rapid.T) l2gw.MAC { return l2gw.MAC{2, 0, 0, 0, 0, rapid.Byte().Draw(t, "mac") % 20} })
			ports = rapid.Custom(func(t *rapid.T) modelPort {
				return modelPort{rapid.IntRange(0, 2).Draw(t, "host"), rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"10.1.0.1", "10.1.0.2", "fd00::1"}), 0, 2, rapid.ID).Draw(t, "ips")}
			})
		)
		f.sink = got
		t.Repeat(map[string]func(*rapid.T){
			"network": func(t *rapid.T) {
				name := names.Draw(t, "name")
				m.networks[name] = modelNetwork{int(name[0])*10 + rapid.IntRange(0, 2).Draw(t, "vni"), rapid.SampledFrom([]int{1450, 1500}).Draw(t, "mtu")}
			},
			"no network": func(t *rapid.T) {
				name := names.Draw(t, "name")
				delete(m.networks, name)
				delete(m.ports, name)
			},
			"port": func(t *rapid.T) {
				name := names.Draw(t, "name")
				if _, ok := m.networks[name]; !ok {
					return
				}
				if m.ports[name] == nil {
					m.ports[name] = map[l2gw.MAC][]modelPort{}
				}
				on := []modelPort{ports.Draw(t, "port")}
				if second := ports.Draw(t, "migration"); second.host != on[0].host {
					on = append(on, second)
				}
				m.ports[name][macs.Draw(t, "mac")] = on
			},
			"no port": func(t *rapid.T) { delete(m.ports[names.Draw(t, "name")], macs.Draw(t, "mac")) },
			"read": func(t *rapid.T) {
				before := maps.Clone(got.segments)
				text := m.text()
				f.take([]byte(text), time.Now())
				m.check(t, got)
				f.take([]byte(text+"# the same in other bytes\n"), time.Now())
				for id, s := range got.segments {
					if old := before[id]; old != nil && old != s && sameSegment(old, s) {
						t.Fatalf("network %s did not change and is another pointer", id)
					}
				}
			},
			"read a broken file": func(t *rapid.T) {
				before := maps.Clone(got.segments)
				f.take([]byte(m.text()+"- {network: "+rapid.StringMatching(`[x-z]{9}`).Draw(t, "unknown")), time.Now())
				if !maps.Equal(before, got.segments) || len(got.errs) == 0 || f.told == "" {
					t.Fatalf("a broken file was believed, or not reported")
				}
			},
		})
	})
}

func sameSegment(a, b *l2gw.Segment) bool {
	return a.Name == b.Name && a.VNI == b.VNI && a.MTU == b.MTU && slices.Equal(a.VTEPs, b.VTEPs) &&
		maps.EqualFunc(maps.Collect(a.Hosts.All()), maps.Collect(b.Hosts.All()), l2gw.Host.Equal)
}

// followed is a file and a running source for it.
type followed struct {
	t       *testing.T
	opts    FileOptions
	updates chan Update
	stop    func()
}

func follow(t *testing.T, opts FileOptions) *followed {
	t.Helper()
	opts.Interval = 5 * time.Millisecond
	opts.Logger = slog.New(slog.DiscardHandler)
	f := &followed{t: t, opts: opts, updates: make(chan Update, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- NewFile(opts).Run(ctx, f) }()
	stopped := false
	f.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}
	t.Cleanup(f.stop)
	return f
}

func (f *followed) Inventory(u Update) { f.updates <- u }

// same reports whether an update says no more than that all is as it was told.
func (u Update) same() bool {
	return u.Err == nil && !u.Complete && len(u.Changed)+len(u.Removed) == 0 && !u.Began.IsZero()
}

// any returns the next update.
func (f *followed) any() Update {
	f.t.Helper()
	select {
	case u := <-f.updates:
		return u
	case <-time.After(30 * time.Second):
		f.t.Fatal("no update")
		return Update{}
	}
}

// next returns the next update that says more than that all is as it was told:
// the file is also read when nothing happens to it.
func (f *followed) next() Update {
	f.t.Helper()
	for {
		if u := f.any(); !u.same() {
			return u
		}
	}
}

// again waits for an update that says that all is as it was told.
func (f *followed) again() Update {
	f.t.Helper()
	u := f.any()
	if !u.same() {
		f.t.Fatalf("update %+v, want one that says that all is as it was told", u)
	}
	return u
}

// none sees the source look at the file many times more and say nothing new: that
// it looked is seen by a change that it tells, and that is undone again.
func (f *followed) none(then string) {
	f.t.Helper()
	replace(f.t, f.opts.Path, then)
	if u := f.next(); u.Err == nil || !strings.Contains(u.Err.Error(), "not valid YAML") {
		f.t.Fatalf("update %+v, want nothing before the last error", u)
	}
}

const brokenForGood = "networks: [\n"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace gives path new contents in one step, as a careful program does.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := replaceFile(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func onePort(t *testing.T) (path, text, more string) {
	t.Helper()
	text = "networks: [{name: n, vni: 1}]\nhosts: [{name: h, vtep: 10.0.0.1}]\nports:\n  - {network: n, host: h, mac: \"02:00:00:00:00:01\"}\n"
	path = filepath.Join(t.TempDir(), "inventory.yaml")
	write(t, path, text)
	return path, text, text + "  - {network: n, host: h, mac: \"02:00:00:00:00:02\"}\n"
}

func TestAChangeOfTheFileIsToldAsADifference(t *testing.T) {
	path, text, more := onePort(t)
	f := follow(t, FileOptions{Path: path})
	u := f.next()
	if !u.Complete || len(u.Changed) != 1 || u.Changed[0].Delta != nil || u.Changed[0].Segment.Hosts.Len() != 1 {
		t.Fatalf("first update %+v", u)
	}
	write(t, path, more)
	u = f.next()
	if u.Complete || len(u.Changed) != 1 || len(u.Changed[0].Delta.Set) != 1 || len(u.Changed[0].Delta.Removed) != 0 {
		t.Fatalf("update after a port was added %+v", u)
	}
	replace(t, path, text)
	u = f.next()
	if len(u.Changed) != 1 || fmt.Sprint(u.Changed[0].Delta.Removed) != "[02:00:00:00:00:02]" || len(u.Changed[0].Delta.Set) != 0 {
		t.Fatalf("update after the file was replaced %+v", u)
	}
	replace(t, path, "networks: []\nhosts: []\nports: []\n")
	if u = f.next(); fmt.Sprint(u.Removed) != fmt.Sprint([]string{l2gw.NetworkIDFromName("n")}) {
		t.Fatalf("update after the network was removed %+v", u)
	}
}

func TestAFileThatSaysTheSameInOtherBytesIsNoNews(t *testing.T) {
	path, text, _ := onePort(t)
	f := follow(t, FileOptions{Path: path})
	f.next()
	replace(t, path, text)
	replace(t, path, "# a comment\n"+text)
	f.none(brokenForGood)
}

func TestABrokenFileIsReportedOnceAndChangesNothing(t *testing.T) {
	path, text, more := onePort(t)
	f := follow(t, FileOptions{Path: path})
	f.next()
	write(t, path, text[:len(text)-10])
	u := f.next()
	var fe *FileError
	if !errors.As(u.Err, &fe) || fe.Path != path || fe.Problems[0].Line != 4 {
		t.Fatalf("update %+v", u)
	}
	replace(t, path, text[:len(text)-10]) // the same again
	replace(t, path, more)
	if u = f.next(); u.Err != nil || u.Complete || len(u.Changed) != 1 || len(u.Changed[0].Delta.Set) != 1 {
		t.Fatalf("update after the file was mended %+v", u)
	}
}

func TestAFileMendedToWhatItWasIsReportedAsReadable(t *testing.T) {
	path, text, _ := onePort(t)
	f := follow(t, FileOptions{Path: path})
	f.next()
	replace(t, path, brokenForGood)
	f.next()
	replace(t, path, text)
	f.again()
}

// Somebody may wait for a second look at the same: it must have begun after the
// first, and nothing that is known of the file (its time, size and inode) may
// stand for reading it.
func TestAFileThatNobodyTouchesIsReadAgainAndToldToBeTheSame(t *testing.T) {
	path, _, _ := onePort(t)
	f := follow(t, FileOptions{Path: path})
	first := f.any()
	for last := first.Began; ; {
		u := f.again()
		if !u.Began.After(last) {
			t.Fatalf("a reading that began at %v, after one that began at %v", u.Began, last)
		}
		if last = u.Began; last.Sub(first.Began) > 2*reread*f.opts.Interval {
			return
		}
	}
}

func TestAVanishedFileIsReportedAndChangesNothing(t *testing.T) {
	path, _, more := onePort(t)
	f := follow(t, FileOptions{Path: path})
	f.next()
	os.Remove(path)
	if u := f.next(); !errors.Is(u.Err, os.ErrNotExist) {
		t.Fatalf("update %+v", u)
	}
	write(t, path, more)
	if u := f.next(); u.Err != nil || len(u.Changed) != 1 || len(u.Changed[0].Delta.Set) != 1 {
		t.Fatalf("update %+v", u)
	}
}

func TestWhatIsNoRegularFileIsReportedAndNotWaitedFor(t *testing.T) {
	path, text, _ := onePort(t)
	os.Remove(path)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f := follow(t, FileOptions{Path: path})
	if u := f.next(); u.Err == nil || !strings.Contains(u.Err.Error(), "is not a regular file") {
		t.Fatalf("update %+v", u)
	}
	replace(t, path, text)
	if u := f.next(); u.Err != nil || len(u.Changed) != 1 {
		t.Fatalf("update %+v", u)
	}
}

// The writer below stops at each byte. No state in between may be told as if
// ports had been removed.
func TestAFileThatIsWrittenSlowlyIsNotBelievedHalfway(t *testing.T) {
	path, _, more := onePort(t)
	replace(t, path, more)
	f := follow(t, FileOptions{Path: path})
	f.next()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []byte(more) {
		if _, err := file.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	file.Close()
	replace(t, path, more+"  - {network: n, host: h, mac: \"02:00:00:00:00:03\"}\n")
	for {
		u := f.next()
		if len(u.Removed) > 0 {
			t.Fatalf("update %+v", u)
		}
		if len(u.Changed) == 0 {
			continue
		}
		if d := u.Changed[0].Delta; len(d.Removed) > 0 {
			t.Fatalf("removed %v", d.Removed)
		} else if len(d.Set) == 1 {
			return
		}
	}
}

// Beside a broken or absent file, a process that starts knows what the one
// before it knew, and says that it cannot read the file.
func TestTheLastGoodContentsOutliveARestart(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"broken": func(t *testing.T, path string) { replace(t, path, brokenForGood) },
		"absent": func(t *testing.T, path string) { os.Remove(path) },
		"empty":  func(t *testing.T, path string) { write(t, path, "") },
	} {
		t.Run(name, func(t *testing.T) {
			path, _, more := onePort(t)
			opts := FileOptions{Path: path, LastGood: filepath.Join(t.TempDir(), "good")}
			f := follow(t, opts)
			f.next()
			replace(t, path, more)
			f.next()
			f.stop()
			damage(t, path)

			f = follow(t, opts)
			if u := f.next(); !u.Complete || u.Err != nil || len(u.Changed) != 1 || u.Changed[0].Segment.Hosts.Len() != 2 {
				t.Fatalf("first update %+v, want the last good contents", u)
			}
			if u := f.next(); u.Err == nil {
				t.Fatalf("second update %+v, want the error", u)
			}
			replace(t, path, more)
			f.again()
		})
	}
}

// A process that starts must not keep its users waiting for a file to rest,
// unless a half-written one could take something away.
func TestAtTheStartAFreshFileIsReadAtOnceIfItCanTakeNothingAway(t *testing.T) {
	path, text, more := onePort(t)
	good := filepath.Join(t.TempDir(), "good")
	for _, row := range []struct {
		known, text string
		atOnce      bool
	}{{"", text, true}, {text, text, true}, {more, text, false}} {
		os.Remove(good)
		if row.known != "" {
			write(t, good, row.known)
		}
		write(t, path, row.text)
		now := time.Now().Add(time.Hour) // fresh, however slow this machine is
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
		sink := &mirror{t: t}
		f := NewFile(FileOptions{Path: path, LastGood: good, Logger: slog.New(slog.DiscardHandler)})
		f.sink = sink
		f.look()
		if got := sink.segments != nil; got != row.atOnce {
			t.Errorf("known %q: read at once: %v, want %v", row.known, got, row.atOnce)
		}
		f.look()
		if sink.segments == nil {
			t.Errorf("known %q: not read when it rested", row.known)
		}
	}
}

func TestWithoutAGoodFileThereIsOnlyTheError(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	write(t, good, "networks: oops\n")
	f := follow(t, FileOptions{Path: filepath.Join(dir, "inventory.yaml"), LastGood: good})
	if u := f.next(); !errors.Is(u.Err, os.ErrNotExist) {
		t.Fatalf("update %+v", u)
	}
	write(t, f.opts.Path, "networks: []\nhosts: []\nports: []\n")
	if u := f.next(); u.Err != nil || !u.Complete || len(u.Changed) != 0 {
		t.Fatalf("update %+v", u)
	}
}

func TestTheLastGoodContentsAreKeptAsTheyAre(t *testing.T) {
	path, text, _ := onePort(t)
	good := filepath.Join(t.TempDir(), "good")
	f := NewFile(FileOptions{Path: path, LastGood: good, Logger: slog.New(slog.DiscardHandler)})
	f.sink = &mirror{t: t}
	f.take([]byte(text), time.Now())
	if kept, err := os.ReadFile(good); err != nil || string(kept) != text {
		t.Errorf("kept %q, %v", kept, err)
	}
	f.take([]byte(brokenForGood), time.Now())
	if kept, err := os.ReadFile(good); err != nil || string(kept) != text {
		t.Errorf("beside a broken file: kept %q, %v", kept, err)
	}
}

// If the newest contents cannot be kept, older ones must not pass for them
// after a restart.
func TestAnOlderLastGoodIsRemovedIfTheNewerCannotBeKept(t *testing.T) {
	path, text, more := onePort(t)
	// The name is so long that one for a temporary file beside it is too long.
	good := filepath.Join(t.TempDir(), strings.Repeat("g", 254))
	write(t, good, text)
	f := NewFile(FileOptions{Path: path, LastGood: good, Logger: slog.New(slog.DiscardHandler)})
	f.sink = &mirror{t: t}
	f.take([]byte(more), time.Now())
	if _, err := os.Stat(good); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the older contents are still there: %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	if err := NewFile(FileOptions{}).Run(t.Context(), nil); !errors.Is(err, ErrNoPath) {
		t.Errorf("no path: %v", err)
	}
	if err := NewFile(FileOptions{Path: "/a/b", LastGood: "/a/./b"}).Run(t.Context(), nil); err == nil {
		t.Error("LastGood may be the file itself")
	}
}
