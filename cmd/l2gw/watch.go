package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"l2gw"
	"l2gw/internal/controller"
	"l2gw/internal/health"
	"l2gw/internal/metrics"
	"l2gw/internal/store"
)

// watchable puts what monitoring reads beside the API: /metrics, /healthz and /readyz.
func watchable(api http.Handler, m *metrics.Metrics, checks func() []health.Check, log *slog.Logger) http.Handler {
	beside := map[string]http.Handler{
		"/metrics": m.Handler(log), "/healthz": health.Alive(), "/readyz": health.Ready(checks),
	}
	// No ServeMux: it would mend odd paths by itself, which is the API's to answer.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := beside[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// readiness is what a server needs to do its work, and what is told besides.
func readiness(st *store.Store, ctl *controller.Controller, id string) func() []health.Check {
	own := []health.Check{
		{Name: "store", Required: true, Run: func(ctx context.Context) error {
			_, err := st.Revision(ctx)
			return withCause(err)
		}},
		// Not required: all servers have the same database, and reads may go on.
		{Name: "store takes writes", Run: func(context.Context) error { return withCause(st.Writes()) }},
		{Name: "intent", Required: true, Run: func(context.Context) error {
			if _, read := ctl.Intent(); !read {
				return errors.New("the controller has not read yet what users want")
			}
			return nil
		}},
		// Standing by is as good as leading, for whoever asks the API.
		{Name: "lease", Run: func(ctx context.Context) error {
			if _, _, leading := ctl.Leading(); leading {
				return nil
			}
			return standingBy(ctx, st, id)
		}},
		// Without any inventory, no connection can be made.
		{Name: "inventory known", Required: true, Run: func(context.Context) error {
			inv := ctl.Inventory()
			switch {
			case inv.Known:
				return nil
			case inv.Error != "":
				return errors.New(inv.Error)
			}
			return errors.New("it has not been read yet")
		}},
		{Name: "inventory readable", Run: func(context.Context) error {
			if inv := ctl.Inventory(); inv.Error != "" {
				return fmt.Errorf("%s; what was known stays in force", inv.Error)
			}
			return nil
		}},
	}
	return func() []health.Check {
		all := own
		for _, d := range ctl.Databases() {
			all = append(all[:len(all):len(all)], health.Check{
				Name: "database " + d.Name, Run: func(context.Context) error { return databaseTrouble(d) },
			})
		}
		return all
	}
}

// standingBy says who leads in place of this server.
func standingBy(ctx context.Context, st *store.Store, id string) error {
	holder, epoch, good, err := st.Lease(ctx, store.ControllerLease)
	switch {
	case err != nil:
		return fmt.Errorf("standing by; who leads cannot be read: %w", withCause(err))
	case good <= 0 || holder == "":
		return errors.New("standing by; no server leads at the moment")
	case holder == id:
		return errors.New("standing by; this server is about to lead")
	}
	return fmt.Errorf("standing by; %s leads, in epoch %d", holder, epoch)
}

// databaseTrouble says what a switch database lacks, or nil.
func databaseTrouble(d l2gw.DatabaseState) error {
	why := d.Error
	if why != "" {
		why = ": " + why
	}
	switch {
	case !d.Connected:
		return errors.New("not connected" + why)
	case !d.InSync:
		return errors.New("not in sync" + why)
	case d.Error != "":
		return errors.New(d.Error)
	}
	return nil
}

// withCause adds to an error what lies behind it, which users of the API are not told.
func withCause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return fmt.Errorf("%w: %w", err, inner)
	}
	return err
}
