package front

import (
	"context"
	"net"
	"net/http"
	"time"
)

// newTransport makes the way to Neutron, over connections that are kept.
func (f *front) newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return taken{c, f.Patience}, nil
		},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       4 * time.Second, // less than Apache's five
		ResponseHeaderTimeout: f.Patience,
		// A client that asks before it sends its body is told what Neutron says. One
		// that knows nothing of such questions says nothing, and gets the body.
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // what the client asked for is what it gets
	}
}

// taken is a connection whose other end must go on taking what is written: a
// Neutron that hangs would otherwise hold a request with a large body for ever,
// since nobody notices a client that leaves while its body is being read.
type taken struct {
	net.Conn
	patience time.Duration
}

func (c taken) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// byMethod sends what changes something over a connection of its own.
type byMethod struct{ f *front }

func (t byMethod) RoundTrip(r *http.Request) (*http.Response, error) {
	if reads(r.Method) {
		return t.f.reads.RoundTrip(r)
	}
	return t.f.writes.RoundTrip(r)
}

// reads are the methods that change nothing (RFC 9110 §9.2.1).
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
