package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"l2gw"
)

// server is what the operations have in common. It is immutable after New.
type server struct {
	Options
	mux    *http.ServeMux
	routes []offered
	// schemas are those that the OpenAPI document has once.
	schemas object
	tags    map[string]string // what each group of operations is about
	places  chan struct{}     // one is taken while a request is worked on
	// origins refuses what a page of another site makes a browser send here: who
	// can reach us from a desk may be an administrator (see NoAuth).
	origins *http.CrossOriginProtection
}

// methods are the operations of one path.
type methods map[string]operation

// asked is the method that a request is answered as: OPTIONS is GET, as with Neutron.
func asked(method string) string {
	if method == http.MethodOptions {
		return http.MethodGet
	}
	return method
}

// methods answers with the operation of the method: 405 if there is another one,
// 404 if there is none at all.
func (s *server) methods(m methods) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, ok := m[asked(r.Method)]
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

// dispatch hands a request to the operations of its path. What is odd about the
// path is not mended: a client that follows no redirect would not know why.
func (s *server) dispatch(w http.ResponseWriter, r *http.Request) {
	switch err := checkURI(r); {
	case err != nil:
		s.refuse(w, r, err)
	case oddPath(r):
		s.refuse(w, r, errPathNotFound)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// refuse answers with an error. What nobody foresaw is logged here, once.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused, unforeseen := refusal(err)
	log := func(level slog.Level, text string) {
		s.Logger.Log(r.Context(), level, text, "error", cause(err), "method", loggable(r.Method), "path", loggable(r.URL.Path), "request_id", l2gw.RequestOf(r.Context()))
	}
	if r.ContentLength != 0 { // net/http reads what was not read of a body, but not for long
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPause))
	}
	switch {
	case refused.status >= 500 && errors.Is(r.Context().Err(), context.Canceled):
		log(slog.LevelDebug, "client left before the answer")
		write(w, answer{StatusClientLeft, nil})
		return
	case unforeseen:
		log(slog.LevelError, "request failed")
	case refused.status == http.StatusUnauthorized && s.Challenge != "":
		w.Header().Set("WWW-Authenticate", s.Challenge)
	case refused.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
		log(slog.LevelWarn, "request cannot be served now")
	case refused.status == http.StatusRequestEntityTooLarge, refused.status == http.StatusUnsupportedMediaType, refused.status == http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // the rest of the body is not waited for
	}
	if refused.status == http.StatusUnauthorized && strings.HasPrefix(s.Challenge, "Keystone ") {
		// With Neutron it is keystonemiddleware that answers, and keystoneauth's
		// clients know this form alone.
		write(w, answer{refused.status, object{{"error", object{
			{"code", refused.status}, {"title", http.StatusText(refused.status)}, {"message", refused.message},
		}}}})
		return
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

// baseURL is how the client reaches us, by what a proxy that is trusted says of it.
func (s *server) baseURL(r *http.Request) string {
	if s.BaseURL != "" {
		return s.BaseURL
	}
	scheme, host := s.TrustedProxies.Base(r)
	return scheme + "://" + host
}

func (s *server) selfURL(r *http.Request) string { return s.baseURL(r) + r.URL.EscapedPath() }
