package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"l2gw/test/ovsdbd"
)

// peer is the other end of a session, played by the test.
type peer struct {
	t  *testing.T
	nc net.Conn
	d  *json.Decoder
}

func newPeer(t *testing.T, opts ConnOptions) (*Conn, *peer) {
	ours, theirs := net.Pipe()
	c := NewConn(ours, opts)
	t.Cleanup(func() { theirs.Close(); c.Close() })
	return c, &peer{t, theirs, json.NewDecoder(theirs)}
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.nc, s); err != nil {
		p.t.Errorf("the session takes no more: %v", err)
	}
}

// receive reads one message and returns its text.
func (p *peer) receive() string {
	var m json.RawMessage
	if err := p.d.Decode(&m); err != nil {
		p.t.Errorf("receive: %v", err)
	}
	return string(m)
}

func TestTheMembersOfAMessageMayComeInAnyOrder(t *testing.T) {
	c, p := newPeer(t, ConnOptions{})
	ctx := testContext(t)
	for i, answer := range []string{
		`{"id":%d,"result":"x","error":null}`,
		`{"error":null,"result":"x","id":%d}`,
		`{"result":"x","unknown":[1,{"a":2}],"error":null,"id":%d}`,
		" {\n\"result\" : \"x\" , \"id\" : %d }\n",
	} {
		go func() {
			p.receive()
			p.send(fmt.Sprintf(answer, i+1))
		}()
		var got string
		if err := c.Call(ctx, "m", nil, &got); err != nil || got != "x" {
			t.Errorf("%s: got %q, %v", answer, got, err)
		}
	}
}

