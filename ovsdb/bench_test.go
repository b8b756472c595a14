package ovsdb

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"l2gw/test/ovsdbd"
)

// fillMACs writes n rows of Ucast_Macs_Remote over 50 logical switches and 200
// locators, as a session without a monitor does fastest.
func fillMACs(t testing.TB, d *ovsdbd.Server, n int) {
	t.Helper()
	nc, err := net.Dial("unix", d.Socket)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(nc, ConnOptions{Probe: -1})
	defer c.Close()
	ctx := context.Background()
	var ops []Op
	for i := range 50 {
		ops = append(ops, Insert("Logical_Switch", fmt.Sprint("ls", i), Cell{"name", fmt.Sprint("net", i)}, Cell{"tunnel_key", int64(i)}))
	}
	for i := range 200 {
		ops = append(ops, Insert("Physical_Locator", fmt.Sprint("loc", i), Cell{"encapsulation_type", "vxlan_over_ipv4"}, Cell{"dst_ip", fmt.Sprintf("10.1.%d.%d", i/100, i%100)}))
	}
	for i := range 200 {
		ops = append(ops, macOp(i, NamedUUID(fmt.Sprint("ls", i%50)), NamedUUID(fmt.Sprint("loc", i))))
	}
	first, err := c.Transact(ctx, vtepDB, ops...)
	if err != nil {
		t.Fatal(err)
	}
	var pending []*Pending
	for i := 200; i < n; i += 1000 {
		ops := make([]Op, 0, 1000)
		for j := i; j < min(i+1000, n); j++ {
			ops = append(ops, macOp(j, first[j%50].UUID, first[50+j%200].UUID))
		}
		pending = append(pending, c.TransactAsync(ctx, vtepDB, ops...))
	}
	for _, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func macOp(i int, ls, loc Value) Op {
	return Insert("Ucast_Macs_Remote", "", Cell{"MAC", fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", i>>24&255, i>>16&255, i>>8&255, i&255)},
		Cell{"logical_switch", ls}, Cell{"locator", loc}, Cell{"ipaddr", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)})
}

// rawCall sends a message and reads until the answer to it ends, without looking at it.
func rawCall(t testing.TB, nc net.Conn, message []byte, end string) int {
	t.Helper()
	go nc.Write(message)
	buf := make([]byte, 1<<20)
	var tail []byte
	total := 0
	for {
		n, err := nc.Read(buf)
		total += n
		tail = append(tail, buf[:n]...)
		if bytes.HasSuffix(tail, []byte(end)) {
			return total
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
		tail = append(tail[:0], tail[max(0, len(tail)-len(end)):]...)
	}
}

// BenchmarkInitialSync100k measures from dial to the first snapshot, and beside
// it what the server alone needs: the same request, its answer read and dropped.
func BenchmarkInitialSync100k(b *testing.B) {
	const rows = 100_000
	d := ovsdbd.Start(b, ovsdbd.Options{})
	fillMACs(b, d, rows)
	schema, err := ParseSchema(readSchemaFile(b, ovsdbd.VTEPSchema))
	if err != nil {
		b.Fatal(err)
	}
	m := mirror{database: vtepDB, layouts: layoutsFor(schema, vtepTables, nil)}
	request := append([]byte(`{"id":1,"method":"monitor_cond_since","params":`), m.request(nil, form3, noTransaction)...)
	request = append(request, '}')
	var raw, ours time.Duration
	var size int
	var allocated uint64
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		nc, err := net.Dial("unix", d.Socket)
		if err != nil {
			b.Fatal(err)
		}
		size = rawCall(b, nc, request, `"error":null}`)
		raw += time.Since(start)
		nc.Close()
		c, err := NewClient(clientOptions(b, "unix:"+d.Socket, nil))
		if err != nil {
			b.Fatal(err)
		}
		sub := c.Subscribe()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start = time.Now()
		b.StartTimer()
		go func() { defer close(done); _ = c.Run(ctx) }()
		for c.Snapshot().Table("Ucast_Macs_Remote").Len() != rows {
			if _, err := sub.Next(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		ours += time.Since(start)
		runtime.ReadMemStats(&after)
		allocated = after.TotalAlloc - before.TotalAlloc
		cancel()
		<-done
		b.StartTimer()
	}
	b.ReportMetric(raw.Seconds()/float64(b.N), "raw-s/op")
	b.ReportMetric(ours.Seconds()/float64(b.N), "sync-s/op")
	b.ReportMetric(float64(ours)/float64(raw), "sync/raw")
	b.ReportMetric(float64(allocated)/1e6, "MB-allocated")
	b.ReportMetric(float64(size)/1e6, "MB-read")
}

// macTable is a server whose Ucast_Macs_Remote a benchmark fills again and again.
type macTable struct {
	server  *ovsdbd.Server
	conn    *Conn
	ls, loc []UUID
	round   int
}

func newMACTable(b *testing.B) *macTable {
	m := &macTable{server: ovsdbd.Start(b, ovsdbd.Options{})}
	fillMACs(b, m.server, 200)
	nc, err := net.Dial("unix", m.server.Socket)
	if err != nil {
		b.Fatal(err)
	}
	m.conn = NewConn(nc, ConnOptions{Probe: -1})
	b.Cleanup(func() { m.conn.Close() })
	r, err := m.conn.Transact(b.Context(), vtepDB, Select("Logical_Switch", nil, "_uuid"), Select("Physical_Locator", nil, "_uuid"))
	if err != nil {
		b.Fatal(err)
	}
	for i, list := range []*[]UUID{&m.ls, &m.loc} {
		for _, row := range r[i].Rows {
			*list = append(*list, row["_uuid"].(UUID))
		}
	}
	return m
}

// empty leaves a row for each locator, which lives only while something refers to it.
func (m *macTable) empty(b *testing.B) {
	ops := []Op{Delete("Ucast_Macs_Remote", nil)}
	for i, l := range m.loc {
		ops = append(ops, macOp(1<<30+i, m.ls[i%len(m.ls)], l))
	}
	if _, err := m.conn.Transact(b.Context(), vtepDB, ops...); err != nil {
		b.Fatal(err)
	}
}

// transactions are ten of 1,000 rows each.
func (m *macTable) transactions() [][]Op {
	all := make([][]Op, 10)
	for k := range all {
		for i := range 1000 {
			n := m.round<<16 + k*1000 + i
			all[k] = append(all[k], macOp(n, m.ls[n%len(m.ls)], m.loc[n%len(m.loc)]))
		}
	}
	m.round++
	return all
}

// BenchmarkInsert10k measures 10,000 rows in ten pipelined transactions until a
// mirroring client has all of them in its snapshot, and beside it the floor: the
// same text, prebuilt, on a server that nobody monitors.
func BenchmarkInsert10k(b *testing.B) {
	floor, mirrored := newMACTable(b), newMACTable(b)
	c := runClient(b, clientOptions(b, "unix:"+mirrored.server.Socket, nil))
	waitSynced(b, c, 1)
	ctx := context.Background()
	var raw, ours time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		floor.empty(b)
		var text []byte
		for k, ops := range floor.transactions() {
			text = append(text, `{"id":`...)
			text = strconv.AppendInt(text, int64(k), 10)
			text = append(text, `,"method":"transact","params":["hardware_vtep"`...)
			for i := range ops {
				text = ops[i].AppendJSON(append(text, ','))
			}
			text = append(text, `]}`...)
		}
		text = append(text, `{"id":"last","method":"echo","params":[]}`...)
		nc, err := net.Dial("unix", floor.server.Socket)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		rawCall(b, nc, text, `{"id":"last","result":[],"error":null}`)
		raw += time.Since(start)
		nc.Close()
		mirrored.empty(b)
		all := mirrored.transactions()
		b.StartTimer()
		start = time.Now()
		pending := make([]*Pending, 0, len(all))
		for _, ops := range all {
			pending = append(pending, c.TransactAsync(ctx, ops...))
		}
		for _, p := range pending {
			if _, err := p.Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
		ours += time.Since(start)
		if n := c.Snapshot().Table("Ucast_Macs_Remote").Len(); n < 10_000 {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(raw.Seconds()/float64(b.N), "raw-s/op")
	b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s/op")
	b.ReportMetric(float64(ours)/float64(raw), "ours/raw")
}
