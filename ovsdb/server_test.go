package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"l2gw/test/ovsdbd"
)

func typesServer(t testing.TB, opts ServerOptions) *Server {
	t.Helper()
	return serverOf(t, "testdata/conformance/types.ovsschema", opts)
}

func serverOf(t testing.TB, file string, opts ServerOptions) *Server {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	opts.Schemas = []*Schema{schema}
	s, err := NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func listenOn(t testing.TB, s *Server, address string) string {
	t.Helper()
	a, err := s.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	return a.String()
}

// holds waits until the condition is true.
func holds(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(conformanceTimeout); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", conformanceTimeout, what)
		}
	}
}

func TestAServerIsUsedFromGoWithoutAConnection(t *testing.T) {
	s := typesServer(t, ServerOptions{})
	changed, stop, err := s.Watch("types")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	results, err := s.Transact("types",
		Insert("Atoms", "", Cell{"i", int64(5)}, Cell{"is", NewSet(int64(2), int64(1))}),
		Select("Atoms", nil, "i", "is", "os"),
		Mutate("Atoms", nil, Mutation{"i", "+=", int64(1)}))
	if err != nil {
		t.Fatal(err)
	}
	row := results[1].Rows[0]
	if results[0].UUID.IsZero() || row["i"] != int64(5) || !Equal(row["is"], NewSet(int64(1), int64(2))) || !Equal(row["os"], Set{}) || results[2].Count != 1 {
		t.Errorf("results: %+v", results)
	}
	select {
	case <-changed:
	default:
		t.Error("the watcher was not told")
	}

	var failed *TransactError
	_, err = s.Transact("types", Comment("x"), Insert("Nope", ""))
	if !errors.As(err, &failed) || failed.Index != 1 || failed.AtCommit || !errors.Is(err, ErrSyntax) {
		t.Errorf("an unknown table: %v", err)
	}
	_, err = s.Transact("types", Insert("Single", ""), Insert("Single", ""))
	if !errors.As(err, &failed) || !failed.AtCommit || !errors.Is(err, ErrConstraintViolation) {
		t.Errorf("too many rows: %v", err)
	}
	_, err = s.Transact("types", Op{Kind: OpWait, Table: "Single", Until: "!=", Timeout: -1})
	if !errors.Is(err, ErrTimedOut) {
		t.Errorf("a wait that would block: %v", err)
	}
	if _, err = s.Transact("nodb"); !errors.Is(err, ErrUnknownDatabase) {
		t.Errorf("an unknown database: %v", err)
	}
	select {
	case <-changed:
		t.Error("the watcher was told of a transaction that failed")
	default:
	}
}

func TestCloseEndsSessionsWaitsAndListeners(t *testing.T) {
	s := typesServer(t, ServerOptions{})
	path := filepath.Join(t.TempDir(), "s")
	listenOn(t, s, "punix:"+path)
	addr := listenOn(t, s, "ptcp:0:127.0.0.1")
	a, b := dialRaw(t, "unix", path), dialRaw(t, "tcp", addr)
	a.send(`{"method":"transact","params":["types",{"op":"wait","table":"Single","where":[],"columns":["n"],"until":"==","rows":[{"n":2}],"timeout":600000}],"id":1}`)
	for _, c := range []*rawClient{a, b} {
		c.send(`{"method":"echo","params":[],"id":2}`)
		if m := c.receive(t); m == nil {
			t.Fatal("no answer")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if m := a.receive(t); m != nil {
		t.Errorf("after Close: %v", m)
	}
	if m := b.receive(t); m != nil {
		t.Errorf("after Close: %v", m)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("somebody listens")
	}
	if _, err := s.Transact("types"); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Transact: %v", err)
	}
	if _, err := s.Listen("ptcp:0:127.0.0.1"); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Listen: %v", err)
	}
	// goleak sees to the goroutines.
}

