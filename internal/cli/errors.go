package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Exit codes.
const (
	exitFailed = 1 // something was not done
	exitUsage  = 2 // the command line is wrong

	exitInterrupted = 130 // by the user; as shells have it, and the openstack client

	exitDiffers    = 1 // validate: a switch does not hold what it should
	exitNotChecked = 2 // validate: a switch could not be asked

	exitNotActive = 1 // status --exit-code: something is not ACTIVE
	exitNotKnown  = 2 // status --exit-code: nobody can tell
)

// errInterrupted is when the user does not wait for the end.
var errInterrupted = errors.New("interrupted")

// exitError ends the program with a code. Its message may be "": all is said.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...)}
}

// apiError is what the API said instead of doing something.
type apiError struct {
	status     int
	message    string
	requestID  string
	retryAfter time.Duration // 0: not said
}

func (e *apiError) Error() string {
	if e.requestID == "" {
		return e.message
	}
	return e.message + "\nNeutron server returns request_ids: ['" + e.requestID + "']"
}

func notFound(kind, name string) error {
	return fmt.Errorf("Unable to find %s with name or id '%s'", kind, name) //nolint:staticcheck // the openstack client's words
}

// ambiguous lists the ids that a name may mean.
func ambiguous(kind, name string, ids []string) error {
	return fmt.Errorf("Multiple %s matches found for name '%s', use an ID to be more specific:\n  %s", //nolint:staticcheck // the openstack client's words
		kind, name, strings.Join(ids, "\n  "))
}
