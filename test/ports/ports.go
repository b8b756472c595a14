// Package ports finds ports for servers that tests start, and start again.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The kernel gives outgoing connections ports from 32768 on
// (net.ipv4.ip_local_port_range). One of those may be taken by the time a server is
// to listen there, or to listen there again.
const first, last = 15_000, 32_000

// Free is a port of the host, an IP address, on which nobody listens and which the
// kernel gives to nobody.
func Free(host string) (port string, err error) {
	for range 1000 {
		port = strconv.Itoa(first + rand.IntN(last-first))
		l, failed := net.Listen("tcp", net.JoinHostPort(host, port))
		if failed == nil {
			return port, l.Close()
		}
		err = failed
	}
	return "", fmt.Errorf("no port of %s is free: %w", host, err)
}
