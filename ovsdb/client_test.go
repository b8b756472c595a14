package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
)

const vtepDB = "hardware_vtep"

// vtepTables is what the tests mirror of hardware_vtep.
var vtepTables = map[string][]string{
	"Logical_Switch":    {"name", "tunnel_key", "description"},
	"Physical_Locator":  nil,
	"Ucast_Macs_Remote": {"MAC", "logical_switch", "locator", "ipaddr"},
	"Physical_Switch":   nil,
	"Physical_Port":     nil,
	"Global":            nil,
	"Manager":           nil,
}

var (
	byName = Index{Name: "name", Columns: []string{"name"}}
	byMAC  = Index{Name: "mac", Columns: []string{"logical_switch", "MAC"}}
)

// long is the deadline of whatever should happen soon.
const long = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*long)
	t.Cleanup(cancel)
	return ctx
}

func clientOptions(t testing.TB, endpoint string, conf *tls.Config) ClientOptions {
	t.Helper()
	d, err := Dialer(conf, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return ClientOptions{
		Database: vtepDB, Connect: d, Tables: vtepTables,
		Indexes: map[string][]Index{"Logical_Switch": {byName}, "Ucast_Macs_Remote": {byMAC}},
		Backoff: Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
	}
}

// runClient runs a client until the test ends.
func runClient(t testing.TB, opts ClientOptions) *Client {
	t.Helper()
	c, err := NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// waitFor waits until the client's state or contents satisfy ok.
func waitFor(t testing.TB, c *Client, what string, ok func(State, *Snapshot) bool) State {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	sub := c.Subscribe()
	defer sub.Close()
	for {
		if s, snap := c.State(), c.Snapshot(); ok(s, snap) {
			return s
		}
		if _, err := sub.Next(ctx); err != nil {
			t.Fatalf("%s: did not come; state %+v", what, c.State())
		}
	}
}

func waitSynced(t testing.TB, c *Client, session uint64) State {
	t.Helper()
	return waitFor(t, c, "session in sync", func(s State, _ *Snapshot) bool { return s.Phase == Synced && s.Session >= session })
}

func insertSwitch(name string, key int64) Op {
	return Insert("Logical_Switch", "", Cell{"name", name}, Cell{"tunnel_key", key})
}

// The guarantee that reconcilers rest on: what Transact did is in the snapshot when it returns.
func TestASnapshotHasWhatATransactionDidWhenItReturns(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	for _, endpoint := range []string{"unix:" + d.Socket, "tcp:" + d.TCP} {
		c := runClient(t, clientOptions(t, endpoint, nil))
		waitSynced(t, c, 1)
		for i := range 200 {
			r, err := c.Transact(ctx, insertSwitch(fmt.Sprintf("%s-%d", endpoint[:3], i), int64(i)))
			if err != nil {
				t.Fatal(err)
			}
			row := c.Snapshot().Table("Logical_Switch").Get(r[0].UUID)
			if row == nil {
				t.Fatalf("row %d is not there", i)
			}
			if key, ok := row.Int("tunnel_key"); !ok || key != int64(i) {
				t.Fatalf("row %d: tunnel_key is %v, %v", i, key, ok)
			}
			if _, err := c.Transact(ctx, Update("Logical_Switch", ByUUID(r[0].UUID), Cell{"tunnel_key", Set{}})); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Snapshot().Table("Logical_Switch").Get(r[0].UUID).Int("tunnel_key"); ok {
				t.Fatalf("row %d: tunnel_key is still there", i)
			}
			if i%2 == 0 {
				if _, err := c.Transact(ctx, Delete("Logical_Switch", ByUUID(r[0].UUID))); err != nil {
					t.Fatal(err)
				}
				if c.Snapshot().Table("Logical_Switch").Get(r[0].UUID) != nil {
					t.Fatalf("row %d is still there", i)
				}
			}
		}
		if n := c.Snapshot().Table("Logical_Switch").Lookup(byName, "uni-1").Len(); n != 1 {
			t.Errorf("%d rows by the name uni-1, want 1", n)
		}
	}
}

func TestSetsAndMapsFollowMutations(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	for _, method := range []string{"monitor_cond_since", "monitor_cond", "monitor"} {
		opts := clientOptions(t, "unix:"+d.Socket, nil)
		opts.Connect = upTo(method, opts.Connect)
		c := runClient(t, opts)
		waitSynced(t, c, 1)
		transact := func(ops ...Op) []OpResult {
			t.Helper()
			r, err := c.Transact(ctx, ops...)
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			return r
		}
		r := transact(
			Insert("Logical_Switch", "ls", Cell{"name", method}),
			Insert("Physical_Port", "port", Cell{"name", "p1"}, Cell{"vlan_bindings", NewMap(Pair{int64(1), NamedUUID("ls")}, Pair{int64(2), NamedUUID("ls")})}),
			Insert("Physical_Switch", "ps", Cell{"name", method}, Cell{"ports", NewSet(NamedUUID("port"))}, Cell{"tunnel_ips", NewSet("10.0.0.1", "10.0.0.2")}),
			Insert("Global", "", Cell{"switches", NewSet(NamedUUID("ps"))}),
		)
		ls, port, ps := r[0].UUID, r[1].UUID, r[2].UUID
		check := func(table string, u UUID, column string, want Value) {
			t.Helper()
			if got := c.Snapshot().Table(table).Get(u).Get(column); !Equal(got, want) {
				t.Errorf("%s: %s.%s is %v, want %v", method, table, column, got, want)
			}
		}
		check("Physical_Switch", ps, "tunnel_ips", NewSet("10.0.0.1", "10.0.0.2"))
		transact(Mutate("Physical_Switch", ByUUID(ps), Mutation{"tunnel_ips", "delete", "10.0.0.1"}, Mutation{"tunnel_ips", "insert", NewSet("10.0.0.3", "10.0.0.4")}))
		check("Physical_Switch", ps, "tunnel_ips", NewSet("10.0.0.2", "10.0.0.3", "10.0.0.4"))
		transact(Update("Physical_Switch", ByUUID(ps), Cell{"tunnel_ips", Set{}}))
		check("Physical_Switch", ps, "tunnel_ips", Set{})
		check("Physical_Port", port, "vlan_bindings", NewMap(Pair{int64(1), ls}, Pair{int64(2), ls}))
		other := transact(Insert("Logical_Switch", "other", Cell{"name", method + "2"}),
			Update("Physical_Port", ByUUID(port), Cell{"vlan_bindings", NewMap(Pair{int64(2), NamedUUID("other")}, Pair{int64(3), ls})}))[0].UUID
		check("Physical_Port", port, "vlan_bindings", NewMap(Pair{int64(2), other}, Pair{int64(3), ls}))
		transact(Delete("Global", nil))
		if c.Snapshot().Table("Physical_Port").Len() != 0 {
			t.Errorf("%s: the port is still there", method)
		}
		transact(Delete("Logical_Switch", nil))
	}
}

func TestAfterAKilledServerTheClientComesBack(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	waitSynced(t, c, 1)
	if _, err := c.Transact(ctx, insertSwitch("kept", 1)); err != nil {
		t.Fatal(err)
	}
	sub := c.Subscribe()
	defer sub.Close()
	if _, err := sub.Next(ctx); err != nil {
		t.Fatal(err)
	}
	d.Kill()
	s := waitFor(t, c, "disconnection", func(s State, _ *Snapshot) bool { return s.Phase != Synced })
	if s.Err == nil {
		t.Error("no reason is given")
	}
	if c.Snapshot().Table("Logical_Switch").Len() != 1 {
		t.Error("the contents are gone while the server is")
	}
	if _, err := c.Transact(ctx, insertSwitch("lost", 2)); !errors.Is(err, ErrNotConnected) && !errors.Is(err, ErrConnectionLost) {
		t.Errorf("Transact without a server: %v", err)
	}
	d.Run()
	waitSynced(t, c, 2)
	for {
		ch, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if ch.Reset {
			break
		}
	}
	if _, err := c.Transact(ctx, insertSwitch("new", 2)); err != nil {
		t.Fatal(err)
	}
	if n := c.Snapshot().Table("Logical_Switch").Len(); n != 2 {
		t.Errorf("%d logical switches, want 2", n)
	}
}

func TestAWipedSwitchIsSeenEmpty(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "tcp:"+d.TCP, nil))
	waitSynced(t, c, 1)
	if _, err := c.Transact(ctx, insertSwitch("x", 1)); err != nil {
		t.Fatal(err)
	}
	d.Wipe()
	waitFor(t, c, "empty contents", func(s State, snap *Snapshot) bool {
		return s.Session > 1 && snap.Table("Logical_Switch").Len() == 0
	})
}

