package agent

import (
	"context"
	"fmt"
	"testing"

	"l2gw/ovsdb"
)

func TestATransactionIsCountedByWhatBecomesOfIt(t *testing.T) {
	failed := func(code error) *ovsdb.TransactError {
		return &ovsdb.TransactError{Err: &ovsdb.Error{Code: code.Error()}}
	}
	for _, c := range []struct {
		err  error
		want Result
	}{
		{nil, ResultDone},
		{failed(ovsdb.ErrTimedOut), ResultStale},
		{fmt.Errorf("the row is gone: %w", ovsdb.ErrTimedOut), ResultStale},
		{failed(ovsdb.ErrConstraintViolation), ResultRefused},
		{&refusedError{err: failed(ovsdb.ErrConstraintViolation)}, ResultRefused},
		{failed(ovsdb.ErrNotOwner), ResultFailed},
		{ovsdb.ErrConnectionLost, ResultFailed},
		{context.DeadlineExceeded, ResultFailed},
	} {
		if got := resultOf(c.err); got != c.want {
			t.Errorf("%v is counted as %s, want %s", c.err, got, c.want)
		}
	}
}
