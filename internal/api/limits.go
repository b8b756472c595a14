package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxPath is the longest path, in bytes, and maxParameters how many of them a
	// query may have. How long it is, the server's limit of the header bounds.
	maxPath       = 8 << 10
	maxParameters = 10_000

	// bodyPause is how long a client may send nothing of a body, bodyTime how long
	// all of it may take.
	bodyPause = 10 * time.Second
	bodyTime  = 60 * time.Second
	// smallBody is what a body may have without being counted: as much as there
	// are connections. Above that, receivedAtOnce bounds all that are kept at the
	// same time.
	smallBody      = 16 << 10
	receivedAtOnce = 64 << 20

	// atOnce is how many requests of known callers are worked on at the same time,
	// beyond which one waits for queueTime at most.
	atOnce    = 128
	queueTime = 3 * time.Second

	// requestTime is how long a request may be worked on. A switch that is asked
	// answers within 30 s, or its agent gives up.
	requestTime = 60 * time.Second

	// answerTime is how long a client may take to read an answer, and as much again
	// for each answerRate bytes.
	answerTime = 30 * time.Second
	answerRate = 1 << 20
)

// oddPath reports whether a path is one that [http.ServeMux] would mend with a
// redirect: nobody's client means it.
func oddPath(r *http.Request) bool {
	p := r.URL.EscapedPath()
	if p == "" || p[0] != '/' {
		return true
	}
	clean := path.Clean(p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean != p
}

// checkURI bounds what everything after it looks at.
func checkURI(r *http.Request) error {
	if len(r.URL.EscapedPath()) > maxPath || strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return errURITooLong
	}
	return nil
}

// stay is a request's place among those that are worked on, and what of its body
// is counted (see bodiesKept).
type stay struct {
	places chan struct{}
	held   bool
	kept   int64
}

type stayKey struct{}

// enter waits for a place: Unavailable if there is none for long.
func (s *stay) enter(ctx context.Context) error {
	select {
	case s.places <- struct{}{}:
		s.held = true
		return nil
	default:
	}
	wait, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	select {
	case s.places <- struct{}{}:
		s.held = true
		return nil
	case <-wait.Done():
		return errBusy
	}
}

func (s *stay) leave() {
	if s.held {
		<-s.places
		s.held = false
	}
}

// admit gives a request its place, for as long as the operation runs, and the time
// that it has.
func (s *server) admit(r *http.Request, work func(*http.Request) (answer, error)) (answer, error) {
	place := &stay{places: s.places}
	defer func() {
		place.leave()
		bodiesKept.Add(-place.kept)
	}()
	if err := place.enter(r.Context()); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), stayKey{}, place), requestTime)
	defer cancel()
	out, err := work(r.WithContext(ctx))
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if refused, _ := refusal(err); refused.status >= 500 {
			return answer{}, errTooLate
		}
	}
	return out, err
}

// bodiesKept is how much of large bodies there is in memory: of those that come in, and
// of those whose requests are not answered yet.
var bodiesKept atomic.Int64

// receive reads the body of a request that was admitted. A slow client holds
// neither a place nor, beyond the limits above, the connection.
func receive(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errBodyTooLarge
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, errEncoded
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	place := r.Context().Value(stayKey{}).(*stay)
	place.leave()
	data, err := place.receive(w, r)
	if err != nil {
		return nil, err
	}
	return data, place.enter(r.Context())
}

// receive counts what is larger than small until the request is answered.
func (s *stay) receive(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	connection := http.NewResponseController(w) // which a test's recorder has none of
	end := time.Now().Add(bodyTime)
	var body bytes.Buffer
	for {
		pause := time.Now().Add(bodyPause)
		if pause.After(end) {
			pause = end
		}
		_ = connection.SetReadDeadline(pause)
		_, err := io.CopyN(&body, r.Body, smallBody)
		switch {
		case body.Len() > maxBody:
			return nil, errBodyTooLarge
		case errors.Is(err, io.EOF):
			_ = connection.SetReadDeadline(time.Time{})
			return body.Bytes(), nil
		case isTimeout(err):
			return nil, errBodySlow
		case err != nil:
			return nil, errBodyCut
		}
		s.kept += smallBody
		if bodiesKept.Add(smallBody) > receivedAtOnce {
			return nil, errBusy
		}
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
