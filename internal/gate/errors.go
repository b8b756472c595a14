package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// refusal is an answer without any handler, in the form that the API's have.
type refusal struct {
	status       int
	typ, message string
	headers      []string
}

// answer is the whole answer, and the request id in it: each has its own.
func (r refusal) answer() (text []byte, id string) {
	type fault struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	id = "req-" + uuid.NewString()
	body, _ := json.Marshal(map[string]fault{"NeutronError": {Type: r.typ, Message: r.message}}) // strings alone
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Openstack-Request-Id: %s\r\n",
		r.status, http.StatusText(r.status), len(body), id)
	for _, h := range r.headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n")
	b.Write(body)
	return b.Bytes(), id
}

// full is what a client is told for which there is no room.
var full = refusal{
	http.StatusServiceUnavailable, "ServiceUnavailable", "The server has more connections than it can hold; try again later.", []string{"Retry-After: 5"},
}

// plain is what a client is told that does not speak TLS where it must.
var plain = refusal{
	http.StatusBadRequest, "HTTPBadRequest", "The request cannot be understood: this port speaks TLS; the URL must begin with https://.", nil,
}

// types are those of the refusals that net/http answers by itself.
var types = map[int]string{
	http.StatusBadRequest:                  "HTTPBadRequest",
	http.StatusRequestHeaderFieldsTooLarge: "HTTPRequestHeaderFieldsTooLarge",
	// A client's mistake is no failure of ours, for whoever counts those.
	http.StatusNotImplemented:          "HTTPBadRequest",
	http.StatusHTTPVersionNotSupported: "HTTPBadRequest",
}

// plainRefusal is how net/http ends the header of what it refuses before any
// handler sees it (server.go, errorHeaders).
var plainRefusal = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// writeInJSON writes b, or the same in the form that the API's errors have if b is a
// refusal of net/http.
func writeInJSON(b []byte, write func([]byte) (int, error), log *slog.Logger, client net.Addr) (written int, err error) {
	said, ok := inJSON(b)
	if !ok {
		return write(b)
	}
	text, id := said.answer()
	log.Info("request refused before it was read", "status", said.status, "client", client.String(), "request_id", id)
	if _, err := write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// inJSON is a refusal of net/http in the form that the API's have; false if b is
// something else.
func inJSON(b []byte) (r refusal, ok bool) {
	head, text, ok := bytes.Cut(b, plainRefusal)
	line, found := bytes.CutPrefix(head, []byte("HTTP/1.1 "))
	if !ok || !found || len(b) > 1024 || bytes.ContainsAny(line, "\r\n") || len(line) < 3 {
		return refusal{}, false
	}
	status, err := strconv.Atoi(string(line[:3]))
	typ := types[status]
	if err != nil || typ == "" {
		return refusal{}, false
	}
	message := strings.TrimPrefix(string(text), strconv.Itoa(status)+" ")
	if status >= http.StatusInternalServerError {
		status = http.StatusBadRequest
	}
	return refusal{status, typ, "The request cannot be understood: " + strings.TrimSpace(message) + ".", nil}, true
}
