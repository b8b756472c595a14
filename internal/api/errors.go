package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"l2gw"
)

// httpError is a refusal that HTTP itself knows and the domain does not.
type httpError struct {
	status  int
	typ     string
	message string
}

func (e *httpError) Error() string { return e.message }

var (
	errPathNotFound = &httpError{http.StatusNotFound, "HTTPNotFound", "The resource could not be found."}

	errMethodNotAllowed = &httpError{
		http.StatusMethodNotAllowed, "HTTPMethodNotAllowed",
		"The server could not comply with the request since it is either malformed or otherwise incorrect.",
	}

	errOtherOrigin = &httpError{
		http.StatusForbidden, "HTTPForbidden",
		"Access was denied to this resource: the request comes from a page of another site.",
	}

	errBodyTooLarge = &httpError{
		http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge",
		fmt.Sprintf("The request body is too large: the limit is %d bytes.", maxBody),
	}

	errBodyCut = &l2gw.Error{Code: l2gw.Invalid, Type: "HTTPBadRequest", Message: "The request body could not be read."}

	errBodySlow = &httpError{
		http.StatusRequestTimeout, "HTTPRequestTimeout",
		fmt.Sprintf("The request body came too slowly: %v passed without any of it, or %v in all.", bodyPause, bodyTime),
	}

	errEncoded = &httpError{
		http.StatusUnsupportedMediaType, "HTTPUnsupportedMediaType",
		"The request body must not be compressed: no Content-Encoding but identity is understood.",
	}

	errURITooLong = &httpError{
		http.StatusRequestURITooLong, "HTTPURITooLong",
		fmt.Sprintf("The path or the query is too long: the limits are %d bytes and %d parameters.", maxPath, maxParameters),
	}

	errBusy = &httpError{
		http.StatusServiceUnavailable, "ServiceUnavailable",
		"The server has more requests than it can answer at the same time; try again later.",
	}

	errTooLate = &httpError{
		http.StatusServiceUnavailable, "ServiceUnavailable",
		"The request could not be completed in time; look at what it has changed before it is repeated.",
	}

	errInternal = &httpError{
		http.StatusInternalServerError, "HTTPInternalServerError",
		"Request Failed: internal server error while processing your request.",
	}
)

func agentNotFound(name string) error {
	return &l2gw.Error{Code: l2gw.NotFound, Type: "L2GatewayAgentNotFound", Message: "L2 Gateway Agent " + name + " could not be found."}
}

// badRequest says what is wrong with a request.
func badRequest(format string, args ...any) error {
	return &l2gw.Error{Code: l2gw.Invalid, Type: "HTTPBadRequest", Message: fmt.Sprintf(format, args...)}
}

func malformedBody() error {
	return &l2gw.Error{
		Code: l2gw.Invalid, Type: "MalformedRequestBody",
		Message: "Malformed request body: Cannot understand JSON.",
	}
}

// malformed is malformedBody for what is JSON of a kind, with what is wrong with it.
func malformed(format string, args ...any) error {
	return &l2gw.Error{Code: l2gw.Invalid, Type: "MalformedRequestBody", Message: "Malformed request body: " + fmt.Sprintf(format, args...)}
}

func badLimit(limit string) error {
	return &l2gw.Error{
		Code: l2gw.Invalid, Type: "BadRequest",
		Message: "Bad limit request: Limit must be an integer 0 or greater and not '" + limit + "'.",
	}
}

// retryAfter is what a client is told to wait when something we need is down, in seconds.
const retryAfter = "5"

// statusOf is the HTTP status of a domain error.
var statusOf = map[l2gw.Code]int{
	l2gw.Invalid:      http.StatusBadRequest,
	l2gw.Unauthorized: http.StatusUnauthorized,
	l2gw.Forbidden:    http.StatusForbidden,
	l2gw.NotFound:     http.StatusNotFound,
	l2gw.Conflict:     http.StatusConflict,
	l2gw.Unavailable:  http.StatusServiceUnavailable,
}

// refusal is how err is told to the client. What is neither the client's doing
// nor a dependency's becomes errInternal: the second result asks to log it.
func refusal(err error) (refused *httpError, unforeseen bool) {
	if e, ok := errors.AsType[*httpError](err); ok {
		return e, false
	}
	if e, ok := errors.AsType[*l2gw.Error](err); ok {
		if status, ok := statusOf[e.Code]; ok {
			return &httpError{status, e.Type, e.Message}, false
		}
	}
	return errInternal, true
}

// quoteList is names as Neutron lists them in a message: 'a, b'. A request may have
// thousands that are wrong.
func quoteList(names []string) string {
	const most = 20
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return "'" + strings.Join(names, ", ") + "'" + more
}
