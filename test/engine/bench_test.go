package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/agent"
	"l2gw/internal/controller"
	"l2gw/internal/fabric"
	"l2gw/internal/inventory"
	"l2gw/internal/store"
	"l2gw/ovsdb"
	"l2gw/test/ovsdbd"
	"l2gw/test/product"
)

// rawCall sends one JSON-RPC request as prebuilt text, reads the answer and
// throws it away: the least that anything which speaks to ovsdb-server can do.
func rawCall(b testing.TB, s *ovsdbd.Server, method string, params []byte) time.Duration {
	b.Helper()
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := append(append([]byte(`{"id":1,"method":"`+method+`","params":`), params...), '}')
	start := time.Now()
	go func() { _, _ = conn.Write(request) }()
	depth, inString, escaped, failed := 0, false, false, false
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		failed = failed || bytes.Contains(buf[:n], []byte(`"details"`))
		for _, c := range buf[:n] {
			switch {
			case escaped:
				escaped = false
			case inString && c == '\\':
				escaped = true
			case c == '"':
				inString = !inString
			case inString:
			case c == '{' || c == '[':
				depth++
			case c == '}' || c == ']':
				depth--
			}
		}
		if depth == 0 {
			if failed {
				b.Fatalf("the server refused the raw request: %s", buf[:n])
			}
			return time.Since(start)
		}
	}
}

// rawRows is one transaction with everything that a connection of n hosts needs.
func rawRows(n int) []byte {
	var w bytes.Buffer
	w.WriteString(`["hardware_vtep",
		{"op":"insert","table":"Logical_Switch","uuid-name":"ls","row":{"name":"` + netA + `","description":"net-a","tunnel_key":5001,"replication_mode":"source_node"}},
		{"op":"insert","table":"Physical_Locator","uuid-name":"l0","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.11"}},
		{"op":"insert","table":"Physical_Locator","uuid-name":"l1","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.12"}},
		{"op":"insert","table":"Physical_Locator","uuid-name":"l2","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"10.77.0.13"}},
		{"op":"insert","table":"Physical_Locator_Set","uuid-name":"s","row":{"locators":["set",[["named-uuid","l0"],["named-uuid","l1"],["named-uuid","l2"]]]}},
		{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":["named-uuid","ls"],"locator_set":["named-uuid","s"],"ipaddr":""}}`)
	for i := range n {
		h := benchHost(i)
		fmt.Fprintf(&w, `,{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"%s","logical_switch":["named-uuid","ls"],"locator":["named-uuid","l%d"],"ipaddr":"%s"}}`,
			h.MAC, i%3, h.IPs[0])
	}
	w.WriteString("]")
	return w.Bytes()
}

func benchHost(i int) l2gw.Host {
	return l2gw.Host{
		MAC:  l2gw.MAC{0xfa, 0x16, 0x3e, byte(i >> 16), byte(i >> 8), byte(i)},
		VTEP: netip.AddrFrom4([4]byte{10, 77, 0, byte(11 + i%3)}),
		IPs:  []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
	}
}

// benchInventory is net-a with n hosts behind three compute nodes, as a file.
func benchInventory(n int) string {
	var w strings.Builder
	w.WriteString(strings.Split(inventoryFile, "ports:")[0] + "ports:\n")
	for i := range n {
		h := benchHost(i)
		fmt.Fprintf(&w, "  - {network: net-a, host: compute-%d, mac: \"%s\", ips: [%s]}\n", i%3+1, h.MAC, h.IPs[0])
	}
	return w.String()
}

// memory is a process's resident memory now and at most, in MB.
func memory(b testing.TB, pid int) (now, peak float64) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); err == nil {
			now = kB / 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kB); err == nil {
			peak = kB / 1024
		}
	}
	return now, peak
}

// target reports a figure, and fails the benchmark if it is above its limit.
func target(b *testing.B, unit string, got, limit float64) {
	b.Helper()
	b.ReportMetric(got, unit)
	if got > limit {
		b.Errorf("%s is %.2f, more than the %.2f promised", unit, got, limit)
	}
}

// ratio compares what takes us so long with the least that it can take, both
// measured several times in turn; medians, since the machine has other work too.
type ratio struct{ raw, ours []time.Duration }

func (r *ratio) report(b *testing.B, limit float64) {
	b.Helper()
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return d[len(d)/2].Seconds()
	}
	raw, ours := median(r.raw), median(r.ours)
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric(raw, "raw-s")
	b.ReportMetric(ours, "ours-s")
	target(b, "ours/raw", ours/raw, limit)
}

