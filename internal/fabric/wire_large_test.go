package fabric

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	pb "l2gw/internal/fabric/fabricpb"
)

func TestLargeSegmentsArriveWhole(t *testing.T) {
	const large = 12
	want := Segment{"tor1", manyHosts(100_000, 500)}
	s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		sent := make(chan error, 1)
		go func() {
			for range large {
				if err := s.Send(ctx, want); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		if _, err := s.Recv(ctx); err != nil {
			return err
		}
		if err := s.Send(ctx, Renewal{Beat: 1}); err != nil {
			return err
		}
		return <-sent
	}}, nil)
	a := dial(t, DialerOptions{Server: s.address})
	if err := a.Send(t.Context(), Beat{Sequence: 1}); err != nil {
		t.Fatal(err)
	}
	segments, renewal := 0, -1
	for segments < large {
		switch m := recv(t, a).(type) {
		case Renewal:
			renewal = segments
		case Segment:
			segments++
			got := m.Segment
			if got.Digest() != want.Segment.Digest() || got.Version != want.Segment.Version || got.HostSum != got.SumHosts() {
				t.Fatalf("segment %d is another", segments)
			}
		}
	}
	if renewal < 0 || renewal == large {
		t.Errorf("the renewal came after %d segments of %d", renewal, large)
	}
}

// tap is a call of which each message that is sent can be looked at.
type tap struct {
	frames chan *pb.FromServer
	stop   chan struct{}
}

func (c *tap) Send(p *pb.FromServer) error {
	select {
	case c.frames <- p:
		return nil
	case <-c.stop:
		return io.EOF
	}
}

func (c *tap) Receive() (*pb.FromAgent, error) {
	<-c.stop
	return nil, io.EOF
}

func TestARenewalOvertakesWhatIsLarge(t *testing.T) {
	big := Segment{"tor1", manyHosts(100_000, 10)}
	synctest.Test(t, func(t *testing.T) {
		c := &tap{make(chan *pb.FromServer), make(chan struct{})}
		w := newWire(serverDialect, c, func(bool) { close(c.stop) }, func(err error) error { return err })
		defer w.wait()
		defer w.Close()
		go func() { _ = w.Send(t.Context(), big) }()
		first := (<-c.frames).GetPart()
		if first == nil || first.GetLast() || len(first.GetData()) > partSize {
			t.Fatalf("the first part has %d bytes and is the last: %v", len(first.GetData()), first.GetLast())
		}
		synctest.Wait() // the large one is under way
		go func() { _ = w.Send(t.Context(), Renewal{Beat: 1}) }()
		synctest.Wait()
		for {
			p := <-c.frames
			if p.GetRenewal() != nil {
				return
			}
			if p.GetPart().GetLast() {
				t.Fatal("the renewal waits for all of it")
			}
		}
	})
}

func TestPartsThatWereCutAreVoid(t *testing.T) {
	var a assembly
	part := func(i uint32, last bool, data string) string {
		b, err := a.add(&pb.Part{Index: i, Last: last, Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	part(0, false, "aa")
	part(0, false, "bb") // the sender gave the first message up
	if got := part(1, true, "cc"); got != "bbcc" {
		t.Errorf("the message is %q", got)
	}
	if got := part(1, true, "dd"); got != "" {
		t.Errorf("an end without a beginning is %q", got)
	}
	part(0, false, "ee")
	part(2, false, "ff")
	if got := part(3, true, "gg"); got != "" {
		t.Errorf("a message with a hole is %q", got)
	}
	part(0, false, "")
	a.data = make([]byte, MaxMessage)
	if _, err := a.add(&pb.Part{Index: 1, Data: []byte{1}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("parts beyond the limit: %v", err)
	}
}

func TestAMessageThatWasGivenUpDoesNotSpoilTheNext(t *testing.T) {
	big := Segment{"tor1", manyHosts(100_000, 500)}
	gaveUp := make(chan error, 1)
	s := serve(t, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		short, cancel := context.WithCancel(ctx)
		var err error
		stuck := make(chan struct{})
		go func() {
			defer close(stuck)
			for err == nil {
				err = s.Send(short, big)
			}
		}()
		if _, err := s.Recv(ctx); err != nil { // when it is stuck
			cancel()
			return err
		}
		cancel()
		<-stuck
		gaveUp <- err
		if err := s.Send(ctx, Segment{"tor2", big.Segment}); err != nil {
			return err
		}
		return echo(nil)(ctx, s, Peer{})
	}}, nil)
	a := dial(t, DialerOptions{Server: s.address})
	// Nothing is read until the server has given up.
	if err := a.Send(t.Context(), Beat{}); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t, "the end of Send", gaveUp); !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v", err)
	}
	for {
		if m := recv(t, a).(Segment); m.Database == "tor2" {
			if m.Segment.HostSum != big.Segment.HostSum {
				t.Error("the next message is not what was sent")
			}
			return
		}
	}
}

func BenchmarkSend100000Hosts(b *testing.B) {
	dir := authority(b, "server", "rack7")
	m := Segment{"tor1", manyHosts(100_000, 1000)}
	next := make(chan struct{})
	s := serve(b, HandlerOptions{Serve: func(ctx context.Context, s ServerStream, _ Peer) error {
		for {
			select {
			case <-next:
			case <-ctx.Done():
				return nil
			}
			if err := s.Send(ctx, m); err != nil {
				return err
			}
		}
	}}, serverTLS(b, dir, false))
	a := dial(b, DialerOptions{Server: s.address, TLS: clientTLS(b, dir, "rack7")})
	for b.Loop() {
		next <- struct{}{}
		if _, err := a.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	encoded, err := MarshalToAgent(m)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "hosts/s")
	b.ReportMetric(float64(len(encoded))/100_000, "B/host")
}
