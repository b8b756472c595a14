package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"l2gw"

	"github.com/google/uuid"
)

// access is what the log's line about a request needs and only its operation
// finds out.
type access struct {
	caller *Caller // nil: nobody knows
}

type accessKey struct{}

// noted is Authenticate, with the caller put down for the log: the line says who
// was refused, too.
func noted(authenticate func(*http.Request) (Caller, error)) func(*http.Request) (Caller, error) {
	return func(r *http.Request) (Caller, error) {
		caller, err := authenticate(r)
		if a, ok := r.Context().Value(accessKey{}).(*access); ok && err == nil {
			a.caller = &caller
		}
		return caller, err
	}
}

// observe gives each request its id, logs it, and turns a panic into a 500. As
// with Neutron, the id is always a new one, so that no two requests share it; what
// a client sends is the id of something larger, and stands beside it in the log
// (oslo.middleware's request_id.py calls it the global request id).
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id, part := "req-"+uuid.NewString(), partOf(r.Context())
		if part != nil {
			id = part.ID
		}
		w.Header().Set("X-Openstack-Request-Id", id)
		a := &access{}
		r = r.WithContext(context.WithValue(l2gw.WithRequest(r.Context(), id), accessKey{}, a))
		rec := &Recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.Logger.ErrorContext(r.Context(), "request panicked", "panic", p, "method", loggable(r.Method), "path", loggable(r.URL.Path),
					"request_id", id, "stack", string(debug.Stack()))
				if rec.Status == 0 {
					write(rec, answer{errInternal.status, object{{"NeutronError", object{
						{"type", errInternal.typ}, {"message", errInternal.message}, {"detail", ""},
					}}}})
				} else {
					defer panic(http.ErrAbortHandler) // of half an answer nobody must think that it is whole
				}
			}
			if part != nil {
				part.Caller = cmp.Or(a.caller, part.Caller)
				return
			}
			took := time.Since(began)
			s.Observe(Request{knownMethod(r.Method), routeName(r.Pattern), rec.Status, took})
			s.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request", s.accessLine(r, rec, a, took)...)
		}()
		next.ServeHTTP(rec, r)
	})
}

// accessLine is what the log says of a request. Nothing in it is a secret: of the
// headers there are the request id and the client's name for itself alone, and of
// the query what is no filter of ours is left out if its name speaks of a secret.
// The log's handler quotes what could be taken for something else.
func (s *server) accessLine(r *http.Request, rec *Recorder, a *access, took time.Duration) []slog.Attr {
	line := []slog.Attr{
		slog.String("method", loggable(r.Method)), slog.String("path", loggable(r.URL.Path)), slog.Int("status", rec.Status),
		slog.Float64("ms", math.Round(float64(took.Microseconds())/10)/100), slog.Int64("bytes", rec.Bytes),
		slog.String("client", s.clientOf(r)), slog.String("request_id", l2gw.RequestOf(r.Context())),
	}
	if global := r.Header.Get("X-Openstack-Request-Id"); ValidRequestID(global) {
		line = append(line, slog.String("global_request_id", global))
	}
	if a.caller != nil {
		line = append(line, slog.String("project", loggable(a.caller.Project)), slog.String("user", loggable(a.caller.User)))
	}
	if r.URL.RawQuery != "" {
		line = append(line, slog.String("query", loggable(withoutSecrets(r.URL.RawQuery))))
	}
	if r.UserAgent() != "" {
		line = append(line, slog.String("agent", loggable(r.UserAgent())))
	}
	return line
}

// loggable cuts what a client may make as long as it likes.
func loggable(s string) string {
	const limit = 300
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

var secretName = regexp.MustCompile(`(?i)token|passw|secret|auth|cred|key`)

// withoutSecrets is a query for the log: clients put tokens into URLs by mistake.
func withoutSecrets(query string) string {
	if !secretName.MatchString(query) {
		return query
	}
	var out []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain := unescape(name); plain != "sort_key" && secretName.MatchString(plain) {
			pair = name + "=…"
		}
		out = append(out, pair)
	}
	return strings.Join(out, "&")
}

// clientOf is the address of who asks, as the log has it.
func (s *server) clientOf(r *http.Request) string {
	if client, ok := s.TrustedProxies.Client(r); ok {
		return client.String()
	}
	return loggable(r.RemoteAddr)
}

// knownMethod keeps what clients make up out of the measurements.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		return method
	}
	return "other"
}

// routeName is one name for all spellings of a path.
func routeName(pattern string) string {
	switch pattern {
	case "", "/":
		return "other"
	case "/{$}":
		return "/"
	}
	pattern = strings.TrimSuffix(strings.TrimSuffix(pattern, "{$}"), "/")
	return strings.ReplaceAll(strings.TrimSuffix(pattern, ".json"), "_", "-")
}
