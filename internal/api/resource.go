package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"l2gw"
	"l2gw/internal/store"
)

// resource is a kind of object and what can be done with it. An operation that
// is nil does not exist: its method is answered with 405.
type resource[T any] struct {
	name       string // of one: "l2_gateway"
	collection string // of many: "l2_gateways"
	path       string // below /v2.0: "l2-gateways"
	attributes table[T]
	id         func(*T) string
	// named is the id that a path's last part means; nil: without the ".json" that clients may add.
	named func(text string) string

	// list gives what the query asks for. A query names none but stored attributes;
	// a resource that has none is always asked for everything.
	list func(ctx context.Context, q store.Query) ([]T, error)
	get  func(ctx context.Context, id string) (T, error)
	// create makes all or none.
	create func(ctx context.Context, items []values) ([]T, error)
	update func(ctx context.Context, id string, change values) (T, error)
	delete func(ctx context.Context, id string) error
}

// answer is what an operation says: a status and a body (nil: none).
type answer struct {
	status int
	body   object
}

// operation answers one method of one path.
type operation func(w http.ResponseWriter, r *http.Request) (answer, error)

// endpoint is a resource as a server offers it.
type endpoint[T any] struct {
	*server
	resource[T]
}

// mount makes a resource reachable in both spellings, with and without ".json"
// and a slash at the end.
func mount[T any](s *server, res resource[T]) {
	e := endpoint[T]{s, res}
	many, one := make(methods), make(methods)
	many.offer(http.MethodGet, res.list != nil, e.serveList)
	many.offer(http.MethodPost, res.create != nil, e.serveCreate)
	one.offer(http.MethodGet, res.get != nil, e.serveShow)
	one.offer(http.MethodPut, res.update != nil, e.serveUpdate)
	one.offer(http.MethodDelete, res.delete != nil, e.serveDelete)
	for _, path := range spellings(res.path) {
		s.handle(path, many)
		s.handle(path+".json", many)
		s.handle(path+"/{$}", many)
		s.handle(path+"/{id}", one)
		s.handle(path+"/{id}/{$}", one)
	}
}

// spellings are a path with hyphens and, if that differs, with underscores.
func spellings(path string) []string {
	if other := strings.ReplaceAll(path, "-", "_"); other != path {
		return []string{path, other}
	}
	return []string{path}
}

// pathID is the id in the path, without the ".json" that clients may add.
func pathID(r *http.Request) string { return strings.TrimSuffix(r.PathValue("id"), ".json") }

func (e endpoint[T]) serveList(_ http.ResponseWriter, r *http.Request) (answer, error) {
	query := parseQuery(r)
	page, err := parsePage(query, e.attributes)
	if err != nil {
		return answer{}, err
	}
	if err := e.allow(r.Context(), "get_"+e.name, nil); err != nil {
		return answer{}, err
	}
	shown, err := e.fetch(r.Context(), page, query)
	if err != nil {
		return answer{}, err
	}
	list := make([]object, len(shown))
	for i := range shown {
		list[i] = e.attributes.render(&shown[i], query["fields"])
	}
	body := object{{e.collection, list}}
	if links := page.links(e.selfURL(r), r.URL.RawQuery, len(shown), func(i int) string { return e.id(&shown[i]) }); links != nil {
		body = append(body, member{e.collection + "_links", links})
	}
	return answer{http.StatusOK, body}, nil
}

// fetch lets the store cut the list if it can, and does it here if the query is
// about what the store does not know, such as the status.
func (e endpoint[T]) fetch(ctx context.Context, p page, query url.Values) ([]T, error) {
	if q, ok := storeQuery(p, e.attributes, query); ok {
		return e.list(ctx, q)
	}
	all, err := e.list(ctx, store.Query{})
	if err != nil {
		return nil, err
	}
	return cut(p, all, e.attributes, e.id, query)
}

func (e endpoint[T]) serveCreate(w http.ResponseWriter, r *http.Request) (answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	items, bulk, err := unwrap(body, e.name, e.collection)
	if err != nil {
		return answer{}, err
	}
	all := make([]values, len(items))
	for i, item := range items {
		if all[i], err = e.attributes.decodePost(item); err != nil {
			return answer{}, err
		}
	}
	if err := e.allow(r.Context(), "create_"+e.name, nil); err != nil {
		return answer{}, err
	}
	ctx, revision := store.WithRevision(r.Context())
	made, err := e.create(ctx, all)
	if err != nil {
		return answer{}, err
	}
	ids := make([]string, len(made))
	for i := range made {
		ids[i] = e.id(&made[i])
	}
	e.logChange(ctx, "create", *revision, ids)
	if !bulk {
		return answer{http.StatusCreated, object{{e.name, e.attributes.render(&made[0], nil)}}}, nil
	}
	list := make([]object, len(made))
	for i := range made {
		list[i] = e.attributes.render(&made[i], nil)
	}
	return answer{http.StatusCreated, object{{e.collection, list}}}, nil
}

// logChange joins the request to what it changed: the revision and the ids appear
// in the logs of what is done for them. A request that changed nothing is in the
// log as a request alone.
func (e endpoint[T]) logChange(ctx context.Context, action string, revision int64, ids []string) {
	const most = 50
	if revision == 0 {
		return
	}
	e.Logger.InfoContext(ctx, "intent changed", "action", action, "resource", e.name, "revision", revision,
		"count", len(ids), "ids", ids[:min(len(ids), most)], "request_id", l2gw.RequestOf(ctx))
}

func (e endpoint[T]) serveShow(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := e.allow(r.Context(), "get_"+e.name, nil); err != nil {
		return answer{}, err
	}
	x, err := e.lookUp(r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, object{{e.name, e.attributes.render(&x, parseQuery(r)["fields"])}}}, nil
}

// lookUp finds the object that the path names. Where ids are names, one may end in ".json".
func (e endpoint[T]) lookUp(r *http.Request) (T, error) {
	id := r.PathValue("id")
	x, err := e.get(r.Context(), id)
	if bare := pathID(r); bare != id && l2gw.ErrorCode(err) == l2gw.NotFound {
		return e.get(r.Context(), bare)
	}
	return x, err
}

func (e endpoint[T]) serveUpdate(w http.ResponseWriter, r *http.Request) (answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return answer{}, err
	}
	items, bulk, err := unwrap(body, e.name, e.collection)
	if err != nil {
		return answer{}, err
	}
	if bulk {
		return answer{}, badRequest("Unable to find '%s' in request body", e.name)
	}
	change, err := e.attributes.decodePut(items[0])
	if err != nil {
		return answer{}, err
	}
	if err := e.allow(r.Context(), "update_"+e.name, nil); err != nil {
		return answer{}, err
	}
	ctx, revision := store.WithRevision(r.Context())
	id := pathID(r)
	if e.named != nil {
		id = e.named(r.PathValue("id"))
	}
	x, err := e.update(ctx, id, change)
	if err != nil {
		return answer{}, err
	}
	e.logChange(ctx, "update", *revision, []string{e.id(&x)})
	return answer{http.StatusOK, object{{e.name, e.attributes.render(&x, nil)}}}, nil
}

func (e endpoint[T]) serveDelete(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if err := e.allow(r.Context(), "delete_"+e.name, nil); err != nil {
		return answer{}, err
	}
	ctx, revision := store.WithRevision(r.Context())
	if err := e.delete(ctx, pathID(r)); err != nil {
		return answer{}, err
	}
	e.logChange(ctx, "delete", *revision, []string{pathID(r)})
	return answer{http.StatusNoContent, nil}, nil
}
