package cli

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// transport is how requests are sent: told on standard error if the user wants that.
func (a *app) transport(t *http.Transport) http.RoundTripper {
	base := http.DefaultTransport
	if t != nil {
		base = t
	}
	if !a.debug {
		return base
	}
	return &teller{base, a.env.Err}
}

// teller shows requests and answers as the openstack client's --debug does, and of
// tokens only a checksum. The login and its answer are not shown at all.
type teller struct {
	base http.RoundTripper
	out  io.Writer
}

// maxTold is how much of a body is told, in bytes.
const maxTold = 64 << 10

var secretHeaders = []string{"X-Auth-Token", "X-Subject-Token", "X-Service-Token", "Authorization", "Set-Cookie"}

func (t *teller) RoundTrip(r *http.Request) (*http.Response, error) {
	login := strings.HasSuffix(r.URL.Path, "/auth/tokens")
	line := fmt.Sprintf("REQ: curl -g -i -X %s %s%s", r.Method, r.URL.Redacted(), headers(r.Header, func(name, value string) string {
		return fmt.Sprintf(" -H \"%s: %s\"", name, value)
	}))
	if r.Body != nil && !login {
		data, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(data))
		line += fmt.Sprintf(" -d '%s'", data[:min(len(data), maxTold)])
	}
	_, _ = fmt.Fprintln(t.out, line)
	answer, err := t.base.RoundTrip(r)
	if err != nil {
		_, _ = fmt.Fprintln(t.out, "RESP:", err)
		return nil, err
	}
	_, _ = fmt.Fprintf(t.out, "RESP: [%d]%s\n", answer.StatusCode, headers(answer.Header, func(name, value string) string {
		return " " + name + ": " + value
	}))
	if login {
		_, _ = fmt.Fprintln(t.out, "RESP BODY: not shown, as it is a login")
		return answer, nil
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(data))
	_, _ = fmt.Fprintf(t.out, "RESP BODY: %s\n", data[:min(len(data), maxTold)])
	return answer, nil
}

func headers(h http.Header, form func(name, value string) string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := strings.Join(h[name], ", ")
		if slices.ContainsFunc(secretHeaders, func(s string) bool { return strings.EqualFold(s, name) }) {
			value = fmt.Sprintf("{SHA256}%x", sha256.Sum256([]byte(value)))
		}
		b.WriteString(form(name, value))
	}
	return b.String()
}
