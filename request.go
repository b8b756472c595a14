package l2gw

import (
	"context"
	"errors"
)

// ErrFenced is what a write of the controller comes to whose lease another
// server took: nothing was written, and the server must stop being the controller.
var ErrFenced = errors.New("another server is the controller by now")

type requestKey struct{}

// WithRequest returns a context that carries the id of an API request, by which
// all that comes of it can be found again.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf is the id of the API request that ctx belongs to, or "".
func RequestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