// From the request for a connection of 10,000 hosts to the confirmation of the
// last row, against the same rows as one prebuilt transaction.
func BenchmarkConnectTenThousandHosts(b *testing.B) {
	const hosts, rounds = 10_000, 7
	inv, raw := benchInventory(hosts), rawRows(hosts)
	for range b.N {
		var r ratio
		var rss float64
		for range rounds {
			plain := twoSwitches(b)
			r.raw = append(r.raw, rawCall(b, plain, "transact", raw))
			plain.Kill()

			s := twoSwitches(b)
			p := product.Start(b, inv, "tor:"+s.TCP)
			gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
			waitKnown(b, p)
			start := time.Now()
			waitActive(b, p, p.Connect(gw, netA, "100"))
			r.ours = append(r.ours, time.Since(start))
			_, peak := memory(b, p.Pid())
			rss = max(rss, peak)
			p.Kill()
			s.Kill()
		}
		b.ReportMetric(rss, "peak-MB")
		r.report(b, 2.0)
	}
}

// From the start of the process until the switch is known to hold 100,000 rows
// that are all right, against a raw read of the same rows.
func BenchmarkRestartWithAHundredThousandRightRows(b *testing.B) {
	const hosts, rounds = 100_000, 3
	s := twoSwitches(b)
	p := product.Start(b, benchInventory(hosts), "tor:"+s.TCP)
	gw := p.CreateGateway("gw", product.Device{Name: "ps1", Interfaces: []product.Interface{{Name: "eth1"}}})
	waitKnown(b, p)
	waitActive(b, p, p.Connect(gw, netA, "100"))
	waitInSync(b, p)
	file := filepath.Join(s.Dir, "db")
	for range b.N {
		var r ratio
		for range rounds {
			p.Kill()
			size := fileSize(b, file)
			r.raw = append(r.raw, rawCall(b, s, "monitor_cond", []byte(`["hardware_vtep",null,{"Ucast_Macs_Remote":[{}],"Mcast_Macs_Remote":[{}],"Ucast_Macs_Local":[{}],
				"Mcast_Macs_Local":[{}],"Logical_Switch":[{}],"Physical_Switch":[{}],"Physical_Port":[{}],"Physical_Locator":[{}],"Physical_Locator_Set":[{}],"Global":[{}]}]`)))
			start := time.Now()
			p.Run()
			waitInSync(b, p)
			r.ours = append(r.ours, time.Since(start))
			if now := fileSize(b, file); now != size {
				b.Errorf("the database file went from %d to %d bytes: something was written", size, now)
			}
		}
		now, peak := memory(b, p.Pid())
		b.ReportMetric(now, "MB")
		b.ReportMetric(peak, "peak-MB")
		r.report(b, 2.0)
	}
}

// A thousand rows that a wiped switch gets back, from the moment it is there again.
func BenchmarkRestoreAThousandRows(b *testing.B) {
	const hosts = 1_000
	s := twoSwitches(b)
	p := product.Start(b, manyHosts(hosts), "tor:"+s.TCP)
	connectA(b, p)
	waitRows(b, s, hosts)
	var took time.Duration
	for range b.N {
		b.StopTimer()
		s.Wipe()
		b.StartTimer()
		start := time.Now()
		fill(s)
		waitRows(b, s, hosts)
		took += time.Since(start)
	}
	target(b, "restore-s", took.Seconds()/float64(b.N), 2.0)
}

// memorySource is an inventory that a benchmark changes at will.
type memorySource struct{ sink chan inventory.Sink }

func (m memorySource) Run(ctx context.Context, sink inventory.Sink) error {
	m.sink <- sink
	<-ctx.Done()
	return ctx.Err()
}

