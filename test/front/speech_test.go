package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// speech is a connection on which a test speaks HTTP by hand.
type speech struct {
	t  testing.TB
	c  *net.TCPConn
	in *bufio.Reader
}

func speak(t testing.TB, addr string) *speech {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	return &speech{t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (s *speech) say(format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.c, format, args...); err != nil {
		s.t.Fatal(err)
	}
}

// hear reads an answer to a request by that method; status 0: there is none.
func (s *speech) hear(method string) (status int, body string) {
	resp, err := http.ReadResponse(s.in, &http.Request{Method: method})
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// hangUp says that there is no more, and waits until the other end has nothing more to say.
func (s *speech) hangUp() {
	s.t.Helper()
	_ = s.c.CloseWrite()
	_, _ = io.Copy(io.Discard, s.in)
	s.c.Close()
}
