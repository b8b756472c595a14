package front

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
)

// What is put together is small: these bound it, in bytes.
const (
	maxBody   = 1 << 20
	maxAnswer = 16 << 20
)

// answer is what one side said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) ok() bool { return a.status/100 == 2 }

// relay gives a side's answer to the client as it is.
func (a *answer) relay(w http.ResponseWriter) {
	for name, values := range a.header {
		if !slices.Contains(hop, name) {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.status == http.StatusNoContent {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// question is what a side is asked; the headers are those of the request.
type question struct {
	method, path string
	query        url.Values
	body         []byte // JSON; nil: none
}

// askNeutron asks what is not the request itself. Its error is a refusal.
func (f *front) askNeutron(r *http.Request, c call, q question) (*answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), f.Patience)
	defer cancel()
	x := &exchange{id: c.id}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) }})
	out, err := newRequest(ctx, r, q)
	if err != nil {
		return nil, err
	}
	in := *r
	in.URL = out.URL
	asked := *out.URL
	out.URL = &asked
	f.address(&in, out, c.id)
	resp, err := byMethod{f}.RoundTrip(out)
	if err != nil {
		return nil, f.judge(out, x, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, f.judge(out, x, err)
	}
	if len(body) > maxAnswer {
		return nil, errOdd
	}
	resp.Header.Set("X-L2gw-Request-Id", c.id)
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// askOurs asks the API.
func (f *front) askOurs(w http.ResponseWriter, r *http.Request, c call, q question) (*answer, error) {
	out, err := newRequest(r.Context(), r, q)
	if err != nil {
		return nil, err
	}
	out.RemoteAddr, out.TLS, out.Host, out.RequestURI = r.RemoteAddr, r.TLS, r.Host, out.URL.RequestURI()
	out.Header.Set("X-Openstack-Request-Id", c.id)
	heard := &listener{ResponseWriter: w, answer: answer{header: http.Header{}}}
	f.API.ServeHTTP(heard, out)
	return &heard.answer, nil
}

// newRequest is a question with the headers of the request that it is about.
func newRequest(ctx context.Context, r *http.Request, q question) (*http.Request, error) {
	u := url.URL{Path: q.path, RawQuery: q.query.Encode()}
	out, err := http.NewRequestWithContext(ctx, q.method, u.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	for _, name := range hop {
		out.Header.Del(name)
	}
	for _, name := range []string{"Accept-Encoding", "Content-Length", "Content-Encoding", "Expect", "If-Match", "If-None-Match", "Range"} {
		out.Header.Del(name)
	}
	if q.body != nil {
		out.Header.Set("Content-Type", "application/json")
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "")
	}
	return out, nil
}

// listener hears what the API answers.
type listener struct {
	http.ResponseWriter // for deadlines alone
	answer
}

func (l *listener) Header() http.Header { return l.header }

func (l *listener) WriteHeader(status int) {
	if l.status == 0 {
		l.status = status
	}
}

func (l *listener) Write(b []byte) (int, error) {
	l.WriteHeader(http.StatusOK)
	l.body = append(l.body, b...)
	return len(b), nil
}

// Unwrap is for http.ResponseController.
func (l *listener) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// object is a JSON object whose values are left as they were written.
type object = map[string]json.RawMessage

// reply answers with what was put together.
func reply(w http.ResponseWriter, c call, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Openstack-Request-Id", c.id)
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// members reads a list of objects, or one object, under its key.
func members[T any](a *answer, key string) (T, error) {
	var all map[string]T
	if err := json.Unmarshal(a.body, &all); err != nil {
		return *new(T), &because{errOdd, err}
	}
	return all[key], nil
}

// text is a value as a query names it.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// both asks Neutron, then the API, for a list. If done is set, an answer was given already.
func (f *front) both(w http.ResponseWriter, r *http.Request, c call, path, key string) (list []object, done bool, err error) {
	q := question{method: http.MethodGet, path: path}
	for _, ask := range []func() (*answer, error){
		func() (*answer, error) { return f.askNeutron(r, c, q) },
		func() (*answer, error) { return f.askOurs(w, r, c, q) },
	} {
		a, err := ask()
		if err != nil {
			return nil, false, err
		}
		if !a.ok() {
			a.relay(w)
			return nil, true, nil
		}
		part, err := members[[]object](a, key)
		if err != nil {
			return nil, false, err
		}
		list = append(list, part...)
	}
	return list, false, nil
}

// unique keeps the first of those that have the same value of an attribute.
func unique(list []object, attribute string) []object {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(o object) bool {
		v := text(o[attribute])
		defer func() { seen[v] = true }()
		return seen[v]
	})
}

// choose applies the filters and fields of a query. Neutron itself has none of
// them for what is put together here; our API has.
func choose(list []object, query url.Values, filters ...string) []object {
	for _, name := range filters {
		if want := query[name]; len(want) > 0 {
			list = slices.DeleteFunc(list, func(o object) bool { return !slices.Contains(want, text(o[name])) })
		}
	}
	for _, o := range list {
		only(o, query["fields"])
	}
	return slices.Clip(list)
}

// only keeps the fields that were asked for; none: all.
func only(o object, fields []string) {
	if len(fields) == 0 {
		return
	}
	for name := range o {
		if !slices.Contains(fields, name) {
			delete(o, name)
		}
	}
}

// listExtensions is Neutron's list, then ours. It fails when Neutron is down: a
// client that took our half for the whole would believe that Neutron cannot do
// what it can.
func (f *front) listExtensions(w http.ResponseWriter, r *http.Request, c call) error {
	list, done, err := f.both(w, r, c, "/v2.0/extensions", "extensions")
	if err != nil || done {
		return err
	}
	list = choose(unique(list, "alias"), r.URL.Query(), "alias", "name", "description", "updated")
	return reply(w, c, http.StatusOK, map[string]any{"extensions": list})
}

// listCollections is the document at /v2.0/.
func (f *front) listCollections(w http.ResponseWriter, r *http.Request, c call) error {
	list, done, err := f.both(w, r, c, "/v2.0/", "resources")
	if err != nil || done {
		return err
	}
	return reply(w, c, http.StatusOK, map[string]any{"resources": unique(list, "collection")})
}