func TestAServerThatHangsIsLeft(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	opts := clientOptions(t, "unix:"+d.Socket, nil)
	opts.Probe = 200 * time.Millisecond
	c := runClient(t, opts)
	waitSynced(t, c, 1)
	d.Pause()
	defer d.Continue()
	waitFor(t, c, "ErrInactive", func(s State, _ *Snapshot) bool { return errors.Is(s.Err, ErrInactive) })
	d.Continue()
	waitSynced(t, c, 2)
}

func TestAnIdleSessionStands(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	stands := func(t *testing.T, probe time.Duration) bool {
		opts := clientOptions(t, "unix:"+d.Socket, nil)
		opts.Probe = probe
		c := runClient(t, opts)
		first := waitSynced(t, c, 1).Session
		conn := c.conn.Load()
		if conn == nil || c.State().Session != first {
			return false
		}
		before := conn.received.Load()
		for deadline := time.Now().Add(long); conn.received.Load() < before+200; { // answers to some probes
			if conn.Err() != nil {
				return false
			}
			if time.Now().After(deadline) {
				t.Fatal("no answers to probes arrive")
			}
			time.Sleep(time.Millisecond)
		}
		return c.State().Session == first
	}
	for probe := 20 * time.Millisecond; ; probe *= 3 { // a busy machine answers later
		stood := false
		t.Run(fmt.Sprint(probe), func(t *testing.T) { stood = stands(t, probe) })
		if stood || t.Failed() {
			return
		}
		if probe > 3*time.Second {
			t.Fatalf("no session stands, not even with probes each %v", probe)
		}
	}
}

