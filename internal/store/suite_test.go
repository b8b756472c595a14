package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"l2gw"
	"l2gw/internal/store"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// testStore checks all that a Store promises, on whatever engine fresh opens.
func testStore(t *testing.T, fresh func(testing.TB) *store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *store.Store)
	}{
		{"what is created is shown and listed in the order of creation", createShowList},
		{"a bulk create is all or nothing", bulk},
		{"a bulk of connections is all or nothing", bulkConnections},
		{"a gateway in use stays", inUse},
		{"an update rebinds only its own gateway, atomically", updateRebinds},
		{"an update that changes nothing writes nothing", updateNothing},
		{"the caller's slices are not the store's", aliasing},
		{"hundreds of places are bound, moved and refused as one is", large},
		{"a connection is refused in the documented order", connectionErrors},
		{"of fifty that bind one place exactly one wins", fiftyBind},
		{"of ten deletes one succeeds", tenDeletes},
		{"a quota counts what a project has", quotas},
		{"of twenty that want a quota's last place exactly one has it", lastPlace},
		{"a limit that was found sufficient is so, whoever creates meanwhile", sufficientLimit},
		{"a write is done once for a key", onceForAKey},
		{"of twenty that send one key at once one makes the object", oneOfManyWithAKey},
		{"every attribute filters any of its values", filters},
		{"hundreds of values filter as one does", manyValues},
		{"pages of any sort order put together are the list", pages},
		{"changes lead from any revision to the bindings", changesReplay},
		{"the change log is trimmed and says so", trimmed},
		{"a write wakes subscribers, once for many", wakes},
		{"ownership is added and taken away idempotently", ownership},
		{"what was seen is remembered", remembered},
		{"a lease is taken, renewed, lost and released", leases},
		{"of eight that take a lease exactly one has it", raceForLease},
		{"who lost the lease writes nothing", fencedWrites},
		{"no write comes after the next one has the lease", noLateWrite},
		{"text that no table can hold is not found", unstorable},
		{"names compare byte by byte", bytewise},
		{"the longest names and many VLANs fit", longest},
		{"a read sees one moment", oneMoment},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
	t.Run("random histories equal a plain model", func(t *testing.T) { testModel(t, fresh) })
}

func vlan(v l2gw.VLAN) *l2gw.VLAN { return &v }

// gw makes a gateway of places like "ps1/eth1" or "ps1/eth1/5/6".
func gw(name string, places ...string) l2gw.Gateway {
	g := l2gw.Gateway{Name: name, ProjectID: "p1"}
	for _, p := range places {
		parts := strings.Split(p, "/")
		i := l2gw.Interface{Name: parts[1]}
		for _, v := range parts[2:] {
			n, err := l2gw.ParseVLAN(v)
			if err != nil {
				panic(err)
			}
			i.VLANs = append(i.VLANs, n)
		}
		if d := g.Device(parts[0]); d != nil {
			d.Interfaces = append(d.Interfaces, i)
		} else {
			g.Devices = append(g.Devices, l2gw.Device{Name: parts[0], Interfaces: []l2gw.Interface{i}})
		}
	}
	return g
}

