package fabric

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	pb "l2gw/internal/fabric/fabricpb"
)

// dialTime is for how long a server may keep an agent waiting until it is let in.
const dialTime = 10 * time.Second

// DialerOptions are those of an agent for one server.
type DialerOptions struct {
	Server string      // HOST:PORT
	TLS    *tls.Config // nil: plaintext
	// Token returns the token to show, read anew for each stream; nil for none.
	// Over plaintext it is shown to a server on loopback only.
	Token  func() (string, error)
	Logger *slog.Logger // nil: slog.Default()
}

// NewDialer returns a function that opens a stream to the server: each has a
// connection of its own. ctx bounds the opening alone, which takes 10 s at most;
// the stream then lasts until either end closes it. It is open once the server
// has let the agent in.
//
// Errors: *RefusedError, also for a certificate that the server does not take;
// anything else is worth another try.
func NewDialer(o DialerOptions) func(context.Context) (AgentStream, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return func(ctx context.Context) (AgentStream, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, dialTime, fmt.Errorf("no answer within %v", dialTime))
		defer cancel()
		s, err := o.dial(ctx)
		if err != nil {
			o.Logger.Debug("a server was dialled in vain", "server", o.Server, "error", err)
			return nil, fmt.Errorf("server %s: %w", o.Server, err)
		}
		return s, nil
	}
}

func (o DialerOptions) dial(ctx context.Context) (AgentStream, error) {
	var token string
	if o.Token != nil {
		var err error
		if token, err = o.Token(); err != nil {
			return nil, fmt.Errorf("the token: %w", err)
		}
	}
	line, err := o.connect(ctx, token != "")
	if err != nil {
		return nil, err
	}
	transport, url := line.transport()
	// The stream outlives the context of its opening.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	hangUp := func(bool) {
		end()
		line.Close()
		transport.CloseIdleConnections()
	}
	called := context.AfterFunc(ctx, func() { hangUp(true) })
	client := pb.NewFabricClient(&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, url+"://"+o.Server, connect.WithCodec(wireCodec{}), connect.WithReadMaxBytes(maxFrame), connect.WithAcceptCompression("gzip", nil, nil))
	stream := client.Session(life)
	if token != "" {
		stream.RequestHeader().Set("Authorization", "Bearer "+token)
	}
	if err = stream.Send(nil); err == nil {
		var first *pb.FromServer
		if first, err = stream.Receive(); err == nil && first.GetOpened() == nil {
			err = errors.New("it is no server of L2GW: it did not open the stream")
		}
	}
	if !called() {
		err = context.Cause(ctx)
	}
	if err != nil {
		hangUp(true)
		return nil, line.reason(err)
	}
	return newWire(agentDialect, stream, hangUp, func(err error) error {
		defer hangUp(true) // whatever it was, this connection is of no more use
		if refused := refusal(err); refused != nil {
			return refused
		}
		return lost(err, "server "+o.Server)
	}), nil
}

// refusal is the *RefusedError in what a server answered, or nil.
func refusal(err error) error {
	var e *connect.Error
	if errors.As(err, &e) && (e.Code() == connect.CodeUnauthenticated || e.Code() == connect.CodePermissionDenied) {
		return &RefusedError{Reason: e.Message()}
	}
	return nil
}

// line is the connection of one stream.
type line struct {
	net.Conn // what HTTP/2 speaks through: a *tls.Conn, or raw
	raw      *peekConn
	secured  *tls.Conn // or nil
}

// Close does not wait for a farewell that nobody may read.
func (l *line) Close() { l.raw.Close() }

