// Package disk runs a server with SQLite on a disk that fills up, becomes
// read-only, loses the file or has another one put in its place. It asks that the
// API says 503 and never 500, that what can be read is read, that the log tells the
// reason without a flood of lines, that /readyz tells it as well, and that the
// server goes on by itself when the disk is right again.
//
// The disk is a small tmpfs in a mount namespace of the server's own, which goes
// with its process.
package disk
