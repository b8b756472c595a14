package front

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"

	"l2gw/internal/api"
)

// What is put together is small: these bound it, in bytes. Of bodies there may be
// as many as there are connections, and nobody knows yet whose they are.
const (
	maxBody   = 64 << 10
	maxAnswer = 16 << 20
)

// joint is a request that Neutron and our API answer together.
type joint struct {
	*front
	w     http.ResponseWriter
	r     *http.Request
	whole *api.Part
	name  string // what the path names, see place
}

// question is what a side is asked; the headers are those of the request.
type question struct {
	method, path string
	body         []byte // JSON; nil: none
	rehearsed    bool   // ours answers as if it were done (see api.Rehearse)
}

// answer is what one side said. As an error it is a refusal, which the client gets
// as it is.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) Error() string { return fmt.Sprintf("answered with status %d", a.status) }

// heard is an answer, or the refusal that it is.
func heard(a *answer) (*answer, error) {
	if a.status/100 != 2 {
		return nil, a
	}
	return a, nil
}

// refusedBy is the answer behind an error, or nil if a failure is behind it.
func refusedBy(err error) *answer {
	a, _ := errors.AsType[*answer](err)
	return a
}

// relay gives a side's answer to the client as it is.
func (a *answer) relay(w http.ResponseWriter) {
	dropHop(a.header)
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.status == http.StatusNoContent {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// askNeutron asks what is not the request itself. Its error is a refusal: Neutron's
// (see answer) or our own.
func (j *joint) askNeutron(q question) (*answer, error) {
	ctx, cancel := context.WithTimeout(j.r.Context(), j.Patience)
	defer cancel()
	x := &exchange{id: j.whole.ID}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) }})
	out, err := j.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	in := *j.r
	in.URL = out.URL
	asked := *out.URL
	out.URL = &asked
	j.address(&in, out, j.whole.ID)
	resp, err := byMethod{j.front}.RoundTrip(out)
	if err != nil {
		return nil, j.judge(out, x, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, j.judge(out, x, err)
	}
	if len(body) > maxAnswer {
		return nil, errOdd
	}
	identify(resp.Header, j.whole.ID)
	return heard(&answer{resp.StatusCode, resp.Header, body})
}

// askOurs asks the API. Its error is a refusal.
func (j *joint) askOurs(q question) (*answer, error) {
	ctx := j.whole.Context(j.r.Context())
	if q.rehearsed {
		ctx = api.Rehearse(ctx)
	}
	out, err := j.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	out.RemoteAddr, out.TLS, out.Host, out.RequestURI = j.r.RemoteAddr, j.r.TLS, j.r.Host, out.URL.RequestURI()
	l := &listener{answer{header: http.Header{}}}
	j.API.ServeHTTP(l, out)
	return heard(&l.answer)
}

// ask makes a request of a question, with the headers of the one that it is about.
func (j *joint) ask(ctx context.Context, q question) (*http.Request, error) {
	u := url.URL{Path: q.path}
	out, err := http.NewRequestWithContext(ctx, q.method, u.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	out.Header = j.r.Header.Clone()
	dropHop(out.Header)
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
type listener struct{ answer }

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

// object is a JSON object whose values are left as they were written.
type object = map[string]json.RawMessage

// reply answers with what was put together.
func (j *joint) reply(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := j.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Openstack-Request-Id", j.whole.ID)
	j.w.WriteHeader(http.StatusOK)
	_, _ = j.w.Write(body)
	return nil
}

// members reads a list of objects, or one object, under its key.
func members[T any](a *answer, key string) (list T, err error) {
	var all object
	if err := json.Unmarshal(a.body, &all); err != nil {
		return list, &because{errOdd, err}
	}
	if err := json.Unmarshal(all[key], &list); err != nil {
		return list, &because{errOdd, fmt.Errorf("%q in it: %w", key, err)}
	}
	return list, nil
}

// text is a value as a query names it.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// both is Neutron's list, then ours.
func (j *joint) both(path, key string) ([]object, error) {
	q := question{method: http.MethodGet, path: path}
	var list []object
	for _, ask := range []func(question) (*answer, error){j.askNeutron, j.askOurs} {
		a, err := ask(q)
		if err != nil {
			return nil, err
		}
		part, err := members[[]object](a, key)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return list, nil
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
func (j *joint) listExtensions() error {
	list, err := j.both("/v2.0/extensions", "extensions")
	if err != nil {
		return err
	}
	list = choose(unique(list, "alias"), j.r.URL.Query(), "alias", "name", "description", "updated")
	return j.reply(map[string]any{"extensions": list})
}

// listCollections is the document at /v2.0/.
func (j *joint) listCollections() error {
	list, err := j.both("/v2.0/", "resources")
	if err != nil {
		return err
	}
	return j.reply(map[string]any{"resources": unique(list, "collection")})
}
