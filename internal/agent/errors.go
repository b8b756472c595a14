package agent

import (
	"errors"
	"fmt"

	"l2gw/internal/fabric"
)

var (
	// errSilent ends a stream on which the server says nothing, not even answers to beats.
	errSilent = fmt.Errorf("nothing was heard from the server for %v", fabric.Term)
	// errOtherDatabases ends a stream whose Hello named other databases than there are now.
	errOtherDatabases = errors.New("the databases have changed")
	// errStreamEnded ends what belongs to a stream that the other side closed.
	errStreamEnded = errors.New("the stream has ended")
	// errInterrupted ends a pass over a plan that may be out of date.
	errInterrupted = errors.New("there is something new to look at first")
)
