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

func TestNoPortIsGivenTwice(t *testing.T) {
	given := map[string]bool{}
	for range 500 { // of 17,000: seven of them would come again
		port, err := Free("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Fatalf("port %s is given twice", port)
		}
		given[port] = true
		if claim, err := net.Listen("unix", "@l2gw-test-port-"+port); err == nil {
			claim.Close()
			t.Fatalf("another process would be given port %s", port)
		}
	}
}
