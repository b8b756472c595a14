package ovsdb

import (
	"bytes"
	"context"
	"fmt"
	"io"
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

// BenchmarkInsert10k measures 10,000 rows in ten pipelined transactions by a
// mirroring client, and beside it the floor: the same text, prebuilt, on a
// session without a monitor.
func BenchmarkInsert10k(b *testing.B) {
	d := ovsdbd.Start(b, ovsdbd.Options{})
	fillMACs(b, d, 200)
	ctx := context.Background()
	c := runClient(b, clientOptions(b, "unix:"+d.Socket, nil))
	waitSynced(b, c, 1)
	var ls, loc []UUID
	for r := range c.Snapshot().Table("Logical_Switch").All() {
		ls = append(ls, r.UUID())
	}
	for r := range c.Snapshot().Table("Physical_Locator").All() {
		loc = append(loc, r.UUID())
	}
	round := 0
	transactions := func() [][]Op {
		all := make([][]Op, 10)
		for k := range all {
			for i := range 1000 {
				n := round<<16 + k*1000 + i
				all[k] = append(all[k], macOp(n, ls[n%len(ls)], loc[n%len(loc)]))
			}
		}
		round++
		return all
	}
	clear := Delete("Ucast_Macs_Remote", []Condition{{"MAC", "!=", ""}})
	reset := func() {
		// Locators live only while something refers to them: keep a row for each.
		ops := []Op{clear}
		for i, l := range loc {
			ops = append(ops, macOp(1<<30+i, ls[i%len(ls)], l))
		}
		if _, err := c.Transact(ctx, ops...); err != nil {
			b.Fatal(err)
		}
	}
	var raw, ours time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		reset()
		var text []byte
		for k, ops := range transactions() {
			text = append(text, `{"id":`...)
			text = strconv.AppendInt(text, int64(k), 10)
			text = append(text, `,"method":"transact","params":["hardware_vtep"`...)
			for i := range ops {
				text = ops[i].AppendJSON(append(text, ','))
			}
			text = append(text, `]}`...)
		}
		text = append(text, `{"id":"last","method":"echo","params":[]}`...)
		// The floor is without a monitor: a second server would be fairer, but not the same one.
		floor, err := net.Dial("unix", d.Socket)
		if err != nil {
			b.Fatal(err)
		}
		c.Disconnect(io.EOF)
		start := time.Now()
		rawCall(b, floor, text, `{"id":"last","result":[],"error":null}`)
		raw += time.Since(start)
		floor.Close()
		waitSynced(b, c, uint64(c.State().Session))
		reset()
		all := transactions()
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