func TestALockGoesFromOneClientToTheNext(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	var mu sync.Mutex
	history := map[string][]LockState{}
	start := func(name string) *Client {
		opts := clientOptions(t, "unix:"+d.Socket, nil)
		opts.Lock = "l2gw"
		opts.OnState = func(s State) {
			mu.Lock()
			defer mu.Unlock()
			if h := history[name]; s.Phase == Synced && (len(h) == 0 || h[len(h)-1] != s.Lock) {
				history[name] = append(h, s.Lock)
			}
		}
		return runClient(t, opts)
	}
	lock := func(c *Client, want LockState) {
		t.Helper()
		waitFor(t, c, "lock "+want.String(), func(s State, _ *Snapshot) bool { return s.Phase == Synced && s.Lock == want })
	}
	a := start("a")
	lock(a, LockHeld)
	b := start("b")
	lock(b, LockWaiting)
	if _, err := b.Transact(ctx, Assert("l2gw"), insertSwitch("b", 1)); !errors.Is(err, ErrNotOwner) {
		t.Errorf("a transaction that asserts another's lock: %v", err)
	}
	if _, err := a.Transact(ctx, Assert("l2gw"), insertSwitch("a", 1)); err != nil {
		t.Error(err)
	}
	if err := b.Steal(ctx); err != nil {
		t.Fatal(err)
	}
	lock(b, LockHeld)
	lock(a, LockStolen)
	if err := a.RequestLock(ctx); err != nil {
		t.Fatal(err)
	}
	lock(a, LockWaiting)
	if err := b.ReleaseLock(ctx); err != nil {
		t.Fatal(err)
	}
	lock(a, LockHeld)
	lock(b, LockNone)
	if err := b.RequestLock(ctx); err != nil {
		t.Fatal(err)
	}
	lock(b, LockWaiting)
	a.Disconnect(errors.New("a test says so"))
	lock(b, LockHeld)
	lock(a, LockWaiting)
	want := map[string]string{"a": "[none held stolen none waiting held none waiting]", "b": "[none waiting none held none waiting held]"}
	told := func(name string) string {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(history[name])
	}
	for name, w := range want {
		for told(name) != w { // State is there a moment before OnState is told
			if ctx.Err() != nil {
				t.Fatalf("%s: history %s, want %s", name, told(name), w)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestAnOlderSchemaLeavesOutWhatItLacks(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{Schema: []byte(`{"name":"hardware_vtep","version":"1.3.0","tables":{
		"Logical_Switch":{"columns":{"name":{"type":"string"},"tunnel_key":{"type":{"key":"integer","min":0,"max":1}}},"isRoot":true},
		"Global":{"columns":{"x":{"type":"string"}},"isRoot":true}}}`)})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	s := waitSynced(t, c, 1)
	if s.Schema.Has("Logical_Switch", "description") || !s.Schema.Has("Logical_Switch", "name") {
		t.Error("the schema is another than the server's")
	}
	r, err := c.Transact(ctx, insertSwitch("x", 7))
	if err != nil {
		t.Fatal(err)
	}
	row := c.Snapshot().Table("Logical_Switch").Get(r[0].UUID)
	if row.Str("name") != "x" || row.Get("description") != nil {
		t.Errorf("row %v", row.Values())
	}
	if c.Snapshot().Table("Ucast_Macs_Remote") != nil {
		t.Error("a table that the schema lacks is there")
	}
	if c.Snapshot().Table("Logical_Switch").Lookup(byName, "x").Len() != 1 {
		t.Error("the index does not find the row")
	}
}

func TestWritesMayBePipelined(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	waitSynced(t, c, 1)
	var pending []*Pending
	for i := range 500 {
		op := insertSwitch(fmt.Sprint("n", i), int64(i))
		if i == 250 {
			op = Insert("Logical_Switch", "", Cell{"nonsense", "x"})
		}
		pending = append(pending, c.TransactAsync(ctx, op))
	}
	for i, p := range pending {
		_, err := p.Wait(ctx)
		var failed *TransactError
		switch {
		case i != 250 && err != nil:
			t.Errorf("transaction %d: %v", i, err)
		case i == 250 && (!errors.As(err, &failed) || failed.Index != 0 || failed.Op != "insert Logical_Switch" || !errors.Is(err, ErrUnknownColumn)):
			t.Errorf("the bad transaction: %v", err)
		}
	}
	if n := c.Snapshot().Table("Logical_Switch").Len(); n != 499 {
		t.Errorf("%d rows, want 499", n)
	}
}

func TestAFailureAtTheCommitIsToldFromOneOfAnOperation(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	waitSynced(t, c, 1)
	_, err := c.Transact(ctx, Insert("Ucast_Macs_Remote", "", Cell{"MAC", "x"}, Cell{"logical_switch", NewUUID()}, Cell{"locator", NewUUID()}))
	var failed *TransactError
	if !errors.As(err, &failed) || !failed.AtCommit || !errors.Is(err, ErrReferentialIntegrity) {
		t.Errorf("a dangling reference: %v", err)
	}
	_, err = c.Transact(ctx, insertSwitch("a", 1), Abort(), insertSwitch("b", 2))
	if !errors.As(err, &failed) || failed.AtCommit || failed.Index != 1 || !errors.Is(err, ErrAborted) {
		t.Errorf("an abort: %v", err)
	}
	r, err := c.Transact(ctx, insertSwitch("a", 1), Select("Logical_Switch", nil, "_uuid", "name", "tunnel_key"), Update("Logical_Switch", nil, Cell{"description", "d"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(r[1].Rows) != 1 || r[1].Rows[0]["_uuid"] != r[0].UUID || r[1].Rows[0]["name"] != "a" || !Equal(r[1].Rows[0]["tunnel_key"], NewSet(int64(1))) || r[2].Count != 1 {
		t.Errorf("results %+v", r)
	}
}

func TestAGuardFailsWhenItsRowIsAnother(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	waitSynced(t, c, 1)
	r, err := c.Transact(ctx, insertSwitch("x", 1), Comment("a \"quoted\" comment"), Commit(true))
	if err != nil {
		t.Fatal(err)
	}
	u := r[0].UUID
	rename := func(from, to string) error {
		p := c.TransactAsync(ctx, WaitEqual("Logical_Switch", u, Cell{"name", from}), Update("Logical_Switch", ByUUID(u), Cell{"name", to}))
		<-p.Done()
		_, err := p.Wait(ctx)
		return err
	}
	if err := rename("x", "y"); err != nil {
		t.Error(err)
	}
	err = rename("x", "z")
	var failed *TransactError
	if !errors.Is(err, ErrTimedOut) || !errors.As(err, &failed) || failed.Op != "wait Logical_Switch" {
		t.Errorf("a guard that does not hold: %v", err)
	}
	if row := c.Snapshot().Table("Logical_Switch").Get(u); row.Str("name") != "y" || row.Set("name").At(0) != "y" || row.Map("name").Len() != 0 || !row.Ref("name").IsZero() {
		t.Errorf("row %v", row.Values())
	}
}

func TestASessionIsOfUseWithoutAClient(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	nc, err := Dial(ctx, "unix:"+d.Socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	var locks []LockEvent
	c := NewConn(nc, ConnOptions{OnLock: func(e LockEvent) { locks = append(locks, e) }})
	defer c.Close()
	names, err := c.ListDatabases(ctx)
	if err != nil || !slices.Contains(names, vtepDB) {
		t.Errorf("databases %v, %v", names, err)
	}
	if _, err := c.GetSchema(ctx, vtepDB); err != nil {
		t.Fatal(err)
	}
	r, err := c.Transact(ctx, vtepDB, insertSwitch("x", 5), Select("Logical_Switch", []Condition{{"name", "==", "x"}}, "tunnel_key"))
	if err != nil || len(r[1].Rows) != 1 || !Equal(r[1].Rows[0]["tunnel_key"], NewSet(int64(5))) {
		t.Errorf("%+v, %v", r, err)
	}
	if held, err := c.Lock(ctx, "a"); err != nil || !held {
		t.Errorf("lock: %v, %v", held, err)
	}
	if err := c.Unlock(ctx, "a"); err != nil {
		t.Error(err)
	}
	if want := []LockEvent{{"a", LockHeld}, {"a", LockNone}}; !slices.Equal(locks, want) {
		t.Errorf("locks %v, want %v", locks, want)
	}
}

// A null character in the name of a network once ended the session, again and again.
func TestANullCharacterDoesNotEndTheSession(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	c := runClient(t, clientOptions(t, "unix:"+d.Socket, nil))
	waitSynced(t, c, 1)
	if _, err := c.Transact(testContext(t), insertSwitch("a\x00b", 1)); err != nil {
		t.Fatal(err)
	}
	for r := range c.Snapshot().Table("Logical_Switch").All() {
		if r.Str("name") != "a\uFFFDb" {
			t.Errorf("the name is %q", r.Str("name"))
		}
	}
}
