package l2gw_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/cow"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func mac(n byte) l2gw.MAC { return l2gw.MAC{0xfa, 0x16, 0x3e, 0, 0, n} }

func vtep(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, n}) }

func host(m, v byte) l2gw.Host { return l2gw.Host{MAC: mac(m), VTEP: vtep(v)} }

func inventory(hosts ...l2gw.Host) (m cow.Map[l2gw.MAC, l2gw.Host]) {
	for _, h := range hosts {
		m = m.Set(h.MAC, h)
	}
	return m
}

// where tells behind which VTEP a table says that a MAC is; 0: nowhere.
func where(t *l2gw.MACTable, m byte) byte {
	h, ok := t.Hosts().Get(mac(m))
	if !ok {
		return 0
	}
	return h.VTEP.As4()[3]
}

func wantAt(t *testing.T, table *l2gw.MACTable, m, v byte) {
	t.Helper()
	if got := where(table, m); got != v {
		t.Fatalf("MAC %d is behind VTEP %d, want %d", m, got, v)
	}
}

func kinds(t *l2gw.MACTable) string {
	var s []string
	for _, r := range t.Reports() {
		s = append(s, string(r.Kind))
	}
	return strings.Join(s, " ")
}

func TestALearnedMACThatMovesIsMovedAtOnce(t *testing.T) {
	table := l2gw.NewMACTable(0)
	c := table.Full(epoch, "db1", []l2gw.Host{host(1, 21)})
	if diff := cmp.Diff([]l2gw.Host{host(1, 21)}, c.Set, cmp.Comparer(l2gw.Host.Equal)); diff != "" {
		t.Fatal(diff)
	}
	c = table.Delta(epoch, "db2", []l2gw.Host{host(1, 22)}, nil)
	if len(c.Set) != 1 || c.Set[0].VTEP != vtep(22) || len(c.Unset) != 0 {
		t.Fatalf("a move is not one change in place: %+v", c)
	}
	// The old place repeats what it says: that is not news.
	if c = table.Full(epoch, "db1", []l2gw.Host{host(1, 21)}); len(c.Set)+len(c.Unset) != 0 {
		t.Fatalf("a repeated claim changed %+v", c)
	}
	// The new place gives up: the old one has it still.
	table.Delta(epoch, "db2", nil, []l2gw.MAC{mac(1)})
	wantAt(t, table, 1, 21)
}

func TestAnAgedMACIsHeldForFiveMinutes(t *testing.T) {
	table := l2gw.NewMACTable(0)
	table.Full(epoch, "db1", []l2gw.Host{host(1, 21), host(2, 21)})
	aged := epoch.Add(time.Minute)
	if c := table.Full(aged, "db1", nil); len(c.Unset) != 0 {
		t.Fatalf("aged MACs went at once: %+v", c)
	}
	next, ok := table.Deadline()
	if !ok || !next.Equal(aged.Add(300*time.Second)) {
		t.Fatalf("deadline %v, %v", next, ok)
	}
	// One is heard of again, elsewhere, just before.
	table.Delta(next.Add(-time.Nanosecond), "db2", []l2gw.Host{host(2, 22)}, nil)
	wantAt(t, table, 1, 21)
	wantAt(t, table, 2, 22)
	c := table.Advance(next)
	if !slices.Equal(c.Unset, []l2gw.MAC{mac(1)}) {
		t.Fatalf("at the deadline: %+v", c)
	}
	wantAt(t, table, 2, 22)
	if next, ok := table.Deadline(); ok {
		t.Fatalf("something is due at %v", next)
	}
}

func TestTheInventoryBeatsWhatIsLearned(t *testing.T) {
	table := l2gw.NewMACTable(0)
	table.Full(epoch, "db1", []l2gw.Host{host(1, 21), host(2, 21)})
	c := table.SetInventory(epoch, inventory(host(1, 11), host(2, 21)))
	if !slices.Equal(c.Unset, []l2gw.MAC{mac(1), mac(2)}) || !c.Reports {
		t.Fatalf("%+v", c)
	}
	reports := table.Reports()
	if len(reports) != 1 || reports[0].Kind != l2gw.MACConflict || reports[0].MAC != mac(1) || reports[0].Database != "db1" ||
		!strings.Contains(reports[0].Reason, "10.77.0.21") || !strings.Contains(reports[0].Reason, "10.77.0.11") {
		t.Fatalf("%+v", reports)
	}
	table.SetInventory(epoch, inventory())
	wantAt(t, table, 1, 21)
	if len(table.Reports()) != 0 {
		t.Fatalf("%+v", table.Reports())
	}
}

