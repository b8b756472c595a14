package certs

import "errors"

var (
	// ErrExists is a file that is there already: nothing is overwritten.
	ErrExists = errors.New("it is there already and is not overwritten")
	// ErrNoAuthority is a folder without an authority that can be used.
	ErrNoAuthority = errors.New("no certificate authority")
	// ErrInvalid is a name or a duration that cannot be.
	ErrInvalid = errors.New("not valid")
)
