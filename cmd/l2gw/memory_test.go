package main

import "testing"

func TestASmallHeapMayGrowByTheHeadroomAndALargeOneByItsShare(t *testing.T) {
	const mb = 1 << 20
	for _, live := range []uint64{0, 1 << 10, mb, 8 * mb} {
		if got := gcPercent(live); got != 200 {
			t.Errorf("a heap of %d bytes grows by %d %%, want 200", live, got)
		}
	}
	for _, row := range []struct{ live, grows uint64 }{
		{8, 16}, {40, 16}, {64, 19}, {220, 66},
	} {
		grows := row.live * uint64(gcPercent(row.live*mb)) / 100
		if grows+1 < row.grows || grows > row.grows {
			t.Errorf("a heap of %d MB grows by %d MB, want %d", row.live, grows, row.grows)
		}
	}
}
