package scale

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"l2gw/internal/store"
)

const (
	// patience bounds each step, so that what never comes about ends the benchmark.
	patience = 2 * time.Minute

	maxMemory    = 400 // MB, resident, at most
	maxReach     = 100 * time.Millisecond
	maxReconnect = 10 * time.Second
)

// large is what one server is made for.
var large = cloud{Agents: 200, PerAgent: 5, Networks: 4096, Hosts: 245, Nodes: 64, Gateway: 5, Wide: 50}

// report reports a figure, also if the benchmark fails.
func report(b *testing.B, unit string, got float64) {
	b.Helper()
	b.Logf("%s: %.2f", unit, got)
	b.ReportMetric(got, unit)
}

// target reports a figure, and fails the benchmark if it is above its limit.
func target(b *testing.B, unit string, got, limit float64) {
	b.Helper()
	report(b, unit, got)
	if got > limit {
		b.Errorf("%s is %.2f, more than the %.2f promised", unit, got, limit)
	}
}

// reach50 reports how long MACs took to all gateways: the median, which has a limit, and the worst.
func reach50(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	target(b, "ms-MAC-to-50", ms(took[len(took)/2]), ms(maxReach))
	report(b, "ms-MAC-to-50-worst", ms(took[len(took)-1]))
}

// within does something within patience, and says how long it took.
func within(b *testing.B, what string, f func(context.Context) error) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	start := time.Now()
	if err := f(ctx); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	took := time.Since(start)
	b.Logf("%s: %v", what, took.Round(time.Millisecond))
	return took
}

// fill makes the connections in the store.
func (o settings) fill(ctx context.Context) error {
	st, err := store.Open(ctx, o.Store)
	if err != nil {
		return err
	}
	defer st.Close()
	return o.Cloud.fill(ctx, st)
}

func BenchmarkTwoHundredAgentsWithAMillionMACs(b *testing.B) {
	o := settings{Cloud: large, Store: "sqlite:///" + filepath.Join(b.TempDir(), "l2gw.db"), Profile: os.Getenv("L2GW_SCALE_PROFILE")}
	within(b, "make the connections", o.fill)
	for b.Loop() {
		f := newFleet(large, b.Log)
		came := time.Now()
		s := start(b, o)
		leave := f.connect(b.Context(), s.address)
		within(b, "feed all for the first time", f.waitFed)
		report(b, "s-first-feed", time.Since(came).Seconds())

		var reached []time.Duration
		for i := range 20 {
			mac := large.host(0, large.Hosts+i)
			reached = append(reached, within(b, "one MAC at 50 gateways", func(ctx context.Context) error {
				s.ask("mac " + strconv.Itoa(large.Hosts+i))
				return f.waitReached(ctx, mac.MAC)
			}))
		}
		reach50(b, reached)

		before := s.ask("stats")
		report(b, "MB-sent-first", float64(before.Sent)/1e6)
		leave()
		leave = f.connect(b.Context(), s.address)
		took := within(b, "all agents are back", f.waitFed)
		target(b, "s-reconnect", took.Seconds(), maxReconnect.Seconds())
		after := s.ask("stats")
		report(b, "MB-sent-reconnect", float64(after.Sent-before.Sent)/1e6)
		report(b, "MB-received-reconnect", float64(after.Received-before.Received)/1e6)
		if n := f.whole.Load(); n > 0 {
			b.Errorf("%d networks were told whole to agents that had them", n)
		}
		now, peak := s.memory()
		report(b, "MB-heap", float64(after.Heap)/1e6)
		report(b, "MB-resident", now)
		target(b, "MB-resident-peak", peak, maxMemory)

		leave()
		s.stop()
		f.forget()
		came = time.Now()
		s = start(b, o)
		leave = f.connect(b.Context(), s.address)
		within(b, "feed all after a cold start", f.waitFed)
		report(b, "s-cold-start", time.Since(came).Seconds())
		_, peak = s.memory()
		target(b, "MB-resident-peak-cold", peak, maxMemory)
		leave()
		s.stop()
		report(b, "streams-lost", float64(f.lost.Load()))
	}
}
