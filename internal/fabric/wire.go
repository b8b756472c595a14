package fabric

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "l2gw/internal/fabric/fabricpb"
)

const (
	// partSize is from which size on a message goes in parts, so that others can
	// overtake it: on a slow line, a Beat must not wait for a hundred thousand hosts.
	partSize = 256 << 10
	// maxFrame is what a receiver takes at a time. There is room for peers with larger parts.
	maxFrame = 1 << 20
)

// wireCodec is connect's codec for protobuf, for messages whose texts may come from a switch.
type wireCodec struct{}

func (wireCodec) Name() string                  { return "proto" }
func (wireCodec) Marshal(m any) ([]byte, error) { return marshal(nil, m.(proto.Message)) }
func (wireCodec) Unmarshal(b []byte, m any) error {
	return proto.Unmarshal(b, m.(proto.Message))
}

// MarshalAppend lets connect use its buffers again.
func (wireCodec) MarshalAppend(b []byte, m any) ([]byte, error) {
	return marshal(b, m.(proto.Message))
}

// dialect is how one end translates its messages (Out, In) to those on the wire (POut, PIn).
type dialect[Out, In, POut, PIn any] struct {
	encode func(Out) (*POut, error)
	decode func(*PIn) (In, error)
	wrap   func(*pb.Part) *POut
	part   func(*PIn) *pb.Part
}

var (
	serverDialect = dialect[ToAgent, ToServer, pb.FromServer, pb.FromAgent]{
		encode: encodeToAgent, decode: decodeToServer, part: (*pb.FromAgent).GetPart,
		wrap: func(p *pb.Part) *pb.FromServer { return &pb.FromServer{Message: &pb.FromServer_Part{Part: p}} },
	}
	agentDialect = dialect[ToServer, ToAgent, pb.FromAgent, pb.FromServer]{
		encode: encodeToServer, decode: decodeToAgent, part: (*pb.FromServer).GetPart,
		wrap: func(p *pb.Part) *pb.FromAgent { return &pb.FromAgent{Message: &pb.FromAgent_Part{Part: p}} },
	}
)

// call is what connect gives either end: one goroutine may send while one receives.
type call[POut, PIn any] interface {
	Send(*POut) error
	Receive() (*PIn, error)
}

// wire is one end of a Stream over the network. Two goroutines serve it, so that
// whoever waits in Send or Recv can be called off without harm to the stream.
// Neither holds more than one message or part of one.
type wire[Out, In, POut, PIn any] struct {
	dialect dialect[Out, In, POut, PIn]
	call    call[POut, PIn]
	// stop ends the call's Receive, and its Send now or soon.
	stop func(now bool)
	// why translates what Receive failed with.
	why func(error) error

	outbox   chan *POut
	inbox    chan In
	large    chan struct{} // has room for the one who sends a message in parts
	closed   chan struct{} // this end was closed
	sent     chan struct{} // the goroutine that sends has ended
	received chan struct{} // the one that receives has ended, because of err
	err      error

	mu      sync.Mutex
	sending bool
	done    bool
	aborted bool
}

func newWire[Out, In, POut, PIn any](d dialect[Out, In, POut, PIn], c call[POut, PIn], stop func(bool), why func(error) error) *wire[Out, In, POut, PIn] {
	w := &wire[Out, In, POut, PIn]{
		dialect: d, call: c, stop: stop, why: why,
		outbox: make(chan *POut), inbox: make(chan In), large: make(chan struct{}, 1),
		closed: make(chan struct{}), sent: make(chan struct{}), received: make(chan struct{}),
	}
	go w.sendAll()
	go w.receiveAll()
	return w
}

// Send implements Stream. A message of more than partSize goes in parts, which
// those of other callers overtake.
func (w *wire[Out, In, POut, PIn]) Send(ctx context.Context, m Out) error {
	select {
	case <-w.closed:
		return ErrClosed
	default:
	}
	p, err := w.dialect.encode(m)
	if err != nil {
		return err
	}
	message := any(p).(proto.Message)
	switch size := proto.Size(message); {
	case size <= partSize:
		return w.put(ctx, p)
	case size > MaxMessage:
		return fmt.Errorf("%T: %w", m, ErrTooLarge)
	}
	return w.sendParts(ctx, message)
}

