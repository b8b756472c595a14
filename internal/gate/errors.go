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
)

// neutronError is an answer without any handler, in the form that the API's have.
func neutronError(status int, typ, message string, headers ...string) []byte {
	type fault struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	body, _ := json.Marshal(map[string]fault{"NeutronError": {Type: typ, Message: message}}) // strings alone
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n")
	b.Write(body)
	return b.Bytes()
}

// full is what a client is told for which there is no room.
var full = neutronError(http.StatusServiceUnavailable, "ServiceUnavailable",
	"The server has more connections than it can hold; try again later.", "Retry-After: 5")

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
	answer, status, ok := inJSON(b)
	if !ok {
		return write(b)
	}
	log.Info("request refused before it was read", "status", status, "client", client.String())
	if _, err := write(answer); err != nil {
		return 0, err
	}
	return len(b), nil
}

// inJSON is a refusal of net/http in the form that the API's have; false if b is
// something else.
func inJSON(b []byte) (answer []byte, status int, ok bool) {
	head, text, ok := bytes.Cut(b, plainRefusal)
	line, found := bytes.CutPrefix(head, []byte("HTTP/1.1 "))
	if !ok || !found || len(b) > 1024 || bytes.ContainsAny(line, "\r\n") || len(line) < 3 {
		return nil, 0, false
	}
	status, err := strconv.Atoi(string(line[:3]))
	typ := types[status]
	if err != nil || typ == "" {
		return nil, 0, false
	}
	message := strings.TrimPrefix(string(text), strconv.Itoa(status)+" ")
	if status >= http.StatusInternalServerError {
		status = http.StatusBadRequest
	}
	return neutronError(status, typ, "The request cannot be understood: "+strings.TrimSpace(message)+"."), status, true
}