func TestAFlappingMACIsFrozenUntilItIsQuiet(t *testing.T) {
	table := l2gw.NewMACTable(0)
	at := epoch
	flap := func(to byte) {
		at = at.Add(10 * time.Second)
		db := map[byte]string{21: "db1", 22: "db2"}
		table.Delta(at, db[43-to], nil, []l2gw.MAC{mac(1)})
		table.Delta(at, db[to], []l2gw.Host{host(1, to)}, nil)
	}
	table.Delta(at, "db1", []l2gw.Host{host(1, 21)}, nil)
	for _, to := range []byte{22, 21, 22, 21, 22} { // five moves are well
		flap(to)
		wantAt(t, table, 1, to)
	}
	if kinds(table) != "" {
		t.Fatal(table.Reports())
	}
	flap(21) // the sixth is one too many
	wantAt(t, table, 1, 22)
	if r := table.Reports(); kinds(table) != "frozen" || !strings.Contains(r[0].Reason, "stays behind 10.77.0.22 (db2)") {
		t.Fatal(r)
	}
	flap(22)
	flap(21)
	wantAt(t, table, 1, 22)
	next, ok := table.Deadline()
	if !ok || !next.Equal(at.Add(180*time.Second)) {
		t.Fatalf("deadline %v, %v; the last move was at %v", next, ok, at)
	}
	table.Advance(next.Add(-time.Nanosecond))
	wantAt(t, table, 1, 22)
	table.Advance(next)
	wantAt(t, table, 1, 21)
	if kinds(table) != "" {
		t.Fatal(table.Reports())
	}
}

func TestSlowMovesNeverFreeze(t *testing.T) {
	table := l2gw.NewMACTable(0)
	at := epoch
	for i := range byte(50) {
		at = at.Add(36 * time.Second) // five in each 180 s
		table.Delta(at, "db1", []l2gw.Host{host(1, 21+i%2)}, nil)
		wantAt(t, table, 1, 21+i%2)
	}
}

func TestAFloodOfMACsFromOneDatabaseIsCapped(t *testing.T) {
	table := l2gw.NewMACTable(2)
	table.Full(epoch, "db1", []l2gw.Host{host(1, 21), host(2, 21), host(3, 21), host(4, 21)})
	table.Full(epoch, "db2", []l2gw.Host{host(9, 22)})
	wantAt(t, table, 2, 21)
	wantAt(t, table, 3, 0)
	wantAt(t, table, 9, 22)
	if r := table.Reports(); kinds(table) != "over-limit" || !strings.Contains(r[0].Reason, "2 MACs more than the limit of 2") {
		t.Fatal(r)
	}
	// What ages makes room for what waits, the longest first, and is not held.
	table.Delta(epoch, "db1", nil, []l2gw.MAC{mac(1)})
	wantAt(t, table, 1, 0)
	wantAt(t, table, 3, 21)
	wantAt(t, table, 4, 0)
	// With nobody waiting it is held, until a new one needs the room.
	table.Delta(epoch, "db1", nil, []l2gw.MAC{mac(4)})
	table.Delta(epoch, "db1", nil, []l2gw.MAC{mac(2)})
	wantAt(t, table, 2, 21)
	table.Delta(epoch, "db1", []l2gw.Host{host(5, 21)}, nil)
	wantAt(t, table, 2, 0)
	wantAt(t, table, 5, 21)
	if kinds(table) != "" {
		t.Fatal(table.Reports())
	}
}

func TestAForgottenDatabaseTakesItsMACsAlong(t *testing.T) {
	table := l2gw.NewMACTable(0)
	table.Full(epoch, "db1", []l2gw.Host{host(1, 21), host(2, 21)})
	table.Full(epoch, "db2", []l2gw.Host{host(2, 22)})
	table.Delta(epoch, "db1", []l2gw.Host{host(2, 23)}, nil)
	c := table.Forget(epoch, "db1")
	if !slices.Equal(c.Unset, []l2gw.MAC{mac(1)}) || len(c.Set) != 1 {
		t.Fatalf("%+v", c)
	}
	wantAt(t, table, 2, 22)
	if _, ok := table.Deadline(); ok {
		t.Fatal("something is held")
	}
}

func TestAnOperatorCanThawAMAC(t *testing.T) {
	table := l2gw.NewMACTable(0)
	for i := range byte(8) {
		table.Delta(epoch, "db1", []l2gw.Host{host(1, 21+i)}, nil)
	}
	wantAt(t, table, 1, 26)
	table.Thaw(epoch, mac(1))
	wantAt(t, table, 1, 28)
}

func TestWhatIsNoHostIsPassedOver(t *testing.T) {
	table := l2gw.NewMACTable(0)
	multicast := l2gw.Host{MAC: l2gw.MAC{1, 0, 0x5e, 0, 0, 1}, VTEP: vtep(21)}
	c := table.Full(epoch, "db1", []l2gw.Host{multicast, {VTEP: vtep(21)}, {MAC: mac(1)}, host(2, 21), host(2, 22)})
	if len(c.Set) != 1 || c.Set[0].VTEP != vtep(22) {
		t.Fatalf("%+v", c)
	}
	for range 20 { // the same MAC twice in a report is no move
		table.Full(epoch, "db1", []l2gw.Host{host(2, 21), host(2, 22)})
	}
	if kinds(table) != "" {
		t.Fatal(table.Reports())
	}
}
