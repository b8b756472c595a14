package keystone

import (
	"errors"
	"fmt"
	"net/http"

	"l2gw"
)

var (
	// errNotAuthenticated is all that a caller learns: keystonemiddleware's words.
	errNotAuthenticated = &l2gw.Error{
		Code: l2gw.Unauthorized, Type: "HTTPUnauthorized", Message: "The request you have made requires authentication.",
	}

	// errAway says that Keystone did not answer a moment ago, and was not asked again.
	errAway = errors.New("it did not answer a moment ago")

	// errBusy says that too many tokens wait to be asked about.
	errBusy = errors.New("too many tokens wait to be validated")

	// errClosed says that the [Keystone] was closed.
	errClosed = errors.New("keystone: closed")
)

// unauthenticated refuses a request; why is for the log.
func unauthenticated(why string) error {
	e := *errNotAuthenticated
	e.Err = errors.New(why)
	return &e
}

// unavailable says that it cannot be told at the moment who calls.
func unavailable(cause error) error {
	return l2gw.ServiceUnavailable("Keystone", cause)
}

// statusError is an answer of Keystone that says that a request cannot be done.
// Its body may repeat what was sent and is not kept.
type statusError struct {
	what     string
	status   int
	location string // of a redirect
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: Keystone answers %d %s", e.what, e.status, http.StatusText(e.status))
	if e.location != "" {
		text += ", redirecting to " + e.location + ": set auth_url to what it redirects to"
	}
	return text
}

// statusOf is the status of the answer that err tells of, or 0.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// unreachable is an error of a request that had no answer.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return e.err.Error() }
func (e *unreachable) Unwrap() error { return e.err }
