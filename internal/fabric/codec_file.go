package fabric

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// WriteMessages writes messages one after the other, each with its length
// (a varint) before it. [ReadMessages] reads them.
func WriteMessages(w io.Writer, messages iter.Seq[ToAgent]) error {
	var length [binary.MaxVarintLen64]byte
	for m := range messages {
		b, err := MarshalToAgent(m)
		if err != nil {
			return err
		}
		if len(b) > MaxMessage {
			return fmt.Errorf("%T: %w", m, ErrTooLarge)
		}
		if _, err := w.Write(length[:binary.PutUvarint(length[:], uint64(len(b)))]); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// ReadMessages reads what [WriteMessages] wrote, to the end of r. It passes over
// messages of unknown kinds. After an error it ends; that is io.ErrUnexpectedEOF
// if r ends within a message, or one of ErrMalformed and ErrTooLarge.
func ReadMessages(r io.Reader) iter.Seq2[ToAgent, error] {
	return func(yield func(ToAgent, error) bool) {
		in := bufio.NewReader(r)
		for {
			length, err := binary.ReadUvarint(in)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err == nil && length > MaxMessage:
				err = ErrTooLarge
			}
			var b []byte
			if err == nil {
				// Not by length alone, which may be anything in a file that is broken.
				b, err = io.ReadAll(io.LimitReader(in, int64(length)))
			}
			if err == nil && uint64(len(b)) < length {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				yield(nil, err)
				return
			}
			m, err := UnmarshalToAgent(b)
			if errors.Is(err, ErrUnknownMessage) {
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}
