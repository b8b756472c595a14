package api

import (
	"net/http"
	"regexp"
)

// Recorder notes what was answered. It is shared with whoever answers in front of
// the API, so that all lines of the log mean the same.
type Recorder struct {
	http.ResponseWriter
	Status int // 0: nothing yet
	Bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *Recorder) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		r.Status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *Recorder) Write(b []byte) (int, error) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.Bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// StatusClientLeft is the status, in the log, of a request whose client did not
// wait for the answer: nobody's fault, and what nginx writes.
const StatusClientLeft = 499

var requestID = regexp.MustCompile(`^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// ValidRequestID says whether a client's X-Openstack-Request-Id has the form that
// oslo.middleware takes (request_id.py); what has another is not repeated anywhere.
func ValidRequestID(id string) bool { return requestID.MatchString(id) }
