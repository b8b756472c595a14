// Package ports finds ports for servers that tests start, and start again.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The kernel gives outgoing connections ports from 32768 on
// (net.ipv4.ip_local_port_range). One of those may be taken by the time a server is
// to listen there, or to listen there again.
const first, last = 15_000, 32_000

// taken are the claims of this process: abstract unix sockets, which the kernel lets
// nobody else make, and which end with the process.
var taken struct {
	sync.Mutex
	claims []net.Listener
}

// Free is a port of the host, an IP address, on which nobody listens, which the
// kernel gives to nobody, and which no test that runs on this machine is given
// until this process ends: between now and when a server listens there, and while
// that is restarted, it is free to all others.
func Free(host string) (port string, err error) {
	taken.Lock()
	defer taken.Unlock()
	for range 1000 {
		port = strconv.Itoa(first + rand.IntN(last-first))
		claim, failed := net.Listen("unix", "@l2gw-test-port-"+port)
		if failed != nil {
			err = failed
			continue
		}
		l, failed := net.Listen("tcp", net.JoinHostPort(host, port))
		if failed == nil {
			taken.claims = append(taken.claims, claim)
			return port, l.Close()
		}
		claim.Close()
		err = failed
	}
	return "", fmt.Errorf("no port of %s is free: %w", host, err)
}