func TestAClientThatDoesNotReadIsDropped(t *testing.T) {
	s := typesServer(t, ServerOptions{MaxQueue: 1 << 20})
	client, server := net.Pipe()
	defer client.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.ServeConn(context.Background(), server) }()
	if _, err := io.WriteString(client, `{"method":"monitor","params":["types",1,{"Atoms":{}}],"id":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 100_000)
	for i := 0; ; i++ {
		if _, err := s.Transact("types", Insert("Atoms", "", Cell{"s", text})); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !strings.Contains(err.Error(), "unread") {
				t.Errorf("it ended since %v", err)
			}
			return
		default:
		}
		if i > 1000 {
			t.Fatal("100 MB are queued")
		}
	}
}

func TestASilentClientIsProbedAndThenDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const probe = 5 * time.Second
		s := typesServer(t, ServerOptions{InactivityProbe: probe})
		dial := func() *rawClient {
			ours, theirs := net.Pipe()
			go func() { _ = s.ServeConn(t.Context(), theirs) }()
			return newRawClient(t, ours)
		}
		alive, silent := dial(), dial()
		began := time.Now()
		for i := range 5 {
			if m := alive.receive(t); m["method"] != "echo" {
				t.Fatalf("it was sent %v", m)
			}
			if after := time.Since(began); after != time.Duration(i+1)*probe {
				t.Errorf("probe %d after %v", i+1, after)
			}
			alive.send(`{"id":"echo","result":[],"error":null}`)
			if i == 0 {
				if m := silent.receive(t); m["method"] != "echo" {
					t.Errorf("it was sent %v", m)
				}
			}
		}
		if m := silent.receive(t); m != nil {
			t.Errorf("it was sent %v", m)
		}
	})
}

func TestClientsAreServedOverTLS(t *testing.T) {
	serverTLS, clientTLS := testCertificates(t)
	s := typesServer(t, ServerOptions{TLS: serverTLS})
	addr := listenOn(t, s, "pssl:0:127.0.0.1")
	c, err := tls.Dial("tcp", addr, clientTLS)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, `{"method":"echo","params":["over TLS"],"id":1}`); err != nil {
		t.Fatal(err)
	}
	v, err := newJSONReader(c).read()
	if got := string(appendJSON(nil, v)); err != nil || !strings.Contains(got, "over TLS") {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := typesServer(t, ServerOptions{}).Listen("pssl:0:127.0.0.1"); err == nil {
		t.Error("pssl without certificates")
	}
}

func managerRows(target string) []Op {
	return []Op{
		Insert("Manager", "m", Cell{"target", target}, Cell{"inactivity_probe", NewSet(int64(0))}, Cell{"max_backoff", NewSet(int64(1000))}),
		Insert("Global", "", Cell{"managers", NewSet(NamedUUID("m"))}),
	}
}

func TestAManagerIsDialledAgainAndAgainAndItsStateTold(t *testing.T) {
	s := serverOf(t, ovsdbd.VTEPSchema, ServerOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := s.Transact("hardware_vtep", managerRows("tcp:"+l.Addr().String())...); err != nil {
		t.Fatal(err)
	}
	connected := func() (bool, string) {
		r, err := s.Transact("hardware_vtep", Select("Manager", nil))
		if err != nil {
			t.Fatal(err)
		}
		state, _ := r[0].Rows[0]["status"].(Map).Get("state")
		return r[0].Rows[0]["is_connected"].(bool), fmt.Sprint(state)
	}
	for range 2 { // the second time it has been hung up on
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, `{"method":"list_dbs","params":[],"id":1}`); err != nil {
			t.Fatal(err)
		}
		v, err := newJSONReader(c).read()
		if got := string(appendJSON(nil, v)); err != nil || !strings.Contains(got, "hardware_vtep") {
			t.Errorf("%s, %v", got, err)
		}
		if ok, state := connected(); !ok || state != "ACTIVE" {
			t.Errorf("connected %v, state %s", ok, state)
		}
		c.Close()
		holds(t, "the lost connection is told", func() bool { ok, _ := connected(); return !ok })
	}
	// Without its row it is left alone.
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := s.Transact("hardware_vtep", Delete("Global", nil)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(conformanceTimeout))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the session goes on")
	}
}

func TestAManagerMayBeOneThatIsWaitedFor(t *testing.T) {
	s := serverOf(t, ovsdbd.VTEPSchema, ServerOptions{})
	if _, err := s.Transact("hardware_vtep", managerRows("ptcp:0:127.0.0.1")...); err != nil {
		t.Fatal(err)
	}
	var port Value
	holds(t, "the port is told", func() bool {
		r, err := s.Transact("hardware_vtep", Select("Manager", nil))
		if err != nil {
			t.Fatal(err)
		}
		var ok bool
		port, ok = r[0].Rows[0]["status"].(Map).Get("bound_port")
		return ok
	})
	c := dialRaw(t, "tcp", "127.0.0.1:"+port.(string))
	c.send(`{"method":"echo","params":[],"id":1}`)
	if m := c.receive(t); m == nil {
		t.Error("no answer")
	}
}

func TestTheProbeOfAManagerThatIsWaitedForIsItsOwn(t *testing.T) {
	s := serverOf(t, ovsdbd.VTEPSchema, ServerOptions{InactivityProbe: -1})
	port := freePort(t)
	rows := managerRows("ptcp:" + port + ":127.0.0.1")
	rows[0].Row[1] = Cell{"inactivity_probe", NewSet(int64(10))}
	if _, err := s.Transact("hardware_vtep", rows...); err != nil {
		t.Fatal(err)
	}
	var c net.Conn
	holds(t, "it listens", func() (ok bool) {
		var err error
		c, err = net.Dial("tcp", "127.0.0.1:"+port)
		return err == nil
	})
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(conformanceTimeout))
	v, err := newJSONReader(c).read()
	if got := string(appendJSON(nil, v)); err != nil || !strings.Contains(got, `"method":"echo"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestJSONThatIsNestedTooDeeplyEndsTheSession(t *testing.T) {
	addr := listenOn(t, typesServer(t, ServerOptions{}), "ptcp:0:127.0.0.1")
	c := dialRaw(t, "tcp", addr)
	c.send(`{"method":"echo","params":[` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `],"id":1}`)
	if m := c.receive(t); m == nil {
		t.Error("100 brackets are too many")
	}
	c.send(`{"method":"echo","params":[` + strings.Repeat("[", 1_000_000))
	if m := c.receive(t); m != nil {
		t.Errorf("1,000,000 brackets: %v", m)
	}
}

// What a transaction costs must not grow with what the tables hold. A row that
// must not be looked at stands for the many of a large table.
func TestATransactionLooksOnlyAtTheRowsThatItNames(t *testing.T) {
	s := typesServer(t, ServerOptions{})
	for _, table := range s.dbs["types"].tables {
		table.rows[NewUUID()] = nil
	}
	u := NewUUID()
	if _, err := s.Transact("types",
		Op{Kind: OpInsert, Table: "Atoms", UUID: u},
		Update("Atoms", ByUUID(u), Cell{"i", int64(1)}),
		Mutate("Atoms", ByUUID(u), Mutation{"i", "+=", int64(1)}),
		WaitEqual("Atoms", u, Cell{"i", int64(2)}),
		Select("Atoms", ByUUID(u)),
	); err != nil {
		t.Error(err)
	}
	if _, err := s.Transact("types", Update("Atoms", ByUUID(u), Cell{"i", int64(3)})); err != nil {
		t.Error(err)
	}
	if _, err := s.Transact("types", Delete("Atoms", ByUUID(u))); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a scan of the table does not look at the row: this test shows nothing")
		}
	}()
	_, _ = s.Transact("types", Select("Atoms", nil))
}

