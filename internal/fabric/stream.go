package fabric

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is what a Stream answers once either side has closed it.
var ErrClosed = errors.New("the stream between server and agent is closed")

// Stream is one end of the connection between a server and an agent. Send may
// be called by several goroutines, Recv by one.
type Stream[Out, In any] interface {
	// Send hands a message over. It waits while the other end's buffer is full.
	Send(ctx context.Context, m Out) error
	// Recv returns the next message.
	Recv(ctx context.Context) (In, error)
	// Close ends the stream for both ends. It may be called more than once.
	Close()
}

// ServerStream is the server's end, AgentStream the agent's.
type (
	ServerStream = Stream[ToAgent, ToServer]
	AgentStream  = Stream[ToServer, ToAgent]
)

// pipeBuffer is how many messages may be under way in each direction of a Pipe.
const pipeBuffer = 64

// Pipe returns the two ends of a stream within one process.
func Pipe() (ServerStream, AgentStream) {
	down := make(chan ToAgent, pipeBuffer)
	up := make(chan ToServer, pipeBuffer)
	closed := &latch{ch: make(chan struct{})}
	return &pipeEnd[ToAgent, ToServer]{out: down, in: up, closed: closed},
		&pipeEnd[ToServer, ToAgent]{out: up, in: down, closed: closed}
}

type latch struct {
	once sync.Once
	ch   chan struct{}
}

type pipeEnd[Out, In any] struct {
	out    chan<- Out
	in     <-chan In
	closed *latch
}

func (p *pipeEnd[Out, In]) Send(ctx context.Context, m Out) error {
	select {
	case p.out <- m:
		return nil
	case <-p.closed.ch:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipeEnd[Out, In]) Recv(ctx context.Context) (m In, err error) {
	select {
	case m = <-p.in:
		return m, nil
	case <-p.closed.ch:
		return m, ErrClosed
	case <-ctx.Done():
		return m, context.Cause(ctx)
	}
}

func (p *pipeEnd[Out, In]) Close() { p.closed.once.Do(func() { close(p.closed.ch) }) }
