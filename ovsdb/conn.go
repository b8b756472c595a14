package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// ConnOptions are the settings of one session. The zero value is fit for use.
type ConnOptions struct {
	// Probe is how long the peer may be silent before it is sent an echo; after
	// as long again without a byte the session ends with ErrInactive. 0 is 5 s,
	// negative is never.
	Probe time.Duration
	// MaxMessage bounds a message of the peer, in bytes; 0 is 1 GiB. A monitor's
	// contents are read row by row, so that a large message costs no more memory
	// than the rows in it.
	MaxMessage int64
	// OnNotification gets the notifications that the session does not use
	// itself, in the order of their arrival. The session reads on when it
	// returns. params is only valid until then.
	OnNotification func(method string, params jsontext.Value)
	// OnLock gets the changes of locks in their order, under the same rule.
	OnLock func(LockEvent)
	// Logger gets what does not end the session but is odd; nil is silence.
	Logger *slog.Logger
}

const (
	defaultProbe      = 5 * time.Second
	defaultMaxMessage = 1 << 30
	// maxQueued is how much may wait to be written before senders wait.
	maxQueued = 4 << 20
	// maxAnswers is how much the peer may make us queue in answer to its echoes,
	// which never wait, before it is cut off for not reading them.
	maxAnswers = 4 * maxQueued
)

// Conn is one JSON-RPC session with an OVSDB server (RFC 7047 §4). Its methods
// may be called by any number of goroutines. Requests are sent in the order of
// the calls and may all be under way at once.
type Conn struct {
	// Immutable after NewConn.
	nc     net.Conn
	opts   ConnOptions
	log    *slog.Logger
	closed chan struct{} // closed when the session has ended
	ended  chan struct{} // closed when its goroutines are gone, too
	wake   chan struct{} // there is something to write
	room   *sync.Cond    // on mu: there is less to write

	received atomic.Int64 // bytes, all in all
	patience atomic.Int64 // calls under way for which the server may be silent longer

	mu      sync.Mutex
	err     error // why the session ended, or nil
	nextID  uint64
	calls   map[uint64]*call
	out     []byte
	answers int // how much of out the peer asked for
	schemas map[string]*Schema
	locks   map[string]*lockState

	streams atomic.Pointer[map[string]streamFunc] // notifications that are read from the token stream
}

// streamFunc reads exactly one value.
type streamFunc func(*jsontext.Decoder) error

// call is a request that has no answer yet.
type call struct {
	done   chan struct{} // closed when result and err are set
	result jsontext.Value
	err    error
	// Both run in the reader, in the order of arrival.
	stream streamFunc                  // or nil: reads "result" from the token stream
	then   func(jsontext.Value, error) // or nil: before done is closed
}

// NewConn starts a session over nc, which belongs to it from then on.
func NewConn(nc net.Conn, opts ConnOptions) *Conn {
	if opts.Probe == 0 {
		opts.Probe = defaultProbe
	}
	if opts.MaxMessage == 0 {
		opts.MaxMessage = defaultMaxMessage
	}
	c := &Conn{
		nc: nc, opts: opts, log: opts.Logger,
		closed: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		calls: make(map[uint64]*call), schemas: make(map[string]*Schema), locks: make(map[string]*lockState),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.room = sync.NewCond(&c.mu)
	var wg sync.WaitGroup
	wg.Go(c.read)
	wg.Go(c.write)
	if opts.Probe > 0 {
		wg.Go(c.probe)
	}
	go func() {
		wg.Wait()
		close(c.ended)
	}()
	return c
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Done is closed when the session has ended.
func (c *Conn) Done() <-chan struct{} { return c.closed }

// Err says why the session has ended; nil while it stands.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session and waits until none of its goroutines is left. It
// must not be called from OnNotification or OnLock.
func (c *Conn) Close() error {
	c.end(ErrClosed)
	<-c.ended
	return nil
}

// end ends the session for the given reason; the first one counts.
func (c *Conn) end(reason error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = reason
	calls := c.calls
	c.calls = nil
	close(c.closed)
	c.room.Broadcast()
	c.mu.Unlock()
	_ = c.nc.Close()
	for _, call := range calls {
		call.err = lost(reason)
		close(call.done)
	}
}

func lost(reason error) error { return fmt.Errorf("%w: %w", ErrConnectionLost, reason) }

// Call sends a request and waits for its answer. An error object in the answer
// is returned as *Error; result, if not nil, is filled by encoding/json. When
// ctx ends first the session goes on, and the answer is dropped when it comes.
func (c *Conn) Call(ctx context.Context, method string, params, result any) error {
	text, err := marshalParams(method, params)
	if err != nil {
		return err
	}
	raw, err := c.callRaw(ctx, method, text)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("%s: result: %w", method, err)
	}
	return nil
}

// marshalParams writes parameters, nil as none.
func marshalParams(method string, params any) ([]byte, error) {
	text, err := json.Marshal(params)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: parameters: %w", method, err)
	case string(text) == "null":
		return []byte("[]"), nil
	}
	return text, nil
}

func (c *Conn) callRaw(ctx context.Context, method string, params []byte) (jsontext.Value, error) {
	call := &call{}
	id, err := c.send(ctx, call, method, func(b []byte) []byte { return append(b, params...) })
	if err != nil {
		return nil, err
	}
	return c.wait(ctx, id, call)
}