func BenchmarkTransactionInATableOf(b *testing.B) {
	for _, rows := range []int{0, 1000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			s := typesServer(b, ServerOptions{})
			for left := rows; left > 0; left -= 1000 {
				ops := make([]Op, 1000)
				for i := range ops {
					ops[i] = Insert("Atoms", "", Cell{"i", int64(i)})
				}
				if _, err := s.Transact("types", ops...); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				u := NewUUID()
				for _, ops := range [][]Op{
					{{Kind: OpInsert, Table: "Atoms", UUID: u}, Update("Atoms", ByUUID(u), Cell{"i", int64(1)})},
					{Delete("Atoms", ByUUID(u))},
				} {
					if _, err := s.Transact("types", ops...); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// The limit of the first wait once counted for all of the transaction, and a
// transaction made from Go woke nobody who waited.
func TestEachWaitOfATransactionHasItsOwnLimit(t *testing.T) {
	s := typesServer(t, ServerOptions{})
	c := dialRaw(t, "tcp", listenOn(t, s, "ptcp:0:127.0.0.1"))
	wait := func(limit time.Duration, i int64) Op {
		return Op{
			Kind: OpWait, Table: "Atoms", Where: []Condition{{"i", "==", i}}, Columns: []string{"i"},
			Until: "==", Rows: [][]Cell{{{"i", i}}}, Timeout: limit,
		}
	}
	first, second := wait(time.Hour, 1), wait(10*time.Millisecond, 2)
	c.send(`{"method":"transact","params":["types",` + string(first.AppendJSON(nil)) + `,` + string(second.AppendJSON(nil)) + `],"id":1}`)
	holds(t, "the transaction waits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.dbs["types"].triggers) == 1
	})
	if _, err := s.Transact("types", Insert("Atoms", "", Cell{"i", int64(1)})); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.receive(t)); !strings.Contains(got, "timed out") {
		t.Error(got)
	}
}

// Such as one that the manager before it is about to give up: it once tried
// again only after max_backoff.
func TestAManagerListensSoonAfterItsPortIsFree(t *testing.T) {
	s := serverOf(t, ovsdbd.VTEPSchema, ServerOptions{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	rows := managerRows("ptcp:" + port + ":127.0.0.1")
	rows[0].Row[2] = Cell{"max_backoff", NewSet(time.Hour.Milliseconds())}
	if _, err := s.Transact("hardware_vtep", rows...); err != nil {
		t.Fatal(err)
	}
	state := func() Value {
		r, err := s.Transact("hardware_vtep", Select("Manager", nil))
		if err != nil {
			t.Fatal(err)
		}
		state, _ := r[0].Rows[0]["status"].(Map).Get("state")
		return state
	}
	holds(t, "the taken port is told", func() bool { return state() == "BACKOFF" })
	taken.Close()
	holds(t, "it listens", func() bool { return state() == "ACTIVE" })
}

func FuzzTransact(f *testing.F) {
	text, err := os.ReadFile("testdata/conformance/types.ovsschema")
	if err != nil {
		f.Fatal(err)
	}
	schema, err := ParseSchema(text)
	if err != nil {
		f.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/conformance/*.txtar")
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(script), "\n") {
			if _, ops, ok := strings.Cut(line, "a transact {"); ok {
				f.Add("{" + ops)
			}
		}
	}
	f.Fuzz(func(t *testing.T, ops string) {
		v, err := readJSON([]byte("[" + ops + "]"))
		if err != nil {
			return
		}
		d := newDatabase(schema, nil)
		for range 2 {
			e := &execution{txn: newTxn(d), holds: func(string) bool { return false }, impatient: true}
			out := e.run(v.([]any))
			if _, err := readJSON(out); err != nil {
				t.Fatalf("the answer %s: %v", out, err)
			}
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add(`{"method":"echo","params":[1.5e3,"\u00e9",null,true],"id":1}`)
	f.Add(`{"method":"monitor_cond","params":["types",1,{"Atoms":[{"where":[["i","<",5]]}]}],"id":1}`)
	f.Add(`{"method":"monitor_cond_change","params":[1,2,{"Atoms":[{"where":[]}]}],"id":1}{"method":"steal","params":["x"],"id":2}`)
	text, err := os.ReadFile("testdata/conformance/types.ovsschema")
	if err != nil {
		f.Fatal(err)
	}
	schema, err := ParseSchema(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := NewServer(ServerOptions{Schemas: []*Schema{schema}, InactivityProbe: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, client)
		}()
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = s.ServeConn(context.Background(), server)
		}()
		_, _ = io.WriteString(client, text)
		client.Close()
		<-done
		<-served
	})
}
