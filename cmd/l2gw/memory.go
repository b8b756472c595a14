package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"

	"l2gw/internal/controller"
)

// headroom is how far the heap may grow between two collections whatever lives in
// it, in bytes. A percentage alone would have a server with a small inventory
// collect after each megabyte: more than once for a list of 1,000 gateways.
const headroom = 16 << 20

// collectGarbage sets when the process collects its garbage: when the heap has grown
// by controller.GCPercent, and by headroom at least. GOGC in the environment sets
// something else.
var collectGarbage = sync.OnceFunc(func() {
	if os.Getenv("GOGC") == "" {
		(&pace{}).adjust()
	}
})

// pace is the percentage that is set. It belongs to one goroutine at a time: each
// collection hands it to the next.
type pace struct{ percent int }

// adjust sets the percentage by what lives now, and again after the next collection,
// which finds that nobody holds its argument to AddCleanup.
func (p *pace) adjust() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := gcPercent(live[0].Value.Uint64())
	if d := percent - p.percent; d*d*100 > p.percent*p.percent { // setting it stops the world: not for less than a tenth
		debug.SetGCPercent(percent)
		p.percent = percent
	}
	runtime.AddCleanup(&struct{ _ *pace }{}, (*pace).adjust, p)
}

// gcPercent is the percentage by which a heap may grow of which so many bytes live:
// 200 at most, with which the runtime lets any heap grow to 8 MB (4 MB at 100, see
// the package runtime).
func gcPercent(live uint64) int {
	const least = 8 << 20
	return max(controller.GCPercent, int(headroom*100/max(live, least)))
}
