package fabric

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	pb "l2gw/internal/fabric/fabricpb"
)

const (
	// recheckInterval is how often a peer is looked at again, so that who is taken
	// off the list does not stay for as long as its stream.
	recheckInterval = 10 * time.Second
	// lastWord is how long a server waits for its last word to an agent to go out.
	lastWord = 2 * time.Second
)

// HandlerOptions are those of a server.
type HandlerOptions struct {
	// Serve serves one agent until it returns or the stream ends. What it returns
	// is logged, and a *RefusedError reaches the agent. ctx ends with the stream.
	Serve func(ctx context.Context, stream ServerStream, peer Peer) error
	// Authenticate says who the peer is, such as [Agents.Authenticate]. Its error
	// reaches the agent as a *RefusedError. It is asked again every Recheck; a
	// peer that is refused then, or has become another, loses its stream.
	Authenticate func(*http.Request) (Peer, error)
	Recheck      time.Duration // 0: 10 s
	Logger       *slog.Logger  // nil: slog.Default()
}

// NewHandler returns what serves agents, and the path where it must be. HTTP/2
// is needed: see [NewServer]. When the http.Server shuts down, all streams end.
// Whoever wraps the http.ResponseWriter on the way must give it an Unwrap
// (http.ResponseController), without which a stream cannot be closed from here.
func NewHandler(o HandlerOptions) (path string, h http.Handler) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Recheck == 0 {
		o.Recheck = recheckInterval
	}
	t := &handler{
		HandlerOptions: o, refusal: connect.NewErrorWriter(),
		refused: newSeldom(), servers: map[*http.Server]chan struct{}{},
	}
	path, t.sessions = pb.NewFabricHandler(t, connect.WithCodec(wireCodec{}), connect.WithReadMaxBytes(maxFrame),
		connect.WithCompression("gzip", nil, nil)) // MACs do not get smaller by it
	return path, t
}

type handler struct {
	HandlerOptions
	sessions http.Handler
	refusal  *connect.ErrorWriter
	refused  *seldom

	mu      sync.Mutex
	servers map[*http.Server]chan struct{} // closed when the server shuts down
}

// admission is what a session needs to know of its request.
type admission struct {
	peer     Peer
	request  *http.Request
	response *http.ResponseController
}

type admissionKey struct{}

// ServeHTTP lets in or refuses.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, err := h.Authenticate(r)
	if err != nil {
		if h.refused.allow(hostOf(r.RemoteAddr) + err.Error()) {
			h.Logger.Warn("an agent is refused", "address", r.RemoteAddr, "error", err)
		}
		if h.refusal.IsSupported(r) {
			_ = h.refusal.Write(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New(reasonOf(err))))
		} else {
			http.Error(w, reasonOf(err), http.StatusUnauthorized)
		}
		return
	}
	if peer.Address == "" {
		peer.Address = r.RemoteAddr
	}
	a := &admission{peer: peer, request: r, response: http.NewResponseController(w)}
	h.sessions.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), admissionKey{}, a)))
}

// Session implements the service of fabric.proto.
func (h *handler) Session(ctx context.Context, stream *connect.BidiStream[pb.FromAgent, pb.FromServer]) error {
	a := ctx.Value(admissionKey{}).(*admission)
	if err := stream.Send(&pb.FromServer{Message: &pb.FromServer_Opened{Opened: &pb.Opened{}}}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	past := time.Unix(1, 0)
	w := newWire(serverDialect, stream, func(now bool) {
		// Errors would mean that the server cannot do it, which HTTP/2 can.
		_ = a.response.SetReadDeadline(past)
		if now {
			_ = a.response.SetWriteDeadline(past)
		} else {
			_ = a.response.SetWriteDeadline(time.Now().Add(lastWord))
		}
	}, func(err error) error { return lost(err, "the agent") })

	var watch sync.WaitGroup
	watch.Go(func() { h.watch(ctx, cancel, a, w) })
	defer func() {
		w.end(false)
		w.wait()
		cancel(nil)
		watch.Wait()
	}()
	err := h.Serve(ctx, w, a.peer)
	if refused, ok := errors.AsType[*RefusedError](context.Cause(ctx)); ok {
		err = refused
	}
	switch refused, ok := errors.AsType[*RefusedError](err); {
	case ok:
		if h.refused.allow(hostOf(a.peer.Address) + a.peer.Agent + err.Error()) {
			h.Logger.Warn("an agent is refused", "agent", a.peer.Agent, "address", a.peer.Address, "error", err)
		}
		return connect.NewError(connect.CodePermissionDenied, errors.New(refused.Reason))
	case errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLarge):
		h.Logger.Warn("an agent's stream has ended", "agent", a.peer.Agent, "address", a.peer.Address, "error", err)
		return connect.NewError(connect.CodeInvalidArgument, err)
	case err == nil || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled):
		h.Logger.Debug("an agent's stream has ended", "agent", a.peer.Agent, "address", a.peer.Address, "error", err)
		return nil
	}
	h.Logger.Warn("an agent's stream has ended", "agent", a.peer.Agent, "address", a.peer.Address, "error", err)
	return connect.NewError(connect.CodeUnavailable, errors.New("the server has ended the stream"))
}

// watch ends a session when its server shuts down, when the peer is not let in
// any more, or when the connection has gone.
func (h *handler) watch(ctx context.Context, cancel context.CancelCauseFunc, a *admission, w ServerStream) {
	defer w.Close()
	down := h.shutdown(ctx)
	again := time.NewTicker(h.Recheck)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-down:
			cancel(ErrClosed)
			return
		case <-again.C:
			peer, err := h.Authenticate(a.request)
			switch {
			case err != nil:
				cancel(&RefusedError{Reason: reasonOf(err)})
				return
			case peer.Agent != a.peer.Agent || !slices.Equal(peer.Databases, a.peer.Databases) || (peer.Databases == nil) != (a.peer.Databases == nil):
				cancel(errRightsChanged)
				return
			}
		}
	}
}

var errRightsChanged = errors.New("what the agent may do has changed: it must come again")

// shutdown returns what is closed when the request's server shuts down.
func (h *handler) shutdown(ctx context.Context) <-chan struct{} {
	server, ok := ctx.Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	down := h.servers[server]
	if down == nil {
		down = make(chan struct{})
		h.servers[server] = down
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(down) }))
	}
	return down
}

// reasonOf is what a peer is told.
func reasonOf(err error) string {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Reason
	}
	return err.Error()
}

// lost is why a stream ended at this end, without any fault of it.
func lost(err error, peer string) error {
	if errors.Is(err, io.EOF) || connect.CodeOf(err) == connect.CodeCanceled {
		return ErrClosed
	}
	return &lostError{peer: peer, err: err}
}

// lostError is an ErrClosed that says what happened.
type lostError struct {
	peer string
	err  error
}

func (e *lostError) Error() string {
	return "the stream from " + e.peer + " has ended: " + e.err.Error()
}
func (e *lostError) Unwrap() error        { return e.err }
func (e *lostError) Is(target error) bool { return target == ErrClosed }
