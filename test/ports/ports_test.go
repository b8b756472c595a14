package ports

import (
	"net"
	"testing"
)

func TestAServerCanListenAgainAndAgain(t *testing.T) {
	port, err := Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	if port, err := Free("no address"); err == nil {
		t.Errorf("a port of no host is free: %s", port)
	}
}
