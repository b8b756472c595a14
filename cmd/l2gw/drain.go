package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"l2gw/internal/health"
)

// drain is the time between the order to stop and the stop, in which a server
// serves on and says that it is not ready: load balancers turn to others before
// connections are refused.
type drain struct {
	begun atomic.Bool
}

// after returns a context that ends that long after ctx; begin is called when ctx ends.
func (d *drain) after(ctx context.Context, long time.Duration, log *slog.Logger, begin func()) (context.Context, context.CancelFunc) {
	if long <= 0 {
		return context.WithCancel(ctx)
	}
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		d.begun.Store(true)
		begin()
		log.Info("draining: /readyz fails from now on", "for", long)
		time.AfterFunc(long, cancel)
	})
	return later, cancel
}

// ready adds to the checks of /readyz that the server was not told to stop.
func (d *drain) ready(checks func() []health.Check) func() []health.Check {
	own := health.Check{Name: "not told to stop", Required: true, Run: func(context.Context) error {
		if d.begun.Load() {
			return errors.New("the server was told to stop, and will")
		}
		return nil
	}}
	return func() []health.Check { return append(checks(), own) }
}
