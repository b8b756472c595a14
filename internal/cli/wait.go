package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// waiting is whether and how long to wait until an intent has become true.
type waiting struct {
	wanted bool
	limit  time.Duration
}

func (w *waiting) flags(c *cobra.Command, what string) {
	c.Flags().BoolVar(&w.wanted, "wait", false, "wait until "+what)
	spanVar(c.Flags(), &w.limit, "wait-timeout", time.Minute, time.Millisecond, "how long to wait")
}

// until asks look again and again until it is done or time is up, also while the API is
// away. look says what it sees, which is told on standard error.
func (a *app) until(ctx context.Context, w waiting, look func(context.Context) (done bool, seen string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	p := a.progress()
	defer p.end()
	defer func(limit time.Duration) { a.persistence.limit = limit }(a.persistence.limit)
	a.persistence.limit = 0 // it is all the same whether look fails or sees nothing new
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		done, seen, err := look(ctx)
		switch {
		case ctx.Err() != nil: // told below
		case temporary(err):
			p.tell(err.Error())
		case err != nil:
			return err
		default:
			p.tell(seen)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			why := fmt.Errorf("gave up after %s", w.limit)
			if errors.Is(ctx.Err(), context.Canceled) {
				why = errInterrupted
			}
			if p.last == "" {
				return why
			}
			return fmt.Errorf("%w: %s", why, p.last) // which has the id
		case <-time.After(pause):
		}
	}
}

func describe(id, status, reason string) string {
	if reason == "" {
		return id + ": " + status
	}
	return id + ": " + status + " (" + reason + ")"
}
