package front

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// ErrLoop is why a front does not start: behind it would be itself.
var ErrLoop = errors.New("the Neutron behind us would be ourselves")

// refusal is an answer of the front's own.
type refusal struct {
	status       int
	typ, message string
}

func (e *refusal) Error() string { return e.message }

// retryAfter is what a client is told to wait when Neutron is down, in seconds.
const retryAfter = "5"

var (
	errTarget = &refusal{http.StatusBadRequest, "HTTPBadRequest", "The request target must be a path: absolute URLs and authorities are not served."}

	errNowhere = &refusal{http.StatusNotFound, "HTTPNotFound", "The resource could not be found."}

	errLoop = &refusal{
		http.StatusLoopDetected, "HTTPLoopDetected",
		"This request came back to where it was passed on: [neutron] endpoint_override of an L2GW server leads to an L2GW server instead of Neutron.",
	}

	errDown = &refusal{http.StatusServiceUnavailable, "NeutronUnavailable", "Neutron cannot be reached. Nothing was done; try again later."}

	errBroken = &refusal{http.StatusBadGateway, "NeutronUnavailable", "Neutron ended the connection before it answered. Whether the request was carried out is not known."}

	errLate = &refusal{http.StatusGatewayTimeout, "NeutronUnavailable", "Neutron did not answer in time. Whether the request was carried out is not known."}

	errUnread = &refusal{http.StatusBadRequest, "HTTPBadRequest", "The request body could not be read."}

	errTooLarge = &refusal{http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge", fmt.Sprintf("The request body is too large: the limit is %d bytes.", maxBody)}

	errOdd = &refusal{http.StatusBadGateway, "NeutronUnavailable", "Neutron answered something that cannot be understood."}
)

// refuse answers with err.
func refuse(w http.ResponseWriter, id string, err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{http.StatusInternalServerError, "HTTPInternalServerError", "Request Failed: internal server error while processing your request."}
	}
	body, _ := json.Marshal(map[string]any{"NeutronError": map[string]string{"type": r.typ, "message": r.message, "detail": ""}})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Openstack-Request-Id", id)
	if r.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body)
}