// From the inventory's word of one more host to its row in the switch, seen by
// a client of its own, with 100,000 rows there.
func BenchmarkOneMoreHostAmongAHundredThousand(b *testing.B) {
	const hosts = 100_000
	s := twoSwitches(b)
	rawCall(b, s, "transact", rawRows(hosts)) // right already, so that the start is quick
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, "sqlite:///"+filepath.Join(b.TempDir(), "l2gw.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	src := memorySource{make(chan inventory.Sink, 1)}
	ctl := controller.New(controller.Options{Store: st, Inventory: src, Server: "bench"})
	dial, err := ovsdb.Dialer(nil, "tcp:"+s.TCP)
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	ag, err := agent.New(agent.Options{
		Name: "bench", Databases: []agent.DatabaseOptions{{Name: "tor", Connect: dial}},
		Servers: []agent.Server{{Name: "bench", Dial: func(context.Context) (fabric.AgentStream, error) {
			up, down := fabric.Pipe()
			running.Go(func() { _ = ctl.Serve(ctx, up, fabric.Peer{}) })
			return down, nil
		}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	running.Go(func() { _ = ctl.Run(ctx) })
	running.Go(func() { _ = ag.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
	}()
	gw, err := st.CreateGateway(ctx, l2gw.Gateway{Name: "gw", Devices: []l2gw.Device{{Name: "ps1", Interfaces: []l2gw.Interface{{Name: "eth1"}}}}})
	if err != nil {
		b.Fatal(err)
	}
	vlan := l2gw.VLAN(100)
	conn, err := st.CreateConnection(ctx, l2gw.Connection{GatewayID: gw.ID, NetworkID: netA, VLAN: &vlan})
	if err != nil {
		b.Fatal(err)
	}
	seg := &l2gw.Segment{
		NetworkID: netA, Name: "net-a", VNI: 5001,
		VTEPs: []netip.Addr{benchHost(0).VTEP, benchHost(1).VTEP, benchHost(2).VTEP},
	}
	txn := seg.Hosts.Txn()
	for i := range hosts {
		h := benchHost(i)
		txn.Set(h.MAC, h)
	}
	seg.Hosts = txn.Commit()
	sink := <-src.sink
	sink.Inventory(inventory.Update{Complete: true, Changed: []inventory.Change{{Segment: seg}}})
	product.Eventually(b, "the connection is ACTIVE", func() error {
		if st, why, _ := ctl.Connection(conn.ID); st != l2gw.StatusActive {
			return fmt.Errorf("%s: %s", st, why)
		}
		if d := ctl.Databases(); len(d) != 1 || !d[0].InSync {
			return fmt.Errorf("not in sync: %+v", d)
		}
		return nil
	})

	rows := macsAsTheyCome(b, s)
	var total, worst time.Duration
	b.ResetTimer()
	for i := range b.N {
		h := benchHost(hosts + i)
		next := *seg
		next.Hosts = seg.Hosts.Set(h.MAC, h)
		seg = &next
		start := time.Now()
		sink.Inventory(inventory.Update{Changed: []inventory.Change{{Segment: seg, Delta: &inventory.Delta{Set: []l2gw.Host{h}}}}})
		for mac := range rows {
			if mac == h.MAC.String() {
				break
			}
		}
		took := time.Since(start)
		total += took
		worst = max(worst, took)
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	target(b, "ms/host", float64(total.Microseconds())/1000/float64(b.N), 5)
}

// macsAsTheyCome tells of each new Ucast_Macs_Remote row.
func macsAsTheyCome(b testing.TB, s *ovsdbd.Server) <-chan string {
	b.Helper()
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		b.Fatal(err)
	}
	rows := make(chan string, 64)
	done := make(chan struct{})
	b.Cleanup(func() {
		conn.Close()
		<-done
	})
	_, _ = io.WriteString(conn, `{"id":1,"method":"monitor","params":["hardware_vtep",null,{"Ucast_Macs_Remote":{"columns":["MAC"],"select":{"initial":false}}}]}`)
	in := json.NewDecoder(conn)
	var reply struct{ Error any }
	if err := in.Decode(&reply); err != nil || reply.Error != nil {
		b.Fatal(err, reply.Error)
	}
	go func() {
		defer close(done)
		defer close(rows)
		for {
			var m struct {
				Method string
				Params []json.RawMessage
				ID     any
			}
			if err := in.Decode(&m); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					b.Error(err)
				}
				return
			}
			if m.Method == "echo" {
				_, _ = io.WriteString(conn, `{"id":"echo","result":[],"error":null}`)
			}
			if m.Method != "update" {
				continue
			}
			var u map[string]map[string]struct{ New struct{ MAC string } }
			if err := json.Unmarshal(m.Params[1], &u); err != nil {
				b.Error(err)
			}
			for _, r := range u["Ucast_Macs_Remote"] {
				rows <- r.New.MAC
			}
		}
	}()
	return rows
}

func fileSize(b testing.TB, path string) int64 {
	b.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return fi.Size()
}

// waitKnown waits until the inventory has been read and the switch been seen.
func waitKnown(b testing.TB, p *product.Product) {
	b.Helper()
	product.Eventually(b, "the inventory and the switch are known", func() error {
		if status, out := p.Do("GET", "/v2.0/networks", nil); status != 200 {
			return fmt.Errorf("%v", out)
		}
		if status, out := p.Do("GET", "/v2.0/l2-gateway-devices/ps1", nil); status != 200 {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
}

func waitActive(b testing.TB, p *product.Product, connection string) {
	b.Helper()
	for deadline := time.Now().Add(5 * product.Patience); ; time.Sleep(5 * time.Millisecond) {
		c := p.Connection(connection)
		if c["status"] == "ACTIVE" {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("the connection is %v: %v", c["status"], c["status_reason"])
		}
	}
}

func waitInSync(b testing.TB, p *product.Product) {
	b.Helper()
	for deadline := time.Now().Add(5 * product.Patience); ; time.Sleep(5 * time.Millisecond) {
		status, out := p.Do("GET", "/v2.0/l2-gateway-devices/ps1", nil)
		if d, ok := out["l2_gateway_device"].(product.Object); ok && status == 200 && d["in_sync"] == true {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("the switch is not in sync: %v", out)
		}
	}
}
