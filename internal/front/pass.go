package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

// exchange is a request on its way through the proxy.
type exchange struct {
	id     string
	cancel context.CancelFunc
	body   *incoming   // nil: none that is passed on
	sent   atomic.Bool // there was a connection to send it over
	broken error       // why Neutron's answer ended before its end; nil: it did not
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// newProxy makes the reverse proxy; its requests carry an exchange.
func (f *front) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			f.address(p.In, p.Out, exchangeOf(p.In.Context()).id)
			// What follows on the connection after a change of protocol is no HTTP that
			// could be told apart by path and headers.
			p.Out.Header.Del("Upgrade")
			p.Out.Header.Del("Connection")
			// Queries that Go cannot read are Neutron's to judge.
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			passTrailers(p)
		},
		Transport:      byMethod{f},
		FlushInterval:  -1,
		ErrorLog:       slog.NewLogLogger(f.Logger.Handler(), slog.LevelDebug),
		ModifyResponse: f.modify,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			f.fail(w, r, exchangeOf(r.Context()).id, f.judge(r, exchangeOf(r.Context()), err))
		},
	}
}

// unhurried gives a request and its answer the time that Neutron may take, in place
// of what the server has for one: it is each piece of a body that has a time.
func (f *front) unhurried(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, *incoming) {
	control := http.NewResponseController(w)
	bodiless := r.Body == nil || r.Body == http.NoBody
	out := &outgoing{w, control, f.Idle, !bodiless}
	if bodiless {
		// The server reads only to notice a client that leaves.
		_ = control.SetReadDeadline(time.Time{})
		return out, r, nil
	}
	body := &incoming{ReadCloser: r.Body, control: control, idle: f.Idle}
	r = r.WithContext(r.Context()) // a copy
	r.Body = body
	return out, r, body
}

// pass gives the request to Neutron and the answer to the client, as they come.
func (f *front) pass(w http.ResponseWriter, r *http.Request, id string) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	x := &exchange{id: id, cancel: cancel}
	w, r, x.body = f.unhurried(w, r)
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, exchangeKey{}, x), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) },
	})
	// The proxy panics in order to end the client's connection, too.
	defer func() {
		if x.broken != nil && r.Context().Err() == nil {
			f.warn(r, id, "Neutron's answer broke off", x.broken)
		}
	}()
	f.proxy.ServeHTTP(w, r.WithContext(ctx))
}

// modify makes an answer of Neutron's ours.
func (f *front) modify(resp *http.Response) error {
	x := exchangeOf(resp.Request.Context())
	identify(resp.Header, x.id)
	if resp.Body != nil && resp.Body != http.NoBody {
		resp.Body = &answering{ReadCloser: resp.Body, late: time.AfterFunc(f.Patience, x.cancel), patience: f.Patience, x: x}
	}
	return nil
}

// identify puts our id of a request into Neutron's answer.
func identify(answer http.Header, id string) {
	answer.Set("X-L2gw-Request-Id", id)
	if answer.Get("X-Openstack-Request-Id") == "" { // as where Neutron has no route
		answer.Set("X-Openstack-Request-Id", id)
	}
}

// judge says what a failure means to the client.
func (f *front) judge(r *http.Request, x *exchange, err error) error {
	var timeout net.Error
	what := errBroken
	switch {
	case x.body != nil && x.body.failed.Load():
		what = errUnread
	case !x.sent.Load():
		what = errDown
	case reads(r.Method):
		what = errDown
	case errors.As(err, &timeout) && timeout.Timeout():
		what = errLate
	}
	return &because{what, err}
}

// because is a refusal with what lies behind it, for the log.
type because struct {
	refusal *refusal
	cause   error
}

func (e *because) Error() string   { return e.refusal.message }
func (e *because) Unwrap() []error { return []error{e.refusal, e.cause} }

// incoming is the body of a request, with a time for each piece of it.
type incoming struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	failed  atomic.Bool // it could not be read to its end
}

func (b *incoming) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		// From here on the server reads in order to notice a client that leaves.
		_ = b.control.SetReadDeadline(time.Time{})
	case err != nil:
		b.failed.Store(true)
	}
	return n, err
}

// outgoing is the answer to the client, with a time for each piece of it.
type outgoing struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	body    bool // the client has one, or asks for leave to send it
}

func (w *outgoing) WriteHeader(status int) {
	if status == http.StatusContinue && w.body {
		return // the server says so when the body is read, which is now: twice would be wrong
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	w.ResponseWriter.WriteHeader(status)
}

func (w *outgoing) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	return w.ResponseWriter.Write(p)
}

func (w *outgoing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answering is the body of an answer of Neutron's, which must not stand still for
// longer than an answer may take.
type answering struct {
	io.ReadCloser
	late     *time.Timer
	patience time.Duration
	x        *exchange
}

func (b *answering) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.late.Reset(b.patience)
	if err != nil && err != io.EOF {
		b.x.broken = err
	}
	return n, err
}

func (b *answering) Close() error {
	b.late.Stop()
	return b.ReadCloser.Close()
}

// passTrailers gives the trailers of a request to the outgoing one when they are
// known, that is after the body.
func passTrailers(p *httputil.ProxyRequest) {
	for name := range p.Out.Trailer {
		if stripped(name) {
			delete(p.Out.Trailer, name)
		}
	}
	if len(p.Out.Trailer) == 0 || p.Out.Body == nil {
		p.Out.Trailer = nil
		return
	}
	p.Out.Body = &trailing{ReadCloser: p.Out.Body, from: p.In, to: p.Out.Trailer}
}

type trailing struct {
	io.ReadCloser
	from *http.Request
	to   http.Header
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range b.to {
			b.to[name] = b.from.Trailer[name]
		}
	}
	return n, err
}