// wait returns the answer to a call.
func (c *Conn) wait(ctx context.Context, id uint64, call *call) (jsontext.Value, error) {
	select {
	case <-call.done:
		return call.result, call.err
	case <-ctx.Done():
	}
	c.forget(id, call)
	select {
	case <-call.done: // it came just now
		return call.result, call.err
	default:
		return nil, ctx.Err()
	}
}

// forget stops waiting for the answer to a call.
func (c *Conn) forget(id uint64, call *call) {
	if call.then != nil || call.stream != nil {
		return // the session's own state depends on the answer
	}
	c.mu.Lock()
	delete(c.calls, id)
	c.mu.Unlock()
}

// send queues a request. It waits while too much is queued already.
func (c *Conn) send(ctx context.Context, call *call, method string, params func([]byte) []byte) (uint64, error) {
	call.done = make(chan struct{})
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	if len(c.out) > maxQueued && c.err == nil {
		stop := context.AfterFunc(ctx, func() { c.mu.Lock(); c.room.Broadcast(); c.mu.Unlock() })
		for len(c.out) > maxQueued && c.err == nil && ctx.Err() == nil {
			c.room.Wait()
		}
		stop()
	}
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotConnected, c.err)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.nextID++
	id := c.nextID
	c.calls[id] = call
	c.out = append(c.out, `{"id":`...)
	c.out = strconv.AppendUint(c.out, id, 10)
	c.out = append(c.out, `,"method":`...)
	c.out = appendString(c.out, method)
	c.out = append(c.out, `,"params":`...)
	c.out = append(params(c.out), '}')
	c.wakeWriter()
	return id, nil
}

func (c *Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Notify queues a notification: a message that has no answer. It does not wait
// for room, and fails while very much is queued.
func (c *Conn) Notify(method string, params any) error {
	text, err := marshalParams(method, params)
	if err != nil {
		return err
	}
	b := append([]byte(`{"id":null,"method":`), appendString(nil, method)...)
	b = append(append(append(b, `,"params":`...), text...), '}')
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > maxQueued+maxAnswers {
		return fmt.Errorf("%s: %d bytes are queued and not read by the peer", method, len(c.out))
	}
	return c.enqueue(b)
}

// answer queues an answer to the peer.
func (c *Conn) answer(message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers += len(message); c.answers > maxAnswers {
		return fmt.Errorf("%w: it keeps asking without reading our answers", ErrInactive)
	}
	return c.enqueue(message)
}

// enqueue queues a message without ever waiting; mu is held.
func (c *Conn) enqueue(message []byte) error {
	if c.err != nil {
		return fmt.Errorf("%w: %w", ErrNotConnected, c.err)
	}
	c.out = append(c.out, message...)
	c.wakeWriter()
	return nil
}

// write sends what is queued, as much at a time as there is.
func (c *Conn) write() {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.closed:
			return
		}
		for {
			c.mu.Lock()
			out := c.out
			c.out, c.answers = spare[:0], 0
			c.room.Broadcast()
			c.mu.Unlock()
			if len(out) == 0 {
				spare = out
				break
			}
			if _, err := c.nc.Write(out); err != nil {
				// What the peer said before it went says more, such as that it
				// refuses our certificate: leave the reader some time to come to it.
				last := time.NewTimer(time.Second)
				select {
				case <-last.C:
				case <-c.closed:
				}
				last.Stop()
				c.end(fmt.Errorf("write: %w", err))
				return
			}
			if spare = out[:0]; cap(spare) > maxQueued {
				spare = nil
			}
		}
	}
}

// longProbes is how many times longer the server may be silent while it makes
// up a large answer; it is single-threaded and answers no echo meanwhile.
const longProbes = 24

// probe ends a session whose peer is silent.
func (c *Conn) probe() {
	tick := time.NewTimer(c.opts.Probe)
	defer tick.Stop()
	var seen int64
	silent := 0
	for {
		select {
		case <-tick.C:
		case <-c.closed:
			return
		}
		tick.Reset(c.opts.Probe)
		if now := c.received.Load(); now != seen {
			seen, silent = now, 0
			continue
		}
		silent++
		switch {
		case silent == 1:
			c.mu.Lock()
			_ = c.enqueue([]byte(`{"id":"echo","method":"echo","params":[]}`)) // fails only when the session has ended
			c.mu.Unlock()
		case silent > longProbes, silent > 1 && c.patience.Load() == 0:
			c.end(fmt.Errorf("%w: nothing was received for %s", ErrInactive, time.Duration(silent)*c.opts.Probe))
			return
		}
	}
}

// Echo waits for the peer's answer to an echo request (RFC 7047 §4.1.11).
func (c *Conn) Echo(ctx context.Context) error { return c.Call(ctx, "echo", []string{}, nil) }

// ListDatabases returns the names of the server's databases.
func (c *Conn) ListDatabases(ctx context.Context) (names []string, err error) {
	err = c.Call(ctx, "list_dbs", []string{}, &names)
	return names, err
}

// GetSchema asks for a database's schema. The session keeps it, to read the
// rows that a Select of that database returns.
func (c *Conn) GetSchema(ctx context.Context, database string) (*Schema, error) {
	raw, err := c.callRaw(ctx, "get_schema", append(append([]byte{'['}, appendString(nil, database)...), ']'))
	if err != nil {
		return nil, err
	}
	s, err := ParseSchema(raw)
	if err != nil {
		return nil, errors.Join(ErrProtocol, err)
	}
	c.mu.Lock()
	c.schemas[database] = s
	c.mu.Unlock()
	return s, nil
}
