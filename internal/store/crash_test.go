package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/store"
)

// crashChild names the variable that turns the test's binary into a process
// that writes to the database named by it until it is killed.
const crashChild = "L2GW_STORE_CRASH_CHILD"

// writeUntilKilled prints each write once the store has acknowledged it.
func writeUntilKilled() {
	ctx := context.Background()
	s, err := store.Open(ctx, os.Getenv(crashChild))
	check := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	check(err)
	_, existing, err := s.Bindings(ctx)
	check(err)
	taken := map[l2gw.VLAN]bool{}
	for _, b := range existing {
		taken[b.VLAN] = true
	}
	for v := range l2gw.MaxVLAN {
		if taken[v] {
			continue
		}
		g, err := s.CreateGateway(ctx, gw("crash", "ps1/eth1", "ps1/eth2", "ps2/eth1"))
		check(err)
		fmt.Println("gateway", g.ID)
		c, err := s.CreateConnection(ctx, l2gw.Connection{GatewayID: g.ID, NetworkID: "net", VLAN: &v})
		check(err)
		fmt.Println("connection", c.ID)
		if v%3 == 0 {
			fmt.Println("deleting", c.ID)
			check(s.DeleteConnection(ctx, c.ID))
			fmt.Println("deleted", c.ID)
		}
	}
}

// A process that is killed at any moment has lost nothing that it was told to be
// done, and has left nothing half done.
func TestNoAcknowledgedIntentIsLostWhenTheProcessIsKilled(t *testing.T) {
	url := sqliteURL(t)
	alive, dead := map[string]bool{}, map[string]bool{} // connections
	gateways := map[string]bool{}
	acknowledged := 0
	for range 12 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashChild+"="+url)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		var kill *time.Timer
		for {
			line, err := lines.ReadString('\n')
			if err != nil { // a line without an end is no acknowledgement, but it may be done
				if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
					t.Fatal(err)
				}
				break
			}
			kind, id, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch kind {
			case "gateway":
				gateways[id] = true
			case "connection":
				alive[id] = true
			case "deleting": // until it is acknowledged, either is right
				delete(alive, id)
			case "deleted":
				dead[id] = true
			default:
				t.Fatal(line)
			}
			acknowledged++
			if kill == nil { // at its first word: it has begun
				kill = time.AfterFunc(rand.N(60*time.Millisecond), func() { _ = child.Process.Kill() })
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		lost(t, url, gateways, alive, dead)
	}
	t.Logf("%d acknowledged writes in 12 lives", acknowledged)
}

// lost compares what is in the database with what was acknowledged.
func lost(t *testing.T, url string, gateways, alive, dead map[string]bool) {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.CheckIntegrity(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id := range gateways {
		if _, err := s.Gateway(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for id := range dead {
		_, err := s.Connection(t.Context(), id)
		wantError(t, err, l2gw.NotFound, "L2GatewayConnectionNotFound")
	}
	for id := range alive {
		if _, err := s.Connection(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	connections, err := s.Connections(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	bindings, err := s.ConnectionBindings(t.Context(), ids(connections)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range connections {
		if len(bindings[c.ID]) != 3 {
			t.Fatalf("connection %s has %d bindings, want 3: half done", c.ID, len(bindings[c.ID]))
		}
	}
}

func ids(connections []l2gw.Connection) (ids []string) {
	for _, c := range connections {
		ids = append(ids, c.ID)
	}
	return ids
}