// connect opens a line and, with TLS, waits until the server has made up its
// mind about our certificate. With TLS 1.3 that is after the handshake has ended
// on our side: whoever then goes on to write loses the alert that says what is wrong.
func (o DialerOptions) connect(ctx context.Context, token bool) (*line, error) {
	host, _, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, fmt.Errorf("it must look like server1:9698: %w", err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Server)
	if err != nil {
		return nil, err
	}
	raw := &peekConn{Conn: conn}
	if o.TLS == nil {
		if token && !loopback(conn.RemoteAddr().String()) {
			raw.Close()
			return nil, errors.New("a token is not shown over plaintext: use TLS")
		}
		return &line{Conn: raw, raw: raw}, nil
	}
	c := o.TLS.Clone()
	c.NextProtos = []string{"h2"}
	if c.ServerName == "" {
		c.ServerName = host
	}
	l := &line{raw: raw, secured: tls.Client(raw, c)}
	l.Conn = l.secured
	if err := l.secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, l.reason(err)
	}
	if p := l.secured.ConnectionState().NegotiatedProtocol; p != "h2" {
		raw.Close()
		return nil, errors.New("it does not speak HTTP/2 on this port")
	}
	raw.peek(ctx)
	return l, nil
}

// transport makes HTTP/2 speak through the line, and through nothing else.
func (l *line) transport() (*http.Transport, string) {
	taken := false
	dial := func(context.Context, string, string) (net.Conn, error) {
		if taken {
			return nil, net.ErrClosed
		}
		taken = true
		return l.Conn, nil
	}
	t := &http.Transport{
		Protocols: new(http.Protocols), DisableCompression: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20, MaxReceiveBufferPerConnection: 1 << 20},
	}
	if l.secured == nil {
		t.Protocols.SetUnencryptedHTTP2(true)
		t.DialContext = dial
		return t, "http"
	}
	t.Protocols.SetHTTP2(true)
	t.DialTLSContext = dial
	return t, "https"
}

// reason finds out why a line failed.
func (l *line) reason(err error) error {
	if refused := refusal(err); refused != nil {
		return refused
	}
	if l.secured != nil {
		// What TLS has to say about it comes first; the line is closed already.
		if _, told := l.secured.Read(make([]byte, 1)); isAlert(told) {
			err = told
		}
	}
	header, notTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isAlert(err):
		return &RefusedError{Reason: fmt.Sprintf("the server does not take our certificate: %v", err)}
	case notTLS && header.Msg != "":
		return fmt.Errorf("it does not speak TLS on this port: %w", err)
	case l.secured == nil && l.raw.silent() && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("it hung up on plaintext; if it speaks TLS on this port, give this agent a CA certificate: %w", err)
	}
	return err
}

// isAlert reports whether err is what the other end said of our part of the handshake.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// peekConn is a connection of which the beginning can be looked at.
type peekConn struct {
	net.Conn
	head  []byte // read and not yet given out
	spoke atomic.Bool
}

// peek waits for something to read, but not long: a server need not speak first.
func (c *peekConn) peek(ctx context.Context) {
	until := time.Now().Add(2 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	stop := context.AfterFunc(ctx, func() { c.Conn.Close() })
	defer stop()
	b := make([]byte, 4096)
	_ = c.Conn.SetReadDeadline(until)
	n, _ := c.Conn.Read(b) // an error comes again
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.head = b[:n]
}

// Read implements net.Conn.
func (c *peekConn) Read(b []byte) (n int, err error) {
	if len(c.head) > 0 {
		n = copy(b, c.head)
		c.head = c.head[n:]
	} else {
		n, err = c.Conn.Read(b)
	}
	// A frame's length has three bytes, of which the first of a SETTINGS is 0.
	if n > 0 && b[0] == 0 {
		c.spoke.Store(true)
	}
	return n, err
}

// silent reports whether the other end has not said a word of HTTP/2: a TLS
// server sends an alert, or nothing, to those who do not greet it in TLS.
func (c *peekConn) silent() bool { return !c.spoke.Load() }

// loopback reports whether HOST:PORT is on this machine.
func loopback(address string) bool {
	ip := net.ParseIP(hostOf(address))
	return ip != nil && ip.IsLoopback()
}
