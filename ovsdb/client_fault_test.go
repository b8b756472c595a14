package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
)

// injector passes a session through and lets a test add messages to what the
// server says.
type injector struct {
	net.Conn
	mu    sync.Mutex
	extra []byte
}

func (i *injector) Read(b []byte) (int, error) {
	for {
		i.mu.Lock()
		n := copy(b, i.extra)
		i.extra = i.extra[n:]
		i.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		n, err := i.Conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = i.Conn.SetReadDeadline(time.Time{})
			continue
		}
		return n, err
	}
}

// inject is for a moment when the server says nothing.
func (i *injector) inject(message string) {
	i.mu.Lock()
	i.extra = append(i.extra, message...)
	i.mu.Unlock()
	_ = i.Conn.SetReadDeadline(time.Unix(1, 0))
}

func TestAnUpdateThatDoesNotFitMakesTheClientStartAnew(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	ctx := testContext(t)
	opts := clientOptions(t, "unix:"+d.Socket, nil)
	sessions := make(chan *injector, 100)
	real := opts.Connect
	opts.Connect = connectorFunc(func(ctx context.Context) (net.Conn, error) {
		nc, err := real.Connect(ctx)
		if err != nil {
			return nil, err
		}
		i := &injector{Conn: nc}
		sessions <- i
		return i, nil
	})
	c := runClient(t, opts)
	waitSynced(t, c, 1)
	r, err := c.Transact(ctx, insertSwitch("x", 1))
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := r[0].UUID, NewUUID()
	for i, update := range []struct{ rows, want string }{
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"modify":{"name":"y"}}}}`, unknown), "does not have"},
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"delete":null}}}`, unknown), "does not have"},
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"insert":{"name":"y"}}}}`, known), "has already"},
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"insert":{"name":"y"}},"%s":{"insert":{"name":5}}}}`, NewUUID(), NewUUID()), `column "name"`},
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"modify":{"name":"y"}},"%s":{"delete":null}}}`, known, unknown), "does not have"},
		{fmt.Sprintf(`{"Logical_Switch":{"%s":{"upset":{}}}}`, known), `unknown member "upset"`},
		{`{"Logical_Switch":{"nonsense":{"delete":null}}}`, "is not a UUID"},
		{`{"Logical_Switch":[]}`, "where an object belongs"},
	} {
		session := <-sessions
		before := c.Snapshot()
		session.inject(fmt.Sprintf(`{"id":null,"method":"update3","params":["hardware_vtep","%s",%s]}`, noTransaction, update.rows))
		var reason error
		waitFor(t, c, "a new session", func(s State, snap *Snapshot) bool {
			if s.Err != nil {
				reason = s.Err
			}
			if snap.Table("Logical_Switch").Len() != 1 || snap.Table("Logical_Switch").Get(known).Str("name") != "x" {
				t.Fatalf("%s: contents that are wrong are shown", update.rows)
			}
			return s.Phase == Synced && s.Session >= uint64(i+2)
		})
		if c.Snapshot() == before {
			t.Errorf("%s: the contents were not read anew", update.rows)
		}
		if reason != nil && (!errors.Is(reason, ErrProtocol) || !strings.Contains(reason.Error(), update.want)) {
			t.Errorf("%s:\n got %v\nwant …%s…", update.rows, reason, update.want)
		}
	}
}

func TestAServerWithoutLocksIsSaidToHaveNone(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	opts := clientOptions(t, "unix:"+d.Socket, nil)
	opts.Connect = lacking(map[string]bool{"lock": true, "steal": true}, opts.Connect)
	opts.Lock = "l2gw"
	c := runClient(t, opts)
	s := waitFor(t, c, "LockUnsupported", func(s State, _ *Snapshot) bool { return s.Phase == Synced && s.Lock == LockUnsupported })
	if s.Locked() {
		t.Error("a lock that does not exist is held")
	}
	if err := c.Steal(testContext(t)); !errors.Is(err, ErrUnknownMethod) {
		t.Errorf("Steal: %v", err)
	}
}

func TestADatabaseThatTheServerLacksIsNamedAndWaitedFor(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	opts := clientOptions(t, "unix:"+d.Socket, nil)
	opts.Database = "OVN_Northbound"
	c := runClient(t, opts)
	s := waitFor(t, c, "an error", func(s State, _ *Snapshot) bool { return s.Err != nil && !s.Retry.IsZero() })
	if !errors.Is(s.Err, ErrUnknownDatabase) || s.Session != 0 || c.Snapshot() != nil {
		t.Errorf("state %+v", s)
	}
	if _, err := c.Transact(testContext(t), Abort()); !errors.Is(err, ErrNotConnected) || !errors.Is(err, ErrUnknownDatabase) {
		t.Errorf("Transact: %v", err)
	}
}

func TestAnEndpointWithoutAServerIsLeftForTheNext(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	opts := clientOptions(t, "unix:"+d.Socket, nil)
	var err error
	if opts.Connect, err = Dialer(nil, "unix:"+d.Dir+"/nobody", "tcp:[::1]:1", "tcp:"+d.TCP); err != nil {
		t.Fatal(err)
	}
	if s := waitSynced(t, runClient(t, opts), 1); s.Peer != d.TCP {
		t.Errorf("the peer is %s, want %s", s.Peer, d.TCP)
	}
}

func TestTwoDatabaseClientsSeeEachOthersChanges(t *testing.T) {
	d := ovsdbd.Start(t, ovsdbd.Options{})
	a, b := runClient(t, clientOptions(t, "unix:"+d.Socket, nil)), runClient(t, clientOptions(t, "tcp:"+d.TCP, nil))
	waitSynced(t, a, 1)
	waitSynced(t, b, 1)
	sub := b.Subscribe()
	defer sub.Close()
	if ch, err := sub.Next(testContext(t)); err != nil || !ch.Reset || !ch.StateChanged {
		t.Fatalf("%+v, %v", ch, err)
	}
	r, err := a.Transact(testContext(t), insertSwitch("x", 1))
	if err != nil {
		t.Fatal(err)
	}
	ch, err := sub.Next(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	x, ok := ch.Rows["Logical_Switch"][r[0].UUID]
	if ch.Reset || !ok || x.Old != nil || x.New.Str("name") != "x" || ch.StateChanged || len(ch.Rows) != 1 {
		t.Errorf("%+v", ch)
	}
}

// A clustered server knows what changed since; its clients need not read all again.
func TestASessionWithAClusteredServerIsResumed(t *testing.T) {
	dir, err := os.MkdirTemp("", "ovsdbd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	db, socket := filepath.Join(dir, "db"), filepath.Join(dir, "db.sock")
	if out, err := exec.Command("ovsdb-tool", "create-cluster", db, ovsdbd.VTEPSchema, "unix:"+filepath.Join(dir, "raft")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s: run `make deps`", err, out)
	}
	cmd := exec.Command("ovsdb-server", db, "--remote=punix:"+socket, "--unixctl="+filepath.Join(dir, "ctl"), "-vconsole:off", "-vsyslog:off")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	})
	ctx := testContext(t)
	c := runClient(t, clientOptions(t, "unix:"+socket, nil))
	waitSynced(t, c, 1)
	if _, err := c.Transact(ctx, insertSwitch("a", 1)); err != nil {
		t.Fatal(err)
	}
	sub := c.Subscribe()
	defer sub.Close()
	if _, err := sub.Next(ctx); err != nil {
		t.Fatal(err)
	}
	row := c.Snapshot().Table("Logical_Switch").Lookup(byName, "a").First()
	session := c.State().Session
	c.Disconnect(errors.New("a test says so"))
	waitSynced(t, c, session+1)
	if _, err := c.Transact(ctx, insertSwitch("b", 2)); err != nil {
		t.Fatal(err)
	}
	if c.Snapshot().Table("Logical_Switch").Lookup(byName, "a").First() != row {
		t.Error("the rows were read again")
	}
	if c.Snapshot().Table("Logical_Switch").Lookup(byName, "b").Len() == 0 {
		t.Fatal("the second row is not there")
	}
	ch, err := sub.Next(ctx)
	if err != nil || ch.Reset {
		t.Errorf("the contents were reset: %v, %v", ch.Reset, err)
	}
}
