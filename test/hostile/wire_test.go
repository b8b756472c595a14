package hostile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// request is what goes over the wire.
type request struct {
	name   string
	method string
	bytes  []byte
	// pieces are sent one after the other after bytes, once something came back or a moment has passed.
	pieces [][]byte
	half   bool // the client closes its side when it has sent everything
}

// form builds a request of HTTP/1.1 with a body ("" for none).
func form(name, method, target, body string, headers ...string) request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", method, target)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return request{name: name, method: method, bytes: b.Bytes()}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration // from the first byte that was sent
}

// patience is how long an answer may take: the promise is a second, which a busy
// machine and a race detector stretch.
const patience = 10 * time.Second

// send sends a request over a connection of its own and returns the answers: several
// if requests were hidden in it, none if the server only closed.
func send(t testing.TB, address string, r request) (all []answer) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(4 * patience))
	sent := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(sent)
		for _, piece := range append([][]byte{r.bytes}, r.pieces...) {
			if _, err := c.Write(piece); err != nil {
				return // it was refused before its end
			}
		}
		if half, ok := c.(*net.TCPConn); ok && r.half {
			_ = half.CloseWrite()
		}
	}()
	defer func() { <-sent }()
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: r.method})
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%s: no answer, and the connection is open, after %v", r.name, 4*patience)
			}
			return all
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		all = append(all, answer{resp.StatusCode, resp.Header, body, time.Since(began)})
		if resp.Close {
			return all
		}
		if len(r.pieces) == 0 && !strings.Contains(r.name, "pipelin") { // nothing more is to come
			return all
		}
	}
}
