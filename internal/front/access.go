package front

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"l2gw/internal/api"
)

// observed gives a request that the API does not answer alone its id and its line
// in the log. The line has a project and a user if the API was asked for a part of
// the answer: who asks Neutron alone, Neutron finds out.
func (f *front) observed(route string, w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *api.Part)) {
	began, whole := time.Now(), &api.Part{ID: "req-" + uuid.NewString()}
	rec := &api.Recorder{ResponseWriter: w}
	defer func() {
		took := time.Since(began)
		method := r.Method
		switch method {
		case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		default:
			method = "other"
		}
		f.Observe(api.Request{Method: method, Route: route, Status: rec.Status, Took: took})
		client := r.RemoteAddr
		if at, ok := f.TrustedProxies.Client(r); ok {
			client = at.String()
		}
		attrs := []any{
			"method", api.Loggable(r.Method), "path", api.Loggable(r.URL.Path), "status", rec.Status, "bytes", rec.Bytes,
			"ms", float64(took.Microseconds()) / 1000, "client", client, "request_id", whole.ID, "by", "neutron",
		}
		if theirs := rec.Header().Get("X-Openstack-Request-Id"); theirs != "" && theirs != whole.ID {
			attrs = append(attrs, "neutron_request_id", theirs)
		}
		if global := r.Header.Get("X-Openstack-Request-Id"); api.ValidRequestID(global) {
			attrs = append(attrs, "global_request_id", global)
		}
		if who := whole.Caller; who != nil {
			attrs = append(attrs, "project", api.Loggable(who.Project), "user", api.Loggable(who.User))
		}
		f.Logger.InfoContext(r.Context(), "request", attrs...)
	}()
	serve(rec, whole)
}
