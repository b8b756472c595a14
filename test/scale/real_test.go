package scale

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/agent"
	"l2gw/internal/emulator"
	"l2gw/internal/fabric"
	"l2gw/ovsdb"
)

// What real agents and OVSDB servers, all in one process, are given to do: some, and a million rows.
var (
	some    = cloud{Agents: 20, PerAgent: 5, Networks: 80, Hosts: 245, Nodes: 64, Gateway: 5, Wide: 50}
	million = cloud{Agents: 200, PerAgent: 5, Networks: 4096, Hosts: 245, Nodes: 64, Gateway: 1, Wide: 50}
)

const vtepDatabase = "hardware_vtep"

// rows is how many unicast rows all databases together must have.
func (c cloud) rows() (n int) {
	for d := range c.databases() {
		n += len(c.bound(d)) * c.Hosts
	}
	return n
}

// bindings is how many bindings there are.
func (c cloud) bindings() int { return (c.Networks-1)*c.Gateway + c.Wide }

// switchOf starts an OVSDB server with a switch in it.
func (c cloud) switchOf(b testing.TB, d int) (s *ovsdb.Server, endpoint string) {
	b.Helper()
	s, err := ovsdb.NewServer(ovsdb.ServerOptions{Schemas: []*ovsdb.Schema{emulator.Schema()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	_, err = s.Transact(vtepDatabase,
		ovsdb.Insert("Physical_Port", "p1", ovsdb.Cell{Column: "name", Value: "eth1"}),
		ovsdb.Insert("Physical_Port", "p2", ovsdb.Cell{Column: "name", Value: "eth2"}),
		ovsdb.Insert("Physical_Switch", "ps", ovsdb.Cell{Column: "name", Value: c.device(d)},
			ovsdb.Cell{Column: "tunnel_ips", Value: ovsdb.NewSet(c.tunnel(d).String())},
			ovsdb.Cell{Column: "ports", Value: ovsdb.NewSet(ovsdb.NamedUUID("p1"), ovsdb.NamedUUID("p2"))}),
		ovsdb.Insert("Global", "", ovsdb.Cell{Column: "switches", Value: ovsdb.NewSet(ovsdb.NamedUUID("ps"))}))
	if err != nil {
		b.Fatal(err)
	}
	at, err := s.Listen("ptcp:0:127.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	return s, "tcp:" + at.String()
}

// macs are the unicast rows of a database, or those of one MAC.
func macs(b testing.TB, s *ovsdb.Server, where ...ovsdb.Condition) int {
	b.Helper()
	out, err := s.Transact(vtepDatabase, ovsdb.Select("Ucast_Macs_Remote", where, "MAC"))
	if err != nil {
		b.Fatal(err)
	}
	return len(out[0].Rows)
}

func BenchmarkTwentyRealAgentsWriteTheirRows(b *testing.B) {
	reach50(b, writeRows(b, some))
}

// With so many switches beside them on a few cores, how long one MAC takes says
// more of the machine than of the product: it has no limit here.
func BenchmarkTwoHundredRealAgentsWriteAMillionRows(b *testing.B) {
	reached := writeRows(b, million)
	slices.Sort(reached)
	report(b, "ms-MAC-to-50", float64(reached[len(reached)/2].Microseconds())/1000)
}

// writeRows has real agents write all rows, and then tells how long each of some
// new MACs took to 50 databases.
func writeRows(b *testing.B, real cloud) (reached []time.Duration) {
	for b.Loop() {
		o := settings{Cloud: real, Store: "sqlite:///" + filepath.Join(b.TempDir(), "l2gw.db")}
		within(b, "make the connections", o.fill)
		var switches []*ovsdb.Server
		var endpoints []string
		for d := range real.databases() {
			s, endpoint := real.switchOf(b, d)
			switches, endpoints = append(switches, s), append(endpoints, endpoint)
		}
		s := start(b, o)
		ctx, cancel := context.WithCancel(b.Context())
		var working sync.WaitGroup
		stop := func() { cancel(); working.Wait() }
		b.Cleanup(stop)
		for a := range real.Agents {
			opts := agent.Options{
				Name:    fmt.Sprint("agent-", a),
				Servers: []agent.Server{{Name: "server-1", Dial: fabric.NewDialer(fabric.DialerOptions{Server: s.address})}},
			}
			for d := a * real.PerAgent; d < (a+1)*real.PerAgent; d++ {
				connect, err := ovsdb.Dialer(nil, endpoints[d])
				if err != nil {
					b.Fatal(err)
				}
				opts.Databases = append(opts.Databases, agent.DatabaseOptions{Name: fmt.Sprint("database-", d), Connect: connect})
			}
			x, err := agent.New(opts)
			if err != nil {
				b.Fatal(err)
			}
			working.Go(func() { _ = x.Run(ctx) })
		}
		took := within(b, "all rows are written and confirmed", func(ctx context.Context) error {
			return poll(ctx, 250*time.Millisecond, func() (bool, string) {
				n := s.ask("active").Active
				return n == real.bindings(), fmt.Sprintf("%d of %d bindings are ACTIVE", n, real.bindings())
			})
		})
		report(b, "s-first-feed", took.Seconds())
		rows := 0
		for _, sw := range switches {
			rows += macs(b, sw)
		}
		if rows != real.rows() {
			b.Errorf("%d rows were written, not %d", rows, real.rows())
		}
		report(b, "rows/s", float64(rows)/took.Seconds())

		reached = nil
		for i := range 20 {
			mac := real.host(0, real.Hosts+i).MAC
			reached = append(reached, within(b, "one MAC written on 50 gateways", func(ctx context.Context) error {
				return real.reach(ctx, b, s, switches, mac, real.Hosts+i)
			}))
		}
		stop()
		s.stop()
	}
	return reached
}

// reach adds a host to network 0, and waits until each database that binds it has its row.
func (c cloud) reach(ctx context.Context, b testing.TB, s *server, switches []*ovsdb.Server, mac l2gw.MAC, host int) error {
	var wide []<-chan struct{}
	var at []*ovsdb.Server
	for d, sw := range switches {
		if !c.isWide(d) {
			continue
		}
		changed, stop, err := sw.Watch(vtepDatabase)
		if err != nil {
			return err
		}
		defer stop()
		wide, at = append(wide, changed), append(at, sw)
	}
	s.ask(fmt.Sprint("mac ", host))
	for i, changed := range wide {
		for macs(b, at[i], ovsdb.Condition{Column: "MAC", Function: "==", Value: mac.String()}) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// poll asks again and again until something is so.
func poll(ctx context.Context, every time.Duration, is func() (bool, string)) error {
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		ok, state := is()
		if ok {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s", state)
		}
	}
}