func TestAMirrorIsReadFromMessagesOfAnyOrder(t *testing.T) {
	schema, err := ParseSchema([]byte(`{"name":"d","tables":{"T":{"columns":{"c":{"type":"string"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	u := NewUUID()
	contents := fmt.Sprintf(`[false,"%s",{"T":{"%s":{"initial":{"c":"a"}}}}]`, noTransaction, u)
	change := fmt.Sprintf(`["d","%s",{"T":{"%s":{"modify":{"c":"b"}}}}]`, noTransaction, u)
	for _, answers := range [][2]string{
		{`{"id":1,"result":` + contents + `,"error":null}`, `{"id":null,"method":"update3","params":` + change + `}`},
		{`{"error":null,"result":` + contents + `,"id":1}`, `{"params":` + change + `,"method":"update3","id":null}`},
	} {
		c, p := newPeer(t, ConnOptions{})
		var seen []string
		m := &mirror{
			database: "d", schema: schema, layouts: layoutsFor(schema, map[string][]string{"T": nil}, nil),
			publish: func(s *Snapshot, _ []rowChange, _ bool, _ string) {
				seen = append(seen, s.Table("T").Get(u).Str("c"))
			},
		}
		go func() {
			p.receive()
			p.send(answers[0] + answers[1])
			p.receive()
			p.send(`{"id":2,"result":[],"error":null}`)
		}()
		if err := m.begin(testContext(t), c, nil, ""); err != nil {
			t.Fatal(err)
		}
		if err := c.Echo(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(seen, []string{"a", "b"}) {
			t.Errorf("seen %q", seen)
		}
	}
}

func TestWhatAPeerMayNotSendEndsTheSessionWithAReason(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{`HTTP/1.1 400 Bad Request`, "invalid character"},
		{`[]`, "a message is a JSON object"},
		{`{"id":1,"result":}`, "invalid character"},
		{`{"method":7,"params":[]}`, "is no string"},
		{`{"result":[]}`, "neither method nor id"},
		{`{"method":"locked","params":{}}`, "is no array"},
		{`{"method":"stolen","params":[1]}`, "no name of a lock"},
		{strings.Repeat(`{"a":`, 20_000), "depth"},
		{`{"method":"x","params":` + strings.Repeat(`[`, 20_000), "depth"},
		{`{"id":1,"result":` + strings.Repeat(`[`, 1_000_000), "depth"},
	} {
		conn, p := newPeer(t, ConnOptions{})
		go io.WriteString(p.nc, c.sent) // the session may end before it has read all
		<-conn.Done()
		if err := conn.Err(); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s\n got %v\nwant …%s…", c.sent, err, c.want)
		}
	}
}

func TestAMessageThatIsTooLargeEndsTheSession(t *testing.T) {
	for _, sent := range []string{`{"id":1,"result":"`, `{"a":[`} {
		conn, p := newPeer(t, ConnOptions{MaxMessage: 1 << 20})
		go func() {
			_, _ = io.WriteString(p.nc, sent)
			for {
				if _, err := io.WriteString(p.nc, strings.Repeat("1,", 4096)); err != nil {
					return
				}
			}
		}()
		<-conn.Done()
		if err := conn.Err(); !errors.Is(err, ErrMessageTooLarge) {
			t.Errorf("%s…: %v", sent, err)
		}
	}
}

func TestManyMessagesTogetherMayBeLargerThanOneMayBe(t *testing.T) {
	got := 0
	conn, p := newPeer(t, ConnOptions{MaxMessage: 1000, OnNotification: func(string, jsontext.Value) { got++ }})
	go func() {
		for range 1000 {
			p.send(`{"method":"x","params":["` + strings.Repeat("y", 900) + `"],"id":null}`)
		}
		p.receive()
		p.send(`{"id":1,"result":[]}`)
	}()
	if err := conn.Echo(testContext(t)); err != nil || got != 1000 {
		t.Errorf("%d messages, %v", got, err)
	}
}

func TestAMessageCutShortIsToldFromAnEnd(t *testing.T) {
	for sent, want := range map[string]string{`{"id":1,`: "within a message", `{"method":"x","params":[]}`: "the peer closed the connection"} {
		conn, p := newPeer(t, ConnOptions{})
		go func() {
			p.send(sent)
			p.nc.Close()
		}()
		<-conn.Done()
		if err := conn.Err(); !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", sent, err)
		}
	}
}

func TestACallThatIsGivenUpLeavesTheSessionHealthy(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{})
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		p.receive()
		cancel()
	}()
	var late string
	if err := conn.Call(ctx, "slow", nil, &late); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() {
		p.receive()
		p.send(`{"id":1,"result":"late"}{"id":2,"result":"right"}`)
	}()
	var got string
	if err := conn.Call(testContext(t), "next", nil, &got); err != nil || got != "right" || late != "" {
		t.Errorf("got %q, late %q, %v", got, late, err)
	}
}

func TestAnEchoIsAnswered(t *testing.T) {
	_, p := newPeer(t, ConnOptions{})
	for sent, want := range map[string]string{
		`{"id":"echo","method":"echo","params":[]}`:       `{"id":"echo","result":[],"error":null}`,
		`{"params":["x",{"y":1}],"method":"echo","id":7}`: `{"id":7,"result":["x",{"y":1}],"error":null}`,
		`{"id":"q","method":"shutdown","params":[]}`:      `{"id":"q","result":null,"error":"unknown method"}`,
	} {
		go p.send(sent)
		if got := p.receive(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAnErrorOfTheServerIsAnError(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{})
	for i, c := range []struct {
		sent string
		want error
	}{
		{`"unknown method"`, ErrUnknownMethod},
		{`{"error":"syntax error","details":"d","syntax":"s"}`, ErrSyntax},
		{`{"error":"unknown database","details":"d"}`, ErrUnknownDatabase},
	} {
		go func() {
			p.receive()
			p.send(fmt.Sprintf(`{"id":%d,"error":%s}`, i+1, c.sent))
		}()
		if err := conn.Call(testContext(t), "m", nil, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.sent, err)
		}
	}
}

func TestCallsUnderWayFailWhenTheSessionEnds(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{})
	go func() {
		p.receive()
		p.nc.Close()
	}()
	if err := conn.Call(testContext(t), "m", nil, nil); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("under way: %v", err)
	}
	if err := conn.Call(testContext(t), "m", nil, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestASilentPeerIsProbedAndThenLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, p := newPeer(t, ConnOptions{Probe: 5 * time.Second})
		start := time.Now()
		if got := p.receive(); got != `{"id":"echo","method":"echo","params":[]}` {
			t.Errorf("got %s", got)
		}
		if after := time.Since(start); after != 5*time.Second {
			t.Errorf("probed after %s", after)
		}
		p.send(`{"id":"echo","result":[],"error":null}`)
		p.receive() // at 15 s: those to 10 s were not silent
		<-conn.Done()
		if err, after := conn.Err(), time.Since(start); !errors.Is(err, ErrInactive) || after != 20*time.Second {
			t.Errorf("%v after %s", err, after)
		}
	})
}

func TestALargeAnswerMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, p := newPeer(t, ConnOptions{Probe: 5 * time.Second})
		schema, err := ParseSchema([]byte(`{"name":"d","tables":{"T":{"columns":{"c":{"type":"string"}}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		m := &mirror{database: "d", schema: schema, publish: func(*Snapshot, []rowChange, bool, string) {}}
		go func() {
			p.receive()
			go p.receive() // the probe
			time.Sleep(time.Minute)
			p.send(`{"id":1,"result":[false,"` + noTransaction + `",{}],"error":null}`)
		}()
		if err := m.begin(t.Context(), conn, nil, ""); err != nil {
			t.Error(err)
		}
	})
}

func TestNestingBelowTheBoundIsReadWithoutHarm(t *testing.T) {
	deep := strings.Repeat(`["set",[`, 4900) + strings.Repeat(`]]`, 4900)
	schema, err := ParseSchema([]byte(`{"name":"d","tables":{"T":{"columns":{"c":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	conn, p := newPeer(t, ConnOptions{})
	m := &mirror{
		database: "d", schema: schema, layouts: layoutsFor(schema, map[string][]string{"T": nil}, nil),
		publish: func(*Snapshot, []rowChange, bool, string) { t.Error("contents were published") },
	}
	go func() {
		p.receive()
		p.send(fmt.Sprintf(`{"id":1,"result":[false,"%s",{"T":{"%s":{"initial":{"c":%s}}}}],"error":null}`, noTransaction, NewUUID(), deep))
	}()
	if err := m.begin(testContext(t), conn, nil, ""); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), `column "c"`) {
		t.Error(err)
	}
}

func TestAMonitorAnsweredWithNothingEndsTheSessionWithAReason(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{})
	m := &mirror{database: "d", publish: func(*Snapshot, []rowChange, bool, string) {}}
	go func() {
		p.receive()
		p.send(`{"id":1,"error":null}`)
	}()
	if err := m.begin(testContext(t), conn, nil, ""); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "neither result nor error") {
		t.Error(err)
	}
}

func TestLocksThatWereNotAskedForAreNotRemembered(t *testing.T) {
	var told []LockEvent
	conn, p := newPeer(t, ConnOptions{OnLock: func(e LockEvent) { told = append(told, e) }})
	go func() {
		p.send(`{"method":"locked","params":["x"],"id":null}{"method":"stolen","params":["y"],"id":null}`)
		p.receive()
		p.send(`{"id":1,"result":[]}`)
	}()
	if err := conn.Echo(testContext(t)); err != nil || len(told) > 0 || conn.LockState("x") != LockNone {
		t.Errorf("told %v, state %v, %v", told, conn.LockState("x"), err)
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if len(conn.locks) > 0 {
		t.Errorf("%d locks are remembered", len(conn.locks))
	}
}

// A request larger than what the peer's echoes may take up once ended the
// session at the next echo, though the peer was only slow to read.
func TestALargeRequestDoesNotEndASessionThatIsAskedForAnEcho(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{Probe: -1})
	first := conn.TransactAsync(testContext(t), "d", Comment("x"))
	for queued := 1; queued > 0; runtime.Gosched() { // until the writer is at it
		conn.mu.Lock()
		queued = len(conn.out)
		conn.mu.Unlock()
	}
	second := conn.TransactAsync(testContext(t), "d", Comment(strings.Repeat("x", maxAnswers+1)))
	p.send(`{"id":7,"method":"echo","params":[]}`)
	p.receive()
	p.receive()
	if got := p.receive(); got != `{"id":7,"result":[],"error":null}` {
		t.Errorf("got %s", got)
	}
	p.send(`{"id":1,"result":[{}]}{"id":2,"result":[{}]}`)
	for _, pending := range []*Pending{first, second} {
		if _, err := pending.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestSendersWaitWhileThePeerDoesNotRead(t *testing.T) {
	conn, p := newPeer(t, ConnOptions{Probe: -1})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var sent int
	wg.Go(func() {
		for ; ctx.Err() == nil; sent++ {
			conn.TransactAsync(ctx, "d", Comment(strings.Repeat("x", 1<<20)))
		}
	})
	for { // until the sender waits
		conn.mu.Lock()
		full := len(conn.out) > maxQueued
		conn.mu.Unlock()
		if full {
			break
		}
		runtime.Gosched()
	}
	cancel()
	wg.Wait()
	if sent > 16 {
		t.Errorf("%d MB were taken", sent)
	}
	p.nc.Close()
}

func TestALargeMirrorIsReadWithoutHoldingItsText(t *testing.T) {
	text := macsAnswer(50_000)
	schema, err := ParseSchema(readSchemaFile(t, ovsdbd.VTEPSchema))
	if err != nil {
		t.Fatal(err)
	}
	conn, p := newPeer(t, ConnOptions{})
	m := &mirror{database: vtepDB, schema: schema, layouts: layoutsFor(schema, vtepTables, nil), publish: func(*Snapshot, []rowChange, bool, string) {}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		p.receive()
		p.send(`{"id":1,"result":`)
		if _, err := p.nc.Write(text); err != nil {
			t.Error(err)
		}
		p.send(`,"error":null}`)
	}()
	if err := m.begin(testContext(t), conn, nil, ""); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := m.current.Table("Ucast_Macs_Remote").Len(); n != 50_000 {
		t.Errorf("%d rows", n)
	}
	// The rows and their maps take about 1.7 times the text; holding the text would cost 2 to 4 times more.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(len(text))*5/2; got > most {
		t.Errorf("%d MB were allocated for %d MB of text, want at most %d", got>>20, len(text)>>20, most>>20)
	}
}

// FuzzSession: whatever a peer sends, the session neither panics nor hangs.
func FuzzSession(f *testing.F) {
	u := NewUUID()
	for _, s := range []string{
		`{"id":1,"result":[false,"0",{"T":{"` + u.String() + `":{"initial":{"c":"a","s":["set",[1,2]],"m":["map",[["k",["uuid","` + u.String() + `"]]]]}}}}]}`,
		`{"id":1,"result":{}}{"method":"update2","params":["d",{"T":{"` + u.String() + `":{"modify":{"s":3}}}}]}`,
		`{"id":1,"result":[true,"x",{}],"error":null}{"method":"update3","params":["d","x",{"T":{}}]}`,
		`{"id":1,"error":"unknown method"}{"id":2,"error":{"error":"x"}}{"id":3,"result":{"T":{}}}{"method":"update","params":["d",{}]}`,
		`{"method":"echo","id":"x","params":[]}{"method":"locked","params":["a"]}`,
		`{"params":["d",{}],"method":"update"}`, `{"result":{},"id":1}`, "\x00", `{"id":1e400}`,
	} {
		f.Add([]byte(s))
	}
	schema, err := ParseSchema([]byte(`{"name":"d","tables":{"T":{"columns":{"c":{"type":"string"},
		"s":{"type":{"key":"integer","min":0,"max":"unlimited"}},"m":{"type":{"key":"string","value":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}}}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		c := NewConn(ours, ConnOptions{Probe: -1, MaxMessage: 1 << 20})
		go io.Copy(io.Discard, theirs)
		go func() {
			_, _ = theirs.Write(data)
			theirs.Close()
		}()
		m := &mirror{
			database: "d", schema: schema, layouts: layoutsFor(schema, map[string][]string{"T": nil}, nil),
			publish: func(*Snapshot, []rowChange, bool, string) {},
		}
		_ = m.begin(context.Background(), c, nil, "")
		select {
		case <-c.Done():
		case <-time.After(long):
			t.Fatal("the session hangs")
		}
		c.Close()
	})
}

// FuzzValue: any text is a value or an error, and a value is written as it was read.
func FuzzValue(f *testing.F) {
	types := []ColumnType{
		{Key: BaseType{Type: TypeString}, Min: 1, Max: 1},
		{Key: BaseType{Type: TypeInteger}, Max: Unlimited},
		{Key: BaseType{Type: TypeReal}, Min: 0, Max: 1},
		{Key: BaseType{Type: TypeUUID}, Max: Unlimited},
		{Key: BaseType{Type: TypeString}, Value: &BaseType{Type: TypeBoolean}, Max: Unlimited},
	}
	for _, s := range []string{`"a\u0041"`, `5`, `1e3`, `["set",[1,2,1]]`, `["uuid","01234567-89ab-cdef-0123-456789abcdef"]`, `["map",[["a",true]]]`, "[\"map\",[[\"\x87\",true]]]", `[`, `["set",[`, "\x00", `"\`, `"\u0000"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d valueDecoder
		(&cursor{b: text}).skip()
		_, _ = d.untyped(&cursor{b: text})
		_ = parseError(text)
		_, _ = parseResults(text, []Op{Abort()}, nil)
		for i := range types {
			v, err := d.value(&cursor{b: text}, &types[i])
			if err != nil || !json.Valid(text) {
				continue
			}
			again, err := d.value(&cursor{b: AppendValue(nil, v)}, &types[i])
			if err != nil || !Equal(v, again) {
				t.Fatalf("%q is read as %v, written as %s, and read as %v, %v", text, v, AppendValue(nil, v), again, err)
			}
		}
	})
}
