package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"l2gw"
	"l2gw/internal/store"
)

// idempotencyKey is the header of a request that may come again: because its
// answer was lost on the way, or because a load balancer sends it to another server
// when the first one died (draft-ietf-httpapi-idempotency-key-header-07). What it
// asks for is done once, and each time the answer is that it is done.
const idempotencyKey = "Idempotency-Key"

// maxIdempotencyKey is the length of the longest key.
const maxIdempotencyKey = 255

var keyParameter = parameter{
	name:   idempotencyKey,
	doc:    "Made up by the client, another one for each request. A request that comes again with its key is not done again, on whichever server.",
	schema: schema{{"type", "string"}, {"minLength", 1}, {"maxLength", maxIdempotencyKey}, {"pattern", `^[\x20-\x7e]+$`}},
}

var keyFault = fault{http.StatusConflict, "IdempotencyKeyTaken", "The Idempotency-Key stands for another request, or what its request made is gone."}

// attempt is a request as one of several that may come with one key; the zero
// attempt has none.
type attempt struct{ key, digest string }

// attempt reads the key of a request with this body (nil: none).
func (e endpoint[T]) attempt(r *http.Request, body any) (attempt, error) {
	keys := r.Header.Values(idempotencyKey)
	if !e.repeatable || len(keys) == 0 {
		return attempt{}, nil
	}
	if len(keys) > 1 {
		return attempt{}, badRequest("The header %s is given %d times: it must be given once.", idempotencyKey, len(keys))
	}
	key := keys[0]
	if inner, quoted := strings.CutPrefix(key, `"`); quoted { // a string of RFC 8941, as the draft has it
		key = strings.TrimSuffix(inner, `"`)
	}
	printable := strings.IndexFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) < 0
	if key == "" || len(key) > maxIdempotencyKey || !printable {
		return attempt{}, badRequest("The header %s must be 1 to %d printable ASCII characters, such as a UUID.", idempotencyKey, maxIdempotencyKey)
	}
	caller := callerOf(r.Context())
	text, err := json.Marshal([]any{r.Method, r.URL.Path, caller.User, caller.Project, body})
	if err != nil {
		return attempt{}, err
	}
	sum := sha256.Sum256(text)
	return attempt{key, hex.EncodeToString(sum[:])}, nil
}

// context is where the store finds the key.
func (a attempt) context(ctx context.Context) context.Context {
	if a.key == "" {
		return ctx
	}
	return store.WithRepeat(ctx, a.key, a.digest)
}

// before tells whether an earlier attempt has done it, and the ids of what it created.
func (e endpoint[T]) before(ctx context.Context, a attempt) (ids []string, done bool, err error) {
	if a.key == "" {
		return nil, false, nil
	}
	ids, done, err = e.Store.Repeated(ctx, a.key, a.digest)
	if done {
		e.Logger.InfoContext(ctx, "request was done before", "resource", e.name, "request_id", l2gw.RequestOf(ctx))
	}
	return ids, done, err
}

// doneBefore is before for an attempt that failed: it may be because an earlier one
// was done meanwhile.
func (e endpoint[T]) doneBefore(ctx context.Context, a attempt, failed error) (ids []string, err error) {
	// Of what was deleted, some callers learn that it is not there, and others nothing.
	code := l2gw.ErrorCode(failed)
	if !errors.Is(failed, store.ErrRepeated) && code != l2gw.NotFound && code != l2gw.Forbidden {
		return nil, failed
	}
	ids, done, err := e.before(ctx, a)
	if err == nil && !done {
		err = failed
	}
	return ids, err
}

// created is the answer to a POST of items that was done before.
func (e endpoint[T]) created(ctx context.Context, a attempt, ids []string, items []values, bulk bool) (answer, error) {
	made := make([]T, len(ids))
	for i, id := range ids {
		var err error
		made[i], err = e.get(ctx, id)
		if l2gw.ErrorCode(err) == l2gw.NotFound {
			err = l2gw.RepeatedObjectGone(a.key)
		}
		if err != nil {
			return answer{}, err
		}
	}
	return e.answerCreated(ctx, made, items, bulk), nil
}

func (e endpoint[T]) answerCreated(ctx context.Context, made []T, items []values, bulk bool) answer {
	if e.asGiven != nil {
		for i := range made {
			e.asGiven(&made[i], items[i])
		}
	}
	list := e.renderAll(ctx, made, nil)
	if !bulk {
		return answer{http.StatusCreated, object{{e.name, list[0]}}}
	}
	return answer{http.StatusCreated, object{{e.collection, list}}}
}

// documentKey says that an operation may be sent again.
func (e endpoint[T]) documentKey(doc operationDoc) operationDoc {
	if e.repeatable {
		doc.headers = append(doc.headers, keyParameter)
		doc.faults = append(doc.faults, keyFault)
	}
	return doc
}

// documentKeyOfUpdate is documentKey for what can be changed at all.
func (e endpoint[T]) documentKeyOfUpdate(doc operationDoc) operationDoc {
	if slices.ContainsFunc(e.attributes, func(a attribute[T]) bool { return a.put }) {
		return e.documentKey(doc)
	}
	return doc
}
