package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatRepeatsItselfIsLoggedOnceAMinuteWithHowOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited()
		expect := func(want int, who, what string) {
			t.Helper()
			if got := l.allow(who, what); got != want {
				t.Errorf("%s %s: %d, want %d", who, what, got, want)
			}
		}
		expect(1, "192.0.2.1", "expired")
		expect(0, "192.0.2.1", "expired")
		expect(1, "192.0.2.1", "unknown")
		expect(1, "192.0.2.2", "expired")
		expect(0, "192.0.2.1", "expired")
		time.Sleep(limitedPause)
		expect(3, "192.0.2.1", "expired")
		expect(0, "192.0.2.1", "expired")
	})
}

func TestWhatIsRememberedOfTheLogIsBounded(t *testing.T) {
	l := newLimited()
	for i := range 5 * limitedSize {
		if l.allow(fmt.Sprint(i), "expired") != 1 {
			t.Fatal("the first of its kind is not logged")
		}
	}
	if len(l.seen) > 2*limitedSize {
		t.Errorf("%d are remembered", len(l.seen))
	}
}

func TestOneWhoComesWithEverNewReasonsDoesNotFillTheLog(t *testing.T) {
	l := newLimited()
	lines := 0
	for i := range 10 * limitedKinds {
		if l.allow("192.0.2.1", fmt.Sprint("certificate ", i)) > 0 {
			lines++
		}
	}
	if lines > limitedKinds+1 {
		t.Errorf("there are %d lines", lines)
	}
	if l.allow("192.0.2.2", "certificate") != 1 {
		t.Error("another's is not logged")
	}
}
