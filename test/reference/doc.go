// Package reference replays what networking-l2gw 19.0.0 on Neutron 21 was asked, and
// compares the answers: the same status, error type and message, and the same
// objects, or a difference that the contract allows (differences_test.go names the
// sentence of testdata/contract.md for each).
//
// The transcripts in testdata are what a client and that server said to each other,
// request by request: "> " from the client, "< " from the server, then the body.
package reference
