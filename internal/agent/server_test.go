package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"l2gw"
	"l2gw/internal/fabric"
	"l2gw/test/product"
)

// server is the test in a server's place.
type server struct {
	*testing.T
	name    string
	away    atomic.Bool // it cannot be reached
	deaf    atomic.Bool // it does not listen
	mute    atomic.Bool // it answers no beats
	dialled atomic.Int32
	heard   chan fabric.ToServer
	arrived chan struct{}

	ctx     context.Context
	serving sync.WaitGroup

	mu      sync.Mutex
	stream  fabric.ServerStream // the newest
	hello   fabric.Hello
	welcome fabric.Welcome
}

func newServer(t *testing.T, name string) *server {
	s := &server{T: t, name: name, heard: make(chan fabric.ToServer, 1<<16), arrived: make(chan struct{}, 1024)}
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	s.welcome = fabric.Welcome{Protocol: fabric.ProtocolVersion, Server: name}
	t.Cleanup(func() {
		cancel()
		s.serving.Wait()
	})
	return s
}

// lead makes it the controller, now and for whoever comes.
func (s *server) lead(epoch uint64) *server {
	s.mu.Lock()
	s.welcome.Controller, s.welcome.Epoch = epoch > 0, epoch
	stream, w := s.stream, s.welcome
	s.mu.Unlock()
	if stream != nil {
		_ = stream.Send(s.ctx, w)
	}
	return s
}

func (s *server) dial() Server {
	return Server{Name: s.name, Dial: func(context.Context) (fabric.AgentStream, error) {
		s.dialled.Add(1)
		if s.away.Load() {
			return nil, errors.New("the server is away")
		}
		up, down := fabric.Pipe()
		s.serving.Go(func() { s.serve(up) })
		return down, nil
	}}
}

func (s *server) serve(stream fabric.ServerStream) {
	for {
		for s.deaf.Load() && s.ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		m, err := stream.Recv(s.ctx)
		if err != nil {
			stream.Close()
			return
		}
		switch m := m.(type) {
		case fabric.Hello:
			s.mu.Lock()
			s.stream, s.hello = stream, m
			w := s.welcome
			s.mu.Unlock()
			_ = stream.Send(s.ctx, w)
			s.arrived <- struct{}{}
		case fabric.Beat:
			s.mu.Lock()
			w := s.welcome
			s.mu.Unlock()
			if !s.mute.Load() {
				_ = stream.Send(s.ctx, fabric.Renewal{Beat: m.Sequence, Epoch: w.Epoch, Leased: w.Controller})
			}
			continue
		}
		s.heard <- m
	}
}

// agent waits until an agent has come, and returns its Hello.
func (s *server) agent() fabric.Hello {
	s.Helper()
	select {
	case <-s.arrived:
	case <-time.After(product.Patience):
		s.Fatalf("waited %v for an agent", product.Patience)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hello
}

func (s *server) cutStream() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream.Close()
}

func (s *server) tell(messages ...fabric.ToAgent) {
	s.Helper()
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	for _, m := range messages {
		if err := stream.Send(s.ctx, m); err != nil {
			s.Fatal(err)
		}
	}
}

// grant lets the agent write.
func (s *server) grant(epoch, counter uint64) {
	s.Helper()
	s.tell(fabric.Grant{Database: "tor", Version: l2gw.Version{Epoch: epoch, Counter: counter}, Term: time.Hour})
}

// wait waits for a message that fits.
func wait[M fabric.ToServer](s *server, what string, fits func(M) bool) M {
	s.Helper()
	deadline := time.After(product.Patience)
	for {
		select {
		case m := <-s.heard:
			if x, ok := m.(M); ok && fits(x) {
				return x
			}
		case <-deadline:
			s.Fatalf("waited %v for %s", product.Patience, what)
		}
	}
}

func active(m fabric.Applied) bool {
	return len(m.Bindings) > 0 && m.Bindings[0].Status == l2gw.StatusActive
}

func observed(text string) func(fabric.Observed) bool {
	return func(m fabric.Observed) bool { return strings.Contains(m.State.Error, text) }
}
