package store_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"l2gw"
	"l2gw/internal/store"
	"l2gw/test/sqlserver"
)

// cutter stands between a store and its server and, when armed, cuts a
// connection at its next COMMIT: before the server gets it, or when the server
// has answered, so that the answer is lost.
type cutter struct {
	net.Listener
	server string

	mu       sync.Mutex
	cut      string // "", "before" or "after"
	happened int
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

func newCutter(t *testing.T, server string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, server: server, conns: map[net.Conn]bool{}}
	c.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.relay(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		for conn := range c.conns {
			conn.Close()
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return c
}

func (c *cutter) arm(cut string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

// take disarms and returns how the connection is to be cut.
func (c *cutter) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut := c.cut
	if c.cut = ""; cut != "" {
		c.happened++
	}
	return cut
}

func (c *cutter) relay(client net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		client.Close()
		return
	}
	c.mu.Lock()
	c.conns[client], c.conns[server] = true, true
	c.mu.Unlock()
	mute := make(chan struct{}) // closed: the next answer is lost
	var answers sync.WaitGroup
	answers.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			select {
			case <-mute:
				return
			default:
			}
			if err != nil {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	defer answers.Wait()
	defer server.Close()
	defer client.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if n < 20 && bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit")) {
			switch c.take() {
			case "before":
				return
			case "after":
				close(mute)
				_, _ = server.Write(buf[:n])
				answers.Wait() // the server has answered, and so it is done
				return
			}
		}
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}

func TestAWriteWhoseCommitGetsNoAnswerIsDoneOnce(t *testing.T) {
	onServers(t, func(t *testing.T, server *sqlserver.Server) {
		url := server.Database(t)
		proxy := newCutter(t, server.Addr)
		s := open(t, strings.Replace(url, server.Addr, proxy.Addr().String(), 1))
		g := mustGateway(t, s, gw("g", "ps1/eth1"))
		calls := 0
		for i, cut := range []string{"before", "after", "after", "before"} {
			revision, err := s.Revision(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wake, stop := s.Subscribe()
			proxy.arm(cut)
			created := mustGateway(t, s, gw("new", "ps2/eth1"))
			<-wake
			stop()
			if _, err := s.Gateway(t.Context(), created.ID); err != nil {
				t.Fatal(err)
			}
			proxy.arm(cut)
			updated, err := s.UpdateGateway(t.Context(), g.ID, func(g *l2gw.Gateway) error {
				calls++
				g.Description += "x"
				return nil
			})
			if err != nil || len(updated.Description) != i+1 || updated.Revision != int64(i)+2 {
				t.Fatalf("cut %s the commit: %q, revision %d, %v", cut, updated.Description, updated.Revision, err)
			}
			shown, err := s.Gateway(t.Context(), g.ID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, shown, updated)
			proxy.arm(cut) // a delete that is done and tried again finds nothing: it must not say so
			if err := s.DeleteGateway(t.Context(), created.ID); err != nil {
				t.Fatalf("cut %s the commit: %v", cut, err)
			}
			proxy.arm(cut)
			if err := s.Own(t.Context(), 0, "db", l2gw.Ownership{Networks: map[string]l2gw.VNI{"n": 5}}); err != nil {
				t.Fatal(err)
			}
			if after, err := s.Revision(t.Context()); err != nil || after != revision+3 {
				t.Fatalf("three writes moved the revision from %d to %d: %v", revision, after, err)
			}
		}
		list, err := s.Gateways(t.Context(), store.Query{})
		if err != nil || len(list) != 1 {
			t.Fatalf("%d gateways, %v", len(list), err)
		}
		if proxy.happened != 16 || calls != 6 {
			t.Fatalf("%d connections were cut, want 16; the change was called %d times, want 6", proxy.happened, calls)
		}
	})
}
