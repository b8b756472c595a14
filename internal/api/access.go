package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
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

var validRequestID = regexp.MustCompile(`^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// observe gives each request its id, logs it, and turns a panic into a 500. As
// with Neutron, the id is always a new one, so that no two requests share it; what
// a client sends is the id of something larger, and stands beside it in the log
// (oslo.middleware's request_id.py calls it the global request id).
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := "req-" + uuid.NewString()
		w.Header().Set("X-Openstack-Request-Id", id)
		a := &access{}
		r = r.WithContext(context.WithValue(l2gw.WithRequest(r.Context(), id), accessKey{}, a))
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.Logger.ErrorContext(r.Context(), "request panicked", "panic", p, "method", loggable(r.Method), "path", loggable(r.URL.Path),
					"request_id", id, "stack", string(debug.Stack()))
				if rec.status == 0 {
					write(rec, answer{errInternal.status, object{{"NeutronError", object{
						{"type", errInternal.typ}, {"message", errInternal.message}, {"detail", ""},
					}}}})
				} else {
					defer panic(http.ErrAbortHandler) // of half an answer nobody must think that it is whole
				}
			}
			took := time.Since(began)
			s.Observe(Request{knownMethod(r.Method), routeName(r.Pattern), rec.status, took})
			s.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request", s.accessLine(r, rec, a, took)...)
		}()
		next.ServeHTTP(rec, r)
	})
}

// accessLine is what the log says of a request. Nothing in it is a secret: of the
// headers there are the request id and the client's name for itself alone, and of
// the query what is no filter of ours is left out if its name speaks of a secret.
// The log's handler quotes what could be taken for something else.
func (s *server) accessLine(r *http.Request, rec *recorder, a *access, took time.Duration) []slog.Attr {
	line := []slog.Attr{
		slog.String("method", loggable(r.Method)), slog.String("path", loggable(r.URL.Path)), slog.Int("status", rec.status),
		slog.Float64("ms", math.Round(float64(took.Microseconds())/10)/100), slog.Int("bytes", rec.bytes),
		slog.String("client", s.clientOf(r)), slog.String("request_id", l2gw.RequestOf(r.Context())),
	}
	if global := r.Header.Get("X-Openstack-Request-Id"); validRequestID.MatchString(global) {
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

// clientOf is the address of who asks: the one that the connection comes from or,
// if that is a proxy that is trusted, the one nearest to it in X-Forwarded-For
// that is none.
func (s *server) clientOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return loggable(r.RemoteAddr)
	}
	client := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for s.trusts(client) && len(hops) > 0 {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break // whoever wrote this is not who is trusted
		}
		client, hops = hop.Unmap().WithZone(""), hops[:len(hops)-1]
	}
	return client.String()
}

// trusts reports whether an address is a proxy's whose headers are believed.
func (s *server) trusts(client netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(client) {
			return true
		}
	}
	return false
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

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
