package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"l2gw/internal/fabric"
	"l2gw/ovsdb"
)

const (
	// minReconnect and maxReconnect bound the wait between two attempts to reach
	// a server, which is longer after each failure, and never the same for two agents.
	minReconnect = 100 * time.Millisecond
	maxReconnect = 2 * time.Second
	// repeatFailure is after how long a failure that goes on is logged again.
	repeatFailure = 10 * time.Minute
	// maxFailures is how many different failures are remembered as logged.
	maxFailures = 16
	// maxBeats is of how many beats the time of sending is remembered: of more
	// than fit into a Term, since a grant that refers to an older one is void.
	maxBeats = 16
	// maxAnswers is how many answers to commands may wait for a server that does not listen.
	maxAnswers = 256
)

// link keeps a stream with one server.
type link struct {
	agent  *Agent
	server Server
	log    *slog.Logger

	failures map[string]time.Time // what was logged, and when; belongs to run
}

// run keeps the stream until ctx ends.
func (l *link) run(ctx context.Context) {
	backoff := ovsdb.Backoff{Min: 2 * minReconnect, Max: maxReconnect}
	for failures := 1; ctx.Err() == nil; failures++ {
		began := l.agent.opts.Now()
		err := l.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errOtherDatabases) {
			failures = 0
			continue
		}
		if l.agent.opts.Now().Sub(began) > fabric.BeatInterval {
			failures = 1
		}
		l.failed(err)
		wait := time.NewTimer(backoff.Delay(failures))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

// failed logs each distinct failure once in a while.
func (l *link) failed(err error) {
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		text = op.Err.Error() // without our port, which is another each time
	}
	now := l.agent.opts.Now()
	if at, known := l.failures[text]; known && now.Sub(at) < repeatFailure {
		return
	}
	if l.failures == nil || len(l.failures) >= maxFailures {
		l.failures = map[string]time.Time{}
	}
	l.failures[text] = now
	l.log.Warn("no stream with the server; trying again", "error", err)
}

// once makes a stream and speaks over it until it ends.
func (l *link) once(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errStreamEnded)
	patience := time.AfterFunc(fabric.Term, func() { cancel(errSilent) })
	stream, err := l.server.Dial(ctx)
	patience.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	s := &session{
		link: l, stream: stream, cancel: cancel, wake: make(chan struct{}, 1),
		sent: map[uint64]time.Time{}, uplinks: map[*reports]struct{}{}, refused: map[string]string{},
	}
	s.silence = time.AfterFunc(fabric.Term, func() { s.end(errSilent) })
	var speakers sync.WaitGroup
	hello := l.agent.attach(s)
	speakers.Go(func() { s.speak(ctx, hello) })
	err = s.listen(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	s.end(errStreamEnded)
	l.agent.detach(s)
	speakers.Wait()
	return err
}

// session is one stream with a server.
type session struct {
	link    *link
	stream  fabric.AgentStream
	cancel  context.CancelCauseFunc
	silence *time.Timer
	wake    chan struct{} // 1 place: there is something to send

	// Guarded by Agent.mu.
	epoch   uint64            // under which the server is the controller, if it is obeyed
	refused map[string]string // why the server does not let us have databases

	mu      sync.Mutex
	sent    map[uint64]time.Time // when the last beats were sent; 0 is the Hello
	answers []fabric.ToServer
	asks    map[fabric.Ask]struct{}
	uplinks map[*reports]struct{}
}

// end ends the stream, and says why.
func (s *session) end(cause error) {
	s.cancel(cause)
	s.silence.Stop()
	s.stream.Close()
}

// poke wakes the sender.
func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// listen hears what the server says.
func (s *session) listen(ctx context.Context) error {
	for {
		m, err := s.stream.Recv(ctx)
		if err != nil {
			return err
		}
		s.silence.Reset(fabric.Term)
		s.link.agent.hear(s, m)
	}
}

// speak says Hello, and from then on beats and whatever is news. It is the
// network's pace at which it goes, and nobody waits for it.
func (s *session) speak(ctx context.Context, hello fabric.Hello) {
	s.note(0)
	if err := s.stream.Send(ctx, hello); err != nil {
		s.end(err)
		return
	}
	var beats sync.WaitGroup
	defer beats.Wait()
	beats.Go(func() { s.beat(ctx) })
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for _, m := range s.collect() {
			if err := s.stream.Send(ctx, m); err != nil {
				s.end(err)
				return
			}
		}
	}
}

// beat sends beats, in a goroutine of its own: what is reported may be much.
func (s *session) beat(ctx context.Context) {
	next := time.NewTicker(fabric.BeatInterval)
	defer next.Stop()
	for n := uint64(1); ; n++ {
		s.note(n) // before it is sent: a grant counts from then
		if err := s.stream.Send(ctx, fabric.Beat{Sequence: n, Epoch: s.link.agent.epoch.Load()}); err != nil {
			s.end(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
	}
}

// note remembers when a beat is sent.
func (s *session) note(beat uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[beat] = s.link.agent.opts.Now()
	if beat > maxBeats {
		delete(s.sent, 0)
		delete(s.sent, beat-maxBeats)
	}
}

// asked is when a beat was sent; the zero time if that is too long ago to count.
func (s *session) asked(beat uint64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[beat]
}

// answer sends an answer to a command of this server. If it has long ceased to
// listen, the oldest is thrown away.
func (s *session) answer(m fabric.Done) {
	s.mu.Lock()
	if len(s.answers) >= maxAnswers {
		s.answers = s.answers[1:]
	}
	s.answers = append(s.answers, m)
	s.mu.Unlock()
	s.poke()
}

// ask asks the server for something; as often as that happens before it is sent, once.
func (s *session) ask(m fabric.Ask) {
	s.mu.Lock()
	if s.asks == nil {
		s.asks = map[fabric.Ask]struct{}{}
	}
	s.asks[m] = struct{}{}
	s.mu.Unlock()
	s.poke()
}

// collect turns what the server has yet to be told into messages.
func (s *session) collect() (messages []fabric.ToServer) {
	s.mu.Lock()
	for m := range s.asks {
		messages = append(messages, m)
	}
	messages = append(messages, s.answers...)
	s.asks, s.answers = nil, nil
	var all []*reports
	for r := range s.uplinks {
		all = append(all, r)
	}
	s.mu.Unlock()
	for _, r := range all {
		messages = r.collect(s, messages)
	}
	return messages
}
