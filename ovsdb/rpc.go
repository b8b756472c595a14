package ovsdb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// boundedReader counts what is read, and ends a message that is too long. The
// decoder reads on only when what it holds is not enough for the message that
// it is in; so all that was read after that message's beginning belongs to it.
type boundedReader struct {
	in    io.Reader
	count func(int) // or nil
	total int64     // bytes read
	begin int64     // where the present message begins
	max   int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if r.total-r.begin > r.max {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrMessageTooLarge, r.max)
	}
	n, err := r.in.Read(p)
	r.total += int64(n)
	if n > 0 && r.count != nil {
		r.count(n)
	}
	return n, err
}

// read is the session's reader: it takes in one message after the other.
func (c *Conn) read() {
	in := &boundedReader{in: bufio.NewReaderSize(c.nc, 64<<10), count: func(n int) { c.received.Add(int64(n)) }, max: c.opts.MaxMessage}
	d := newDecoder(in)
	for {
		in.begin = d.InputOffset()
		if err := c.readMessage(d); err != nil {
			c.end(c.readError(d, err))
			return
		}
	}
}

// readError says what went wrong, and where in the peer's stream.
func (c *Conn) readError(d *jsontext.Decoder, err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, ErrMessageTooLarge), errors.Is(err, ErrInactive):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the peer closed the connection within a message")
	case errors.Is(err, io.EOF):
		return errors.New("the peer closed the connection")
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	case errors.Is(err, ErrProtocol):
		return fmt.Errorf("%w (near byte %d of the session)", err, d.InputOffset())
	}
	return fmt.Errorf("read: %w", err)
}

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrProtocol, fmt.Errorf(format, args...))
}

// message is what was read of one so far. The order of the members is the
// peer's choice; when the big one comes after its name it is streamed, otherwise
// it is held.
type message struct {
	method   string
	id       []byte // its text
	params   jsontext.Value
	result   jsontext.Value
	err      jsontext.Value
	call     *call // whose answer this is, once the id is known
	callID   uint64
	streamed bool // params or result are consumed
}

func (c *Conn) readMessage(d *jsontext.Decoder) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return protocolError("a message is a JSON object, this is a %s", tok.Kind())
	}
	var m message
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		switch string(name) {
		case `"method"`:
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			var ok bool
			if m.method, ok = (&cursor{b: v}).str(); !ok {
				return protocolError("method: %s is no string", excerpt(v))
			}
		case `"id"`:
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			m.id = bytes.Clone(v)
			m.callID, m.call = c.callOf(m.id)
		case `"params"`:
			if err := c.readParams(d, &m); err != nil {
				return err
			}
		case `"result"`:
			if m.call != nil && m.call.stream != nil && m.method == "" {
				m.streamed = true
				if err := streamed(d, m.call.stream); err != nil {
					return err
				}
				continue
			}
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			m.result = v.Clone()
		case `"error"`:
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			if v.Kind() != 'n' {
				m.err = v.Clone()
			}
		default:
			if err := d.SkipValue(); err != nil {
				return err
			}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	return c.dispatch(&m)
}

func (c *Conn) readParams(d *jsontext.Decoder, m *message) error {
	if f := c.streamOf(m.method); f != nil {
		m.streamed = true
		return streamed(d, f)
	}
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	m.params = v.Clone()
	return nil
}

// streamed calls f and tells the errors of the stream from f's own.
func streamed(d *jsontext.Decoder, f streamFunc) error {
	err := f(d)
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil, errors.As(err, &syntax), errors.Is(err, ErrProtocol), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, ErrMessageTooLarge):
		return err
	}
	return fmt.Errorf("%w: %w", ErrProtocol, err)
}

// held runs f over a value that had to be held.
func held(v jsontext.Value, f streamFunc) error {
	return streamed(newDecoder(bytes.NewBuffer(v)), f)
}

// newDecoder does not look for members given twice, which takes a table of the
// names of each object, nor for bad UTF-8, which ovsdb-server refuses itself.
func newDecoder(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (c *Conn) streamOf(method string) streamFunc {
	if m := c.streams.Load(); m != nil && method != "" {
		return (*m)[method]
	}
	return nil
}

// callOf finds the call that a message's id belongs to, if it is one of ours.
func (c *Conn) callOf(id []byte) (uint64, *call) {
	var n uint64
	if len(id) == 0 || len(id) > 18 {
		return 0, nil
	}
	for _, ch := range id {
		if ch < '0' || ch > '9' {
			return 0, nil
		}
		n = n*10 + uint64(ch-'0')
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return n, c.calls[n]
}

func (c *Conn) dispatch(m *message) error {
	switch {
	case m.method == "":
		return c.dispatchAnswer(m)
	case m.method == "echo":
		return c.answerEcho(m)
	case m.method == "locked" || m.method == "stolen":
		return c.lockNotified(m.method, m.params)
	case m.streamed:
		return nil
	}
	if f := c.streamOf(m.method); f != nil && m.params != nil {
		return held(m.params, f)
	}
	if len(m.id) > 0 && string(m.id) != "null" {
		// A server sends no requests but echo.
		b := append([]byte(`{"id":`), m.id...)
		return c.answer(append(b, `,"result":null,"error":"unknown method"}`...))
	}
	if c.opts.OnNotification != nil {
		c.opts.OnNotification(m.method, m.params)
	}
	return nil
}

func (c *Conn) answerEcho(m *message) error {
	params := m.params
	if params == nil {
		params = jsontext.Value("[]")
	}
	if m.id == nil {
		m.id = []byte("null")
	}
	b := append([]byte(`{"id":`), m.id...)
	b = append(append(b, `,"result":`...), params...)
	return c.answer(append(b, `,"error":null}`...))
}

func (c *Conn) dispatchAnswer(m *message) error {
	if m.id == nil {
		return protocolError("a message has neither method nor id")
	}
	call := m.call
	if call == nil {
		// The answer to a probe, or to a call that was given up.
		c.log.Debug("an answer that nobody waits for", "id", string(m.id))
		return nil
	}
	if m.err == nil && call.stream != nil && !m.streamed {
		if m.result == nil {
			return protocolError("the answer %s has neither result nor error", m.id)
		}
		if err := held(m.result, call.stream); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if c.calls[m.callID] != call { // given up, or the session ended, meanwhile
		c.mu.Unlock()
		return nil
	}
	delete(c.calls, m.callID)
	c.mu.Unlock()
	if call.result = m.result; m.err != nil {
		call.err = parseError(m.err)
	}
	if call.then != nil {
		call.then(call.result, call.err)
	}
	close(call.done)
	return nil
}

// parseError reads the error of an answer or an operation: a string, or an
// object with "error" and perhaps "details" and "syntax".
func parseError(text []byte) *Error {
	c := cursor{b: text}
	if s, ok := c.str(); ok {
		return &Error{Code: s}
	}
	c.i = 0
	var e Error
	if c.take('{') {
		for first := true; c.more('}', first); first = false {
			name, _ := c.str()
			c.take(':')
			switch name {
			case "error":
				e.Code, _ = c.str()
			case "details":
				e.Details, _ = c.str()
			case "syntax":
				e.Syntax, _ = c.str()
			default:
				c.skip()
			}
		}
	}
	if e.Code == "" {
		e.Code = "error"
		e.Details = excerpt(text)
	}
	return &e
}
