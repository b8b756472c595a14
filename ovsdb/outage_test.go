package ovsdb_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"l2gw/ovsdb"
)

// connector gives what it is asked to.
type connector func(context.Context) (net.Conn, error)

func (c connector) Connect(ctx context.Context) (net.Conn, error) { return c(ctx) }

// A switch that is switched off for a day must not fill the disk of whoever logs.
func TestAServerThatStaysAwayIsToldOfOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin, attempts := time.Now(), 0
		connect := func(context.Context) (net.Conn, error) {
			attempts++
			reason := errors.New("no route to host")
			switch since := time.Since(begin); {
			case since > 17*time.Minute:
				cancel()
			case since > 15*time.Minute:
				reason = errors.New("connection refused")
			}
			return nil, &net.OpError{Op: "dial", Source: &net.TCPAddr{Port: attempts}, Err: reason} // each has a port of its own
		}
		var log bytes.Buffer
		client, err := ovsdb.NewClient(ovsdb.ClientOptions{
			Database: "hardware_vtep", Connect: connector(connect), Backoff: ovsdb.Backoff{Max: 2 * time.Second},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		told := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(told) != 3 || attempts < 17*30 {
			t.Fatalf("of %d attempts the log tells\n%s", attempts, log.String())
		}
		for i, want := range []string{`no route to host" attempts=1 `, "no route to host", "connection refused"} {
			if !strings.Contains(told[i], want) {
				t.Errorf("line %d does not say %q:\n%s", i+1, want, told[i])
			}
		}
		if strings.Contains(told[1], "attempts=1 ") {
			t.Errorf("ten minutes later there was one attempt still:\n%s", told[1])
		}
	})
}
