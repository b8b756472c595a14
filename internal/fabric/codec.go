package fabric

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "l2gw/internal/fabric/fabricpb"
)

// MaxMessage is how many bytes one message may have, encoded. A segment of a
// million hosts with an IPv4 and an IPv6 address each has 26 MB.
const MaxMessage = 64 << 20

// MarshalToAgent returns a message as it goes over the wire (FromServer of
// fabric.proto). Texts that are not UTF-8 are made so: a switch may say anything.
func MarshalToAgent(m ToAgent) ([]byte, error) {
	p, err := encodeToAgent(m)
	if err != nil {
		return nil, err
	}
	return marshal(nil, p)
}

// UnmarshalToAgent is the reverse of [MarshalToAgent]. Nothing in the message
// refers to b. Errors: ErrUnknownMessage, ErrMalformed.
func UnmarshalToAgent(b []byte) (ToAgent, error) {
	p := new(pb.FromServer)
	if err := proto.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%w from the server: %w", ErrMalformed, err)
	}
	return decodeToAgent(p)
}

// MarshalToServer is [MarshalToAgent] for the other direction (FromAgent of fabric.proto).
func MarshalToServer(m ToServer) ([]byte, error) {
	p, err := encodeToServer(m)
	if err != nil {
		return nil, err
	}
	return marshal(nil, p)
}

// UnmarshalToServer is the reverse of [MarshalToServer]. Errors: ErrUnknownMessage, ErrMalformed.
func UnmarshalToServer(b []byte) (ToServer, error) {
	p := new(pb.FromAgent)
	if err := proto.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%w from the agent: %w", ErrMalformed, err)
	}
	return decodeToServer(p)
}

func marshal(b []byte, m proto.Message) ([]byte, error) {
	out, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err == nil {
		return out, nil
	}
	// The one thing that can be wrong with it is a text that is not UTF-8.
	m = proto.Clone(m) // which shares slices with its caller
	toUTF8(m.ProtoReflect())
	return proto.MarshalOptions{}.MarshalAppend(b, m)
}

// toUTF8 replaces in all texts of m what is not UTF-8.
func toUTF8(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		text := f.Kind() == protoreflect.StringKind
		switch {
		case f.IsList() && text:
			for i, l := 0, v.List(); i < l.Len(); i++ {
				l.Set(i, protoreflect.ValueOfString(strings.ToValidUTF8(l.Get(i).String(), "\uFFFD")))
			}
		case f.IsList() && f.Message() != nil:
			for i, l := 0, v.List(); i < l.Len(); i++ {
				toUTF8(l.Get(i).Message())
			}
		case text && !utf8.ValidString(v.String()):
			m.Set(f, protoreflect.ValueOfString(strings.ToValidUTF8(v.String(), "\uFFFD")))
		case f.Message() != nil:
			toUTF8(v.Message())
		}
		return true
	})
}
