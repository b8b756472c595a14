package api

import (
	"context"
	"errors"
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
	title      string // what one is called: "L2 gateway"
	doc        string // what one is, in a sentence
	attributes table[T]
	id         func(*T) string
	// named is the id that a path's last part means; nil: without the ".json" that clients may add.
	named func(text string) string
	// access is who may "get", "create", "update" and "delete", in oslo.policy's
	// language: the defaults of the rules "get_l2_gateway" and so on. What is
	// missing here is for administrators.
	access map[string]string
	// missing is the error for an object that is not there, if one that the caller
	// may not see is to look the same; nil: it is 403 in both cases.
	missing func(id string) error
	// asGiven lets a new object be shown as its client gave it, where that differs; or nil.
	asGiven func(x *T, item values)
	// repeatable is set if the store does a write once for a key.
	repeatable bool
	// faults are the errors of "list", "show", "create", "update" and "delete"
	// beside those that are the same for every resource.
	faults map[string][]fault
	// sample is one for the examples of the document; sampleCreate and sampleUpdate
	// are what clients send.
	sample                     func() T
	sampleCreate, sampleUpdate object

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

// pathID is the id in the path, without the ".json" that clients may add.
func pathID(r *http.Request) string { return strings.TrimSuffix(r.PathValue("id"), ".json") }

func (e endpoint[T]) serveList(_ http.ResponseWriter, r *http.Request) (answer, error) {
	query, seen := parseQuery(r), e.scope(r.Context())
	page, err := parsePage(query, seen.attributes)
	if err != nil {
		return answer{}, err
	}
	if seen.nothing {
		return answer{}, l2gw.AdminRequired(verbOf("get_" + e.name))
	}
	shown, err := e.fetch(r.Context(), page, seen, query)
	if err != nil {
		return answer{}, err
	}
	body := object{{e.collection, e.stream(r.Context(), shown, e.attributes.chosen(query["fields"]))}}
	if links := page.links(e.selfURL(r), r.URL.RawQuery, len(shown), func(i int) string { return e.id(&shown[i]) }); links != nil {
		body = append(body, member{e.collection + "_links", links})
	}
	return answer{http.StatusOK, body}, nil
}

// fetch lets the store cut the list if it can, and does it here if the query is
// about what the store does not know, such as the status, or if the policy lets
// the caller see some objects of a page and not others.
func (e endpoint[T]) fetch(ctx context.Context, p page, seen scope[T], query url.Values) ([]T, error) {
	if q, ok := storeQuery(p, seen.attributes, query); ok {
		if err := e.checkMarker(ctx, seen, q.Marker); err != nil {
			return nil, err
		}
		seen.restrict(&q)
		all, err := e.list(ctx, q)
		if err != nil {
			return nil, err
		}
		n := len(all)
		if all = e.permitted(ctx, all); len(all) == n || q.Limit == 0 {
			return all, nil
		}
	}
	var q store.Query
	seen.restrict(&q)
	all, err := e.list(ctx, q)
	if err != nil {
		return nil, err
	}
	if p.marker == "" { // asking the policy of each takes long
		all = filter(all, seen.attributes, query)
	}
	return cut(asStored(p, seen.attributes), e.permitted(ctx, all), seen.attributes, e.id, query)
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
		if err := e.checkOwner(r.Context(), item); err != nil {
			return answer{}, err
		}
		if all[i], err = e.attributes.decodePost(item); err != nil {
			return answer{}, err
		}
	}
	for i := range all {
		if err := e.allow(r.Context(), "create_"+e.name, e.newTarget(r.Context(), items[i], all[i])); err != nil {
			return answer{}, err
		}
	}
	try, err := e.attempt(r, body)
	if err != nil {
		return answer{}, err
	}
	if ids, done, err := e.before(r.Context(), try); err != nil {
		return answer{}, err
	} else if done {
		return e.created(r.Context(), try, ids, all, bulk)
	}
	ctx, revision := store.WithRevision(try.context(r.Context()))
	made, err := e.create(ctx, all)
	if err != nil {
		ids, err := e.doneBefore(ctx, try, err)
		if err != nil {
			return answer{}, err
		}
		return e.created(ctx, try, ids, all, bulk)
	}
	ids := make([]string, len(made))
	for i := range made {
		ids[i] = e.id(&made[i])
	}
	e.logChange(ctx, "create", *revision, ids)
	return e.answerCreated(ctx, made, all, bulk), nil
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
	x, err := e.find(r, "get")
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, object{{e.name, e.render(r.Context(), &x, e.attributes.chosen(parseQuery(r)["fields"]))}}}, nil
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

// pathName is the id that the path names, for who may do verb to that object.
func (e endpoint[T]) pathName(r *http.Request, verb string) (string, error) {
	if !e.owned() {
		if err := e.allow(r.Context(), verb+"_"+e.name, nil); err != nil {
			return "", err
		}
		if e.named != nil {
			return e.named(r.PathValue("id")), nil
		}
		return pathID(r), nil
	}
	x, err := e.find(r, verb)
	if err != nil {
		return "", err
	}
	return e.id(&x), nil
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
	id, err := e.pathName(r, "update")
	if err != nil {
		return answer{}, err
	}
	try, err := e.attempt(r, body)
	if err != nil {
		return answer{}, err
	}
	ctx, revision := store.WithRevision(try.context(r.Context()))
	x, err := e.update(ctx, id, change)
	if errors.Is(err, store.ErrRepeated) {
		x, err = e.get(ctx, id)
	}
	if err != nil {
		return answer{}, err
	}
	e.logChange(ctx, "update", *revision, []string{e.id(&x)})
	return answer{http.StatusOK, object{{e.name, e.render(ctx, &x, nil)}}}, nil
}

func (e endpoint[T]) serveDelete(_ http.ResponseWriter, r *http.Request) (answer, error) {
	try, err := e.attempt(r, nil)
	if err != nil {
		return answer{}, err
	}
	ctx, revision := store.WithRevision(try.context(r.Context()))
	id, err := e.pathName(r, "delete")
	if err == nil {
		err = e.delete(ctx, id)
	}
	if err != nil {
		if _, err := e.doneBefore(ctx, try, err); err != nil {
			return answer{}, err
		}
		return answer{http.StatusNoContent, nil}, nil
	}
	e.logChange(ctx, "delete", *revision, []string{id})
	return answer{http.StatusNoContent, nil}, nil
}
