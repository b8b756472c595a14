package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestOperationsAreSentInBurstsAndThenByTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(100, 200, time.Now)
		began := time.Now()
		for range 10 {
			if taken, err := p.wait(t.Context(), 100, nil); !taken || err != nil {
				t.Fatal(taken, err)
			}
		}
		expectEqual(t, "1,000 operations took", 8*time.Second, time.Since(began).Round(10*time.Millisecond))
		time.Sleep(time.Hour)
		began = time.Now()
		for range 3 {
			_, _ = p.wait(t.Context(), 100, nil)
		}
		expectEqual(t, "an hour later no more than a burst is at once", time.Second, time.Since(began).Round(10*time.Millisecond))
	})
}

func TestATransactionLargerThanTheBurstGoesAndTheNextOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10, 5, time.Now)
		if d := p.take(100); d != 0 {
			t.Fatalf("it waits %v", d)
		}
		expectEqual(t, "the next one waits", 9600*time.Millisecond, p.take(1).Round(time.Millisecond))
	})
}

func TestWaitingForThePaceCanBeBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 1, time.Now)
		p.take(100)
		early := make(chan struct{}, 1)
		early <- struct{}{}
		if taken, err := p.wait(t.Context(), 1, early); taken || err != nil {
			t.Error(taken, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if taken, err := p.wait(ctx, 1, nil); taken || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(taken, err)
		}
	})
}

func TestARateOfZeroBoundsNothing(t *testing.T) {
	p := newPace(0, 0, time.Now)
	for range 1000 {
		if d := p.take(1000); d != 0 {
			t.Fatal(d)
		}
	}
}

func TestWithinNoStretchOfTimeMoreGoesThanBurstAndRateAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 5000).Draw(t, "rate"), rapid.IntRange(1, 1000).Draw(t, "burst")
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		p := newPace(rate, burst, func() time.Time { return now })
		type sent struct {
			at     time.Time
			before int // operations sent before
			after  int
		}
		var all []sent
		total := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.IntRange(1, burst).Draw(t, "operations")
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			if d := p.take(n); d > 0 {
				now = now.Add(d + time.Microsecond)
				if again := p.take(n); again != 0 {
					t.Fatalf("after %v it waits %v more", d, again)
				}
			}
			all = append(all, sent{now, total, total + n})
			total += n
		}
		for i, from := range all {
			for _, to := range all[i:] {
				went, may := to.after-from.before, float64(burst)+float64(rate)*to.at.Sub(from.at).Seconds()
				if float64(went) > may+1e-3 {
					t.Fatalf("%d operations went within %v, and %.1f may", went, to.at.Sub(from.at), may)
				}
			}
		}
	})
}