func (w *wire[Out, In, POut, PIn]) sendParts(ctx context.Context, m proto.Message) error {
	select {
	case w.large <- struct{}{}:
		defer func() { <-w.large }()
	case <-w.closed:
		return ErrClosed
	case <-w.sent:
		return w.ended()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b, err := marshal(nil, m)
	if err != nil {
		return err
	}
	for i := uint32(0); ; i++ {
		n := min(partSize, len(b))
		if err := w.put(ctx, w.dialect.wrap(&pb.Part{Index: i, Last: n == len(b), Data: b[:n]})); err != nil {
			return err // and the receiver forgets what it has with the next message in parts
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
	}
}

func (w *wire[Out, In, POut, PIn]) put(ctx context.Context, p *POut) error {
	select {
	case w.outbox <- p:
		return nil
	case <-w.closed:
		return ErrClosed
	case <-w.sent:
		return w.ended()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Recv implements Stream. What came before the other end closed is still returned.
func (w *wire[Out, In, POut, PIn]) Recv(ctx context.Context) (m In, err error) {
	select {
	case <-w.closed:
		return m, ErrClosed
	default:
	}
	select {
	case m = <-w.inbox:
		return m, nil
	case <-w.received:
		return m, w.ended()
	case <-w.closed:
		return m, ErrClosed
	case <-ctx.Done():
		return m, context.Cause(ctx)
	}
}

// Close implements Stream. It does not wait for what is under way.
func (w *wire[Out, In, POut, PIn]) Close() { w.end(true) }

// end is Close; without abort, what Send has taken still goes out, as long as stop allows.
func (w *wire[Out, In, POut, PIn]) end(abort bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	w.done, w.aborted = true, abort
	close(w.closed)
	w.stop(abort && w.sending)
}

// wait returns once both goroutines have ended, which end brings about.
func (w *wire[Out, In, POut, PIn]) wait() {
	<-w.sent
	<-w.received
}

// ended is why the stream has ended, as far as it is known.
func (w *wire[Out, In, POut, PIn]) ended() error {
	select {
	case <-w.received:
		select {
		case <-w.closed:
			return ErrClosed
		default:
			return w.err
		}
	default:
		return ErrClosed
	}
}

// begin takes note that a Send of the call begins or has ended.
func (w *wire[Out, In, POut, PIn]) begin(sending bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending = sending
	return !w.aborted
}

func (w *wire[Out, In, POut, PIn]) sendAll() {
	defer close(w.sent)
	for {
		select {
		case p := <-w.outbox:
			if !w.begin(true) {
				return
			}
			err := w.call.Send(p)
			w.begin(false)
			if err != nil {
				return // Receive tells why
			}
		case <-w.closed:
			return
		case <-w.received:
			return
		}
	}
}

func (w *wire[Out, In, POut, PIn]) receiveAll() {
	defer close(w.received)
	var a assembly
	for {
		p, err := w.call.Receive()
		if err != nil {
			w.err = w.why(err)
			return
		}
		m, err := w.take(&a, p)
		switch {
		case errors.Is(err, ErrUnknownMessage):
			continue
		case err != nil:
			// What comes after it may build on it.
			w.err = fmt.Errorf("%w: the other end sent %w", ErrClosed, err)
			w.mu.Lock()
			w.stop(w.sending)
			w.mu.Unlock()
			return
		}
		select {
		case w.inbox <- m:
		case <-w.closed:
			w.err = ErrClosed
			return
		}
	}
}

// take returns ErrUnknownMessage as long as a message in parts is not whole.
func (w *wire[Out, In, POut, PIn]) take(a *assembly, p *PIn) (m In, err error) {
	if part := w.dialect.part(p); part != nil {
		b, err := a.add(part)
		switch {
		case err != nil:
			return m, err
		case b == nil:
			return m, ErrUnknownMessage
		}
		p = new(PIn)
		if err := proto.Unmarshal(b, any(p).(proto.Message)); err != nil {
			return m, fmt.Errorf("%w in parts: %w", ErrMalformed, err)
		}
	}
	return w.dialect.decode(p)
}

// assembly puts the parts of one message together.
type assembly struct {
	data []byte
	next uint32 // the index that must come; 0: of a new message only
}

// add returns the message with its last part, and nil before. Parts whose
// predecessors are missing are dropped.
func (a *assembly) add(p *pb.Part) ([]byte, error) {
	if p.GetIndex() == 0 {
		*a = assembly{}
	}
	if p.GetIndex() != a.next {
		*a = assembly{}
		return nil, nil
	}
	if len(a.data)+len(p.GetData()) > MaxMessage {
		return nil, ErrTooLarge
	}
	a.data = append(a.data, p.GetData()...)
	a.next++
	if !p.GetLast() {
		return nil, nil
	}
	whole := a.data
	*a = assembly{}
	return whole, nil
}
