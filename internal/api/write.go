package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// piece is the length, in bytes, from which on an answer is sent while it is made.
const piece = 64 << 10

// pieces are buffers that answers were made in, for the next ones.
var pieces = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

// write answers. A short body has a Content-Length; of a long one there is never
// more in memory than a piece, and one object.
func write(w http.ResponseWriter, out answer) {
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	buffer := pieces.Get().(*[]byte)
	s := &sending{w: w, status: out.status, began: time.Now()}
	body := s.appendJSON((*buffer)[:0], out.body)
	if !s.begun {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	s.send(body)
	if cap(body) <= 2*piece { // a huge object made it longer
		*buffer = body
		pieces.Put(buffer)
	}
}

// sending is an answer on its way.
type sending struct {
	w      http.ResponseWriter
	status int
	began  time.Time
	sent   int
	begun  bool  // the status is written
	failed error // the client went away: nobody wants the rest
}

// send writes a piece. The time that a client may take grows with what there is to read.
func (s *sending) send(b []byte) {
	s.sent += len(b)
	inTime := s.began.Add(answerTime * time.Duration(1+s.sent/answerRate))
	_ = http.NewResponseController(s.w).SetWriteDeadline(inTime) // which a test's recorder has none of
	if !s.begun {
		s.begun = true
		s.w.WriteHeader(s.status)
	}
	_, s.failed = s.w.Write(b)
}
