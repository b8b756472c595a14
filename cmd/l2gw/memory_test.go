package main

import "testing"

func TestASmallHeapMayGrowByTheHeadroomAndALargeOneByItsShare(t *testing.T) {
	const mb = 1 << 20
	for _, row := range []struct{ live, grows uint64 }{
		{0, 2}, {1, 2}, {4, 8}, // the runtime itself lets each heap grow to 8 MB then
		{8, 16}, {40, 16}, {64, 19}, {220, 66},
	} {
		grows := row.live * uint64(gcPercent(row.live*mb)) / 100
		if grows+1 < row.grows || grows > row.grows {
			t.Errorf("a heap of %d MB grows by %d MB, want %d", row.live, grows, row.grows)
		}
	}
}
