package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"l2gw"

	"github.com/google/uuid"
)

// server is what the operations have in common. It is immutable after New.
type server struct {
	Options
	mux    *http.ServeMux
	routes []offered
	// schemas are those that the OpenAPI document has once.
	schemas object
	// origins refuses what a page of another site makes a browser send here: who
	// can reach us from a desk may be an administrator (see NoAuth).
	origins *http.CrossOriginProtection
}

// methods are the operations of one path.
type methods map[string]operation

// methods answers with the operation of the method: 405 if there is another one,
// 404 if there is none at all.
func (s *server) methods(m methods) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, ok := m[r.Method]
		switch {
		case len(m) == 0:
			s.refuse(w, r, errPathNotFound)
			return
		case !ok:
			w.Header().Set("Allow", allowed)
			s.refuse(w, r, errMethodNotAllowed)
			return
		}
		if err := s.origins.Check(r); err != nil {
			s.refuse(w, r, errOtherOrigin)
			return
		}
		out, err := op(w, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		write(w, out)
	})
}

func write(w http.ResponseWriter, out answer) {
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	body := appendJSON(make([]byte, 0, 1024), out.body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(out.status)
	_, _ = w.Write(body) // a client that went away has no use for an error
}

// statusClientLeft is the status, in the log, of a request whose client did not
// wait for the answer: nobody's fault, and what nginx writes.
const statusClientLeft = 499

// refuse answers with an error. What nobody foresaw is logged here, once.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused, unforeseen := refusal(err)
	log := func(level slog.Level, text string) {
		s.Logger.Log(r.Context(), level, text, "error", cause(err), "method", r.Method, "path", r.URL.Path, "request_id", l2gw.RequestOf(r.Context()))
	}
	switch {
	case refused.status >= 500 && errors.Is(r.Context().Err(), context.Canceled):
		log(slog.LevelDebug, "client left before the answer")
		write(w, answer{statusClientLeft, nil})
		return
	case unforeseen:
		log(slog.LevelError, "request failed")
	case refused.status == http.StatusUnauthorized && s.Challenge != "":
		w.Header().Set("WWW-Authenticate", s.Challenge)
	case refused.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
		log(slog.LevelWarn, "dependency not available")
	}
	write(w, answer{refused.status, object{{"NeutronError", object{
		{"type", refused.typ}, {"message", refused.message}, {"detail", ""},
	}}}})
}

// cause is an error as the log wants it: with what lies behind it.
func cause(err error) string {
	text := err.Error()
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		if s := inner.Error(); !strings.Contains(text, s) {
			text += ": " + s
		}
	}
	return text
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
		global := r.Header.Get("X-Openstack-Request-Id")
		if !validRequestID.MatchString(global) {
			global = ""
		}
		w.Header().Set("X-Openstack-Request-Id", id)
		r = r.WithContext(l2gw.WithRequest(r.Context(), id))
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.Logger.ErrorContext(r.Context(), "request panicked", "panic", p, "method", r.Method, "path", r.URL.Path,
					"request_id", id, "stack", string(debug.Stack()))
				if rec.status == 0 {
					write(rec, answer{errInternal.status, object{{"NeutronError", object{
						{"type", errInternal.typ}, {"message", errInternal.message}, {"detail", ""},
					}}}})
				}
			}
			took := time.Since(began)
			s.Observe(Request{knownMethod(r.Method), route(r.Pattern), rec.status, took})
			attrs := []any{
				"method", r.Method, "path", r.URL.Path, "status", rec.status, "bytes", rec.bytes,
				"seconds", took.Seconds(), "client", r.RemoteAddr, "request_id", id,
			}
			if global != "" {
				attrs = append(attrs, "global_request_id", global)
			}
			s.Logger.InfoContext(r.Context(), "request", attrs...)
		}()
		next.ServeHTTP(rec, r)
	})
}

// knownMethod keeps what clients make up out of the measurements.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		return method
	}
	return "other"
}

// route is one name for all spellings of a path.
func route(pattern string) string {
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

// baseURL is how the client reaches us.
func (s *server) baseURL(r *http.Request) string {
	if s.BaseURL != "" {
		return s.BaseURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func (s *server) selfURL(r *http.Request) string { return s.baseURL(r) + r.URL.EscapedPath() }
