package ovsdb

import (
	"errors"
	"fmt"
)

// Sentinels for the "error" member of an operation's result (RFC 7047 §4.1.3,
// §5.2; ovsdb-server.7). An *Error matches them with errors.Is.
var (
	// ErrConstraintViolation: a type, range, size, index or uniqueness rule of the schema was broken.
	ErrConstraintViolation = errors.New("constraint violation")
	// ErrReferentialIntegrity: a strong reference would point to no row.
	ErrReferentialIntegrity = errors.New("referential integrity violation")
	// ErrNotOwner: an assert named a lock that this session does not hold.
	ErrNotOwner = errors.New("not owner")
	// ErrTimedOut: a wait's condition did not come true in time; with timeout 0, is not true now.
	ErrTimedOut = errors.New("timed out")
	// ErrAborted: the transaction had an abort operation.
	ErrAborted = errors.New("aborted")
	// ErrDuplicateUUIDName: two inserts of one transaction used the same uuid-name.
	ErrDuplicateUUIDName = errors.New("duplicate uuid-name")
	// ErrDuplicateUUID: an insert gave a uuid that a row has already.
	ErrDuplicateUUID = errors.New("duplicate uuid")
	// ErrDomain: a mutation has no result, such as a division by zero.
	ErrDomain = errors.New("domain error")
	// ErrRange: a mutation's result does not fit.
	ErrRange = errors.New("range error")
	// ErrResourcesExhausted: the server is out of memory or the like.
	ErrResourcesExhausted = errors.New("resources exhausted")
	// ErrIO: the server could not write its log.
	ErrIO = errors.New("I/O error")
	// ErrNotSupported: the server does not do this.
	ErrNotSupported = errors.New("not supported")
	// ErrSyntax: the server did not understand the operation.
	ErrSyntax = errors.New("syntax error")
	// ErrUnknownDatabase: the server has no database of that name (any more).
	ErrUnknownDatabase = errors.New("unknown database")
	// ErrUnknownTable: the schema has no table of that name.
	ErrUnknownTable = errors.New("unknown table")
	// ErrUnknownColumn: the table has no column of that name.
	ErrUnknownColumn = errors.New("unknown column")
	// ErrUnknownMethod: the server does not know the JSON-RPC method.
	ErrUnknownMethod = errors.New("unknown method")
	// ErrCanceled: the transaction was cancelled, as all are when a database is removed or converted.
	ErrCanceled = errors.New("canceled")
	// ErrNotAllowed: the database or its server is read-only.
	ErrNotAllowed = errors.New("not allowed")
	// ErrPermission: the server's role-based access control refused the write.
	ErrPermission = errors.New("permission error")
)

var sentinels = func() map[string]error {
	m := make(map[string]error)
	for _, e := range []error{
		ErrConstraintViolation, ErrReferentialIntegrity, ErrNotOwner, ErrTimedOut, ErrAborted, ErrDuplicateUUIDName,
		ErrDuplicateUUID, ErrDomain, ErrRange, ErrResourcesExhausted, ErrIO, ErrNotSupported, ErrSyntax, ErrUnknownDatabase,
		ErrUnknownTable, ErrUnknownColumn, ErrUnknownMethod, ErrCanceled, ErrNotAllowed, ErrPermission,
	} {
		m[e.Error()] = e
	}
	return m
}()

// Error is the error object of a JSON-RPC answer or of one operation's result.
type Error struct {
	Code    string // the "error" member, such as "constraint violation"
	Details string // the "details" member: prose for people, or ""
	Syntax  string // the "syntax" member: the JSON that was not understood, or ""
}

// Error returns code and details.
func (e *Error) Error() string {
	if e.Details == "" {
		return e.Code
	}
	return e.Code + ": " + e.Details
}

// Is reports whether target is the sentinel of e's code.
func (e *Error) Is(target error) bool { return sentinels[e.Code] == target && target != nil }

// TransactError says which operation of a transaction failed.
type TransactError struct {
	// Index is the position of the operation; the number of operations if the
	// failure came at the commit, when all of them had been carried out.
	Index int
	// AtCommit tells that no single operation is to blame.
	AtCommit bool
	// Op is the kind and table of the operation, or "commit".
	Op string
	// Err is the server's error.
	Err *Error
}

// Error names the operation and the reason.
func (e *TransactError) Error() string {
	if e.AtCommit {
		return "transaction failed at commit: " + e.Err.Error()
	}
	return fmt.Sprintf("operation %d (%s) failed: %s", e.Index, e.Op, e.Err.Error())
}

// Unwrap returns the server's error.
func (e *TransactError) Unwrap() error { return e.Err }

// OpResult is the answer to one operation that succeeded (RFC 7047 §5.2).
type OpResult struct {
	UUID  UUID  // insert: the new row
	Count int64 // update, mutate, delete: the number of rows found
	Rows  []map[string]Value
}

// What a session can end with, or a call fail with when it has no session.
// Errors returned wrap these.
var (
	// ErrNotConnected: there is no session that is in sync; nothing was sent.
	ErrNotConnected = errors.New("not connected")
	// ErrConnectionLost: the session ended before the answer came. Whether the
	// server carried out the request is not known.
	ErrConnectionLost = errors.New("connection lost")
	// ErrInactive: the peer did not answer the inactivity probe.
	ErrInactive = errors.New("the peer does not answer")
	// ErrProtocol: the peer sent what JSON-RPC or OVSDB do not allow.
	ErrProtocol = errors.New("protocol error")
	// ErrMessageTooLarge: a message of the peer exceeds ConnOptions.MaxMessage.
	ErrMessageTooLarge = errors.New("message too large")
	// ErrClosed: the session was closed on this side.
	ErrClosed = errors.New("closed")
)

var (
	errUnknownRow = errors.New("the update changes a row that the cache does not have")
	errKnownRow   = errors.New("the update adds a row that the cache has already")
)