func mustGateway(t testing.TB, s *store.Store, g l2gw.Gateway) l2gw.Gateway {
	t.Helper()
	g, err := s.CreateGateway(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustConnect(t testing.TB, s *store.Store, gateway, network string, v *l2gw.VLAN) l2gw.Connection {
	t.Helper()
	c, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: gateway, NetworkID: network, VLAN: v, ProjectID: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantError(t testing.TB, err error, code l2gw.Code, kind string) {
	t.Helper()
	e, ok := errors.AsType[*l2gw.Error](err)
	if !ok || e.Code != code || e.Type != kind {
		t.Fatalf("error %#v (%v), want %s %s", err, err, code, kind)
	}
}

func bindings(t testing.TB, s *store.Store) (int64, map[string]string) {
	t.Helper()
	rev, list, err := s.Bindings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, b := range list {
		m[b.BindingKey.String()] = b.NetworkID
	}
	if len(m) != len(list) {
		t.Fatalf("two bindings share a place: %v", list)
	}
	return rev, m
}

func equal(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func createShowList(t *testing.T, s *store.Store) {
	g := gw("gw-é-日本-😀", "ps1/eth2/20/10", "ps1/eth1/0", "ps2/eth1/4094")
	g.Description = "it's \\ \"quoted\" ; -- %"
	g = mustGateway(t, s, g)
	if g.ID == "" || g.Devices[0].ID == "" || g.Devices[0].ID == g.Devices[1].ID || g.Revision != 1 || g.CreatedAt.IsZero() {
		t.Fatalf("created without ids, revision or time: %+v", g)
	}
	shown, err := s.Gateway(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shown, g)
	second := mustGateway(t, s, gw("", "ps3/eth1"))
	list, err := s.Gateways(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, list, []l2gw.Gateway{g, second})

	c := mustConnect(t, s, g.ID, "net-1", nil)
	c2 := mustConnect(t, s, second.ID, "net-1", vlan(0))
	shownConnection, err := s.Connection(t.Context(), c2.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shownConnection, c2)
	connections, err := s.Connections(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, connections, []l2gw.Connection{c, c2})
	_, got := bindings(t, s)
	equal(t, got, map[string]string{
		"ps1/eth2 VLAN 20": "net-1", "ps1/eth2 VLAN 10": "net-1", "ps1/eth1 untagged": "net-1", "ps2/eth1 VLAN 4094": "net-1", "ps3/eth1 untagged": "net-1",
	})
	of, err := s.ConnectionBindings(t.Context(), c2.ID, "no-such")
	if err != nil {
		t.Fatal(err)
	}
	if len(of) != 1 || len(of[c2.ID]) != 1 || of[c2.ID][0].GatewayID != second.ID {
		t.Fatalf("bindings of %s: %+v", c2.ID, of)
	}
}

func bulk(t *testing.T, s *store.Store) {
	before, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateGateways(t.Context(), []l2gw.Gateway{gw("a", "ps1/eth1"), gw("b")})
	wantError(t, err, l2gw.Invalid, "HTTPBadRequest")
	if after, _ := s.Revision(t.Context()); after != before {
		t.Fatalf("a refused create moved the revision from %d to %d", before, after)
	}
	var many []l2gw.Gateway
	for i := range 1_200 { // more than a statement takes
		many = append(many, gw(fmt.Sprint("gw", i), "ps1/eth1", "ps2/eth1/7"))
	}
	created, err := s.CreateGateways(t.Context(), many)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Gateways(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, list, created)

	var huge []l2gw.Gateway
	for range 6 {
		g := gw("huge", "ps1/eth1/0")
		for v := l2gw.VLAN(1); v < 2_000; v++ {
			g.Devices[0].Interfaces[0].VLANs = append(g.Devices[0].Interfaces[0].VLANs, v)
		}
		huge = append(huge, g)
	}
	_, err = s.CreateGateways(t.Context(), huge)
	wantError(t, err, l2gw.Invalid, "InvalidInput")
	if !strings.Contains(err.Error(), "10000") {
		t.Errorf("the error does not name the limit: %v", err)
	}
}

func bulkConnections(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1", "ps2/eth1"))
	connection := func(network string, v l2gw.VLAN) l2gw.Connection {
		return l2gw.Connection{GatewayID: g.ID, NetworkID: network, VLAN: &v}
	}
	before, _ := s.Revision(t.Context())
	for _, test := range []struct {
		second l2gw.Connection
		code   l2gw.Code
		kind   string
	}{
		{connection("n1", 6), l2gw.Conflict, "L2GatewayConnectionExists"},
		{connection("n2", 5), l2gw.Conflict, "L2GatewayDuplicateSegmentationID"},
		{connection("n2", 4095), l2gw.Invalid, "InvalidInput"},
	} {
		_, err := s.CreateConnections(t.Context(), []l2gw.Connection{connection("n1", 5), test.second})
		wantError(t, err, test.code, test.kind)
	}
	if after, got := bindings(t, s); after != before || len(got) != 0 {
		t.Fatalf("a refused request left %v, revision %d to %d", got, before, after)
	}
	created, err := s.CreateConnections(t.Context(), []l2gw.Connection{connection("n1", 5), connection("n2", 6)})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Connections(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, list, created)
	if after, got := bindings(t, s); after != before+1 || len(got) != 4 {
		t.Fatalf("bound %v, revision %d to %d", got, before, after)
	}
}

func inUse(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	c := mustConnect(t, s, g.ID, "net-1", vlan(5))
	wantError(t, s.DeleteGateway(t.Context(), g.ID), l2gw.Conflict, "L2GatewayInUse")
	if err := s.DeleteConnection(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGateway(t.Context(), g.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.Gateway(t.Context(), g.ID)
	wantError(t, err, l2gw.NotFound, "L2GatewayNotFound")
	wantError(t, s.DeleteGateway(t.Context(), g.ID), l2gw.NotFound, "L2GatewayNotFound")
	wantError(t, s.DeleteConnection(t.Context(), c.ID), l2gw.NotFound, "L2GatewayConnectionNotFound")
}

func update(u l2gw.GatewayUpdate) func(*l2gw.Gateway) error {
	return func(g *l2gw.Gateway) error { return g.Apply(u) }
}

func updateRebinds(t *testing.T, s *store.Store) {
	a := mustGateway(t, s, gw("a", "ps1/eth1", "ps2/eth1"))
	b := mustGateway(t, s, gw("b", "ps1/eth3"))
	mustConnect(t, s, a.ID, "net-a", vlan(5))
	mustConnect(t, s, a.ID, "net-c", vlan(6))
	mustConnect(t, s, b.ID, "net-b", vlan(5))
	before, list, err := s.Bindings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[l2gw.BindingKey]int64{}
	for _, x := range list {
		kept[x.BindingKey] = x.Revision
	}

	updated, err := s.UpdateGateway(t.Context(), a.ID, update(l2gw.GatewayUpdate{
		Devices: gw("", "ps1/eth1", "ps1/eth2", "ps4/eth1").Devices, RemoveDevices: []string{"ps2"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if updated.Revision != 2 || updated.Devices[0].ID != a.Devices[0].ID || updated.Devices[1].Name != "ps4" || updated.Devices[1].ID == "" {
		t.Fatalf("updated: %+v", updated)
	}
	shown, err := s.Gateway(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, shown, updated)
	after, got := bindings(t, s)
	want := map[string]string{
		"ps1/eth1 VLAN 5": "net-a", "ps1/eth2 VLAN 5": "net-a", "ps4/eth1 VLAN 5": "net-a",
		"ps1/eth1 VLAN 6": "net-c", "ps1/eth2 VLAN 6": "net-c", "ps4/eth1 VLAN 6": "net-c",
		"ps1/eth3 VLAN 5": "net-b",
	}
	equal(t, got, want)
	if after != before+1 {
		t.Fatalf("one update moved the revision from %d to %d", before, after)
	}
	_, list, _ = s.Bindings(t.Context())
	for _, x := range list {
		if rev, stayed := kept[x.BindingKey]; stayed && x.Revision != rev || !stayed && x.Revision != after {
			t.Errorf("%s has revision %d; it was %d, the update %d", x.BindingKey, x.Revision, rev, after)
		}
	}

	_, err = s.UpdateGateway(t.Context(), a.ID, update(l2gw.GatewayUpdate{
		Name: new("other"), Devices: gw("", "ps1/eth1", "ps1/eth3").Devices,
	}))
	wantError(t, err, l2gw.Conflict, "L2GatewayDuplicateSegmentationID")
	if !strings.Contains(err.Error(), "name=eth3") {
		t.Errorf("the conflict does not name the interface: %v", err)
	}
	again, got := bindings(t, s)
	equal(t, got, want)
	if shown, _ = s.Gateway(t.Context(), a.ID); again != after || !cmp.Equal(shown, updated) {
		t.Errorf("a refused update left a trace: revision %d, %+v", again, shown)
	}

	own := mustGateway(t, s, gw("own", "ps9/eth1/5"))
	mustConnect(t, s, own.ID, "net-a", nil)
	_, err = s.UpdateGateway(t.Context(), own.ID, update(l2gw.GatewayUpdate{Devices: gw("", "ps8/eth1").Devices}))
	wantError(t, err, l2gw.Conflict, "L2GatewaySegmentationRequired")
	_, err = s.UpdateGateway(t.Context(), "no-such", update(l2gw.GatewayUpdate{}))
	wantError(t, err, l2gw.NotFound, "L2GatewayNotFound")
}

func updateNothing(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1/5"))
	before, _ := s.Revision(t.Context())
	for _, u := range []l2gw.GatewayUpdate{{}, {Name: new("a")}, {Devices: gw("", "ps1/eth1/5").Devices}} {
		got, err := s.UpdateGateway(t.Context(), g.ID, update(u))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, g)
	}
	if after, _ := s.Revision(t.Context()); after != before {
		t.Fatalf("the revision moved from %d to %d", before, after)
	}
	boom := errors.New("boom")
	if _, err := s.UpdateGateway(t.Context(), g.ID, func(*l2gw.Gateway) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("the change's error became %v", err)
	}
}

func aliasing(t *testing.T, s *store.Store) {
	in := gw("a", "ps1/eth1/5")
	g := mustGateway(t, s, in)
	in.Devices[0].Interfaces[0].VLANs[0] = 9
	if g.Devices[0].Interfaces[0].VLANs[0] != 5 || in.Devices[0].ID != "" {
		t.Fatalf("the argument and the answer share memory: %+v %+v", in, g)
	}
	v := vlan(7)
	c := mustConnect(t, s, mustGateway(t, s, gw("b", "ps2/eth1")).ID, "n", v)
	*v = 8
	if *c.VLAN != 7 {
		t.Fatal("the connection shares its VLAN with the argument")
	}
}

func connectionErrors(t *testing.T, s *store.Store) {
	plain := mustGateway(t, s, gw("plain", "ps1/eth1"))
	other := mustGateway(t, s, gw("other", "ps1/eth1"))
	own := mustGateway(t, s, gw("own", "ps1/eth1/100/101"))
	mustConnect(t, s, plain.ID, "net-1", vlan(100))
	for _, test := range []struct {
		c    l2gw.Connection
		code l2gw.Code
		kind string
	}{
		{l2gw.Connection{GatewayID: plain.ID, VLAN: vlan(5)}, l2gw.Invalid, "HTTPBadRequest"},
		{l2gw.Connection{GatewayID: plain.ID, NetworkID: "a\x00", VLAN: vlan(5)}, l2gw.Invalid, "HTTPBadRequest"},
		{l2gw.Connection{GatewayID: "no-such", NetworkID: "n", VLAN: vlan(4095)}, l2gw.Invalid, "InvalidInput"},
		{l2gw.Connection{GatewayID: "no-such", NetworkID: "n"}, l2gw.Invalid, "InvalidInput"},
		{l2gw.Connection{GatewayID: "no-such", NetworkID: "n", VLAN: vlan(5)}, l2gw.NotFound, "L2GatewayNotFound"},
		{l2gw.Connection{GatewayID: plain.ID, NetworkID: "net-1"}, l2gw.Invalid, "InvalidInput"},
		{l2gw.Connection{GatewayID: own.ID, NetworkID: "n", VLAN: vlan(0)}, l2gw.Invalid, "InvalidInput"},
		{l2gw.Connection{GatewayID: plain.ID, NetworkID: "net-1", VLAN: vlan(101)}, l2gw.Conflict, "L2GatewayConnectionExists"},
		{l2gw.Connection{GatewayID: other.ID, NetworkID: "net-1", VLAN: vlan(100)}, l2gw.Conflict, "L2GatewayDuplicateSegmentationID"},
		{l2gw.Connection{GatewayID: own.ID, NetworkID: "net-2"}, l2gw.Conflict, "L2GatewayDuplicateSegmentationID"},
	} {
		_, err := s.CreateConnection(t.Context(), test.c)
		wantError(t, err, test.code, test.kind)
	}
	_, got := bindings(t, s)
	equal(t, got, map[string]string{"ps1/eth1 VLAN 100": "net-1"})
}

func fiftyBind(t *testing.T, s *store.Store) {
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = mustGateway(t, s, gw(fmt.Sprint("gw", i), "ps1/eth1")).ID
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			_, err := s.CreateConnection(t.Context(), l2gw.Connection{GatewayID: id, NetworkID: fmt.Sprint("net-", i), VLAN: vlan(5)})
			if err == nil {
				won.Add(1)
			} else if e, ok := errors.AsType[*l2gw.Error](err); !ok || e.Type != "L2GatewayDuplicateSegmentationID" {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d of 50 won", won.Load())
	}
}

func tenDeletes(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	c := mustConnect(t, s, g.ID, "net-1", vlan(5))
	for _, remove := range []func() error{
		func() error { return s.DeleteConnection(t.Context(), c.ID) },
		func() error { return s.DeleteGateway(t.Context(), g.ID) },
	} {
		var done, missing atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				switch err := remove(); l2gw.ErrorCode(err) {
				case "":
					done.Add(1)
				case l2gw.NotFound:
					missing.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done.Load() != 1 || missing.Load() != 9 {
			t.Fatalf("%d deletes succeeded, %d found nothing", done.Load(), missing.Load())
		}
	}
}

func changesReplay(t *testing.T, s *store.Store) {
	g := mustGateway(t, s, gw("a", "ps1/eth1", "ps2/eth1"))
	type snapshot struct {
		revision int64
		bindings map[l2gw.BindingKey]l2gw.Binding
	}
	var snapshots []snapshot
	take := func() {
		rev, list, err := s.Bindings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m := map[l2gw.BindingKey]l2gw.Binding{}
		for _, b := range list {
			m[b.BindingKey] = b
		}
		snapshots = append(snapshots, snapshot{rev, m})
	}
	take()
	a := mustConnect(t, s, g.ID, "net-a", vlan(5))
	take()
	mustConnect(t, s, g.ID, "net-b", vlan(6))
	take()
	if _, err := s.UpdateGateway(t.Context(), g.ID, update(l2gw.GatewayUpdate{RemoveDevices: []string{"ps1"}})); err != nil {
		t.Fatal(err)
	}
	take()
	if err := s.DeleteConnection(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	take()
	mustConnect(t, s, g.ID, "net-c", vlan(5)) // the same place, another network
	take()
	last := snapshots[len(snapshots)-1]
	for _, from := range snapshots {
		rev, changes, complete, err := s.Changes(t.Context(), from.revision)
		if err != nil || !complete || rev != last.revision {
			t.Fatalf("Changes(%d) = %d, complete %v, %v", from.revision, rev, complete, err)
		}
		for _, c := range changes {
			if c.Set {
				from.bindings[c.BindingKey] = c.Binding
			} else {
				delete(from.bindings, c.BindingKey)
			}
		}
		equal(t, from.bindings, last.bindings)
	}
	for _, since := range []int64{last.revision + 1, -1} {
		if _, changes, complete, err := s.Changes(t.Context(), since); complete || len(changes) > 0 || err != nil {
			t.Errorf("Changes(%d) = %v, complete %v, %v", since, changes, complete, err)
		}
	}
}

func trimmed(t *testing.T, s *store.Store) {
	s.KeepLog(20)
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	start, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		c := mustConnect(t, s, g.ID, "n", vlan(5))
		if err := s.DeleteConnection(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		now := start + 2*int64(i) + 2
		if _, changes, complete, err := s.Changes(t.Context(), max(start, now-20)); err != nil || !complete || len(changes) != int(min(20, now-start)) {
			t.Fatalf("after %d revisions: %d changes, complete %v, %v", now-start, len(changes), complete, err)
		}
	}
	if _, changes, complete, err := s.Changes(t.Context(), start); complete || len(changes) != 0 || err != nil {
		t.Fatalf("the log was not trimmed: %d changes, complete %v, %v", len(changes), complete, err)
	}
}

func wakes(t *testing.T, s *store.Store) {
	wake, stop := s.Subscribe()
	g := mustGateway(t, s, gw("a", "ps1/eth1"))
	mustConnect(t, s, g.ID, "n", vlan(5))
	<-wake
	select {
	case <-wake:
		t.Fatal("two writes before the first look gave two notices")
	default:
	}
	if _, err := s.CreateGateway(t.Context(), gw("b")); err == nil {
		t.Fatal("a gateway without devices was created")
	}
	stop()
	mustGateway(t, s, gw("c", "ps1/eth1"))
	select {
	case <-wake:
		t.Fatal("a notice after stop or for a refused write")
	default:
	}
}

func ownership(t *testing.T, s *store.Store) {
	key := func(v l2gw.VLAN) l2gw.BindingKey { return l2gw.BindingKey{Device: "ps1", Interface: "eth1", VLAN: v} }
	check := func(db string, want l2gw.Ownership) {
		t.Helper()
		got, err := s.Ownership(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
	check("never-seen", l2gw.Ownership{})
	more := l2gw.Ownership{Networks: map[string]l2gw.VNI{"n1": 5001, "n2": l2gw.MaxVNI}, Bindings: map[l2gw.BindingKey]string{key(5): "n1", key(0): "n2"}}
	for range 2 {
		if err := s.Own(t.Context(), 0, "db1", more); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Own(t.Context(), 0, "db2", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n1": 5001}}); err != nil {
		t.Fatal(err)
	}
	check("db1", more)
	// The network of VLAN 5 changes; the confirmation that the old one is gone comes later.
	if err := s.Own(t.Context(), 0, "db1", l2gw.Ownership{Bindings: map[l2gw.BindingKey]string{key(5): "n2"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Disown(t.Context(), 0, "db1", l2gw.Ownership{
			Networks: map[string]l2gw.VNI{"n1": 5001, "n2": 7}, Bindings: map[l2gw.BindingKey]string{key(5): "n1", key(0): "n2"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	check("db1", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n2": l2gw.MaxVNI}, Bindings: map[l2gw.BindingKey]string{key(5): "n2"}})
	all, err := s.Ownerships(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all["db2"].Networks["n1"] != 5001 {
		t.Fatalf("all: %+v", all)
	}
	many := l2gw.Ownership{Networks: map[string]l2gw.VNI{}, Bindings: map[l2gw.BindingKey]string{}}
	for i := range 1_234 {
		many.Networks[fmt.Sprint("n", i)] = l2gw.VNI(i)
		many.Bindings[key(l2gw.VLAN(i))] = fmt.Sprint("n", i)
	}
	if err := s.Own(t.Context(), 0, "db3", many); err != nil {
		t.Fatal(err)
	}
	check("db3", many)
	if err := s.Disown(t.Context(), 0, "db3", many); err != nil {
		t.Fatal(err)
	}
	check("db3", l2gw.Ownership{})
}

func unstorable(t *testing.T, s *store.Store) {
	for _, id := range []string{"a\x00b", "\xff", "", "'; DROP TABLE gateways; --"} {
		_, err := s.Gateway(t.Context(), id)
		wantError(t, err, l2gw.NotFound, "L2GatewayNotFound")
		wantError(t, s.DeleteGateway(t.Context(), id), l2gw.NotFound, "L2GatewayNotFound")
		_, err = s.Connection(t.Context(), id)
		wantError(t, err, l2gw.NotFound, "L2GatewayConnectionNotFound")
		list, err := s.Gateways(t.Context(), store.Query{Filter: map[string][]string{"name": {id}}})
		if err != nil || len(list) != 0 {
			t.Fatalf("filter %q: %v, %v", id, list, err)
		}
	}
}
