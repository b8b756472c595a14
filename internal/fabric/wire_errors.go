package fabric

import (
	"errors"
	"fmt"
)

var (
	// ErrUnknownMessage is a message of a kind that this program does not know: a
	// newer one sent it. It is to be passed over.
	ErrUnknownMessage = errors.New("a message of an unknown kind")
	// ErrMalformed is bytes that are no message, or one with a value that cannot be.
	ErrMalformed = errors.New("a malformed message")
	// ErrTooLarge is a message above [MaxMessage].
	ErrTooLarge = fmt.Errorf("a message above the limit of %d MiB", MaxMessage>>20)
)

// RefusedError says that a server does not let an agent in, or not any more:
// trying again helps only once somebody has changed something.
type RefusedError struct {
	// Reason is who the agent is to the server and what would let it in. It has no secrets.
	Reason string
}

func (e *RefusedError) Error() string { return "refused: " + e.Reason }
